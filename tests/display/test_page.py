import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_jre.display import render_page, render_relations, render_table

from .helpers import ADA, HOTEL, OSLO, WORDS, make_doc, make_sentences

WORKS = (ADA, HOTEL, "works_for", 0.75)
BASED = (HOTEL, OSLO, "based_in", 0.5)
MARKUP = ["<script>alert(1)</script>", "a & b", "\"quoted\" 'too'", "{braces}"]


class Elements(HTMLParser):
    """The tags, texts and attributes of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.attrs = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attrs += attrs

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def doc():
    return make_doc([ADA, HOTEL, OSLO], [WORKS, BASED])


def rows(doc):
    """Get the text of the cells of the table, per row."""
    table = ElementTree.fromstring(render_table(doc))
    return [["".join(cell.itertext()) for cell in row] for row in table]


def svgs(html):
    matches = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    return [ElementTree.fromstring(svg) for svg in matches]


# table


def test_table_has_a_row_for_each_relation(doc):
    assert rows(doc) == [
        ["head", "relation", "tail", "score"],
        ["Ada Quint PER", "works_for", "Hotel Lima ORG", "0.75"],
        ["Hotel Lima ORG", "based_in", "Oslo LOC", "0.50"],
    ]


def test_table_is_sorted_by_position():
    doc = make_doc([ADA, HOTEL, OSLO], [BASED, WORKS])
    assert [row[1] for row in rows(doc)[1:]] == ["works_for", "based_in"]


def test_relation_of_an_entity_with_itself_is_in_the_table():
    doc = make_doc([ADA], [(ADA, ADA, "same")])
    assert rows(doc)[1] == ["Ada Quint PER", "same", "Ada Quint PER", "1.00"]


def test_relation_across_sentences_is_in_the_table():
    doc = make_doc([ADA, OSLO], [(ADA, OSLO, "left")], starts=(0, 4))
    assert rows(doc)[1] == ["Ada Quint PER", "left", "Oslo LOC", "1.00"]


def test_table_without_relations_is_a_paragraph():
    assert render_table(make_doc([ADA])) == "<p>No relations.</p>"


# figures


def test_figure_of_each_sentence_with_an_arc_is_drawn():
    assert len(svgs(render_relations(make_sentences()))) == 2


def test_doc_without_an_arc_has_no_figure():
    assert render_relations(make_doc([ADA, OSLO])) == ""
    assert render_relations(make_doc([], words=[], starts=None)) == ""


def test_distance_grows_with_the_longest_word():
    def width(name):
        head, tail = (0, 1, "PER"), (1, 2, "LOC")
        doc = make_doc([head, tail], [(head, tail, "left")], [name, "Oslo"])
        (svg,) = svgs(render_relations(doc))
        return int(svg.get("width"))

    assert width("Ada") == width("Mia") < width("A" * 20) < width("A" * 40)


# page


def test_page_has_text_figure_and_table_of_each_doc(doc):
    rain = make_doc([], words=["Rain", "fell"])
    page = Elements(render_page([doc, rain], title="Story"))
    assert [page.tags.count(tag) for tag in ("section", "svg", "table")] == [2, 1, 1]
    assert doc.text in page.texts
    assert rain.text in page.texts
    assert "No relations." in page.texts


def test_page_has_title_and_language(doc):
    page = Elements(render_page([doc], title="Story", lang="no"))
    assert page.texts.count("Story") == 2
    assert ("lang", "no") in page.attrs


def test_page_without_docs_is_valid():
    html = render_page([], title="Empty")
    assert html.startswith("<!DOCTYPE html>")
    assert "section" not in Elements(html).tags


def test_page_loads_no_other_files(doc):
    page = Elements(render_page([doc], title="Story"))
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not [value for name, value in page.attrs if name in ("src", "href")]


def test_svgs_of_a_page_do_not_share_ids(doc):
    figures = svgs(render_page([doc, doc], title="Story"))
    assert len({svg.get("id") for svg in figures}) == 2


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_text_labels_and_title_is_escaped(text):
    head, tail = (0, 1, text), (1, 2, "LOC")
    doc = make_doc([head, tail], [(head, tail, text)], [text, "Oslo"])
    html = render_page([doc], title=text, lang='en"><script>')
    page = Elements(html)
    assert "script" not in page.tags
    assert page.texts.count(text) >= 6
    # title and heading; word, tag and arc of the figure; table
    (svg,) = svgs(html)
    assert [e.text for e in svg.iter()].count(text) == 3
    assert rows(doc)[1] == [f"{text} {text}", text, "Oslo LOC", "1.00"]


@pytest.mark.parametrize(
    "draw",
    [render_relations, render_table, lambda doc: render_page([doc], title="Story")],
    ids=["figure", "table", "page"],
)
def test_doc_without_relation_data_fails(draw):
    with pytest.raises(ValueError, match="J704"):
        draw(Doc(Vocab(), words=WORDS))
