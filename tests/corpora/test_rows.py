"""Broken rows of a record are left out and reported, and the other rows are kept."""

from pathlib import Path

import pytest

from spacy_jre.annotations import LeftOut, Record, RelationRecord
from spacy_jre.corpora.rows import (
    BLANK,
    BROKEN_ROW,
    LOST_ARGUMENT,
    OTHER_TEXT,
    OUTSIDE,
    REPEATED_ID,
    UNKNOWN_ARGUMENT,
    RowError,
    Rows,
    check_text,
)
from spacy_jre.corpora.sources import Location, count_rows, each_record, refuse
from spacy_jre.errors import JREError

TEXT = "Ada met  Bo. "
HERE = Location(Path("people.json"), "line 3, entity 0")


def test_whitespace_at_the_edges_is_removed_and_counted():
    rows = Rows(TEXT)
    assert rows.add_entity(HERE, 7, 11, "Person") == 0
    assert rows.add_entity(HERE, 0, 3, "Person") == 1
    assert [(entity.start, entity.end) for entity in rows.entities] == [(9, 11), (0, 3)]
    assert rows.fields()["trimmed"] == 1


def test_scores_are_kept():
    rows = Rows(TEXT)
    rows.add_entity(HERE, 0, 3, "Person", score=0.5)
    rows.add_relation(HERE, 0, 0, "Self", score=0.25)
    assert (rows.entities[0].score, rows.relations[0].score) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("start", "end", "label", "cause"),
    [
        (0, 14, "Person", OUTSIDE),
        (-1, 3, "Person", OUTSIDE),
        (3, 3, "Person", OUTSIDE),
        (7, 9, "Person", BLANK),
        (0, 3, "", BROKEN_ROW),
    ],
)
def test_broken_entity_costs_only_its_row_and_its_relations(start, end, label, cause):
    rows = Rows(TEXT)
    with rows.row("entity", key="x"):
        rows.add_entity(HERE, start, end, label, "x")
    rows.add_entity(HERE, 0, 3, "Person", "a")
    rows.add_entity(HERE, 9, 11, "Person", "b")
    rows.add_relation(HERE, "a", "x", "Met")
    rows.add_relation(HERE, "b", "a", "Met")
    assert rows.relations == [RelationRecord(1, 0, "Met")]
    first, second = rows.left_out
    assert (first.kind, first.cause, first.broken) == ("entity", cause, True)
    assert "people.json, line 3, entity 0" in first.reason
    assert (second.kind, second.cause, second.broken) == (
        "relation",
        LOST_ARGUMENT,
        False,
    )


def test_entity_with_the_id_of_another_one_is_left_out():
    rows = Rows(TEXT)
    rows.add_entity(HERE, 0, 3, "Person", 7)
    with rows.row("entity", key=7):
        rows.add_entity(HERE, 9, 11, "Person", 7)
    rows.add_relation(HERE, 7, 7, "Self")
    assert [left_out.cause for left_out in rows.left_out] == [REPEATED_ID]
    assert rows.relations == [RelationRecord(0, 0, "Self")]


def test_entity_with_the_id_of_a_broken_one_is_left_out():
    rows = Rows(TEXT)
    for start, end in ((0, 99), (0, 3)):
        with rows.row("entity", key=7):
            rows.add_entity(HERE, start, end, "Person", 7)
    rows.add_relation(HERE, 7, 7, "Self")
    causes = [left_out.cause for left_out in rows.left_out]
    assert causes == [OUTSIDE, REPEATED_ID, LOST_ARGUMENT]
    assert rows.relations == []


def test_id_of_an_entity_that_was_left_out_but_not_broken_can_be_used():
    rows = Rows(TEXT)
    rows.leave_out("region", "a region of another type", "another type", key=7)
    rows.add_entity(HERE, 0, 3, "Person", 7)
    rows.add_relation(HERE, 7, 7, "Self")
    assert rows.relations == [RelationRecord(0, 0, "Self")]


