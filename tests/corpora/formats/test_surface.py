from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, RelationRecord
from spacy_jre.corpora.formats.surface import (
    SPELLING,
    Form,
    Triple,
    check_repeats,
    find_all,
    find_mentions,
    find_title,
)
from spacy_jre.corpora.sources import Location

LOCATION = Location(Path("story.json"), "line 3")
DRUG, SIDE = "Drug", "Side"


def find(text, *triples, others=(), repeats="nearest"):
    """Mentions of triples (head, label, tail) with entity labels Drug and Side."""
    return find_mentions(
        LOCATION,
        text,
        [Triple(Form(h, DRUG), label, Form(t, SIDE)) for h, label, t in triples],
        [Form(*other) for other in others],
        repeats,
    )


def head_and_tail_starts(text, head, tail, **kwargs):
    """Start offsets of head and tail of the only relation between two forms."""
    result = find(text, (head, "r", tail), **kwargs)
    (relation,) = result.relations
    assert not result.left_out
    return result.entities[relation.head].start, result.entities[relation.tail].start


def starts(text, form, *others):
    """Start offsets of a form in a text with other forms."""
    result = find(text, others=[(form, DRUG), *((o, SIDE) for o in others)])
    return [entity.start for entity in result.entities if entity.label == DRUG]


def test_mentions_have_the_offsets_of_their_forms():
    result = find("We saw clavoxil rash", ("clavoxil", "causes", "rash"))
    assert result.entities == (EntityRecord(7, 15, DRUG), EntityRecord(16, 20, SIDE))
    assert result.relations == (RelationRecord(0, 1, "causes"),)
    assert result.left_out == ()


def test_entities_are_sorted_by_offset_and_relations_keep_their_order():
    result = find("a b c", ("c", "r", "a"), ("b", "s", "c"), ("a", "r", "b"))
    assert [entity.start for entity in result.entities] == [0, 0, 2, 2, 4, 4]
    offsets = [
        (result.entities[r.head].start, r.label, result.entities[r.tail].start)
        for r in result.relations
    ]
    assert offsets == [(4, "r", 0), (2, "s", 4), (0, "r", 2)]


def test_no_triples_give_no_mentions():
    result = find("a b c")
    assert (result.entities, result.relations, result.left_out) == ((), (), ())


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
def test_title_is_a_word_before_the_first_at_sign(text, title):
    assert find_title(text) == title


def test_form_that_equals_the_title_is_found_in_the_title():
    #       0123456789
    text = "糖尿病@胰岛素治疗糖尿病"
    assert head_and_tail_starts(text, "糖尿病", "胰岛素") == (0, 4)


def test_title_takes_precedence_over_a_closer_mention():
    text = "hives@clavoxil gives hives"
    assert head_and_tail_starts(text, "clavoxil", "hives") == (6, 0)


def test_other_forms_are_found_after_the_title():
    text = "胰岛素瘤@胰岛素升高"
    assert head_and_tail_starts(text, "胰岛素", "升高") == (5, 8)


def test_form_that_only_occurs_in_the_title_is_found_there():
    assert head_and_tail_starts("胰岛素瘤@血糖降低", "胰岛素", "血糖") == (0, 5)


@pytest.mark.parametrize("repeats", ["nearest", "first", "all"])
def test_title_has_one_mention_for_every_rule(repeats):
    result = find("a@b a b a", ("a", "r", "b"), repeats=repeats)
    assert [e.start for e in result.entities if e.label == DRUG] == [0]


def test_at_sign_without_title_is_plain_text():
    assert head_and_tail_starts("pain @ rash, pain", "pain", "rash") == (13, 7)


# rule 2: whole words, and forms inside longer ones


def test_form_inside_a_longer_form_is_ignored():
    text = "insulin glargine beside insulin"
    assert starts(text, "insulin", "insulin glargine") == [24]


def test_form_inside_a_longer_chinese_form_is_ignored():
    assert starts("高血压病人有血压", "血压", "高血压") == [6]


def test_form_inside_a_longer_form_is_used_without_others():
    assert starts("insulin glargine helps", "insulin", "insulin glargine") == [0]
    assert starts("治疗高血压", "血压", "高血压") == [3]


