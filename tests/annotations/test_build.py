from dataclasses import replace

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_jre.annotations import (
    AlignmentReport,
    EntityRecord,
    LeftOut,
    Record,
    RelationRecord,
    build_doc,
    split_sentences,
)
from spacy_jre.annotations.build import (
    LOST_ARGUMENT,
    MERGED,
    MERGED_RELATION,
    MISALIGNED,
    SELF_RELATION,
)

from ..conftest import STORY, make_record


def test_tokens_are_the_words_of_the_record(nlp):
    doc = build_doc(make_record(STORY[0]), nlp)
    assert [t.text for t in doc] == STORY[0]["words"]
    assert doc.has_unknown_spaces


def test_scores_are_stored(nlp):
    entities = EntityRecord(0, 3, "PER", 0.25), EntityRecord(8, 10, "PER", 0.5)
    relations = RelationRecord(0, 1, "met", 0.75), RelationRecord(1, 0, "met")
    doc = build_doc(Record("Ada met Bo", entities, relations), nlp)
    assert doc.spans["jre"].attrs["scores"] == [0.25, 0.5]
    assert [relation.score for relation in doc._.relations] == [0.75, 1.0]


def test_score_of_duplicates_is_the_highest(nlp):
    entities = [EntityRecord(0, 3, "PER", score) for score in (0.25, 0.5, 0.125)]
    relations = [RelationRecord(0, 0, "is", score) for score in (0.25, 0.75, 0.5)]
    report = AlignmentReport()
    record = Record("Ada met Bo", tuple(entities), tuple(relations))
    doc = build_doc(record, nlp, report=report)
    assert doc.spans["jre"].attrs["scores"] == [0.5]
    assert [relation.score for relation in doc._.relations] == [0.75]
    assert (report.duplicate_entities, report.duplicates, report.lost) == (2, 2, [])


def test_relations_that_become_equal_with_different_scores_are_reported(nlp):
    entities = EntityRecord(0, 3, "X"), EntityRecord(4, 7, "X"), EntityRecord(8, 9, "Y")
    relations = RelationRecord(0, 2, "r", 0.25), RelationRecord(1, 2, "r", 0.5)
    report = AlignmentReport()
    record = Record("gin_rum x", entities, relations)
    doc = build_doc(record, nlp, alignment="expand", report=report)
    assert [relation.score for relation in doc._.relations] == [0.5]
    assert [lost.cause for lost in report.lost] == [MERGED, MERGED_RELATION]


def test_nested_entity_is_in_the_span_group_and_is_counted(nlp):
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


def test_record_is_one_sentence_without_sentence_boundaries(nlp):
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
        assert not report.lost
    else:
        assert doc._.relations == ()
        entity, relation = report.lost
        assert (entity.kind, entity.cause) == ("entity", MISALIGNED)
        assert (relation.kind, relation.cause) == ("relation", LOST_ARGUMENT)
        assert "'well' at 2..6" in entity.reason


# one token, "gin+rum+ale", has three entities
DRINKS = Record(
    "Nina mixes gin+rum+ale today",
    (
        EntityRecord(0, 4, "PER"),
        EntityRecord(11, 14, "DRINK"),
        EntityRecord(15, 18, "DRINK"),
        EntityRecord(19, 22, "DRINK"),
    ),
    (
        RelationRecord(0, 1, "mixes"),
        RelationRecord(0, 2, "mixes"),
        RelationRecord(0, 2, "mixes"),
        RelationRecord(1, 2, "with"),
        RelationRecord(3, 3, "with"),
    ),
    source="line 3",
)


def expand(record):
    """The Doc and the report with words that are split on whitespace only."""
    report = AlignmentReport()
    nlp = spacy.blank("en")
    nlp.tokenizer = WhitespaceTokenizer(nlp.vocab)
    return build_doc(record, nlp, alignment="expand", report=report), report


class WhitespaceTokenizer:
    def __init__(self, vocab):
        self.vocab = vocab

    def __call__(self, text):
        return Doc(self.vocab, words=text.split(" "))


def test_entities_that_become_equal_are_lost_and_named():
    doc, report = expand(DRINKS)
    assert [span.text for span in doc.spans["jre"]] == ["Nina", "gin+rum+ale"]
    merged = [lost for lost in report.lost if lost.cause == MERGED]
    assert [lost.reason for lost in merged] == [
        "line 3: DRINK 'rum' at 15..18 becomes 'gin+rum+ale', like the entity at "
        "11..14",
        "line 3: DRINK 'ale' at 19..22 becomes 'gin+rum+ale', like the entity at "
        "11..14",
    ]
    assert {lost.kind for lost in merged} == {"entity"}


def test_relation_that_comes_to_join_an_entity_with_itself_is_lost():
    doc, report = expand(DRINKS)
    reasons = [lost.reason for lost in report.lost if lost.cause == SELF_RELATION]
    assert reasons == [
        "line 3: with between entities 1 and 2, which both become 'gin+rum+ale'"
    ]
    assert ("gin+rum+ale", "with", "gin+rum+ale") in [
        relation.as_triple() for relation in doc._.relations
    ]  # the record has it


