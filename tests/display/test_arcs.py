import re
from xml.etree import ElementTree

import pytest
from spacy import displacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_jre.display import displacy_relations, render_page

from .helpers import ADA, HOTEL, LIMA, OSLO, WORDS, make_doc, make_sentences

WORKS = (ADA, HOTEL, "works_for", 0.75)
BASED = (HOTEL, OSLO, "based_in", 0.5)


@pytest.fixture
def doc():
    return make_doc([ADA, HOTEL, OSLO], [WORKS, BASED])


@pytest.fixture
def sentences():
    return make_sentences()


def draw(doc, **settings):
    """Get the only figure of a Doc."""
    (figure,) = displacy_relations(doc, **settings)
    return figure


def render(figure):
    """Render a figure and parse the SVG."""
    return ElementTree.fromstring(
        displacy.render(figure, manual=True, style="dep", jupyter=False)
    )


def texts(figure):
    return [word["text"] for word in figure["words"]]


def labels(figure):
    return [arc["label"] for arc in figure["arcs"]]


def test_figure_has_entities_as_words_and_relations_as_arcs(doc):
    assert displacy_relations(doc) == [
        {
            "words": [
                {"text": "Ada Quint", "tag": "PER"},
                {"text": "cooks", "tag": ""},
                {"text": "for", "tag": ""},
                {"text": "Hotel Lima", "tag": "ORG"},
                {"text": "in", "tag": ""},
                {"text": "Oslo", "tag": "LOC"},
                {"text": ".", "tag": ""},
            ],
            "arcs": [
                {"start": 0, "end": 3, "label": "works_for", "dir": "right"},
                {"start": 3, "end": 5, "label": "based_in", "dir": "right"},
            ],
            "settings": {"lang": "", "direction": "ltr"},
        }
    ]


def test_figure_has_the_language(nlp):
    doc = nlp.make_doc("Ada cooks")
    doc._.relations = []
    assert draw(doc)["settings"]["lang"] == "en"


def test_arc_points_to_the_tail():
    doc = make_doc([ADA, HOTEL], [(HOTEL, ADA, "employs"), (ADA, HOTEL, "works_for")])
    assert draw(doc)["arcs"] == [
        {"start": 0, "end": 3, "label": "employs", "dir": "left"},
        {"start": 0, "end": 3, "label": "works_for", "dir": "right"},
    ]


def test_argument_without_an_entity_is_one_word(nlp):
    doc = nlp.make_doc("Ada Quint left Oslo")
    doc._.relations = [(doc[0:2], doc[3:4], "left")]
    assert texts(draw(doc)) == ["Ada Quint", "left", "Oslo"]
    assert labels(draw(doc)) == ["left"]


# gaps


@pytest.mark.parametrize(
    ("max_gap", "gap"),
    [
        (6, ["a", "b", "c", "d", "e", "f"]),
        (5, ["a", "b", "c", "…", "e", "f"]),
        (4, ["a", "b", "…", "e", "f"]),
        (3, ["a", "b", "…", "f"]),
        (1, ["a", "…"]),
        (0, ["…"]),
    ],
)
def test_gap_between_entities_is_shortened(max_gap, gap):
    words = ["Ada", *"abcdef", "Oslo"]
    doc = make_doc([(0, 1, "PER"), (7, 8, "LOC")], words=words)
    assert texts(draw(doc, max_gap=max_gap)) == ["Ada", *gap, "Oslo"]


def test_gaps_at_both_ends_are_shortened_too():
    doc = make_doc([(5, 6, "PER")], words=[*"abcde", "Ada", *"fghij"])
    assert texts(draw(doc, max_gap=2)) == ["a", "…", "e", "Ada", "f", "…", "j"]


def test_arcs_have_the_right_words_after_a_gap():
    ada, oslo = (0, 1, "PER"), (11, 12, "LOC")
    doc = make_doc([ada, oslo], [(ada, oslo, "left")], ["Ada", *"abcdefghij", "Oslo"])
    figure = draw(doc)
    (arc,) = figure["arcs"]
    assert texts(figure)[arc["start"]] == "Ada"
    assert texts(figure)[arc["end"]] == "Oslo"


