from collections import Counter
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.ade import (
    read_ade,
    read_ade_dose,
    read_ade_negatives,
)
from spacy_jre.corpora.formats.spert_json import read_spert_json

from ...conftest import SHARED
from ..story import DRUG, EFFECT, FOLDER, STORY, assert_is_the_story

# starts at offset 100 of its abstract
HIVES = "After clavoxil came hives, and clavoxil was stopped."


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.rel"


def line(effect, drug, *, document="9000", sentence=HIVES, shift=100, starts=None):
    """A line of the file. By default, the first occurrence of each form is used."""
    columns = [document, sentence]
    for form, start in zip((effect, drug), starts or (None, None), strict=True):
        start = sentence.index(form) if start is None else start
        columns += [form, str(start + shift), str(start + shift + len(form))]
    return "|".join(columns)


def write(path, *lines):
    path.write_bytes("\n".join(lines).encode("utf8"))
    return path


def read(path, *lines):
    return list(read_ade(write(path, *lines)))


def skipped(path, *lines):
    """The records of a file, and what is left out."""
    left_out = []
    return list(read_ade(write(path, *lines), skip=left_out.append)), left_out


def marked(record):
    return [(record.text[e.start : e.end], e.start, e.label) for e in record.entities]


def test_story_is_read():
    assert_is_the_story(read_ade(FOLDER / "ade.rel"))


def test_sentence_is_read(path):
    assert read(path, line("hives", "clavoxil")) == [
        Record(
            text=HIVES,
            entities=(EntityRecord(6, 14, DRUG), EntityRecord(20, 25, EFFECT)),
            relations=(RelationRecord(1, 0, EFFECT),),
            document="9000",
        )
    ]


def test_source_is_the_first_line_of_the_sentence(path):
    lines = line("hives", "clavoxil"), line("stopped", "clavoxil")
    other = line("fever", "Lima", sentence="Lima brings fever.")
    first, second = read(path, *lines, other)
    assert (first.source, second.source) == (f"{path}, line 1", f"{path}, line 3")


def test_drug_of_two_lines_is_one_entity(path):
    (record,) = read(path, line("hives", "clavoxil"), line("stopped", "clavoxil"))
    assert [e.label for e in record.entities] == [DRUG, EFFECT, EFFECT]
    assert record.relations == (
        RelationRecord(1, 0, EFFECT),
        RelationRecord(2, 0, EFFECT),
    )


def test_entities_are_sorted_by_offset(path):
    (record,) = read(path, line("stopped", "clavoxil"), line("After", "clavoxil"))
    assert [start for _, start, _ in marked(record)] == [0, 6, 44]


def test_offsets_distinguish_equal_forms(path):
    (record,) = read(path, line("hives", "clavoxil", starts=(None, 31)))
    assert marked(record) == [("hives", 20, EFFECT), ("clavoxil", 31, DRUG)]


@pytest.mark.parametrize("shift", [0, 7, 12_345])
def test_shift_is_inferred_for_each_sentence(path, shift):
    text = "Nausea after mirtolol."
    other = line("Nausea", "mirtolol", sentence=text, shift=shift)
    first, second = read(path, line("hives", "clavoxil"), other)
    assert [start for _, start, _ in marked(first)] == [6, 20]
    assert [start for _, start, _ in marked(second)] == [0, 13]


def test_sentences_of_an_abstract_have_separate_shifts(path):
    sentence = "Later clavoxil again brought hives."
    lines = (
        line("hives", "clavoxil", shift=0),
        line("hives", "clavoxil", sentence=sentence, shift=600),
    )
    first, second = read(path, *lines)
    assert (first.document, second.document) == ("9000", "9000")
    assert [start for _, start, _ in marked(second)] == [6, 29]


def test_same_sentence_of_another_abstract_is_another_record(path):
    lines = [line("hives", "clavoxil", document=d, shift=int(d)) for d in ("10", "20")]
    assert [r.document for r in read(path, *lines)] == ["10", "20"]


