import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.biomedical import UNKNOWN_CONCEPT
from spacy_jre.corpora.formats.pubtator import read_pubtator
from spacy_jre.corpora.rows import BROKEN_ROW, LOST_ARGUMENT, OTHER_TEXT, OUTSIDE

from ..counts import Counts, assert_corrupted_file_is_read_or_coded, read_and_reported
from ..story import FOLDER, assert_is_the_story

TITLE = "Clavoxil and hives."
ABSTRACT = "Hives are rare. Clavoxil caused hives and tremor."
TEXT = f"{TITLE}\n{ABSTRACT}"
MENTIONS = [
    ("Clavoxil", 0, "Drug", "D1"),
    ("hives", 13, "Effect", "E1"),
    ("Hives", 20, "Effect", "E1"),
    ("Clavoxil", 36, "Drug", "D1"),
    ("hives", 52, "Effect", "E1"),
    ("tremor", 62, "Effect", "E2"),
]


def mention(text, start, label, concept, document="7"):
    return "\t".join(
        [document, str(start), str(start + len(text)), text, label, concept]
    )


ROWS = [mention(*row) for row in MENTIONS]
RELATIONS = ["7\tCID\tD1\tE1", "7\tCID\tD1\tE2"]


def block(rows=ROWS, relations=RELATIONS, title=TITLE, abstract=ABSTRACT, document="7"):
    lines = [f"{document}|t|{title}", f"{document}|a|{abstract}", *rows, *relations]
    return "\n".join(lines) + "\n"


def put(tmp_path, *blocks):
    path = tmp_path / "abstracts.txt"
    path.write_text("\n".join(blocks), encoding="utf8")
    return path


def read(tmp_path, *blocks, **options):
    return list(read_pubtator(put(tmp_path, *blocks), **options))


def read_faulty(tmp_path, text):
    path = put(tmp_path, text)
    (record,) = read_pubtator(path, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def pairs(record):
    """Offsets of the arguments of each relation."""
    starts = [entity.start for entity in record.entities]
    return [(starts[r.head], starts[r.tail]) for r in record.relations]


def test_story_is_read():
    assert_is_the_story(read_pubtator(FOLDER / "pubtator.txt"))


def test_document_is_read(tmp_path):
    rows = [mention("Clavoxil", 0, "Drug", "D1"), mention("tremor", 62, "Effect", "-")]
    assert read(tmp_path, block(rows, [])) == [
        Record(
            text=TEXT,
            entities=(EntityRecord(0, 8, "Drug"), EntityRecord(62, 68, "Effect")),
            document="7",
            meta={"concepts": [["D1"], []]},
        )
    ]


def test_relation_is_between_the_nearest_mentions_of_its_concepts(tmp_path):
    (record,) = read(tmp_path, block())
    assert pairs(record) == [(0, 13), (36, 62)]
    assert record.meta["concept_relations"] == [
        ["CID", "D1", "E1"],
        ["CID", "D1", "E2"],
    ]


def test_relation_can_be_between_the_first_mentions(tmp_path):
    (record,) = read(tmp_path, block(), repeats="first")
    assert pairs(record) == [(0, 13), (0, 62)]


def test_relation_can_be_between_all_mentions(tmp_path):
    (record,) = read(tmp_path, block(relations=RELATIONS[1:]), repeats="all")
    assert pairs(record) == [(0, 62), (36, 62)]


def test_unknown_rule_raises(tmp_path):
    with pytest.raises(ValueError, match="J202"):
        read(tmp_path, block(), repeats="last")


def test_novelty_of_a_relation_is_kept_as_meta(tmp_path):
    (record,) = read(tmp_path, block(relations=["7\tBind\tD1\tE2\tNovel"]))
    assert [relation.label for relation in record.relations] == ["Bind"]
    assert record.meta["concept_relations"] == [["Bind", "D1", "E2", "Novel"]]


@pytest.mark.parametrize("separator", ["|", ",", ";"])
def test_mention_of_several_concepts_is_found_by_each(tmp_path, separator):
    rows = [ROWS[0], mention("hives", 13, "Effect", f"E1{separator}E2") + "\thives|x"]
    (record,) = read(tmp_path, block(rows))
    assert pairs(record) == [(0, 13), (0, 13)]


def test_id_of_a_variant_is_one_concept(tmp_path):
    rows = [ROWS[0], mention("hives", 13, "Variant", "p|SUB|V|6|E")]
    (record,) = read(tmp_path, block(rows, ["7\tBind\tp|SUB|V|6|E\tD1"]))
    assert record.relations == (RelationRecord(1, 0, "Bind"),)


def test_name_of_the_database_can_be_missing_on_one_side(tmp_path):
    rows = [mention("Clavoxil", 0, "Drug", "MESH:D1"), ROWS[1]]
    (record,) = read(tmp_path, block(rows, ["7\tCID\tD1\tMESH:E1"]))
    assert pairs(record) == [(0, 13)]


@pytest.mark.parametrize("concept", ["-", "-1", "", "None"])
def test_mention_without_a_concept_is_an_entity(tmp_path, concept):
    rows = [*ROWS[:2], mention("tremor", 62, "Effect", concept)]
    record, left_out = read_faulty(tmp_path, block(rows, ["7\tCID\tD1\t-1"]))
    assert len(record.entities) == 3
    assert left_out == [("relation", UNKNOWN_CONCEPT)]


def test_relation_to_a_concept_without_a_mention_is_reported(tmp_path):
    (record,) = read(tmp_path, block(relations=["7\tCID\tD1\tE9", RELATIONS[1]]))
    assert pairs(record) == [(36, 62)]
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.broken) == ("relation", False)
    assert "line 9: CID has the concept 'E9'" in left_out.reason