def test_adjacent_entities_have_no_gap():
    doc = make_doc([(0, 1, "A"), (1, 2, "B")], words=["x", "y"])
    assert texts(draw(doc)) == ["x", "y"]


# entities and relations


def test_outermost_of_nested_entities_is_drawn():
    figure = draw(make_doc([LIMA, HOTEL]))
    assert {"text": "Hotel Lima", "tag": "ORG"} in figure["words"]
    assert "Lima" not in texts(figure)


def test_arc_of_a_nested_entity_starts_at_the_outermost():
    figure = draw(make_doc([HOTEL, LIMA, OSLO], [(LIMA, OSLO, "near")]))
    (arc,) = figure["arcs"]
    assert texts(figure)[arc["start"]] == "Hotel Lima"


def test_arc_of_a_partly_overlapping_entity_starts_at_the_longest():
    longest, partly = (2, 6, "A"), (0, 3, "B")
    figure = draw(make_doc([longest, partly, OSLO], [(partly, OSLO, "near")]))
    (arc,) = figure["arcs"]
    assert texts(figure)[arc["start"]] == "cooks for Hotel Lima"
    assert texts(figure)[arc["end"]] == "Oslo"


def test_entity_of_two_sentences_hides_no_entity_of_one():
    # "Hotel Lima in Oslo." and a sentence boundary before "Lima"
    longest = (HOTEL[0], OSLO[1], "ORG")
    starts = (0, LIMA[0])
    doc = make_doc([LIMA, OSLO, longest], [(LIMA, OSLO, "near")], starts=starts)
    _, second = displacy_relations(doc)
    assert labels(second) == ["near"]


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        pytest.param(ADA, ADA, id="itself"),
        pytest.param(HOTEL, LIMA, id="nested"),
        pytest.param((0, 3, "X"), (2, 4, "Y"), id="crossing"),
        pytest.param((0, 2, "PER"), (0, 2, "ORG"), id="same span"),
    ],
)
def test_relation_between_overlapping_entities_is_only_on_the_page(head, tail):
    doc = make_doc([head, tail], [(head, tail, "part")])
    assert draw(doc)["arcs"] == []
    assert "part" in render_page([doc], title="Story")


def test_duplicate_relations_are_drawn_once():
    mistyped = ((0, 2, "ORG"), HOTEL, "works_for")
    doc = make_doc([ADA, HOTEL], [WORKS, WORKS, mistyped])
    assert labels(draw(doc)) == ["works_for"]


@pytest.mark.parametrize(
    ("settings", "drawn"),
    [
        ({}, ["works_for", "based_in"]),
        ({"min_score": 0.5}, ["works_for", "based_in"]),
        ({"min_score": 0.6}, ["works_for"]),
        ({"min_score": 0.9}, []),
        ({"labels": ["based_in"]}, ["based_in"]),
        ({"labels": iter(["based_in", "works_for"])}, ["works_for", "based_in"]),
        ({"labels": []}, []),
        ({"labels": ["based_in"], "min_score": 0.6}, []),
    ],
)
def test_relations_are_filtered_by_score_and_label(doc, settings, drawn):
    assert labels(draw(doc, **settings)) == drawn


def test_entities_are_drawn_without_relations(doc):
    assert draw(doc, labels=[])["words"] == draw(doc)["words"]


def test_labels_can_have_scores(doc):
    assert labels(draw(doc, scores=True)) == ["works_for 0.75", "based_in 0.50"]


# sentences


def test_each_sentence_is_a_figure(sentences):
    figures = displacy_relations(sentences)
    assert [texts(figure)[-2] for figure in figures] == ["Oslo", "fell", "Ola"]
    assert [labels(figure) for figure in figures] == [["left"], [], ["loves"]]


def test_whole_doc_can_be_one_figure(sentences):
    figure = draw(sentences, by="doc", max_gap=9)
    assert texts(figure) == [token.text for token in sentences]
    assert labels(figure) == ["left", "loves", "spouse"]


def test_doc_without_sentences_is_one_figure():
    doc = make_doc([ADA, HOTEL], [WORKS], starts=None)
    assert not doc.has_annotation("SENT_START")
    assert labels(draw(doc)) == ["works_for"]


