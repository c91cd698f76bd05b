"""Pages and pictures of hostile texts: no element and no attribute is of the data."""

from html.parser import HTMLParser

import pytest
import spacy
from spacy import displacy

from spacy_jre.cli.show import show_predictions
from spacy_jre.display import displacy_relations, render_page

from ..display.helpers import make_doc

HOSTILE = [
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
    """The elements and attributes of a page, without its text."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.text = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        # ids and sizes are drawn anew and follow the length of the words
        names = [
            (name, value if name in ("lang", "class") else "") for name, value in attrs
        ]
        self.found.append((tag, names))

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.found.append(("comment", data))

    def handle_decl(self, decl):
        self.found.append(("declaration", decl))

    def handle_pi(self, data):
        self.found.append(("instruction", data))

    def unknown_decl(self, data):
        self.found.append(("unknown", data))


def draw(word, label, relation, title, lang):
    words = ["Ada", word, "Oslo", "."]
    entities = [(0, 2, label), (2, 3, "LOC")]
    doc = make_doc(entities, [(*entities, relation)], words)
    return render_page([doc], title=title, lang=lang)


PLACES = ["word", "label", "relation", "title", "lang"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", HOSTILE)
def test_page_has_the_elements_of_an_honest_one(place, text):
    honest = dict.fromkeys(PLACES, SAFE)
    expected = Structure(draw(**honest))
    found = Structure(draw(**{**honest, place: text}))
    if place == "lang":  # the one attribute that is of the data, and stays one
        assert found.found[1] == ("html", [("lang", text)])
        expected.found[1] = found.found[1]
    else:
        shown = "".join(found.text)
        assert text.replace("\x00", "") in shown.replace("\x00", "").replace(
            "\ufffd", ""
        )
    assert found.found == expected.found


@pytest.mark.parametrize("text", HOSTILE)
def test_picture_takes_no_language_or_direction_from_the_data(text):
    doc = make_doc(
        [(0, 2, "PER"), (7, 8, "LOC")], [((0, 2, "PER"), (7, 8, "LOC"), "x")]
    )

    def picture():
        return displacy.render(
            displacy_relations(doc), style="dep", manual=True, page=True, jupyter=False
        )

    def elements(page):
        return [
            (tag, [name for name, _ in attrs] if isinstance(attrs, list) else attrs)
            for tag, attrs in Structure(page).found
        ]

    expected = elements(picture())
    doc.vocab.writing_system = {"direction": text}
    doc.vocab.lex_attr_getters = {spacy.attrs.LANG: lambda _: text}
    assert elements(picture()) == expected


class Said:
    """A pipeline whose names are hostile; the Docs are given."""

    lang = "en"

    def __init__(self, name):
        self.meta = {"name": name, "lang": '"><script>'}

    def pipe(self, docs):
        return docs


def test_page_of_the_command_takes_the_language_of_the_pipeline(monkeypatch, tmp_path):
    name = "</title><script>\ud800"
    monkeypatch.setattr(spacy, "load", lambda model: Said(name))
    monkeypatch.setattr("spacy_jre.cli.show.Corpus", lambda data: lambda nlp: iter(()))
    output = tmp_path / "page.html"
    show_predictions("x", tmp_path / "x.spacy", output)
    structure = Structure(output.read_text(encoding="utf8"))
    assert structure.found[1] == ("html", [("lang", "en")])
    assert "script" not in [tag for tag, _ in structure.found]
