import re

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_jre.display import render_page
from spacy_jre.display.page import content_hash

from .helpers import ADA, HOTEL, LIMA, OSLO, WORDS, make_doc, make_sentences, parse

WORKS = (ADA, HOTEL, "works_for", 0.75)
BASED = (HOTEL, OSLO, "based_in", 0.5)


@pytest.fixture
def doc():
    return make_doc([ADA, HOTEL, OSLO], [WORKS, BASED])


def page_of(*docs, title="Story", **values):
    return parse(render_page(docs, title=title, **values))


def triples(page):
    return [row.text for row in page.find("li") if "data-head" in row.attrs]


def test_page_has_text_entities_and_triples_of_each_doc(doc):
    rain = make_doc([], words=["Rain", "fell"])
    first, second = page_of(doc, rain).find("section")
    assert first.find("p")[0].text == (
        "Ada QuintPER cooks for Hotel LimaORG in OsloLOC . "
    )
    assert triples(first) == [
        "Ada Quint PER –works_for→ Hotel Lima ORG 0.75",
        "Hotel Lima ORG –based_in→ Oslo LOC 0.50",
    ]
    assert second.find("p")[0].text == "Rain fell "
    assert triples(second) == []


def test_nested_entities_are_all_shown():
    page = page_of(make_doc([HOTEL, LIMA]))
    (text,) = page.find("p", dir="auto")
    assert [node.text for node in text.find(name="tag")] == ["LOC", "ORG"]


def test_each_sentence_is_a_paragraph():
    texts = [p.text for p in page_of(make_sentences()).find("p", dir="auto")]
    assert texts == ["AdaPER left OsloLOC . ", "Rain fell . ", "MiaPER loves OlaPER . "]


def test_relation_of_an_entity_with_itself_is_listed():
    page = page_of(make_doc([ADA], [(ADA, ADA, "same")]))
    assert triples(page) == ["Ada Quint PER –same→ Ada Quint PER 1.00"]


def test_relation_across_sentences_is_listed():
    page = page_of(make_doc([ADA, OSLO], [(ADA, OSLO, "left")], starts=(0, 4)))
    assert triples(page) == ["Ada Quint PER –left→ Oslo LOC 1.00"]


def test_same_label_has_the_same_color_everywhere(doc):
    page = page_of(doc, make_doc([ADA]))
    colors = {
        node.attrs["data-c"]
        for node in page.walk()
        if "data-c" in node.attrs and node.text.endswith("PER")
    }
    assert len(colors) == 1


def test_legend_counts_the_labels(doc):
    entities, relations = page_of(doc, make_doc([ADA])).find("ul", "legend")
    assert [row.text for row in entities.find("li")] == ["LOC 1", "ORG 1", "PER 2"]
    assert [row.text for row in relations.find("li")] == [
        "–based_in→ 1",
        "–works_for→ 1",
    ]


def test_page_has_title_counts_and_language(doc):
    page = page_of(doc, lang="no")
    assert [node.text for node in page.find() if node.tag in ("title", "h1")] == [
        "Story",
        "Story",
    ]
    assert page.find(name="about")[0].text == "1 text, 3 entities, 2 relations"
    assert len(page.find("div", "text", lang="no")) == 1
    # the words of the page itself are English
    assert page.find("html")[0].attrs == {"lang": "en"}


def test_page_without_docs_is_valid():
    html = render_page([], title="Empty")
    assert html.startswith("<!DOCTYPE html>")
    assert not parse(html).find("section")


def test_page_loads_no_other_files(doc):
    html = render_page([doc], title="Story")
    page = parse(html)
    tags = [node.tag for node in page.walk()]
    assert not {"link", "img", "iframe", "object", "base"} & set(tags)
    names = {name for node in page.walk() for name in node.attrs}
    assert not names & {"src", "href", "srcset", "style"}
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)


def test_policy_allows_only_the_style_and_script_of_the_page(doc):
    page = page_of(doc)
    (meta,) = page.find("meta", http_equiv="Content-Security-Policy")
    (style,), (script,) = page.find("style"), page.find("script")
    rules = dict(rule.split(" ", 1) for rule in meta.attrs["content"].split("; "))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'{content_hash(style.text)}'",
        "script-src": f"'{content_hash(script.text)}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


MARKUP = ["<script>alert(1)</script>", "a & b", "\"quoted\" 'too'", "{braces}"]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_text_labels_and_title_is_escaped(text):
    head, tail = (0, 1, text), (1, 2, "LOC")
    doc = make_doc([head, tail], [(head, tail, text)], [text, "Oslo"])
    page = page_of(doc, title=text, lang='en"><script>')
    assert len(page.find("script")) == 1
    assert [page.find(tag)[0].text for tag in ("title", "h1")] == [text, text]
    assert page.find("p", dir="auto")[0].text == f"{text}{text} OsloLOC "
    assert triples(page) == [f"{text} {text} –{text}→ Oslo LOC 1.00"]


def test_doc_without_relation_data_fails():
    with pytest.raises(ValueError, match="J704"):
        render_page([Doc(Vocab(), words=WORDS)], title="Story")