def test_sentences_without_an_arc_can_be_skipped(sentences):
    figures = displacy_relations(sentences, skip_empty=True)
    assert [labels(figure) for figure in figures] == [["left"], ["loves"]]


def test_skip_empty_uses_the_filtered_relations(sentences):
    figures = displacy_relations(sentences, skip_empty=True, labels=["loves"])
    assert [labels(figure) for figure in figures] == [["loves"]]


# nothing to draw


def test_doc_without_entities_is_plain_words():
    figure = draw(make_doc([]), max_gap=99)
    assert texts(figure) == WORDS
    assert figure["arcs"] == []


def test_doc_without_relations_has_no_arcs():
    assert draw(make_doc([ADA, OSLO]))["arcs"] == []


@pytest.mark.parametrize("by", ["sent", "doc"])
def test_doc_without_tokens_has_no_figures(by):
    assert displacy_relations(make_doc([], words=[], starts=None), by=by) == []


def test_doc_without_relation_data_fails():
    with pytest.raises(ValueError, match="J704"):
        displacy_relations(Doc(Vocab(), words=WORDS))


def test_data_under_another_name_is_not_drawn(doc):
    try:
        with pytest.raises(ValueError, match=r"J704.*'links'"):
            displacy_relations(doc, attr="links")
    finally:
        Doc.remove_extension("links")


@pytest.mark.parametrize("by", ["token", "", None])
def test_unknown_unit_fails(doc, by):
    with pytest.raises(ValueError, match=r"J202.*sent, doc"):
        displacy_relations(doc, by=by)


# through displaCy


@pytest.mark.parametrize(
    "relations",
    [
        pytest.param([], id="none"),
        pytest.param([WORKS], id="one"),
        pytest.param([WORKS, (ADA, HOTEL, "owns")], id="two labels"),
        pytest.param([WORKS, (HOTEL, ADA, "employs")], id="both directions"),
        pytest.param(
            [WORKS, (HOTEL, ADA, "works_for")], id="both directions, one label"
        ),
        pytest.param([WORKS, BASED, (OSLO, ADA, "home_of")], id="cycle"),
        pytest.param([(ADA, ADA, "same")], id="with itself"),
    ],
)
def test_displacy_draws_every_arc(relations):
    figure = draw(make_doc([ADA, HOTEL, OSLO], relations))
    svg = render(figure)
    drawn = [e.text for e in svg.iter() if e.tag.endswith("textPath")]
    assert drawn == labels(figure)


def test_displacy_draws_a_doc_without_entities():
    words = [e.text for e in render(draw(make_doc([]))).iter() if e.text in WORDS]
    assert words == ["Ada", "Quint", "Oslo", "."]


MARKUP = ["<script>alert(1)</script>", "a & b", "\"quoted\" 'too'", "]]>", "&amp;"]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_text_and_labels_is_escaped(text):
    head, tail = (0, 1, text), (2, 3, "LOC")
    doc = make_doc([head, tail], [(head, tail, text)], [text, text, "Oslo"])
    svg = render(draw(doc))
    assert not [e for e in svg.iter() if e.tag.endswith("script")]
    # two words, a tag and the label of an arc
    shown = [e.text for e in svg.iter()]
    assert shown.count(text) == 4


def test_markup_in_a_label_with_a_score_is_escaped():
    head, tail = (0, 1, "PER"), (1, 2, "PER")
    doc = make_doc([head, tail], [(head, tail, "<b>")], ["Ada", "Mia"])
    assert labels(draw(doc, scores=True)) == ["&lt;b&gt; 1.00"]


def test_figures_render_together(sentences):
    html = displacy.render(
        displacy_relations(sentences), manual=True, style="dep", jupyter=False
    )
    ids = re.findall(r'<svg [^>]*id="([^"]+)"', html)
    assert len(set(ids)) == 3


def test_extension_is_registered_if_required():
    doc = make_doc([ADA, HOTEL], [WORKS])
    Doc.remove_extension("relations")
    assert labels(draw(doc)) == ["works_for"]


def test_merged_tokens_are_drawn_as_their_entity(doc):
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    assert texts(draw(doc))[0] == "Ada Quint"
    assert labels(draw(doc)) == ["works_for", "based_in"]