def test_missing_longer_form_covers_nothing():
    text = "insulin and insulin lispro"
    assert starts(text, "insulin", "insulin glargine") == [0]


def test_longer_form_in_another_case_covers_forms():
    text = "INSULIN GLARGINE beside INSULIN"
    assert starts(text, "insulin", "insulin glargine") == [24]


def test_longer_form_that_only_overlaps_covers_nothing():
    assert starts("a b c, b c d", "b c", "x a b c") == [2]
    assert starts("a b c", "b c", "a b") == [2]


def test_longer_form_of_a_left_out_triple_covers_forms():
    text = "insulin glargine beside insulin"
    result = find(
        text,
        ("insulin glargine", "r", "fever"),
        others=[("insulin", DRUG)],
    )
    assert [entity.start for entity in result.entities] == [24]


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
def test_form_inside_a_word_is_ignored(text, form, start):
    assert starts(text, form) == [start]


@pytest.mark.parametrize(("text", "start"), [("a party", 3), ("party starts", 1)])
def test_form_inside_a_word_is_used_without_others(text, start):
    assert starts(text, "art") == [start]


@pytest.mark.parametrize(
    ("text", "form", "start"),
    [
        ("高血压，血压", "血压", 1),
        ("服用IL药", "IL", 2),
        ("ใช้ยาแก้ปวด", "ยา", 3),
    ],
)
def test_word_boundaries_are_ignored_in_scripts_without_spaces(text, form, start):
    assert starts(text, form) == [start]


def test_whole_word_in_a_longer_form_takes_precedence_over_part_of_a_word():
    text = "proinsulin, insulin glargine"
    assert starts(text, "insulin", "insulin glargine") == [12]


def test_title_takes_precedence_over_whole_words():
    # after the @, it is only part of a word
    assert starts("art-x@party", "art") == [7]


def test_missing_form_is_found_in_another_case():
    assert starts("Clavoxil and clavoxil", "clavoxil") == [13]
    assert starts("Clavoxil", "clavoxil") == [0]
    assert starts("THE CLAVOXIL", "Clavoxil") == [4]


def test_lowercasing_that_changes_the_length_does_not_shift_offsets():
    # "İ" becomes two characters in lowercase
    assert starts("İ clavoxil", "clavoxil") == [2]
    assert starts("İ clavoxil", "Clavoxil") == [2]
    (entity,) = find("i̇z", others=[("İz", DRUG)]).entities
    assert (entity.start, entity.end) == (0, 3)


@pytest.mark.parametrize(
    ("text", "form", "covered"),
    [
        pytest.param("We saw Malmö .", "Malmo\u0308", "Malmö", id="NFD form"),
        pytest.param("We saw Malmo\u0308 .", "Malmö", "Malmo\u0308", id="NFD text"),
        pytest.param("We saw ﬁsh .", "fish", "ﬁsh", id="ligature"),
        pytest.param("We saw Hotel \u00a0Lima", "Hotel Lima", "Hotel \u00a0Lima"),
        pytest.param("We saw Hotel\nLima", "Hotel Lima", "Hotel\nLima"),
        pytest.param("We saw MALMÖ .", "malmö", "MALMÖ", id="case"),
        pytest.param("We saw Straße .", "STRASSE", "Straße", id="case of ß"),
        pytest.param("We saw Malmo .", "Malmö", "Malmo", id="accents of the form"),
        pytest.param("We saw Malmö .", "malmo", "Malmö", id="accents and case"),
        pytest.param("We saw Malmo\u0308 .", "malmo", "Malmo\u0308"),
        pytest.param("We saw Tromsø .", "Tromso", "Tromsø", id="stroke"),
        pytest.param("We saw St . Olav ( A )", "St. Olav (A)", "St . Olav ( A )"),
        pytest.param("服用 糖尿 病 药", "糖尿病", "糖尿 病", id="spaces in Chinese"),
    ],
)
def test_form_is_found_with_another_spelling(text, form, covered):
    result = find(text, others=[(form, DRUG)])
    (entity,) = result.entities
    assert text[entity.start : entity.end] == covered
    (left_out,) = result.left_out
    assert (left_out.kind, left_out.broken) == ("spelling", False)
    assert left_out.cause == SPELLING
    expected = f"story.json, line 3: {form!r} is spelled {covered!r} in the text"
    assert left_out.reason == expected


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("reste", "ré"),
        ("a b", "ab"),
        ("ab", "a b"),
        ("각", "가"),
        ("ﬁsh", "i"),
        ("か", "が"),
        ("a", "\u0301"),
        ("a", " "),
    ],
)
def test_form_is_not_found_in_parts_of_characters_or_words(text, form):
    result = find(text, others=[(form, DRUG)])
    assert [left_out.kind for left_out in result.left_out] == ["entity"]


