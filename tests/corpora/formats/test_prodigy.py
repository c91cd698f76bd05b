import copy
import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.annotations.records import word_offsets
from spacy_jre.corpora.formats.prodigy import read_prodigy, write_prodigy
from spacy_jre.corpora.rows import LOST_ARGUMENT, OUTSIDE, UNKNOWN_ARGUMENT, trim

from ..mutations import ABSENT, changed, put_unexpected_value
from ..story import FOLDER, assert_is_the_story

TASK = {
    "text": "Ada Quint cooks in Oslo.",
    "tokens": [
        {"text": "Ada", "start": 0, "end": 3, "id": 0, "ws": True},
        {"text": "Quint", "start": 4, "end": 9, "id": 1, "ws": True},
        {"text": "cooks", "start": 10, "end": 15, "id": 2, "ws": True},
        {"text": "in", "start": 16, "end": 18, "id": 3, "ws": True},
        {"text": "Oslo", "start": 19, "end": 23, "id": 4, "ws": False},
        {"text": ".", "start": 23, "end": 24, "id": 5, "ws": False},
    ],
    "spans": [
        {"start": 0, "end": 9, "token_start": 0, "token_end": 1, "label": "PER"},
        {"start": 19, "end": 23, "token_start": 4, "token_end": 4, "label": "LOC"},
    ],
    "relations": [
        {
            "head": 1,
            "child": 4,
            "head_span": {"start": 0, "end": 9, "token_start": 0, "token_end": 1}
            | {"label": "PER"},
            "child_span": {"start": 19, "end": 23, "token_start": 4, "token_end": 4}
            | {"label": "LOC"},
            "color": "#c5bdf4",
            "label": "lives_in",
        }
    ],
    "answer": "accept",
    "_input_hash": 7,
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tasks.jsonl"


def put(path, *tasks):
    lines = [json.dumps(task) for task in tasks]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def read(path, *tasks):
    return list(read_prodigy(put(path, *tasks)))


def read_all(path, *tasks, **options):
    """The records of tasks that are read, even if they have broken rows."""
    skipped = []
    records = list(read_prodigy(put(path, *tasks), skip=skipped.append, **options))
    assert skipped == []
    return records


def linked(head, child):
    """The task, with a relation that only has tokens."""
    return {**TASK, "relations": [{"head": head, "child": child, "label": "at"}]}


def test_story_is_read():
    assert_is_the_story(read_prodigy(FOLDER / "prodigy.jsonl"))


def test_task_is_read(path):
    assert read(path, TASK) == [
        Record(
            text="Ada Quint cooks in Oslo.",
            entities=(EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC")),
            relations=(RelationRecord(0, 1, "lives_in"),),
            meta={"_input_hash": 7},
        )
    ]


def test_source_is_the_line(path):
    assert [r.source for r in read(path, TASK, TASK)] == [
        f"{path}, line 1",
        f"{path}, line 2",
    ]


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_task_that_is_not_accepted_is_skipped_with_line_and_answer(path, answer):
    skipped = []
    tasks = put(path, TASK, {**TASK, "answer": answer}, TASK)
    assert len(list(read_prodigy(tasks, skip=skipped.append))) == 2
    (left,) = skipped
    assert (left.kind, left.broken) == ("record", False)
    assert left.reason == f"{path}, line 2: the answer is {answer!r}"


@pytest.mark.parametrize("answer", [None, ABSENT])
def test_task_without_an_answer_is_read(path, answer):
    assert len(read(path, changed(TASK, ["answer"], answer))) == 1


def test_rejected_task_does_not_raise_by_default(path):
    assert read(path, {**TASK, "answer": "reject"}) == []


def test_task_without_answer_counts_as_accepted(path):
    assert len(read(path, changed(TASK, ["answer"], ABSENT))) == 1


def test_task_of_ner_manual_has_no_relations(path):
    (record,) = read(path, changed(TASK, ["relations"], ABSENT))
    assert (len(record.entities), record.relations) == (2, ())


def test_accepted_task_without_spans_has_no_entities(path):
    task = {"text": "Nothing here.", "answer": "accept"}
    (record,) = read(path, task)
    assert (record.entities, record.left_out) == ((), ())


def test_offsets_are_characters_not_utf16_units(path):
    span = {"start": 2, "end": 5, "label": "PER"}
    (record,) = read(path, {"text": "😀 Ada", "spans": [span]})
    assert record.text[2:5] == "Ada"
    assert record.entities == (EntityRecord(2, 5, "PER"),)


def test_relation_without_spans_gets_the_entities_around_its_tokens(path):
    (record,) = read(path, linked(0, 4))
    assert record.relations == (RelationRecord(0, 1, "at"),)


def test_relation_by_token_gets_the_shortest_entity(path):
    task = linked(1, 4)
    task["spans"] = [*TASK["spans"], {"start": 4, "end": 9, "label": "NAME"}]
    (record,) = read(path, task)
    assert record.relations == (RelationRecord(2, 1, "at"),)


def test_relation_of_a_token_outside_entities_is_left_out(path):
    (record,) = read(path, linked(2, 4))
    assert record.relations == ()
    (left,) = record.left_out
    assert (left.kind, left.broken) == ("relation", False)
    where = f"{path}, line 1, relation 0"
    assert left.reason == f"{where}: head, token 2 'cooks', is not in an entity"


def test_relation_of_a_missing_token_raises(path):
    with pytest.raises(ValueError, match=r"J605.*line 1, relation 0: field 'head'"):
        read(path, linked(6, 4))


@pytest.mark.parametrize("label", [None, ABSENT])
def test_relation_of_a_token_that_is_no_entity_is_left_out(path, label):
    token = {"start": 10, "end": 15, "token_start": 2, "token_end": 2, "label": None}
    task = changed(TASK, ["relations", 0, "head_span"], token)
    (record,) = read(path, changed(task, ["relations", 0, "head_span", "label"], label))
    assert record.relations == ()
    assert [left.kind for left in record.left_out] == ["relation"]
    assert "relation 0: head_span has no label" in record.left_out[0].reason


@pytest.mark.parametrize("start", [0, 4])
def test_relation_of_a_token_in_an_entity_is_that_of_the_entity(path, start):
    token = {"start": start, "end": 9, "token_end": 1, "label": None}
    (record,) = read(path, changed(TASK, ["relations", 0, "head_span"], token))
    assert record.relations == (RelationRecord(0, 1, "lives_in"),)
    assert record.left_out == ()


def test_relation_to_a_missing_span_is_left_out_as_broken(path):
    task = changed(TASK, ["relations", 0, "child_span", "label"], "ORG")
    (record,) = read_all(path, task)
    (left,) = record.left_out
    assert (left.kind, left.broken) == ("relation", True)
    assert left.cause == UNKNOWN_ARGUMENT
    expected = "field 'child_span' is 19..23 'ORG', which is not one of the spans"
    assert expected in left.reason
    with pytest.raises(ValueError, match="J605"):
        read(path, task)


def test_relation_without_both_entities_is_left_out_once(path):
    (record,) = read(path, linked(2, 3))
    assert len(record.left_out) == 1


@pytest.mark.parametrize("label", [None, ABSENT])
def test_span_without_label_is_left_out(path, label):
    (record,) = read(
        path, {**changed(TASK, ["spans", 1, "label"], label), "relations": []}
    )
    assert record.entities == (EntityRecord(0, 9, "PER"),)
    assert [left.kind for left in record.left_out] == ["span"]


@pytest.mark.parametrize(
    ("meta", "document"),
    [
        ({"document": "a.txt"}, "a.txt"),
        ({"doc_id": 12}, "12"),
        ({"doc_id": "b", "document": "a"}, "a"),
        ({"source": "a.txt"}, None),
        ({"document": None}, None),
        ({"document": ["a"]}, None),
        ("a.txt", None),
    ],
)
def test_document_is_read_from_meta(path, meta, document):
    (record,) = read(path, {**TASK, "meta": meta})
    assert record.document == document
    assert record.meta == {"_input_hash": 7, "meta": meta}


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["text"], ABSENT, "line 1", "text"),
        (["text"], None, "line 1", "text"),
        (["spans"], {}, "line 1", "spans"),
        (["spans", 1], 3, "line 1, span 1", "start"),
        (["spans", 1, "start"], "19a", "line 1, span 1", "start"),
        (["spans", 1, "end"], ABSENT, "line 1, span 1", "end"),
        (["spans", 1, "label"], 5, "line 1, span 1", "label"),
        (["relations"], {}, "line 1", "relations"),
        (["relations", 0], None, "line 1, relation 0", "label"),
        (["relations", 0, "label"], None, "line 1, relation 0", "label"),
        (["relations", 0, "head_span"], 5, "line 1, relation 0", "start"),
        (["relations", 0, "head_span", "end"], ABSENT, "line 1, relation 0", "end"),
        (["_jre"], [], "line 1", "_jre"),
        (["_jre"], {"sentences": [[0]]}, "line 1", "sentences"),
        (["_jre"], {"words": True}, "line 1", "tokens"),
    ],
)
def test_broken_field_is_reported_with_file_and_line(path, keys, value, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(path, changed(TASK, keys, value))
    assert f"{path}, {where}: field '{field}'" in str(error.value)


def test_offsets_outside_the_text_raise(path):
    with pytest.raises(ValueError, match=r"J605.*line 1, span 1: field 'start/end'"):
        read(path, changed(TASK, ["spans", 1, "end"], 25))


def test_span_outside_the_text_costs_its_row_and_its_relations(path):
    task = changed(TASK, ["spans", 1, "end"], 25)
    task["relations"][0]["child_span"]["end"] = 25
    task["relations"].append({"head": 0, "child": 1, "label": "same"})
    (record,) = read_all(path, task)
    assert record.entities == (EntityRecord(0, 9, "PER"),)
    assert record.relations == (RelationRecord(0, 0, "same"),)
    assert [(x.kind, x.cause, x.broken) for x in record.left_out] == [
        ("entity", OUTSIDE, True),
        ("relation", LOST_ARGUMENT, False),
    ]


def test_relation_by_token_of_a_left_out_span_is_lost(path):
    task = linked(0, 4)
    task["spans"] = [TASK["spans"][0], {"start": 19, "end": 30, "label": "LOC"}]
    (record,) = read_all(path, task)
    assert [x.cause for x in record.left_out] == [OUTSIDE, LOST_ARGUMENT]


@pytest.mark.parametrize("row", [None, 3, [], {}])
@pytest.mark.parametrize("rows", ["spans", "relations"])
def test_broken_row_costs_only_that_row(path, rows, row):
    (record,) = read_all(path, {**TASK, rows: [row, *TASK[rows]]})
    assert (len(record.entities), len(record.relations)) == (2, 1)
    (left,) = record.left_out
    kind = {"spans": "entity", "relations": "relation"}[rows]
    assert (left.kind, left.broken) == (kind, True)


def test_whitespace_at_the_edges_of_spans_is_removed_and_counted(path):
    task = changed(TASK, ["spans", 0], {"start": 9, "end": 16, "label": "PER"})
    span = task["spans"][0]
    task["relations"][0]["head_span"] = span
    (record,) = read(path, task)
    assert record.entities[0] == EntityRecord(10, 15, "PER")
    assert record.relations == (RelationRecord(0, 1, "lives_in"),)
    assert record.trimmed == 1


def test_annotations_of_a_broken_task_are_counted(path):
    skipped = []
    put(path, changed(TASK, ["text"], None))
    assert list(read_prodigy(path, skip=skipped.append)) == []
    assert [(x.entities, x.relations) for x in skipped] == [(2, 1)]


# tasks without tokens


def test_tasks_without_tokens_are_tokenized(path):
    (record,) = read(path, changed(linked(0, 4), ["tokens"], ABSENT))
    assert record.relations == (RelationRecord(0, 1, "at"),)
    assert record.words is None


@pytest.mark.parametrize(("lang", "child"), [("en", 2), ("xx", 1)])
def test_tasks_are_tokenized_for_their_language(path, lang, child):
    # only English separates "n't"
    task = {
        "text": "Don't Ada",
        "spans": [
            {"start": 0, "end": 5, "label": "VERB"},
            {"start": 6, "end": 9, "label": "PER"},
        ],
        "relations": [{"head": 0, "child": child, "label": "by"}],
    }
    (record,) = read_all(path, task, lang=lang)
    assert record.relations == (RelationRecord(0, 1, "by"),)


def test_tokenizer_is_not_created_without_need(path):
    task = changed(TASK, ["tokens"], ABSENT)
    assert len(read_all(path, task, lang="no such language")) == 1


def test_missing_token_of_the_tokenizer_costs_only_its_row(path):
    (record,) = read_all(path, changed(linked(0, 9), ["tokens"], ABSENT))
    assert len(record.entities) == 2
    (left,) = record.left_out
    assert "field 'child' is 9, but there are 6 tokens" in left.reason


def test_text_that_is_too_long_for_the_tokenizer_costs_its_relations(path):
    task = changed(linked(0, 4), ["tokens"], ABSENT)
    task["text"] += " " * 1_000_000
    (record,) = read_all(path, task)
    assert len(record.entities) == 2
    (left,) = record.left_out
    assert left.kind == "relation"
    assert left.reason.startswith(f"[J115] {path}, line 1")


# data of spaCy's tutorial on relation extraction


def tutorial_task(text, *, answer="accept", link=(1, 4)):
    task = {**TASK, "text": text, "answer": answer, "_task_hash": 5}
    head, child = link
    task["relations"] = [{"child": child, "head": head, "label": "lives_in"}]
    return task


def test_accepted_tasks_of_a_text_are_read(path):
    skipped = []
    put(
        path,
        tutorial_task(TASK["text"]),
        tutorial_task(TASK["text"], answer="reject"),
        tutorial_task(TASK["text"], link=(4, 1)),
        tutorial_task(TASK["text"], answer="ignore"),
    )
    records = list(read_prodigy(path, skip=skipped.append))
    assert [record.relations for record in records] == [
        (RelationRecord(0, 1, "lives_in"),),
        (RelationRecord(1, 0, "lives_in"),),
    ]
    assert [left.broken for left in skipped] == [False, False]


def test_broken_task_is_skipped(path):
    skipped = []
    tasks = put(path, TASK, changed(TASK, ["text"], ABSENT), TASK)
    assert len(list(read_prodigy(tasks, skip=skipped.append))) == 2
    assert [left.broken for left in skipped] == [True]


# any file


def unexpected_values():
    values = [None, True, -1, 3, 1.5, 10**30, "", "x", "\ud800", [], {}, [[]], [1, 2]]
    return [*values, {"start": 0, "end": 1}, {"label": "x"}]


def with_unexpected_value(rng, tasks):
    tasks = copy.deepcopy(tasks)
    put_unexpected_value(rng, tasks, unexpected_values())
    return tasks


def assert_every_record_is_read_or_reported(path, count):
    skipped = []
    records = list(read_prodigy(path, skip=skipped.append))
    assert len(records) + len(skipped) == count
    for left in skipped:
        assert left.reason.startswith("[J") or not left.broken
        assert f"{path}, line " in left.reason


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_unexpected_value_gives_a_record_or_a_coded_error(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("prodigy") / "tasks.jsonl"
    own = {**TASK, "_jre": {"words": False, "sentences": [[0, 24]], "document": "a"}}
    tasks = with_unexpected_value(random.Random(seed), [TASK, own, linked(0, 4)])
    assert_every_record_is_read_or_reported(put(path, *tasks), 3)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_bytes_give_records_or_coded_errors(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("prodigy") / "tasks.jsonl"
    rng = random.Random(seed)
    data = bytearray((FOLDER / "prodigy.jsonl").read_bytes())
    # if the first byte were [, the file would be a list
    for _ in range(5):
        data[rng.randrange(1, len(data))] = rng.randrange(256)
    path.write_bytes(data)
    count = len([line for line in data.split(b"\n") if line.strip()])
    assert_every_record_is_read_or_reported(path, count)


ROWS = {
    "start": st.sampled_from([0, 4, 9, 19, 25, -1, None]),
    "end": st.sampled_from([9, 10, 23, 24, 25, "9"]),
    "label": st.sampled_from(["PER", "LOC", "", 5]),
}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(st.none() | st.fixed_dictionaries(ROWS), max_size=5),
    st.lists(
        st.tuples(st.integers(-1, 7), st.integers(0, 5), st.sampled_from(["at", "", 3]))
        | st.none(),
        max_size=5,
    ),
    st.booleans(),
)
def test_every_row_of_a_faulty_file_is_read_or_reported(
    tmp_path_factory, spans, links, tokens
):
    path = tmp_path_factory.mktemp("prodigy") / "tasks.jsonl"
    relations = []
    for link in links:
        if link is not None:
            head, child, label = link
            link = {"head": head, "child": child, "label": label}
            if head < len(spans):
                link["head_span"] = spans[head]
        relations.append(link)
    task = {**TASK, "spans": spans, "relations": relations}
    if not tokens:
        del task["tokens"]
    (record,) = read_all(path, task)
    kinds = [left.kind for left in record.left_out]
    assert len(record.entities) + kinds.count("entity") == len(spans)
    assert len(record.relations) + kinds.count("relation") == len(relations)


# writing


def written(path, *records, **settings):
    write_prodigy(records, path, **settings)
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_written_task_has_the_rel_manual_format(path):
    record = Record(
        text="Ada cooks, in Oslo.",
        entities=(EntityRecord(0, 3, "PER"), EntityRecord(14, 18, "LOC")),
        relations=(RelationRecord(0, 1, "at"),),
    )
    head = {"start": 0, "end": 3, "token_start": 0, "token_end": 0, "label": "PER"}
    child = {"start": 14, "end": 18, "token_start": 4, "token_end": 4, "label": "LOC"}
    assert written(path, record) == [
        {
            "text": "Ada cooks, in Oslo.",
            "tokens": [
                {"text": "Ada", "start": 0, "end": 3, "id": 0, "ws": True},
                {"text": "cooks", "start": 4, "end": 9, "id": 1, "ws": False},
                {"text": ",", "start": 9, "end": 10, "id": 2, "ws": True},
                {"text": "in", "start": 11, "end": 13, "id": 3, "ws": True},
                {"text": "Oslo", "start": 14, "end": 18, "id": 4, "ws": False},
                {"text": ".", "start": 18, "end": 19, "id": 5, "ws": False},
            ],
            "spans": [head, child],
            "relations": [
                {
                    "head": 0,
                    "child": 4,
                    "head_span": head,
                    "child_span": child,
                    "label": "at",
                }
            ],
            "answer": "accept",
        }
    ]


def test_written_relation_refers_to_the_last_token_of_its_spans(path):
    record = Record(
        text="Ada Quint cooks",
        entities=(EntityRecord(0, 9, "PER"),),
        relations=(RelationRecord(0, 0, "self"),),
    )
    (task,) = written(path, record)
    assert (task["relations"][0]["head"], task["relations"][0]["child"]) == (1, 1)


def test_tokens_are_split_at_entity_boundaries(path):
    record = Record(text="Oslofjord ", entities=(EntityRecord(0, 4, "LOC"),))
    (task,) = written(path, record)
    assert [token["text"] for token in task["tokens"]] == ["Oslo", "fjord"]


def split_on_spaces(text):
    return [match.span() for match in re.finditer(r"\S+", text)]


def test_tokens_are_created_by_the_tokenizer(path):
    (task,) = written(path, Record(text="a-b c"), tokenize=split_on_spaces)
    assert [token["text"] for token in task["tokens"]] == ["a-b", "c"]


def test_tokens_are_the_words_of_the_record(path):
    record = Record(text="a-b c .", words=("a-b", "c", "."))
    (task,) = written(path, record)
    assert [token["text"] for token in task["tokens"]] == ["a-b", "c", "."]


def test_entity_within_a_word_raises(path):
    words = Record(text="ab", words=("ab",), entities=(EntityRecord(0, 1, "X"),))
    with pytest.raises(ValueError, match="J614"):
        write_prodigy([words], path)


def test_outdated_indices_are_ignored(path):
    entities = (EntityRecord(0, 1, "X"), EntityRecord(0, 1, "X"))
    record = Record("ab", entities, (RelationRecord(1, 1, "is"),))
    (task,) = written(path, record)
    task["relations"][0]["_jre"] = [5, -1]
    assert read(path, task)[0].relations == (RelationRecord(0, 0, "is"),)


def test_outdated_words_raise(path):
    (task,) = written(path, Record(text="a b", words=("a", "b")))
    task["tokens"][0]["text"] = "x"
    with pytest.raises(ValueError, match=r"J605.*line 1: field 'tokens'"):
        read(path, task)


def test_tokens_and_spaces_restore_the_text(path):
    for task in written(
        path, *(Record(t) for t in [" a  b ", "\n c", "d \t", " ", ""])
    ):
        spelt = [token["text"] + " " * token["ws"] for token in task["tokens"]]
        assert "".join(spelt) == task["text"]


CHARACTERS = st.sampled_from([*"ab😀山 \n\t.,", "́", " ", "\u2028"])
LABELS = st.sampled_from(["PER", "地名", 'a "b"'])
META = st.dictionaries(
    st.sampled_from(["orig_id", "text", "spans", "answer", "_jre"]),
    st.none() | st.integers(-5, 5) | st.text(CHARACTERS, max_size=2),
    max_size=3,
) | st.just({"meta": {"document": "a"}})


@st.composite
def any_records(draw):
    words = text = None
    if draw(st.booleans()):
        words = tuple(
            draw(st.lists(st.text(CHARACTERS, min_size=1, max_size=4), max_size=6))
        )
        text = " ".join(words)
        starts = [start for start, _ in word_offsets(words)]
        ends = [end for _, end in word_offsets(words)]
    else:
        text = draw(st.text(CHARACTERS, max_size=20))
        starts, ends = range(len(text)), range(1, len(text) + 1)
    entities = []
    if text:
        offsets = st.tuples(st.sampled_from(starts), st.sampled_from(ends)).filter(
            # readers trim entities, except those of words
            lambda s: s[0] < s[1] and (words or trim(text, *s) == s)
        )
        if words or text.strip():
            spans = draw(st.lists(offsets, max_size=6))
        else:
            spans = []
        entities = [EntityRecord(start, end, draw(LABELS)) for start, end in spans]
        # a duplicate entity, so that the spans of a relation are ambiguous
        entities += [e for e in entities if draw(st.booleans())]
    relations = []
    if entities:
        numbers = st.integers(0, len(entities) - 1)
        pairs = draw(st.lists(st.tuples(numbers, numbers, LABELS), max_size=5))
        relations = [RelationRecord(*pair) for pair in pairs] + [
            RelationRecord(*pair) for pair in pairs if draw(st.booleans())
        ]
    return Record(
        text=text,
        entities=tuple(entities),
        relations=tuple(relations),
        words=words,
        sentences=draw(st.none() | st.just(((0, 1), (2, 5)))),
        document=draw(st.sampled_from([None, "a", "b"])),
        meta=draw(META),
    )


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(any_records(), min_size=1, max_size=3))
def test_any_record_round_trips(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("prodigy") / "any.jsonl"
    write_prodigy(records, path)
    assert list(read_prodigy(path)) == records


@settings(max_examples=100, deadline=None, derandomize=True)
@given(any_records())
def test_written_spans_align_with_their_tokens(tmp_path_factory, record):
    (task,) = written(tmp_path_factory.mktemp("prodigy") / "any.jsonl", record)
    tokens = task["tokens"]
    for span in task["spans"]:
        assert tokens[span["token_start"]]["start"] == span["start"]
        assert tokens[span["token_end"]]["end"] == span["end"]
