"""Malicious texts can't add elements or attributes to pages and figures."""

import re
from html.parser import HTMLParser

import pytest
import spacy
from spacy import displacy

from spacy_jre.cli.show import show_predictions
from spacy_jre.display import displacy_relations, evaluation_page, render_page
from spacy_jre.evaluation.outcomes import (
    DocumentOutcome,
    EntityOutcome,
    RelationOutcome,
    SpanRef,
)

from ..display.helpers import make_doc

MALICIOUS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)",
    "<img src=x onerror=alert(1)>",
    '" onload="alert(1)',
    "' onload='alert(1)",
    "javascript:alert(1)",
    "]]><script>",
    "<!--",
    "--><script>",
    "</textPath></svg><script>",
    "</style><script>",
    "</title><script>",
    "&lt;script&gt;",
    "{body}{0}",
    "<a\x00href=//x>",
]
SAFE = "safe"


class Structure(HTMLParser):
    """The elements and attributes of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.languages = []
        self.text = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        # displaCy's IDs are random, and its sizes depend on the length of the words
        names = [(name, value if name == "class" else "") for name, value in attrs]
        self.elements.append((tag, names))
        self.languages += [(tag, value) for name, value in attrs if name == "lang"]

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.elements.append(("comment", data))

    def handle_decl(self, decl):
        self.elements.append(("declaration", decl))

    def handle_pi(self, data):
        self.elements.append(("instruction", data))

    def unknown_decl(self, data):
        self.elements.append(("unknown", data))


def draw(word, label, relation, title, lang):
    words = ["Ada", word, "Oslo", "."]
    entities = [(0, 2, label), (2, 3, "LOC")]
    doc = make_doc(entities, [(*entities, relation)], words)
    return render_page([doc], title=title, lang=lang)


FIELDS = ["word", "label", "relation", "title", "lang"]


def check_elements(render, fields, field, text):
    """Check that a page has the same elements as with harmless texts.

    The policy of the page is the same, too.
    """
    safe = dict.fromkeys(fields, SAFE)
    expected, page = render(**safe), render(**{**safe, field: text})
    policy = re.search("<meta http-equiv=.*?>", expected)[0]
    assert "script-src 'sha256-" in policy
    assert policy in page
    expected, page = Structure(expected), Structure(page)
    if field == "lang":  # this attribute has the value of the data
        values = dict(element for element in page.languages if element[1] == text)
        assert values
        page.elements = expected.elements
        assert page.languages == [
            (tag, text if lang == SAFE else lang) for tag, lang in expected.languages
        ]
    else:
        shown = "".join(page.text).replace("\x00", "").replace("\ufffd", "")
        assert text.replace("\x00", "") in shown
    assert page.elements == expected.elements


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", MALICIOUS)
def test_malicious_text_adds_no_elements_to_a_page(field, text):
    check_elements(draw, FIELDS, field, text)


EVALUATION_FIELDS = [
    *("word", "label", "predicted", "relation", "cause", "document", "title", "lang"),
    *("scored", "bucket", "confused", "model"),
]


def draw_evaluation(**values):
    text = f"Ada {values['word']} Oslo"
    end = len(text) - 5
    gold = SpanRef(4, end, values["label"])
    predicted = SpanRef(4, end, f"predicted {values['predicted']}")
    oslo = SpanRef(end + 1, len(text), "LOC")
    cause, score = values["cause"], {"p": 0.5, "r": 0.5, "f": 0.5}
    difference = {"f": 0.5, "other_f": 0.5, "difference": 0, "interval": (0, 0), "p": 1}
    outcome = DocumentOutcome(
        text,
        values["document"],
        [
            EntityOutcome("missed", cause, gold, predicted),
            EntityOutcome("false", cause, gold, predicted),
            EntityOutcome("hit", "", oslo, oslo),
        ],
        [RelationOutcome("false", cause, values["relation"], predicted, oslo, 0.5)],
    )
    report = {
        **{"ents_p": 0.5, "ents_r": 0.5, "ents_f": 0.5},
        "ents_per_type": {values["scored"]: score},
        "buckets": {"x": [{"name": values["bucket"], "gold": 1, **score}]},
        "confusion": {"entities": {"labels": [values["confused"]], "counts": [[1, 2]]}},
        "errors": {"entities": [{"kind": "false", "cause": cause, "count": 1}]},
        "compared_with": {"model": values["model"], "differences": {"x": difference}},
    }
    return evaluation_page(
        report, [outcome], title=values["title"], lang=values["lang"]
    )


@pytest.mark.parametrize("field", EVALUATION_FIELDS)
@pytest.mark.parametrize("text", MALICIOUS)
def test_malicious_text_adds_no_elements_to_an_evaluation(field, text):
    check_elements(draw_evaluation, EVALUATION_FIELDS, field, text)


@pytest.mark.parametrize("text", MALICIOUS)
def test_figure_escapes_language_and_direction(text):
    doc = make_doc(
        [(0, 2, "PER"), (7, 8, "LOC")], [((0, 2, "PER"), (7, 8, "LOC"), "x")]
    )

    def figure():
        return displacy.render(
            displacy_relations(doc), style="dep", manual=True, page=True, jupyter=False
        )

    def elements(page):
        return [
            (tag, [name for name, _ in attrs] if isinstance(attrs, list) else attrs)
            for tag, attrs in Structure(page).elements
        ]

    expected = elements(figure())
    doc.vocab.writing_system = {"direction": text}
    doc.vocab.lex_attr_getters = {spacy.attrs.LANG: lambda _: text}
    assert elements(figure()) == expected


def test_page_has_the_name_of_the_pipeline(monkeypatch, tmp_path):
    def structure(name):
        # a malicious name, and a pipeline that does not change Docs
        nlp = spacy.blank("en")
        nlp.add_pipe("jre")
        nlp.meta.update({"name": name, "lang": '"><script>'})
        nlp.pipe = iter
        monkeypatch.setattr(spacy, "load", lambda model: nlp)
        output = tmp_path / "page.html"
        show_predictions("x", tmp_path / "x.spacy", output)
        return Structure(output.read_text(encoding="utf8"))

    def read_nothing(nlp, name, path):
        return lambda nlp: iter(())

    monkeypatch.setattr("spacy_jre.cli.show.read_corpus", read_nothing)
    page = structure("</title><script>\ud800")
    assert page.elements == structure(SAFE).elements
    # the language is that of the pipeline, not of meta
    assert page.text.count("en_</title><script>\ufffd 0.0.0 on x.spacy") == 2