def test_offsets_in_other_units_are_recognized_by_the_texts(tmp_path):
    title = "\U0001f35e caf\xe9 and Clavoxil"
    for encoding, unit in (("utf-16-le", 2), ("utf8", 1)):
        start = len(title[: title.index("Clav")].encode(encoding)) // unit
        rows = [mention("Clavoxil", start, "Drug", "D1")]
        (record,) = read(tmp_path, block(rows, [], title))
        (entity,) = record.entities
        assert record.text[entity.start : entity.end] == "Clavoxil"


@pytest.mark.parametrize("between", ["", "\n\n", "\r\n\r\n"])
def test_documents_start_at_their_titles(tmp_path, between):
    first = f"7|t|Clavoxil\n\n{ROWS[0]}{between}"
    second = f"\n8|t|Hives\n{mention('Hives', 0, 'Effect', 'E1', '8')}\n"
    records = read(tmp_path, first + second)
    assert [record.document for record in records] == ["7", "8"]
    assert [len(record.entities) for record in records] == [1, 1]


def test_mention_may_differ_from_the_text_in_case_and_whitespace(tmp_path):
    (record,) = read(tmp_path, block([ROWS[0].replace("Clavoxil", "CLAV oxil")], []))
    assert len(record.entities) == 1


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("7\t0\t99\tClavoxil\tDrug\tD9", OUTSIDE),
        ("7\t-3\t8\tClavoxil\tDrug\tD9", OUTSIDE),
        ("7\t1\t9\tClavoxil\tDrug\tD9", OTHER_TEXT),
        ("7\tx\t8\tClavoxil\tDrug\tD9", BROKEN_ROW),
        ("7\t0\t8\tClavoxil", BROKEN_ROW),
        ("7\t0\t8\tClavoxil\t\tD9", BROKEN_ROW),
        ("8\t0\t8\tClavoxil\tDrug\tD9", BROKEN_ROW),
    ],
)
def test_broken_mention_costs_only_itself(tmp_path, row, cause):
    record, left_out = read_faulty(tmp_path, block([row, *ROWS]))
    assert len(record.entities) == 6
    assert len(record.relations) == 2
    assert left_out == [("entity", cause)]


def test_relation_to_a_broken_mention_is_lost_with_it(tmp_path):
    rows = [*ROWS[:5], mention("tremors", 62, "Effect", "E2")]
    _, left_out = read_faulty(tmp_path, block(rows))
    assert left_out == [("entity", OTHER_TEXT), ("relation", LOST_ARGUMENT)]


@pytest.mark.parametrize(
    "row", ["7\tCID\tD1", "7\tCID", "7", "7\t\tD1\tE1", "8\tCID\tD1\tE1", "oops"]
)
def test_broken_relation_costs_only_itself(tmp_path, row):
    record, left_out = read_faulty(tmp_path, block(relations=[row, *RELATIONS]))
    assert len(record.relations) == 2
    assert left_out == [("relation", BROKEN_ROW)]


def test_broken_row_raises_by_default_with_its_line(tmp_path):
    with pytest.raises(ValueError, match=r"J605.*abstracts\.txt, line 9: .*columns"):
        read(tmp_path, block(relations=["7\tCID"]))


def test_rows_before_the_first_title_are_a_broken_document(tmp_path):
    skipped = []
    path = put(tmp_path, f"{ROWS[0]}\n{RELATIONS[0]}", block())
    assert len(list(read_pubtator(path, skip=skipped.append))) == 1
    assert [(left.entities, left.relations) for left in skipped] == [(1, 1)]


@pytest.mark.parametrize("title", [TITLE, "A [note|X] on hives", ""])
def test_format_is_guessed(tmp_path, title):
    assert guess_format(put(tmp_path, block(title=title))).name == "pubtator"


# any file

FAULTS = [
    lambda rng, row: row.replace("\t7", f"\t{rng.randint(-3, 99)}", 1),
    lambda rng, row: row.replace("\t", " ", 1),
    lambda rng, row: row.replace("D1", rng.choice(["", "-1", "D9"])),
    lambda rng, row: row.replace("CID", ""),
    lambda rng, row: row.replace("Effect", ""),
    lambda rng, row: row.replace(
        "\t13\t18\t", rng.choice(["\t12\t18\t", "\t13\t99\t"])
    ),
    lambda rng, row: row.replace("7\t", "8\t", 1),
    lambda rng, row: f"{row}\n{row}",
]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    blocks, entities, relations = [], 0, 0
    for _ in range(3):
        rows = [*ROWS, *RELATIONS]
        for _ in range(rng.randint(0, 4)):
            number = rng.randrange(len(rows))
            rows[number] = rng.choice(FAULTS)(rng, rows[number])
        lines = "\n".join(rows).split("\n")
        is_entity = [
            row.count("\t") > 4 or row.split("\t")[1].isdecimal() for row in lines
        ]
        entities += sum(is_entity)
        relations += len(lines) - sum(is_entity)
        blocks.append(block(lines, []))
    path = put(tmp_path_factory.mktemp("pubtator"), *blocks)
    expected = Counts(3, entities, relations)
    assert read_and_reported(read_pubtator, path) == expected


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_bytes_give_records_or_coded_errors(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("pubtator") / "abstracts.txt"
    data = (FOLDER / "pubtator.txt").read_bytes()
    assert_corrupted_file_is_read_or_coded(
        read_pubtator, path, data, seed, changes=5, code="J667]"
    )