def test_relation_to_an_unknown_id_is_broken():
    rows = Rows(TEXT)
    rows.add_entity(HERE, 0, 3, "Person", "a")
    with rows.row("relation"):
        rows.add_relation(HERE, "a", "z", "Met")
    assert [(x.cause, x.broken) for x in rows.left_out] == [(UNKNOWN_ARGUMENT, True)]
    assert "'z'" in rows.left_out[0].reason


def test_broken_record_reports_its_annotations():
    def fail(item):
        raise HERE.error("text", "is missing")

    skipped: list[LeftOut] = []
    rows = [{"entities": [1, 2], "relations": [3]}, {"entities": None}, "text"]
    count = lambda item: count_rows(item, "entities", "relations")  # noqa: E731
    assert list(each_record(rows, fail, skipped.append, count)) == []
    assert [(x.entities, x.relations) for x in skipped] == [(2, 1), (0, 0), (0, 0)]


def test_broken_row_raises_if_nothing_may_be_skipped():
    broken = Record("Ada", left_out=(LeftOut("entity", "Ada is broken", broken=True),))
    with pytest.raises(JREError, match="Ada is broken"):
        list(each_record([broken], lambda record: record, refuse))


@pytest.mark.parametrize("text", ["Bo.", " Bo.\n", None])
def test_same_text_is_accepted_without_whitespace(text):
    check_text(HERE, TEXT, 7, 12, text)


def test_other_text_raises_with_both_texts():
    with pytest.raises(RowError, match=r"J605.*'Bob'.*' Bo\.'") as error:
        check_text(HERE, TEXT, 8, 12, "Bob")
    assert error.value.cause == OTHER_TEXT


def test_offsets_outside_the_text_are_left_to_add_entity():
    check_text(HERE, TEXT, 9, 99, "Bob")


def test_entity_of_words_keeps_whitespace():
    rows = Rows.of_words(("Ada", " ", "met", "Bo"))
    rows.add_entity(HERE, 4, 9, "Event")  # a word can be whitespace
    fields = rows.fields()
    assert fields["text"] == "Ada   met Bo"
    assert fields["words"] == ("Ada", " ", "met", "Bo")
    assert [(e.start, e.end) for e in rows.entities] == [(4, 9)]
    assert fields["trimmed"] == 0


@pytest.mark.parametrize(("one", "other"), [(1, "1"), ("1", 1), (-2, "-2")])
def test_ids_can_be_integers_in_one_place_and_strings_in_another(one, other):
    rows = Rows(TEXT)
    rows.add_entity(HERE, 0, 3, "Person", one)
    rows.leave_out("entity", "b is broken", BROKEN_ROW, key="7")
    rows.add_relation(HERE, one, other, "Self")
    rows.add_relation(HERE, other, 7, "Met")
    assert rows.relations == [RelationRecord(0, 0, "Self")]
    assert [left_out.cause for left_out in rows.left_out] == [BROKEN_ROW, LOST_ARGUMENT]


def test_ids_that_differ_in_their_type_can_be_different_entities():
    rows = Rows(TEXT)
    rows.add_entity(HERE, 0, 3, "Person", 1)
    rows.add_entity(HERE, 9, 11, "Person", "1")
    rows.add_relation(HERE, "1", 1, "Met")
    assert rows.relations == [RelationRecord(1, 0, "Met")]


def test_entity_that_is_repeated_with_its_id_is_a_duplicate():
    rows = Rows(TEXT)
    for _ in range(2):
        rows.add_entity(HERE, 0, 3, "Person", "a")
    rows.add_relation(HERE, "a", "a", "Self")
    assert len(rows.entities) == 2
    assert rows.relations == [RelationRecord(0, 0, "Self")]


def test_left_out_entity_is_known():
    rows = Rows(TEXT)
    rows.add_entity(HERE, 0, 3, "Person", "a")
    rows.leave_out("entity", "b is broken", BROKEN_ROW, key="b")
    assert [rows.knows(key) for key in "abc"] == [True, True, False]