def test_same_sentence_with_other_offsets_is_another_record(path):
    hives, stopped = line("hives", "clavoxil"), line("stopped", "clavoxil")
    other = line("fever", "Lima", sentence="Lima brings fever.")
    first, _, third = read(path, hives, other, stopped)
    assert first.text == third.text
    assert len(first.relations) == len(third.relations) == 1


def test_relation_of_an_entity_inside_the_other_is_read(path):
    sentence = "We saw clavoxil rash."
    (record,) = read(path, line("clavoxil rash", "clavoxil", sentence=sentence))
    assert marked(record) == [("clavoxil", 7, DRUG), ("clavoxil rash", 7, EFFECT)]
    assert record.relations == (RelationRecord(1, 0, EFFECT),)


@pytest.mark.parametrize(
    ("padded", "start"),
    [(" clavoxil", 5), ("clavoxil ", 6), (" clavoxil ", 5), ("  clavoxil", 4)],
)
def test_counted_spaces_around_an_argument_are_not_part_of_the_entity(
    path, padded, start
):
    offsets = f"{start + 100}|{start + len(padded) + 100}"
    text = f"9000|{HIVES}|hives|120|125|{padded}|{offsets}"
    (record,) = read(path, text)
    assert marked(record) == [("clavoxil", 6, DRUG), ("hives", 20, EFFECT)]


def test_spaces_around_an_argument_can_be_uncounted(path):
    (record,) = read(path, f"9000|{HIVES}|hives|120|125| clavoxil |106|114")
    assert marked(record) == [("clavoxil", 6, DRUG), ("hives", 20, EFFECT)]


def test_all_lines_of_a_sentence_without_a_shift_are_skipped(path):
    good = line("fever", "Lima", sentence="Lima brings fever.")
    lines = line("hives", "clavoxil"), line("stopped", "clavoxil", shift=101), good
    records, left_out = skipped(path, *lines)
    assert [r.text for r in records] == ["Lima brings fever."]
    for number, entry in enumerate(left_out, 1):
        assert (entry.kind, entry.broken) == ("record", True)
        assert entry.reason.startswith(
            f"[J605] {path}, line {number}: field 'start' matches the sentence with 0 "
        )
    assert len(left_out) == 2


def test_line_with_other_offsets_than_the_other_lines_is_skipped(path):
    lines = [
        line("hives", "clavoxil"),
        line("stopped", "clavoxil", shift=101),
        line("After", "clavoxil"),
        line("and", "was", starts=(26, 27)),
    ]
    (record,), left_out = skipped(path, *lines)
    assert [start for _, start, _ in marked(record)] == [0, 6, 20]
    assert [entry.reason.split(": ")[0] for entry in left_out] == [
        f"[J605] {path}, line {number}" for number in (2, 4)
    ]
    assert "does not match the offsets of the other lines" in left_out[0].reason
    assert [(x.entities, x.relations) for x in left_out] == [(2, 1), (2, 1)]