def test_relation_between_labels_of_the_same_tokens_is_lost_after_alignment():
    record = Record(
        "gin+rum",
        (EntityRecord(0, 3, "DRINK"), EntityRecord(4, 7, "SPIRIT")),
        (RelationRecord(0, 1, "with"),),
    )
    doc, report = expand(record)
    assert doc._.relations == ()
    assert [lost.cause for lost in report.lost] == [SELF_RELATION]


def test_relations_that_become_equal_are_lost_and_duplicates_are_not():
    doc, report = expand(DRINKS)
    reasons = [lost.reason for lost in report.lost if lost.cause == MERGED_RELATION]
    assert reasons == [
        "line 3: mixes between entities 0 and 2 becomes equal to an earlier relation"
    ]
    assert report.duplicates == 1
    lost = sum(lost.kind == "relation" for lost in report.lost)
    assert len(doc._.relations) + lost + report.duplicates == report.relations


@pytest.mark.parametrize(
    ("alignment", "counts"), [("expand", (2, 0)), ("contract", (0, 1))]
)
def test_moved_boundaries_are_counted(nlp, alignment, counts):
    record = Record(
        "A wellknown cook",
        (
            EntityRecord(2, 6, "X"),  # inside a token
            EntityRecord(2, 14, "Y"),  # ends inside a token
            EntityRecord(12, 16, "Z"),
        ),
    )
    report = AlignmentReport()
    build_doc(record, nlp, alignment=alignment, report=report)
    assert (report.widened, report.narrowed) == counts


def test_trimmed_entities_are_summed(nlp):
    report = AlignmentReport()
    for trimmed in (2, 0, 3):
        build_doc(Record("A", trimmed=trimmed), nlp, report=report)
    assert report.trimmed == 5


def test_equal_entities_of_a_record_are_duplicates_and_not_lost(nlp):
    report = AlignmentReport()
    build_doc(Record("A b", (EntityRecord(0, 1, "X"),) * 3), nlp, report=report)
    assert report.duplicate_entities == 2
    assert not report.lost


@given(
    words=st.lists(st.sampled_from(["a", "bc", "d+e", "fgh"]), min_size=1, max_size=6),
    data=st.data(),
)
@settings(deadline=None, max_examples=100)
def test_entities_and_relations_are_in_the_doc_or_reported(words, data):
    text = " ".join(words)
    offset = st.integers(0, len(text))
    spans = data.draw(st.lists(st.tuples(offset, offset), max_size=6))
    entities = tuple(
        EntityRecord(start, end, data.draw(st.sampled_from("XY")))
        for start, end in spans
        if start < end
    )
    index = st.integers(0, len(entities) - 1)
    pairs = st.lists(st.tuples(index, index), max_size=8) if entities else st.just([])
    relations = tuple(RelationRecord(h, t, "r") for h, t in data.draw(pairs))
    nlp = spacy.blank("xx")
    for alignment in ("strict", "expand", "contract"):
        report = AlignmentReport()
        record = Record(text, entities, relations)
        doc = build_doc(record, nlp, alignment=alignment, report=report)
        kinds = [lost.kind for lost in report.lost]
        assert len(entities) == report.duplicate_entities + kinds.count("entity") + len(
            doc.spans["jre"]
        )
        assert len(relations) == report.duplicates + kinds.count("relation") + len(
            doc._.relations
        )


def test_unknown_alignment_raises(nlp):
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
def test_record_with_invalid_annotation_raises(entities, relations, code):
    with pytest.raises(ValueError, match=code):
        Record(
            "A b",
            tuple(EntityRecord(*e) for e in entities),
            tuple(RelationRecord(*r) for r in relations),
        )


def test_doc_keeps_meta_of_the_record(nlp):
    doc = build_doc(make_record(STORY[0], meta={"orig_id": 7}), nlp)
    assert doc.user_data["jre:record"] == {"meta": {"orig_id": 7}}


def test_doc_keeps_document_of_the_record(nlp):
    doc = build_doc(make_record(STORY[0], document="D1"), nlp)
    assert doc.user_data["jre:record"] == {"document": "D1"}


def test_record_without_other_fields_is_not_stored(nlp):
    assert "jre:record" not in build_doc(make_record(STORY[0]), nlp).user_data


def test_duplicate_entities_are_kept_once_and_stored_in_user_data(nlp):
    twice = EntityRecord(0, 1, "X"), EntityRecord(0, 1, "X")
    doc = build_doc(Record("A b", twice, (RelationRecord(1, 0, "r"),)), nlp)
    assert len(doc.spans["jre"]) == 1
    assert doc.user_data["jre:record"] == {
        "entities": [[0, 1, "X"], [0, 1, "X"]],
        "relations": [[1, 0, "r"]],
    }


def test_report_has_left_out_annotation_of_the_reader(nlp):
    report = AlignmentReport()
    left_out = LeftOut("event", "line 1"), LeftOut("relation", "line 2")
    for entry in left_out:
        build_doc(Record("A", left_out=(entry,)), nlp, report=report)
    assert report.left_out == list(left_out)