def test_exact_form_takes_precedence_over_other_spellings():
    result = find("malmo, MALMÖ, Malmö", others=[("Malmö", DRUG)])
    assert [entity.start for entity in result.entities] == [14]
    assert result.left_out == ()


def test_spelling_of_a_repeated_form_is_reported_once():
    result = find("MALMÖ by the sea", ("Malmö", "at", "sea"), ("Malmö", "in", "sea"))
    assert [left_out.kind for left_out in result.left_out] == ["spelling"]


# rule 3: repeats


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a x x b x a", (10, 6), id="later occurrence"),
        pytest.param("a x b a", (6, 4), id="after"),
        pytest.param("b x x x a b", (8, 10), id="second b"),
        pytest.param("a b x a b", (0, 2), id="tie: first pair"),
        pytest.param("a b a", (0, 2), id="tie: first head"),
        pytest.param("b a b", (2, 0), id="tie: first tail"),
    ],
)
def test_closest_pair_is_selected(text, expected):
    assert head_and_tail_starts(text, "a", "b") == expected


def test_adjacent_mentions_are_closest():
    assert head_and_tail_starts("药痛，药，痛", "药", "痛") == (0, 1)
    assert head_and_tail_starts("药，痛药", "药", "痛") == (3, 2)


def test_overlapping_mentions_come_last():
    text = "x y z, and much later y z"
    assert head_and_tail_starts(text, "x y", "y z") == (0, 22)
    assert head_and_tail_starts(text, "y z", "x y") == (22, 0)


def test_overlapping_mentions_are_used_without_other_pairs():
    assert head_and_tail_starts("a clavoxil rash", "clavoxil", "clavoxil rash") == (
        2,
        2,
    )
    assert head_and_tail_starts("x y z", "x y", "y z") == (0, 2)


def test_first_selects_the_first_of_each_form():
    assert head_and_tail_starts("a x x b x a", "a", "b", repeats="first") == (0, 6)
    assert head_and_tail_starts("b x x x a b", "a", "b", repeats="first") == (8, 0)


def test_all_selects_every_mention():
    result = find("a b a b", ("a", "r", "b"), repeats="all")
    assert [e.start for e in result.entities] == [0, 2, 4, 6]
    assert [(r.head, r.tail) for r in result.relations] == [
        (0, 1),
        (0, 3),
        (2, 1),
        (2, 3),
    ]


def test_all_only_selects_mentions_after_rule_two():
    result = find("party art, art x", ("art", "r", "x"), repeats="all")
    assert [e.start for e in result.entities if e.label == DRUG] == [6, 11]


@pytest.mark.parametrize(
    ("repeats", "count"), [("nearest", 1), ("first", 1), ("all", 2)]
)
def test_form_related_to_itself_has_one_mention(repeats, count):
    same = Form("a", DRUG)
    result = find_mentions(
        LOCATION, "a b a", [Triple(same, "same", same)], repeats=repeats
    )
    assert len(result.entities) == count
    assert [(r.head, r.tail) for r in result.relations] == [
        (n, n) for n in range(count)
    ]


def test_two_labels_of_one_span_are_two_entities():
    result = find("a b", ("a", "r", "a"))
    assert result.entities == (EntityRecord(0, 1, DRUG), EntityRecord(0, 1, SIDE))
    assert result.relations == (RelationRecord(0, 1, "r"),)


def test_unknown_rule_raises():
    check_repeats("first")
    with pytest.raises(ValueError, match=r"J202.*'last'"):
        check_repeats("last")


# duplicates and missing forms


