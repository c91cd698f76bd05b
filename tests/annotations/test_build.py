import pytest

from spacy_jre.annotations import (
    AlignmentReport,
    EntityRecord,
    Record,
    RelationRecord,
    build_doc,
)

from ..conftest import STORY, make_record


def test_words_of_the_record_are_the_tokens(nlp):
    doc = build_doc(make_record(STORY[0]), nlp)
    assert [t.text for t in doc] == STORY[0]["words"]
    assert doc.has_unknown_spaces


def test_nested_entity_goes_to_the_group_and_is_counted(nlp):
    report = AlignmentReport()
    doc = build_doc(make_record(STORY[0]), nlp, report=report)
    assert [e.text for e in doc.ents] == ["Ada Quint", "Hotel Lima", "Oslo"]
    assert {s.text for s in doc.spans["jre"]} == {
        "Ada Quint",
        "Hotel Lima",
        "Lima",
        "Oslo",
    }
    assert report.not_in_ents == 1


def test_record_is_one_sentence_unless_it_says_otherwise(nlp):
    doc = build_doc(make_record(STORY[0]), nlp)
    assert [t.is_sent_start for t in doc] == [True] + [False] * (len(doc) - 1)
    record = Record("One two. Three four.", sentences=((0, 8), (9, 20)))
    assert [s.text for s in build_doc(record, nlp).sents] == ["One two.", "Three four."]


@pytest.mark.parametrize("alignment", ["strict", "expand", "contract"])
def test_entity_inside_a_token_is_aligned_or_reported(nlp, alignment):
    record = Record(
        "A wellknown cook",
        (EntityRecord(2, 6, "X"), EntityRecord(12, 16, "Y")),
        (RelationRecord(0, 1, "r"),),
    )
    report = AlignmentReport()
    doc = build_doc(record, nlp, alignment=alignment, report=report)
    if alignment == "expand":
        assert doc._.relations[0].as_triple() == ("wellknown", "r", "cook")
        assert not report.misaligned
    else:
        assert doc._.relations == ()
        assert len(report.misaligned) == len(report.lost_relations) == 1
        assert "'well' at 2..6" in report.misaligned[0]


def test_unknown_alignment_is_refused(nlp):
    with pytest.raises(ValueError, match="J110"):
        build_doc(Record("A"), nlp, alignment="loose")


def test_duplicate_relations_are_kept_once_and_counted(nlp):
    record = Record(
        "A b",
        (EntityRecord(0, 1, "X"), EntityRecord(2, 3, "X")),
        (RelationRecord(0, 1, "r"), RelationRecord(0, 1, "r")),
    )
    report = AlignmentReport()
    doc = build_doc(record, nlp, report=report)
    assert len(doc._.relations) == 1
    assert report.duplicates == 1
    assert report.relations == 2


@pytest.mark.parametrize(
    ("entities", "relations", "code"),
    [
        ([(0, 9, "X")], [], "J107"),
        ([(1, 1, "X")], [], "J107"),
        ([(0, 1, "")], [], "J109"),
        ([(0, 1, "X")], [(0, 1, "r")], "J108"),
        ([(0, 1, "X")], [(-1, 0, "r")], "J108"),
        ([(0, 1, "X")], [(0, 0, "")], "J109"),
    ],
)
def test_record_refuses_what_is_out_of_range(entities, relations, code):
    with pytest.raises(ValueError, match=code):
        Record(
            "A b",
            tuple(EntityRecord(*e) for e in entities),
            tuple(RelationRecord(*r) for r in relations),
        )


def test_meta_of_the_record_stays_with_the_doc(nlp):
    doc = build_doc(make_record(STORY[0], meta={"orig_id": 7}), nlp)
    assert doc.user_data["jre:meta"] == {"orig_id": 7}
