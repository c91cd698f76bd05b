from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.multihead import read_multihead
from spacy_jre.corpora.formats.spert_json import read_spert_json
from spacy_jre.corpora.rows import BROKEN_ROW, LOST_ARGUMENT

from ...conftest import SHARED
from ..story import FOLDER, assert_is_the_story

LIMA = [
    ("Ada", "B-Peop", "['N']", "[0]"),
    ("Quint", "I-Peop", "['Leave']", "[3]"),
    ("left", "O", "['N']", "[2]"),
    ("Lima", "B-Loc", "['N']", "[3]"),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.txt"


def block(name, rows):
    """A sentence in the file."""
    lines = ["\t".join([str(number), *row]) for number, row in enumerate(rows)]
    return "\n".join([f"#doc {name}", *lines, ""])


def write(path, *blocks):
    path.write_bytes("".join(blocks).encode("utf8"))
    return path


def read(path, *blocks):
    return list(read_multihead(write(path, *blocks)))


def read_tags(path, *tags):
    rows = [(f"w{n}", tag, "['N']", f"[{n}]") for n, tag in enumerate(tags)]
    (record,) = read(path, block(1, rows))
    return record


def skipped(path, *blocks):
    """The records of a file, and what is left out."""
    left_out = []
    return list(read_multihead(write(path, *blocks), skip=left_out.append)), left_out


def test_story_is_read():
    assert_is_the_story(read_multihead(FOLDER / "multihead.txt"))


def test_sentence_is_read(path):
    (record,) = read(path, block(12, LIMA))
    assert record == Record(
        text="Ada Quint left Lima",
        entities=(EntityRecord(0, 9, "Peop"), EntityRecord(15, 19, "Loc")),
        relations=(RelationRecord(0, 1, "Leave"),),
        words=("Ada", "Quint", "left", "Lima"),
        meta={"orig_id": 12},
    )


def test_source_is_line_and_name(path):
    _, second = read(path, block(3, LIMA), block(9, LIMA))
    assert second.source == f"{path}, line 6, #doc 9"


@pytest.mark.parametrize(
    ("name", "number"), [("12", 12), ("0", 0), ("a b", "a b"), ("", "")]
)
def test_numeric_name_of_a_sentence_becomes_a_number(path, name, number):
    (record,) = read(path, block(name, LIMA))
    assert record.meta == {"orig_id": number}


def test_sentence_without_a_name_is_read(path):
    first, second = read(path, block("", LIMA).removeprefix("#doc \n"), block(7, LIMA))
    assert (first.text, first.meta) == (second.text, {"orig_id": ""})


def test_blank_lines_and_carriage_returns_are_ignored(path):
    text = block(1, LIMA) + block(2, LIMA)
    spread = "\ufeff" + text.replace("#doc", "\n\n#doc").replace("\n", "\r\n")
    assert read(path, spread) == read(path, text)


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        (["B-X", "I-X", "I-X"], [(0, 8, "X")]),
        (["B-X", "B-X"], [(0, 2, "X"), (3, 5, "X")]),
        (["B-X", "O", "B-Y"], [(0, 2, "X"), (6, 8, "Y")]),
        (["B-A-b", "I-A-b"], [(0, 5, "A-b")]),
        (["O", "O"], []),
    ],
)
def test_tags_become_entities(path, tags, entities):
    record = read_tags(path, *tags)
    assert record.entities == tuple(EntityRecord(*entity) for entity in entities)
    assert not record.left_out


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        pytest.param(["O", "I-X"], [(3, 5, "X")], id="after O"),
        pytest.param(["I-X", "I-X"], [(0, 5, "X")], id="at the start, and continued"),
        pytest.param(["B-Y", "I-X"], [(0, 2, "Y"), (3, 5, "X")], id="other label"),
    ],
)
def test_inside_tag_without_entity_starts_one_and_is_reported(path, tags, entities):
    record = read_tags(path, *tags)
    assert record.entities == tuple(EntityRecord(*entity) for entity in entities)
    (left_out,) = record.left_out
    number = tags.index("I-X")
    assert (left_out.kind, left_out.broken) == ("tag", False)
    assert left_out.reason.startswith(f"{path}, line {number + 2}: I-X of 'w{number}' ")


