import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.conll04 import read_conll04
from spacy_jre.corpora.formats.spert_json import write_spert_json
from spacy_jre.corpora.rows import BROKEN_ROW, LOST_ARGUMENT, UNKNOWN_ARGUMENT
from spacy_jre.corpora.splits import choose_by_id

from ...conftest import SHARED
from ..story import FOLDER, assert_is_the_story

# label and token of the rows
LIMA = [("Peop", "Ada/Quint"), ("O", "left"), ("Loc", "Lima"), ("O", ".")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.corp"


def block(number, rows, *relations):
    """A sentence in the file."""
    tokens = [
        f"{number}\t{label}\t{row}\tO\tNN\t{token}\tO\tO\tO"
        for row, (label, token) in enumerate(rows)
    ]
    return "\n".join([*tokens, "", *relations, "", ""])


def write(path, *blocks):
    path.write_bytes("".join(blocks).encode("utf8"))
    return path


def read(path, *blocks):
    return list(read_conll04(write(path, *blocks)))


def read_rows(path, *rows):
    (record,) = read(path, block(1, rows))
    return record


def skipped(path, *blocks):
    """The records of a file, and what is left out."""
    left_out = []
    return list(read_conll04(write(path, *blocks), skip=left_out.append)), left_out


def test_story_is_read():
    assert_is_the_story(read_conll04(FOLDER / "story.corp"))


def test_sentence_is_read(path):
    (record,) = read(path, block(17, LIMA, "0\t2\tLeave"))
    assert record == Record(
        text="Ada Quint left Lima .",
        entities=(EntityRecord(0, 9, "Peop"), EntityRecord(15, 19, "Loc")),
        relations=(RelationRecord(0, 1, "Leave"),),
        words=("Ada", "Quint", "left", "Lima", "."),
        meta={"orig_id": 17},
    )


def test_source_is_line_and_number(path):
    _, second = read(path, block(3, LIMA), block(9, LIMA))
    assert second.source == f"{path}, line 7, sentence 9"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("Peop", "Ada/Quint")], ("Ada", "Quint")),
        ([("O", "and/or")], ("and/or",)),
        ([("Org", "A//B/")], ("A", "B")),
        ([("Other", "/")], ("/",)),
        ([("Other", "//")], ("//",)),
        ([("O", "/")], ("/",)),
        ([("O", "COMMA"), ("O", "-LRB-"), ("O", "-RRB-")], (",", "(", ")")),
        (
            [("Loc", "Lima/COMMA/Ohio/-LRB-/US/-RRB-")],
            ("Lima", ",", "Ohio", "(", "US", ")"),
        ),
        ([("O", "COMMAS"), ("O", "a-LRB-")], ("COMMAS", "a-LRB-")),
        ([("O", "COMMA/COMMA")], ("COMMA/COMMA",)),
    ],
)
def test_slashes_only_separate_words_in_entities(path, rows, words):
    assert read_rows(path, *rows).words == words


def test_entity_has_all_words_of_its_row(path):
    record = read_rows(path, ("O", "in"), ("Loc", "Lima/COMMA/Ohio"), ("Loc", "/"))
    assert record.text == "in Lima , Ohio /"
    assert record.entities == (EntityRecord(3, 14, "Loc"), EntityRecord(15, 16, "Loc"))


def test_relations_refer_to_rows(path):
    rows = [("Peop", "Ada/Quint"), ("Org", "A/B/C"), ("O", "of"), ("Loc", "Lima")]
    (record,) = read(path, block(1, rows, "3\t0\tr", "1\t3\ts", "0\t0\tt"))
    assert record.relations == (
        RelationRecord(2, 0, "r"),
        RelationRecord(1, 2, "s"),
        RelationRecord(0, 0, "t"),
    )


def test_sentences_without_relations_are_separated_by_blank_lines(path):
    blocks = block(1, LIMA), block(2, LIMA), block(3, LIMA, "0\t2\tr"), block(4, LIMA)
    records = read(path, *blocks)
    assert [r.meta["orig_id"] for r in records] == [1, 2, 3, 4]
    assert [len(r.relations) for r in records] == [0, 0, 1, 0]