def test_annotations_of_a_broken_line_are_counted(path):
    _, [left_out] = skipped(path, line("hives", "clavoxil"), "9000|Ada")
    assert (left_out.entities, left_out.relations) == (2, 1)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["hives", "stopped", "After"]),
            st.sampled_from([100, 100, 100, 101, 7]),
            st.sampled_from(["9000", "9001", "x"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_line_of_a_faulty_file_is_read_or_reported(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("ade") / "story.rel"
    lines = [
        line(effect, "clavoxil", shift=shift, document=document)
        for effect, shift, document in rows
    ]
    records, left_out = skipped(path, *lines)
    relations = sum(len(record.relations) for record in records)
    assert relations + sum(entry.relations for entry in left_out) == len(lines)


def test_all_lines_of_a_sentence_with_several_shifts_are_skipped(path):
    sentence = "hives, clavoxil; hives, clavoxil"
    records, [left_out] = skipped(path, line("hives", "clavoxil", sentence=sentence))
    assert not records
    assert left_out.broken
    assert "field 'start' matches the sentence with 2 shifts" in left_out.reason


def test_one_unambiguous_line_determines_the_shift_of_all_lines(path):
    sentence = "hives, clavoxil; hives, clavoxil (fever)"
    (record,) = read(
        path,
        line("hives", "clavoxil", sentence=sentence, starts=(17, 24)),
        line("fever", "clavoxil", sentence=sentence, starts=(34, 24)),
    )
    assert [start for _, start, _ in marked(record)] == [17, 24, 34]


def test_shift_is_inferred_from_overlapping_occurrences(path):
    sentence = "papapa and clavoxil"
    (record,) = read(path, line("papa", "clavoxil", sentence=sentence, starts=(2, 11)))
    assert marked(record)[0] == ("papa", 2, EFFECT)


def test_doses_have_another_label(path):
    sentence = "She took 5 mg of clavoxil."
    (record,) = read_ade_dose(write(path, line("5 mg", "clavoxil", sentence=sentence)))
    assert marked(record) == [("5 mg", 9, "Dose"), ("clavoxil", 17, DRUG)]
    assert record.relations == (RelationRecord(0, 1, "Dose"),)


@pytest.mark.parametrize(
    ("changes", "where", "field"),
    [
        pytest.param({0: "PMC1"}, "line 2", "PubMed id", id="id not a number"),
        pytest.param({0: ""}, "line 2", "PubMed id", id="missing id"),
        pytest.param({2: "fever"}, "line 2", "argument", id="not in the sentence"),
        pytest.param({2: " "}, "line 2", "argument", id="empty argument"),
        pytest.param({3: "x"}, "line 2, argument", "start", id="start not a number"),
        pytest.param({3: "-1"}, "line 2, argument", "start", id="negative start"),
        pytest.param({4: "²"}, "line 2, argument", "end", id="end not a number"),
        pytest.param({4: "124"}, "line 2, argument", "end", id="end too early"),
        pytest.param({4: "119"}, "line 2, argument", "end", id="end before start"),
        pytest.param({5: "Clavoxil"}, "line 2", "drug", id="another case"),
        pytest.param({6: "9" * 5000}, "line 2, drug", "start", id="huge start"),
        pytest.param({6: ""}, "line 2, drug", "start", id="missing start"),
        pytest.param({7: "115"}, "line 2, drug", "end", id="end too late"),
        pytest.param({7: "114|x"}, "line 2", "columns", id="additional column"),
        pytest.param({1: HIVES[:-1] + "|"}, "line 2", "columns", id="bar in the text"),
    ],
)
def test_broken_line_is_reported_with_file_and_column(path, changes, where, field):
    columns = line("hives", "clavoxil").split("|")
    for index, value in changes.items():
        columns[index] = value
    lines = line("hives", "clavoxil"), "|".join(columns), line("stopped", "clavoxil")
    (record,), [left_out] = skipped(path, *lines)
    assert len(record.relations) == 2
    assert left_out.broken
    assert left_out.reason.startswith(f"[J605] {path}, {where}: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_ade(path))


def test_line_that_is_not_utf8_is_skipped(path):
    good = line("hives", "clavoxil")
    path.write_bytes(good.encode() + b"\n9000|\xff\n")
    left_out = []
    assert len(list(read_ade(path, skip=left_out.append))) == 1
    assert left_out[0].reason.startswith(f"[J668] {path}, line 2: ")


@pytest.mark.parametrize("reader", [read_ade, read_ade_dose, read_ade_negatives])
def test_missing_and_empty_file_raise(path, reader):
    with pytest.raises(ValueError, match=r"J601.*story\.rel"):
        list(reader(path))
    with pytest.raises(ValueError, match=r"J602.*story\.rel"):
        list(reader(write(path, "")))


# sentences without an adverse effect


def test_negatives_have_no_annotation(path):
    write(path, *(f"900{n} NEG {record.text}" for n, record in enumerate(STORY)))
    records = list(read_ade_negatives(path))
    assert [r.text for r in records] == [r.text for r in STORY]
    assert [r.document for r in records] == ["9000", "9001", "9002", "9003"]
    assert not any(r.entities or r.relations for r in records)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("9000 POS We slept.", "mark"),
        ("9000", "mark"),
        ("NEG We slept.", "mark"),
        ("PMC1 NEG We slept.", "PubMed id"),
        (" NEG We slept.", "PubMed id"),
    ],
)
def test_broken_negative_is_reported_with_file_and_field(path, text, field):
    left_out = []
    write(path, "1 NEG One", text, "3 NEG Three")
    records = list(read_ade_negatives(path, skip=left_out.append))
    assert [r.text for r in records] == ["One", "Three"]
    (entry,) = left_out
    assert entry.broken
    assert entry.reason.startswith(f"[J605] {path}, line 2: field '{field}' ")


# the public corpus

CORPUS = SHARED / "ade"


@cache
def corpus():
    return list(read_ade(CORPUS / "raw" / "DRUG-AE.rel"))


@cache
def spert():
    return list(read_spert_json(CORPUS / "spert" / "ade_full.json"))


def overlapping(record):
    """Index pairs of overlapping entities."""
    return [
        (i, j)
        for (i, a), (j, b) in combinations(enumerate(record.entities), 2)
        if a.start < b.end and b.start < a.end
    ]


@pytest.mark.data
def test_corpus_has_the_published_counts():
    records = corpus()
    assert len(records) == 4272
    assert len({record.text for record in records}) == 4271
    assert len({record.document for record in records}) == 1644
    assert sum(len(record.relations) for record in records) == 6821
    labels = Counter(e.label for record in records for e in record.entities)
    assert labels == {EFFECT: 5776, DRUG: 5063}
    assert labels.total() == 10839


@pytest.mark.data
def test_overlapping_pairs_of_the_corpus_are_drugs_inside_related_effects():
    records = [record for record in corpus() if overlapping(record)]
    pairs = [(record, *pair) for record in records for pair in overlapping(record)]
    assert (len(pairs), len(records)) == (120, 119)
    for record, i, j in pairs:
        a, b = record.entities[i], record.entities[j]
        drug, effect = (a, b) if a.label == DRUG else (b, a)
        assert (drug.label, effect.label) == (DRUG, EFFECT)
        assert effect.start <= drug.start < drug.end <= effect.end
        joined = {frozenset((r.head, r.tail)) for r in record.relations}
        assert frozenset((i, j)) in joined


def surface(record):
    """The content of a sentence, independent of its tokens."""

    def without_spaces(start, end):
        return "".join(record.text[start:end].split())

    forms = [(without_spaces(e.start, e.end), e.label) for e in record.entities]
    relations = [(forms[r.head], forms[r.tail]) for r in record.relations]
    text = without_spaces(0, len(record.text))
    return text, tuple(sorted(forms)), tuple(sorted(relations))


@pytest.mark.data
def test_corpus_equals_the_json_of_spert():
    ours, theirs = Counter(map(surface, corpus())), Counter(map(surface, spert()))
    assert ours == theirs


@pytest.mark.data
def test_doses_have_the_published_counts():
    records = list(read_ade_dose(CORPUS / "raw" / "DRUG-DOSE.rel"))
    assert len(records) == 213
    assert sum(len(record.relations) for record in records) == 279


@pytest.mark.data
def test_negatives_have_the_published_count():
    records = list(read_ade_negatives(CORPUS / "raw" / "ADE-NEG.txt"))
    assert len(records) == 16695
    assert all(record.text and record.document for record in records)


# the folds of SpERT


@cache
def fold(number, part="test"):
    path = CORPUS / "spert" / f"ade_split_{number}_{part}.json"
    return {record.meta["orig_id"]: record for record in read_spert_json(path)}


@pytest.mark.data
def test_full_file_has_the_published_counts():
    counts = [len(spert())]
    counts += [sum(len(record.entities) for record in spert())]
    counts += [sum(len(record.relations) for record in spert())]
    assert counts == [4272, 10839, 6821]


@pytest.mark.data
def test_test_folds_partition_the_full_file():
    full = {record.meta["orig_id"]: record for record in spert()}
    folds = [fold(number) for number in range(10)]
    assert sum(map(len, folds)) == len(full) == 4272
    assert {key: record for part in folds for key, record in part.items()} == full


@pytest.mark.data
def test_train_part_of_a_fold_is_the_full_file_without_its_test_part():
    train, test = fold(0, "train"), fold(0)
    full = {record.meta["orig_id"]: record for record in spert()}
    assert train == {key: full[key] for key in full.keys() - test.keys()}