def test_text_with_half_a_surrogate_pair_raises():
    with pytest.raises(ValueError, match=r"J111.*line 3.*character 2"):
        Record("A \ud83d", source="line 3")


def test_equality_ignores_source():
    assert Record("A", source="line 1") == Record("A", source="line 2")


# splitting a record into sentences

TWO = Record(
    "Ada cooks. Mia sings in Lima.",
    (
        EntityRecord(0, 3, "PER"),
        EntityRecord(11, 14, "PER"),
        EntityRecord(24, 28, "LOC"),
    ),
    (RelationRecord(2, 1, "home_of"), RelationRecord(1, 2, "lives_in")),
    sentences=((0, 10), (11, 29)),
    document="D1",
    source="line 3",
    meta={"clusters": [[0]]},
)


def test_split_sentences_have_relative_offsets_and_indices():
    assert list(split_sentences(TWO)) == [
        Record("Ada cooks.", (EntityRecord(0, 3, "PER"),), document="D1"),
        Record(
            "Mia sings in Lima.",
            (EntityRecord(0, 3, "PER"), EntityRecord(13, 17, "LOC")),
            (RelationRecord(1, 0, "home_of"), RelationRecord(0, 1, "lives_in")),
            document="D1",
        ),
    ]


def test_source_of_a_sentence_has_its_number():
    sources = [sentence.source for sentence in split_sentences(TWO)]
    assert sources == ["line 3, sentence 0", "line 3, sentence 1"]


def test_record_of_one_sentence_is_yielded_unchanged():
    record = make_record(STORY[0], meta={"orig_id": 7})
    (sentence,) = split_sentences(record)
    assert sentence is record


def test_words_are_split_into_sentences():
    record = Record(
        "Ada cooks . Mia sings .",
        words=("Ada", "cooks", ".", "Mia", "sings", "."),
        sentences=((0, 11), (12, 23)),
    )
    assert [(s.text, s.words) for s in split_sentences(record)] == [
        ("Ada cooks .", ("Ada", "cooks", ".")),
        ("Mia sings .", ("Mia", "sings", ".")),
    ]


def split(entities, relations=(), text="A b. C d.", sentences=((0, 4), (5, 9))):
    """Entities, relations and left out annotation of each sentence."""
    record = Record(
        text,
        tuple(EntityRecord(*e, "X") for e in entities),
        tuple(RelationRecord(*r, "r") for r in relations),
        sentences=sentences,
        source="line 3",
    )
    return [
        (
            [(e.start, e.end) for e in sentence.entities],
            [(r.head, r.tail) for r in sentence.relations],
            [(left_out.kind, left_out.reason) for left_out in sentence.left_out],
        )
        for sentence in split_sentences(record)
    ]


def test_entity_across_a_boundary_is_reported_where_it_starts():
    reason = "line 3, sentence 0: entity 1 crosses the sentence boundary"
    assert split([(0, 1), (2, 6), (7, 8)]) == [
        ([(0, 1)], [], [("entity", reason)]),
        ([(2, 3)], [], []),
    ]


@pytest.mark.parametrize("offsets", [(4, 5), (4, 6), (4, 9)])
def test_entity_that_starts_between_sentences_is_reported(offsets):
    (first, second) = split([offsets])
    reason = "line 3, sentence 0: entity 0 crosses the sentence boundary"
    assert first[2] == [("entity", reason)]
    assert second == ([], [], [])


@pytest.mark.parametrize(("offsets", "number"), [((0, 2), 0), ((9, 10), 1)])
def test_entity_outside_all_sentences_is_reported(offsets, number):
    result = split([offsets], text="  A b  C d ", sentences=((2, 5), (7, 9)))
    reason = f"line 3, sentence {number}: entity 0 crosses the sentence boundary"
    assert [entry for _, _, left_out in result for entry in left_out] == [
        ("entity", reason)
    ]


@pytest.mark.parametrize(("relation", "number"), [((0, 1), 0), ((1, 0), 1)])
def test_relation_across_sentences_is_reported_at_its_head(relation, number):
    result = split([(0, 1), (5, 6)], [relation])
    reason = f"line 3, sentence {number}: relation 0 is across sentences"
    assert result[number][2] == [("relation", reason)]
    assert result[1 - number][2] == []


@pytest.mark.parametrize(
    ("relation", "number"), [((0, 1), 0), ((1, 0), 1), ((0, 0), 0)]
)
def test_relation_of_a_left_out_entity_is_reported(relation, number):
    result = split([(2, 6), (7, 8)], [relation])
    assert (
        "relation",
        f"line 3, sentence {number}: relation 0 is across sentences",
    ) in (result[number][2])
    assert not any(relations for _, relations, _ in result)


def test_first_sentence_has_left_out_annotation_of_the_record():
    entry = LeftOut("event", "line 3: an event")
    first, second = split_sentences(replace(TWO, left_out=(entry,)))
    assert (first.left_out, second.left_out) == ((entry,), ())