def test_duplicate_triple_gives_a_duplicate_relation():
    result = find("a b", ("a", "r", "b"), ("a", "r", "b"), ("a", "s", "b"))
    assert len(result.entities) == 2
    assert [r.label for r in result.relations] == ["r", "r", "s"]


@pytest.mark.parametrize(
    ("head", "tail", "missing"),
    [("x", "b", "x"), ("a", "x", "x"), ("x", "y", "x"), ("", "b", ""), ("a", "", "")],
)
def test_triple_of_a_missing_form_is_reported(head, tail, missing):
    result = find("a b c", (head, "r", tail), ("a", "s", "c"))
    assert [e.start for e in result.entities] == [0, 4]
    assert [r.label for r in result.relations] == ["s"]
    left_out, *lost_entities = result.left_out
    assert (left_out.kind, left_out.broken) == ("relation", False)
    assert left_out.reason == f"story.json, line 3: r: {missing!r} is not in the text"
    # "a" is in another triple
    lost = [(SIDE if form == tail else DRUG, form) for form in (head, tail)]
    assert [(entity.kind, entity.reason) for entity in lost_entities] == [
        (
            "entity",
            f"story.json, line 3: {label} {form!r} "
            + ("is in no other triple" if form == "b" else "is not in the text"),
        )
        for label, form in lost
        if form and form != "a"
    ]


def test_argument_of_a_left_out_triple_is_lost_once():
    result = find("a b", ("x", "r", "b"), ("x", "s", "b"))
    assert [left_out.kind for left_out in result.left_out].count("entity") == 2


def test_forms_without_a_triple_become_entities():
    result = find("a b c b", ("a", "r", "c"), others=[("b", "Other")])
    assert EntityRecord(2, 3, "Other") in result.entities
    assert len(result.entities) == 3


def test_all_selects_every_mention_of_forms_without_a_triple():
    result = find("b a b", others=[("b", DRUG)], repeats="all")
    assert [e.start for e in result.entities] == [0, 4]


def test_form_with_an_entity_gets_no_other_entity():
    result = find("a x x a b", ("a", "r", "b"), others=[("a", DRUG), ("b", SIDE)])
    assert [e.start for e in result.entities] == [6, 8]


def test_form_with_another_label_gets_another_entity():
    result = find("a b", ("a", "r", "b"), others=[("a", "Other")])
    assert [e.label for e in result.entities] == [DRUG, "Other", SIDE]


@pytest.mark.parametrize("form", ["x", ""])
def test_missing_form_is_reported(form):
    result = find("a b", others=[(form, DRUG), ("b", SIDE)])
    assert [e.start for e in result.entities] == [2]
    (left_out,) = result.left_out
    assert left_out.kind == "entity"
    assert left_out.reason == f"story.json, line 3: Drug {form!r} is not in the text"


FORMS = st.text("ab药@", min_size=1, max_size=3)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.text("ab药@", max_size=12),
    st.lists(st.tuples(FORMS, st.sampled_from("rs"), FORMS), max_size=4),
    st.sampled_from(["nearest", "first", "all"]),
)
def test_every_triple_is_found_or_reported(text, triples, repeats):
    result = find(text, *triples, repeats=repeats)
    expected_triples = [
        (h, label, t) for h, label, t in triples if h in text and t in text
    ]
    surface = [text[e.start : e.end] for e in result.entities]
    found = [(surface[r.head], r.label, surface[r.tail]) for r in result.relations]
    assert set(found) == set(expected_triples)
    if repeats != "all":
        assert found == expected_triples
    kinds = [left_out.kind for left_out in result.left_out]
    assert kinds.count("relation") == len(triples) - len(expected_triples)
    forms = {(DRUG, h) for h, _, _ in triples} | {(SIDE, t) for _, _, t in triples}
    kept = {(entity.label, form) for entity, form in zip(result.entities, surface)}
    assert kinds.count("entity") == len(forms - kept)


@pytest.mark.parametrize(
    ("text", "form", "offsets"),
    [
        ("papapapa", "papa", [0, 2, 4]),
        ("aaa", "a", [0, 1, 2]),
        ("abc", "c", [2]),
        ("abc", "d", []),
        ("", "a", []),
    ],
)
def test_find_all_returns_overlapping_occurrences(text, form, offsets):
    assert list(find_all(text, form)) == offsets
