from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, RelationRecord
from spacy_jre.corpora.formats.surface import (
    Form,
    Triple,
    check_repeats,
    find_mentions,
    find_title,
)
from spacy_jre.corpora.sources import Place

PLACE = Place(Path("story.json"), "line 3")
DRUG, SIDE = "Drug", "Side"


def find(text, *triples, others=(), repeats="nearest"):
    """Mentions of triples (head, label, tail) of Drugs and Sides."""
    return find_mentions(
        PLACE,
        text,
        [Triple(Form(h, DRUG), label, Form(t, SIDE)) for h, label, t in triples],
        [Form(*other) for other in others],
        repeats,
    )


def places(text, head, tail, **kwargs):
    """Where head and tail of the one relation between them begin."""
    found = find(text, (head, "r", tail), **kwargs)
    (relation,) = found.relations
    assert not found.left_out
    return found.entities[relation.head].start, found.entities[relation.tail].start


def starts(text, form, *others):
    """Where one form is found, beside other ones."""
    found = find(text, others=[(form, DRUG), *((o, SIDE) for o in others)])
    return [entity.start for entity in found.entities if entity.label == DRUG]


def test_mentions_have_the_places_of_their_forms():
    found = find("We saw clavoxil rash", ("clavoxil", "causes", "rash"))
    assert found.entities == (EntityRecord(7, 15, DRUG), EntityRecord(16, 20, SIDE))
    assert found.relations == (RelationRecord(0, 1, "causes"),)
    assert found.left_out == ()


def test_entities_come_by_place_and_relations_as_they_were_said():
    found = find("a b c", ("c", "r", "a"), ("b", "s", "c"), ("a", "r", "b"))
    assert [entity.start for entity in found.entities] == [0, 0, 2, 2, 4, 4]
    places = [
        (found.entities[r.head].start, r.label, found.entities[r.tail].start)
        for r in found.relations
    ]
    assert places == [(4, "r", 0), (2, "s", 4), (0, "r", 2)]


def test_nothing_said_is_nothing_found():
    found = find("a b c")
    assert (found.entities, found.relations, found.left_out) == ((), (), ())


# rule 1: the title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("糖尿病@胰岛素治疗糖尿病", "糖尿病"),
        ("a@b@c", "a"),
        ("a@", "a"),
        ("@b", None),
        ("a b@c", None),
        ("a b", None),
        ("", None),
        ("a" * 80 + "@", "a" * 80),
        ("a" * 81 + "@", None),
    ],
)
def test_title_is_a_word_before_the_first_sign(text, title):
    assert find_title(text) == title


def test_form_that_is_the_title_is_taken_there():
    #       0123456789
    text = "糖尿病@胰岛素治疗糖尿病"
    assert places(text, "糖尿病", "胰岛素") == (0, 4)


def test_title_is_taken_even_where_another_mention_is_nearer():
    text = "hives@clavoxil gives hives"
    assert places(text, "clavoxil", "hives") == (6, 0)


def test_other_forms_are_taken_behind_the_title_though_it_holds_them():
    text = "胰岛素瘤@胰岛素升高"
    assert places(text, "胰岛素", "升高") == (5, 8)


def test_form_in_the_title_alone_is_taken_there():
    assert places("胰岛素瘤@血糖降低", "胰岛素", "血糖") == (0, 5)


@pytest.mark.parametrize("repeats", ["nearest", "first", "all"])
def test_title_stands_once_by_every_rule(repeats):
    found = find("a@b a b a", ("a", "r", "b"), repeats=repeats)
    assert [e.start for e in found.entities if e.label == DRUG] == [0]


def test_text_without_a_title_has_no_special_sign():
    assert places("pain @ rash, pain", "pain", "rash") == (13, 7)


# rule 2: whole words, and forms inside longer ones


def test_form_inside_a_longer_one_does_not_count():
    text = "insulin glargine beside insulin"
    assert starts(text, "insulin", "insulin glargine") == [24]


def test_form_inside_a_longer_chinese_one_does_not_count():
    assert starts("高血压病人有血压", "血压", "高血压") == [6]


def test_form_inside_a_longer_one_counts_if_there_is_no_other():
    assert starts("insulin glargine helps", "insulin", "insulin glargine") == [0]
    assert starts("治疗高血压", "血压", "高血压") == [3]