def test_numbers_can_have_gaps_and_any_order(path):
    records = read(path, block(5925, LIMA), block(0, LIMA), block(41, LIMA))
    assert [r.meta["orig_id"] for r in records] == [5925, 0, 41]


@pytest.mark.parametrize("relations", [(), ("0\t2\tLeave",)])
def test_last_sentence_needs_no_final_newline(path, relations):
    text = block(1, LIMA, *relations)
    assert read(path, text.rstrip("\n")) == read(path, text)


def test_carriage_returns_are_ignored(path):
    text = block(1, LIMA, "0\t2\tr") + block(2, LIMA)
    assert read(path, text.replace("\n", "\r\n")) == read(path, text)


def test_byte_order_mark_is_ignored(path):
    assert read(path, "\ufeff", block(1, LIMA)) == read(path, block(1, LIMA))


def row(number, label="O", row="1", token="b"):
    return f"{number}\t{label}\t{row}\tO\tNN\t{token}\tO\tO\tO\n"


@pytest.mark.parametrize(
    ("broken", "line", "field"),
    [
        pytest.param("2\tO\t0\tO\tNN\ta\tO\tO\n", 7, "columns", id="missing column"),
        pytest.param(row(2)[:-1] + "\tO\n", 7, "columns", id="additional column"),
        pytest.param(row(2) + row(3), 8, "sentence", id="two numbers"),
        pytest.param(row("two"), 7, "sentence", id="not a number"),
        pytest.param(row(""), 7, "sentence", id="empty number"),
        pytest.param(row("9" * 5000), 7, "sentence", id="huge number"),
        pytest.param(row(2, token=""), 7, "token", id="empty token"),
        pytest.param(row(2, "Loc", token=""), 7, "token", id="empty entity"),
    ],
)
def test_broken_line_is_reported_with_file_and_column(path, broken, line, field):
    blocks = block(1, LIMA), broken, "\n\n", block(4, LIMA)
    records, [left_out] = skipped(path, *blocks)
    assert [r.meta["orig_id"] for r in records] == [1, 4]
    assert left_out.broken
    assert left_out.reason.startswith(f"[J605] {path}, line {line}: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_conll04(path))


@pytest.mark.parametrize(
    ("line", "field", "cause"),
    [
        pytest.param("0\t2", "relation", BROKEN_ROW, id="missing label"),
        pytest.param("0 2 r", "relation", BROKEN_ROW, id="spaces instead of tabs"),
        pytest.param("0\t9\tr", "tail", UNKNOWN_ARGUMENT, id="unknown row"),
        pytest.param("1\t2\tr", "head", UNKNOWN_ARGUMENT, id="row without entity"),
        pytest.param("x\t2\tr", "head", UNKNOWN_ARGUMENT, id="row not a number"),
        pytest.param("0\t2\t", "label", BROKEN_ROW, id="empty label"),
    ],
)
def test_broken_relation_costs_only_its_row(path, line, field, cause):
    (record,), left_out = skipped(path, block(2, LIMA, line, "2\t0\tr"))
    assert left_out == []
    assert record.relations == (RelationRecord(1, 0, "r"),)
    (entry,) = record.left_out
    assert (entry.kind, entry.cause, entry.broken) == ("relation", cause, True)
    assert entry.reason.startswith(f"[J605] {path}, line 6: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_conll04(path))


def test_broken_entity_costs_its_row_and_its_relations(path):
    rows = [("", "Ada"), ("Loc", "Lima")]
    (record,), _ = skipped(path, block(1, rows, "0\t1\tr", "1\t1\tr"))
    assert (record.text, len(record.entities)) == ("Ada Lima", 1)
    assert record.relations == (RelationRecord(0, 0, "r"),)
    assert [(x.kind, x.cause) for x in record.left_out] == [
        ("entity", BROKEN_ROW),
        ("relation", LOST_ARGUMENT),
    ]


def test_annotations_of_a_broken_sentence_are_counted(path):
    _, [left_out] = skipped(path, block("x", LIMA, "0\t2\tr"))
    assert (left_out.entities, left_out.relations) == (2, 1)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["O", "Loc", ""]), st.sampled_from(["a", "b/c"])),
        min_size=1,
        max_size=5,
    ),
    st.lists(
        st.tuples(*[st.sampled_from(["0", "1", "3", "9", "x"])] * 2, st.just("r"))
        | st.sampled_from([("0", "1"), ("0",), ("0", "0", "")]),
        max_size=4,
    ),
)
def test_every_row_of_a_faulty_file_is_read_or_reported(tmp_path_factory, rows, links):
    path = tmp_path_factory.mktemp("conll04") / "story.corp"
    text = block(1, rows, *map("\t".join, links))
    (record,), left_out = skipped(path, text)
    assert left_out == []
    kinds = [entry.kind for entry in record.left_out]
    entities = sum(label != "O" for label, _ in rows)
    assert len(record.entities) + kinds.count("entity") == entities
    assert len(record.relations) + kinds.count("relation") == len(links)


