import pytest

from spacy_jre.display.passages import (
    N_COLORS,
    Link,
    Mark,
    Passage,
    color_slots,
    figure,
    marked_text,
)

from .helpers import parse


def render(text, marks, **values):
    return parse(
        marked_text(Passage(text, [Mark(*mark) for mark in marks], **values), {})
    )


def pieces(tree):
    """Get the entity number and the text without labels of each piece."""

    def without_labels(node):
        return "".join(
            child if isinstance(child, str) else without_labels(child)
            for child in node.children
            if isinstance(child, str) or child.tag != "bdi"
        )

    return [
        (node.attrs["data-mark"], without_labels(node))
        for node in tree.find(name="ent")
    ]


def labels(tree):
    return [node.text for node in tree.find("bdi", "tag")]


def classes(tree):
    return [node.classes[1:] for node in tree.find(name="ent")]


# entities in the text


def test_entity_is_marked_with_its_label():
    tree = render("Ada left", [(0, 3, "PER")])
    assert pieces(tree) == [("0", "Ada")]
    assert tree.text == "AdaPER left"


def test_nested_entity_is_inside_the_outer_one():
    tree = render("Hotel Lima in Oslo", [(6, 10, "LOC"), (0, 10, "ORG")])
    (outer, inner) = tree.find(name="ent")
    assert inner in list(outer.walk())
    assert pieces(tree) == [("1", "Hotel Lima"), ("0", "Lima")]
    assert [outer.attrs["data-h"], inner.attrs["data-h"]] == ["1", "0"]


def test_overlapping_entity_is_split_at_the_end_of_the_first_one():
    tree = render("a b c", [(0, 3, "X"), (2, 5, "Y")])
    assert pieces(tree) == [("0", "a b"), ("1", "b"), ("1", " c")]
    assert classes(tree) == [[], ["cut-end"], ["cut-start"]]
    # each entity shows its label once, at its end
    assert tree.text == "a bX cY"


def test_two_labels_of_one_span_are_both_shown():
    tree = render("Ada", [(0, 3, "PER"), (0, 3, "ORG")])
    assert pieces(tree) == [("0", "Ada"), ("1", "Ada")]
    assert labels(tree) == ["ORG", "PER"]


def test_entity_across_sentences_has_a_piece_in_each():
    tree = render("a b c", [(0, 5, "X")], breaks=[0, 2])
    assert [p.text for p in tree.find("p")] == ["a ", "b cX"]
    assert classes(tree) == [["cut-end"], ["cut-start"]]


def test_each_sentence_has_its_own_direction():
    tree = render("a b c", [], breaks=[0, 2])
    assert [p.attrs for p in tree.find("p")] == [{"dir": "auto"}] * 2


def test_adjacent_entities_are_not_nested():
    assert pieces(render("ab", [(0, 1, "X"), (1, 2, "Y")])) == [("0", "a"), ("1", "b")]


def test_nesting_of_many_levels_has_a_limited_height():
    tree = render("a" * 9, [(i, 9, "X") for i in range(9)])
    assert [n.attrs["data-h"] for n in tree.find(name="ent")] == list("333333210")


def test_span_without_characters_is_not_in_the_text():
    assert pieces(render("ab", [(1, 1, "X"), (1, 2, "Y")])) == [("1", "b")]


def test_empty_text_is_a_note():
    assert render("", []).text == "The text is empty."


@pytest.mark.parametrize("seed", range(20))
def test_text_is_complete_and_pieces_cover_their_entities(rng, seed):
    rng = type(rng)(type(rng.bit_generator)(seed))
    text = "".join(rng.choice(list("ab <&"), 30))
    spans = [sorted(rng.choice(31, 2, replace=False).tolist()) for _ in range(8)]
    breaks = [0, *sorted(rng.choice(range(1, 30), 2, replace=False).tolist())]
    tree = render(text, [(*span, "") for span in spans], breaks=breaks)
    assert tree.text == text
    covered = dict.fromkeys(range(len(spans)), "")
    for index, piece in pieces(tree):
        covered[int(index)] += piece
    assert list(covered.values()) == [text[start:end] for start, end in spans]


# list of relations

ADA, OSLO = Mark(0, 3, "PER"), Mark(9, 13, "LOC")


def rows(passage, slots=None, **values):
    tree = parse(figure(passage, slots or {}, **values))
    return tree.find("li")


def test_relation_is_listed_as_a_triple_with_its_score():
    (row,) = rows(Passage("Ada left Oslo", [ADA, OSLO], [Link(0, 1, "left", 0.456)]))
    assert row.text == "Ada PER –left→ Oslo LOC 0.46"
    assert [row.attrs["data-head"], row.attrs["data-tail"]] == ["0", "1"]


def test_relations_are_listed_by_position():
    links = [Link(1, 0, "b"), Link(0, 1, "c"), Link(0, 1, "a")]
    listed = rows(Passage("Ada left Oslo", [ADA, OSLO], links))
    assert [row.find(name="rel")[0].text for row in listed] == ["–a→", "–c→", "–b→"]


def test_triples_and_their_arguments_can_be_focused():
    mia = Mark(4, 8, "PER")
    tree = parse(
        figure(Passage("Ada left Oslo", [ADA, OSLO, mia], [Link(0, 1, "left")]), {})
    )
    assert [n.attrs["data-mark"] for n in tree.find(name="ent", tabindex="0")] == [
        "0",
        "1",
    ]
    assert len(tree.find("li", tabindex="0")) == 1


def test_long_argument_is_shortened_in_the_triple_only():
    text = "a" * 50 + "b" * 50
    passage = Passage(text, [Mark(0, 100, "X")], [Link(0, 0, "same")])
    tree = parse(figure(passage, {}))
    assert tree.find("p")[0].text == text + "X"
    argument = tree.find("bdi", lang="")[0].text
    assert argument == "a" * 40 + "…" + "b" * 39


@pytest.mark.parametrize(
    ("marks", "note"),
    [([ADA], "No relations."), ([], "No entities or relations.")],
)
def test_text_without_relations_says_so(marks, note):
    tree = parse(figure(Passage("Ada left Oslo", marks), {}))
    assert [node.text for node in tree.find("p", "note")] == [note]


# colors


def test_colors_depend_on_the_label_only():
    assert color_slots(["b", "a"]) == color_slots(["a", "b", "a"])
    # "PER" keeps its color if another label is added
    assert color_slots(["PER"])["PER"] == color_slots(["PER", "Peop"])["PER"]


def test_labels_of_a_page_have_different_colors():
    slots = color_slots(f"label {i}" for i in range(N_COLORS))
    assert sorted(slots.values()) == list(range(N_COLORS))


def test_more_labels_than_colors_share_colors():
    slots = color_slots(f"label {i}" for i in range(3 * N_COLORS))
    assert len(slots) == 3 * N_COLORS
    assert set(slots.values()) == set(range(N_COLORS))


def test_label_with_half_of_a_surrogate_pair_has_a_color():
    assert color_slots(["\ud800"])["\ud800"] < N_COLORS
