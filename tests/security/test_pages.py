"""Malicious texts can't add elements or attributes to pages and figures."""

from html.parser import HTMLParser

import pytest
import spacy
from spacy import displacy

from spacy_jre.cli.show import show_predictions
from spacy_jre.display import displacy_relations, render_page

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
        self.text = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        # IDs are random, and sizes depend on the length of the words
        names = [
            (name, value if name in ("lang", "class") else "") for name, value in attrs
        ]
        self.elements.append((tag, names))

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


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", MALICIOUS)
def test_malicious_text_adds_no_elements_to_a_page(field, text):
    safe = dict.fromkeys(FIELDS, SAFE)
    expected = Structure(draw(**safe))
    page = Structure(draw(**{**safe, field: text}))
    if field == "lang":  # this attribute has the value of the data
        assert page.elements[1] == ("html", [("lang", text)])
        expected.elements[1] = page.elements[1]
    else:
        shown = "".join(page.text)
        assert text.replace("\x00", "") in shown.replace("\x00", "").replace(
            "\ufffd", ""
        )
    assert page.elements == expected.elements


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


class FakePipeline:
    """A pipeline with a malicious name that doesn't change Docs."""

    lang = "en"

    def __init__(self, name):
        self.meta = {"name": name, "lang": '"><script>'}

    def pipe(self, docs):
        return docs


def test_page_has_the_language_of_the_pipeline(monkeypatch, tmp_path):
    name = "</title><script>\ud800"
    monkeypatch.setattr(spacy, "load", lambda model: FakePipeline(name))
    monkeypatch.setattr("spacy_jre.cli.show.Corpus", lambda data: lambda nlp: iter(()))
    output = tmp_path / "page.html"
    show_predictions("x", tmp_path / "x.spacy", output)
    structure = Structure(output.read_text(encoding="utf8"))
    assert structure.elements[1] == ("html", [("lang", "en")])
    assert "script" not in [tag for tag, _ in structure.elements]