@pytest.mark.parametrize("text", ["", "\n\n", " \r\n"])
def test_file_without_sentences_raises(path, text):
    with pytest.raises(ValueError, match=r"J602.*story\.corp"):
        read(path, text)


def test_missing_file_raises(path):
    with pytest.raises(ValueError, match=r"J601.*story\.corp"):
        list(read_conll04(path))


def test_file_that_is_not_utf8_raises_with_its_line(path):
    path.write_bytes(block(1, [("O", "a"), ("Loc", "Tromsø")]).encode("latin1"))
    with pytest.raises(ValueError, match=r"J668.*story\.corp, line 2"):
        list(read_conll04(path))


# the public corpus

CORPUS = SHARED / "conll04"


@cache
def corpus():
    return list(read_conll04(CORPUS / "corp" / "conll04.corp"))


def ids_of(split):
    """The numbers in an index file: ``490:    Judith C. Toth   says ...``."""
    path = CORPUS / "corp" / f"{split}_indx_sentence.txt"
    lines = path.read_text(encoding="utf8", errors="replace").split("\n")
    return {line.split(":")[0].strip() for line in lines if line.strip()}


@pytest.mark.data
def test_corpus_has_the_published_counts():
    records = corpus()
    assert len(records) == 5516
    assert sum(len(record.entities) for record in records) == 14177
    assert sum(len(record.relations) for record in records) == 2048
    assert sum(bool(record.relations) for record in records) == 1441
    assert not any(record.left_out for record in records)


@pytest.mark.data
def test_corpus_has_numbers_with_gaps():
    numbers = [record.meta["orig_id"] for record in corpus()]
    assert (min(numbers), max(numbers), len(set(numbers))) == (0, 5925, 5516)


@pytest.mark.data
@pytest.mark.parametrize(("split", "count"), [("training", 1153), ("testing", 288)])
def test_index_files_select_their_sentences(split, count):
    chosen = list(choose_by_id(corpus(), ids_of(split), "index"))
    assert len(chosen) == count
    assert all(record.relations for record in chosen)


@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "files"), [("training", ["train", "dev"]), ("testing", ["test"])]
)
def test_corpus_equals_the_json_of_spert(tmp_path, split, files):
    written = tmp_path / "ours.json"
    write_spert_json(choose_by_id(corpus(), ids_of(split), "index"), written)
    ours = json.loads(written.read_bytes())
    theirs = []
    for name in files:
        text = (CORPUS / "spert" / f"conll04_{name}.json").read_bytes()
        theirs += json.loads(text)
    by_id = {sentence["orig_id"]: sentence for sentence in theirs}
    assert {sentence["orig_id"]: sentence for sentence in ours} == by_id