def test_longer_form_that_the_text_lacks_covers_nothing():
    text = "insulin and insulin lispro"
    assert starts(text, "insulin", "insulin glargine") == [0]


def test_longer_form_in_other_letters_covers_too():
    text = "INSULIN GLARGINE beside INSULIN"
    assert starts(text, "insulin", "insulin glargine") == [24]


def test_longer_form_that_only_overlaps_covers_nothing():
    assert starts("a b c, b c d", "b c", "x a b c") == [2]
    assert starts("a b c", "b c", "a b") == [2]


def test_longer_form_of_a_missing_triple_covers_too():
    text = "insulin glargine beside insulin"
    found = find(
        text,
        ("insulin glargine", "r", "fever"),
        others=[("insulin", DRUG)],
    )
    assert [entity.start for entity in found.entities] == [24]


@pytest.mark.parametrize(
    ("text", "form", "start"),
    [
        ("party art", "art", 6),
        ("start art", "art", 6),
        ("artist art", "art", 7),
        ("15 mg, 5 mg", "5 mg", 7),
        ("5 mgs, 5 mg", "5 mg", 7),
        ("ärztin Arzt arzt", "arzt", 12),
        ("сон, сонный, кресон", "сон", 0),
        ("self-art is art", "art", 5),
    ],
)
def test_form_inside_a_word_does_not_count(text, form, start):
    assert starts(text, form) == [start]


@pytest.mark.parametrize(("text", "start"), [("a party", 3), ("party starts", 1)])
def test_form_inside_a_word_counts_if_there_is_no_other(text, start):
    assert starts(text, "art") == [start]


@pytest.mark.parametrize(
    ("text", "form", "start"),
    [
        ("高血压，血压", "血压", 1),
        ("服用IL药", "IL", 2),
        ("ใช้ยาแก้ปวด", "ยา", 3),
    ],
)
def test_scripts_without_blanks_have_no_words_to_stand_inside(text, form, start):
    assert starts(text, form) == [start]


def test_whole_word_inside_a_longer_form_comes_before_a_part_of_a_word():
    text = "proinsulin, insulin glargine"
    assert starts(text, "insulin", "insulin glargine") == [12]


def test_title_comes_before_whole_words():
    # behind the sign is only a part of a word
    assert starts("art-x@party", "art") == [7]


def test_other_letters_count_if_the_text_lacks_the_form():
    assert starts("Clavoxil and clavoxil", "clavoxil") == [13]
    assert starts("Clavoxil", "clavoxil") == [0]
    assert starts("THE CLAVOXIL", "Clavoxil") == [4]


def test_letters_that_grow_when_made_small_do_not_shift_places():
    # "İ" is two characters in small letters
    assert starts("İ clavoxil", "clavoxil") == [2]
    found = find("İ clavoxil", others=[("Clavoxil", DRUG)])
    assert [left_out.kind for left_out in found.left_out] == ["entity"]
    (entity,) = find("i̇z", others=[("İz", DRUG)]).entities
    assert (entity.start, entity.end) == (0, 3)


# rule 3: repeats


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a x x b x a", (10, 6), id="the later one"),
        pytest.param("a x b a", (6, 4), id="behind"),
        pytest.param("b x x x a b", (8, 10), id="b again"),
        pytest.param("a b x a b", (0, 2), id="ties: the first"),
        pytest.param("a b a", (0, 2), id="ties: the first head"),
        pytest.param("b a b", (2, 0), id="ties: the first tail"),
    ],
)
def test_nearest_pair_is_taken(text, expected):
    assert places(text, "a", "b") == expected


def test_touching_mentions_are_nearest():
    assert places("药痛，药，痛", "药", "痛") == (0, 1)
    assert places("药，痛药", "药", "痛") == (3, 2)


def test_mentions_that_overlap_come_last():
    text = "x y z, and much later y z"
    assert places(text, "x y", "y z") == (0, 22)
    assert places(text, "y z", "x y") == (22, 0)


def test_overlapping_mentions_are_joined_if_there_is_no_other_pair():
    assert places("a clavoxil rash", "clavoxil", "clavoxil rash") == (2, 2)
    assert places("x y z", "x y", "y z") == (0, 2)


def test_first_takes_the_first_of_each_form():
    assert places("a x x b x a", "a", "b", repeats="first") == (0, 6)
    assert places("b x x x a b", "a", "b", repeats="first") == (8, 0)