def test_token_can_have_several_relations(path):
    rows = [
        ("Ada", "B-Peop", "['Leave', 'N', 'Like']", "[2, 0, 1]"),
        ("Oslo", "B-Loc", "['Near', 'Near']", "[1, 2]"),
        ("Lima", "B-Loc", "['N']", "[2]"),
    ]
    (record,) = read(path, block(1, rows))
    assert record.relations == (
        RelationRecord(0, 2, "Leave"),
        RelationRecord(0, 1, "Like"),
        RelationRecord(1, 1, "Near"),
        RelationRecord(1, 2, "Near"),
    )


@pytest.mark.parametrize(
    ("row", "head"),
    [
        pytest.param(0, 3, id="head inside an entity"),
        pytest.param(2, 3, id="head outside entities"),
        pytest.param(1, 0, id="tail inside an entity"),
        pytest.param(1, 2, id="tail outside entities"),
        pytest.param(1, 4, id="tail after the sentence"),
        pytest.param(1, -1, id="tail before the sentence"),
    ],
)
def test_relation_to_a_token_without_entity_end_is_reported(path, row, head):
    rows = [(word, tag, "['N']", "[0]") for word, tag, *_ in LIMA]
    rows[row] = (*rows[row][:2], "['Leave']", f"[{head}]")
    (record,) = read(path, block(1, rows))
    assert len(record.entities) == 2
    assert record.relations == ()
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.broken) == ("relation", False)
    expected = f"{path}, line {row + 2}: Leave to row {head} "
    assert left_out.reason.startswith(expected)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        pytest.param("0\ta\tO\t['N']", "columns", id="missing column"),
        pytest.param("0\ta\tO\t['N']\t[0]\tx", "columns", id="additional column"),
        pytest.param("0 a O ['N'] [0]", "columns", id="spaces instead of tabs"),
        pytest.param("1\ta\tO\t['N']\t[0]", "row", id="rows from 1"),
        pytest.param("x\ta\tO\t['N']\t[0]", "row", id="row not a number"),
        pytest.param("0\t\tO\t['N']\t[0]", "token", id="empty token"),
    ],
)
def test_broken_row_is_reported_with_file_and_column(path, row, field):
    blocks = block(1, LIMA), f"#doc 2\n{row}\n", block(3, LIMA)
    records, [left_out] = skipped(path, *blocks)
    assert [r.meta["orig_id"] for r in records] == [1, 3]
    assert left_out.broken
    assert left_out.reason.startswith(f"[J605] {path}, line 7: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_multihead(path))


@pytest.mark.parametrize(
    ("row", "field"),
    [
        pytest.param("0\ta\tX\t['N']\t[0]", "tag", id="tag of another scheme"),
        pytest.param("0\ta\tB\t['N']\t[0]", "tag", id="tag without label"),
        pytest.param("0\ta\tB-\t['N']\t[0]", "tag", id="tag with empty label"),
        pytest.param("0\ta\tE-X\t['N']\t[0]", "tag", id="tag of BIOES"),
        pytest.param("0\ta\t\t['N']\t[0]", "tag", id="empty tag"),
        pytest.param("0\ta\tO\t['N'\t[0]", "relations", id="list not closed"),
        pytest.param("0\ta\tO\tN\t[0]", "relations", id="not a list"),
        pytest.param("0\ta\tO\t'N'\t[0]", "relations", id="string"),
        pytest.param("0\ta\tO\t[0]\t[0]", "relations", id="numbers"),
        pytest.param("0\ta\tO\t{[]}\t[0]", "relations", id="impossible set"),
        pytest.param(f"0\ta\tO\t{'[' * 9000}\t[0]", "relations", id="nested"),
        pytest.param("0\ta\tO\t['\\ud83d']\t[0]", "relations", id="not a string"),
        pytest.param("0\ta\tO\t['N']\t['0a']", "heads", id="heads as strings"),
        pytest.param("0\ta\tO\t['N']\t[True]", "heads", id="heads as bools"),
        pytest.param("0\ta\tO\t['N']\t[0.5]", "heads", id="heads as floats"),
        pytest.param("0\ta\tO\t['N']\t", "heads", id="empty column"),
        pytest.param(f"0\ta\tO\t['N']\t[{'1' * 5000}]", "heads", id="huge number"),
        pytest.param("0\ta\tO\t['N']\t[0, 1]", "heads", id="more heads"),
        pytest.param("0\ta\tO\t['N', 'r']\t[0]", "heads", id="fewer heads"),
        pytest.param("0\ta\tB-X\t['']\t[0]", "label", id="empty label"),
    ],
)
def test_broken_cell_costs_only_its_annotation(path, row, field):
    rows = ["#doc 2", row, "1\tb\tB-X\t['r']\t[1]", ""]
    (record,), left_out = skipped(path, "\n".join(rows))
    assert left_out == []
    assert record.words == ("a", "b")
    assert [relation.label for relation in record.relations] == ["r"]
    (entry,) = record.left_out
    kind = "entity" if field == "tag" else "relation"
    assert (entry.kind, entry.broken) == (kind, True)
    assert entry.reason.startswith(f"[J605] {path}, line 2: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_multihead(path))


def test_relation_of_a_broken_tag_is_lost(path):
    rows = [("Ada", "X", "['r']", "[1]"), ("Bo", "B-X", "['N']", "[1]")]
    (record,), _ = skipped(path, block(1, rows))
    assert [(x.kind, x.cause) for x in record.left_out] == [
        ("entity", BROKEN_ROW),
        ("relation", LOST_ARGUMENT),
    ]


def test_annotations_of_a_broken_sentence_are_counted(path):
    rows = [*LIMA, ("", "O", "['N']", "[0]")]
    _, [left_out] = skipped(path, block(1, rows))
    assert (left_out.entities, left_out.relations) == (2, 1)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["O", "B-X", "B-Y", "B", "X"]),
            st.lists(st.tuples(st.sampled_from(["r", ""]), st.integers(-1, 5))),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_annotation_of_a_faulty_file_is_read_or_reported(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("multihead") / "story.txt"
    lines = [
        ("w", tag, str([label for label, _ in links]), str([head for _, head in links]))
        for tag, links in rows
    ]
    (record,), left_out = skipped(path, block(1, lines))
    assert left_out == []
    kinds = [entry.kind for entry in record.left_out]
    entities = sum(tag != "O" for tag, _ in rows)
    assert len(record.entities) + kinds.count("entity") == entities
    relations = sum(len(links) for _, links in rows)
    assert len(record.relations) + kinds.count("relation") == relations


def test_file_that_is_not_utf8_raises_without_partial_sentences(path):
    path.write_bytes(
        (block(1, LIMA) + block(2, LIMA)).encode().replace(b"Lima", b"\xf8")
    )
    with pytest.raises(ValueError, match=r"J668.*story\.txt, line 5"):
        list(read_multihead(path, skip=lambda left_out: None))


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_file_without_sentences_raises(path, text):
    with pytest.raises(ValueError, match=r"J602.*story\.txt"):
        read(path, text)


def test_missing_file_raises(path):
    with pytest.raises(ValueError, match=r"J601.*story\.txt"):
        list(read_multihead(path))


# the public corpus


@cache
def split_of(name):
    return list(read_multihead(SHARED / "conll04" / "multihead" / f"{name}.txt"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "sentences", "entities", "orphans", "relations"),
    [
        ("train", 910, 3391, 2, 1273),
        ("dev", 243, 877, 0, 353),
        ("test", 288, 1079, 0, 422),
    ],
)
def test_split_has_the_published_counts(split, sentences, entities, orphans, relations):
    records = split_of(split)
    assert len(records) == sentences
    # the published count is the number of B- tags
    result = sum(len(record.entities) for record in records)
    assert (result - orphans, len(kinds(records))) == (entities, orphans)
    assert sum(len(record.relations) for record in records) == relations


def kinds(records):
    result = [left_out.kind for record in records for left_out in record.left_out]
    assert set(result) <= {"tag"}
    return result


@pytest.mark.data
def test_splits_have_the_sentences_of_spert_in_another_split():
    ours = {s: {r.meta["orig_id"] for r in split_of(s)} for s in ("train", "dev")}
    theirs = {
        split: {
            record.meta["orig_id"]
            for record in read_spert_json(
                SHARED / "conll04" / "spert" / f"conll04_{split}.json"
            )
        }
        for split in ("train", "dev")
    }
    assert ours["train"] | ours["dev"] == theirs["train"] | theirs["dev"]
    assert len(ours["train"] | ours["dev"]) == 1153
    assert len(ours["dev"] & theirs["dev"]) == 56