def test_all_takes_every_one():
    found = find("a b a b", ("a", "r", "b"), repeats="all")
    assert [e.start for e in found.entities] == [0, 2, 4, 6]
    assert [(r.head, r.tail) for r in found.relations] == [
        (0, 1),
        (0, 3),
        (2, 1),
        (2, 3),
    ]


def test_all_takes_only_what_rule_two_leaves():
    found = find("party art, art x", ("art", "r", "x"), repeats="all")
    assert [e.start for e in found.entities if e.label == DRUG] == [6, 11]


@pytest.mark.parametrize(
    ("repeats", "count"), [("nearest", 1), ("first", 1), ("all", 2)]
)
def test_form_related_to_itself_is_one_mention(repeats, count):
    same = Form("a", DRUG)
    found = find_mentions(PLACE, "a b a", [Triple(same, "same", same)], repeats=repeats)
    assert len(found.entities) == count
    assert [(r.head, r.tail) for r in found.relations] == [(n, n) for n in range(count)]


def test_two_labels_of_one_place_are_two_entities():
    found = find("a b", ("a", "r", "a"))
    assert found.entities == (EntityRecord(0, 1, DRUG), EntityRecord(0, 1, SIDE))
    assert found.relations == (RelationRecord(0, 1, "r"),)


def test_unknown_rule_is_refused():
    check_repeats("first")
    with pytest.raises(ValueError, match=r"J202.*'last'"):
        check_repeats("last")


# duplicates and what is missing


def test_triple_said_twice_is_one_relation():
    found = find("a b", ("a", "r", "b"), ("a", "r", "b"), ("a", "s", "b"))
    assert len(found.entities) == 2
    assert [r.label for r in found.relations] == ["r", "s"]


@pytest.mark.parametrize(
    ("head", "tail", "missing"),
    [("x", "b", "x"), ("a", "x", "x"), ("x", "y", "x"), ("", "b", ""), ("a", "", "")],
)
def test_triple_of_a_form_that_the_text_lacks_is_left_out_and_named(
    head, tail, missing
):
    found = find("a b c", (head, "r", tail), ("a", "s", "c"))
    assert [e.start for e in found.entities] == [0, 4]
    assert [r.label for r in found.relations] == ["s"]
    (left_out,) = found.left_out
    assert (left_out.kind, left_out.broken) == ("relation", False)
    assert left_out.reason == f"story.json, line 3: r: {missing!r} is not in the text"


def test_forms_without_a_triple_are_entities():
    found = find("a b c b", ("a", "r", "c"), others=[("b", "Other")])
    assert EntityRecord(2, 3, "Other") in found.entities
    assert len(found.entities) == 3


def test_forms_without_a_triple_are_every_mention_by_the_rule_all():
    found = find("b a b", others=[("b", DRUG)], repeats="all")
    assert [e.start for e in found.entities] == [0, 4]


def test_form_that_already_has_an_entity_gets_no_other():
    found = find("a x x a b", ("a", "r", "b"), others=[("a", DRUG), ("b", SIDE)])
    assert [e.start for e in found.entities] == [6, 8]


def test_form_with_another_label_gets_an_entity_of_its_own():
    found = find("a b", ("a", "r", "b"), others=[("a", "Other")])
    assert [e.label for e in found.entities] == [DRUG, "Other", SIDE]


@pytest.mark.parametrize("form", ["x", ""])
def test_form_that_the_text_lacks_is_left_out_and_named(form):
    found = find("a b", others=[(form, DRUG), ("b", SIDE)])
    assert [e.start for e in found.entities] == [2]
    (left_out,) = found.left_out
    assert left_out.kind == "entity"
    assert left_out.reason == f"story.json, line 3: Drug {form!r} is not in the text"


FORMS = st.text("ab 药@", min_size=1, max_size=3)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.text("ab 药@", max_size=12),
    st.lists(st.tuples(FORMS, st.sampled_from("rs"), FORMS), max_size=4),
    st.sampled_from(["nearest", "first", "all"]),
)
def test_every_triple_is_found_or_named(text, triples, repeats):
    found = find(text, *triples, repeats=repeats)
    said = {(h, label, t) for h, label, t in triples if h in text and t in text}
    surface = [text[e.start : e.end] for e in found.entities]
    assert {
        (surface[r.head], r.label, surface[r.tail]) for r in found.relations
    } == said
    assert len(found.left_out) == sum(triple not in said for triple in triples)
