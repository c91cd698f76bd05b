"""Docs from files and bytes from untrusted sources."""

import gc
import pickle
import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_jre.annotations import (
    annotated_entities,
    build_doc,
    concat_docs,
    entity_group,
    read_record,
    span_as_doc,
)
from spacy_jre.annotations.build import RECORD_KEY
from spacy_jre.corpora import checked_docbin
from spacy_jre.corpora.formats.docbin import RelationDocBin, read_docbin_records
from spacy_jre.corpora.reader import Corpus, load_docbin, read_docbin
from spacy_jre.display import displacy_relations, render_page
from spacy_jre.scoring.scorer import score_joint

from ..cli.helpers import assert_plain_error, output_of, run
from ..conftest import STORY, make_record

KEY = "jre:relations"
ROW = [0, 3, "PER", 4, 9, "ACT", "does", 1.0]
ENTITY = [0, 3, "PER", 1.0]


@pytest.fixture(scope="module")
def packed():
    nlp = spacy.blank("en")
    docs = RelationDocBin()
    for sentence in STORY:
        docs.add(build_doc(make_record(sentence, meta={"orig_id": 3}), nlp))
    return docs.to_bytes()


def unpack(packed):
    return srsly.msgpack_loads(zlib.decompress(packed))


def write(path, message):
    path.write_bytes(zlib.compress(srsly.msgpack_dumps(message)))
    return path


def make_doc(relations=(ROW,), entities=(ENTITY,)):
    doc = Doc(Vocab(), words=["Ada", "sings"], spaces=[True, False])
    doc.user_data[KEY] = {"entities": entities, "relations": relations}
    return doc


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


# relation data

WRONG_DATA = {
    "not a dict": 3,
    "None": None,
    "no relations": {"entities": []},
    "no entities": {"relations": []},
    "relations are a number": {"entities": [], "relations": 7},
    "relations are a string": {"entities": [], "relations": "abcdefgh"},
    "relations are missing": {"entities": [], "relations": None},
    "entities are a dict": {"entities": {"a": 1}, "relations": []},
    "many levels": {"entities": [], "relations": nested(300)},
    "many levels in a label": {
        "entities": [[0, 3, nested(300), 1.0]],
        "relations": [],
    },
    "columns are missing": {"entities": [], "relations": [ROW[:-1]]},
    "too many columns": {"entities": [], "relations": [[*ROW, 1]]},
    "an empty row": {"entities": [[]], "relations": []},
    "a row is a string": {"entities": [], "relations": ["abcdefgh"]},
    "an entity outside the text": {"entities": [[0, 99, "PER", 1.0]], "relations": []},
    "an entity without characters": {"entities": [[3, 3, "PER", 1.0]], "relations": []},
    **{
        f"column {column} is {value!r}": {
            "entities": [],
            "relations": [[*ROW[:column], value, *ROW[column + 1 :]]],
        }
        for column, values in {
            0: (-1, 3, "0", None, 0.5, 2**63, b"0", [0]),
            1: (0, 10, "3", None),
            2: (3, None, ["PER"], b"PER"),
            3: (9, -5, "4"),
            4: (4, 10**6, {}),
            5: (1.5, None),
            6: (None, 3, []),
            7: ("1", None, []),
        }.items()
        for value in values
    },
}


@pytest.mark.parametrize("data", WRONG_DATA.values(), ids=WRONG_DATA)
def test_malformed_relation_data_is_an_error_with_a_code(data):
    doc = make_doc()
    doc.user_data[KEY] = data
    doc = Doc(doc.vocab).from_bytes(doc.to_bytes())
    good = make_doc()
    uses = [
        lambda: doc._.relations,
        lambda: doc.to_json(underscore=["relations"]),
        lambda: displacy_relations(doc),
        lambda: render_page([doc], title="x"),
        lambda: read_record(doc),
        lambda: score_joint([Example(good, doc)]),
        lambda: score_joint([Example(doc, good)]),
        lambda: concat_docs([doc, doc]),
        lambda: span_as_doc(doc[:1]),
    ]
    if isinstance(data, dict) and data.get("entities"):
        # the first two only read the relations
        uses = [*uses[2:], lambda: entity_group(doc)]
    for use in uses:
        with pytest.raises(ValueError, match=r"^\[J112\].*jre:relations"):
            use()


@pytest.mark.parametrize("form", [list, tuple])
def test_relation_data_can_be_lists_or_tuples(form):
    doc = make_doc(form([form(ROW)]), form([form(ENTITY)]))
    (relation,) = doc._.relations
    assert relation.as_triple() == ("Ada", "does", "sings")


def test_relation_data_can_have_numpy_numbers():
    row = [np.int64(0), np.int32(3), "PER", 4, 9, "ACT", "does", np.float32(0.5)]
    (relation,) = make_doc([row])._.relations
    assert relation.score == 0.5


def test_malformed_relation_data_can_be_deleted():
    doc = make_doc([[]])
    del doc.user_data[KEY]
    doc._.relations = []
    assert doc._.relations == ()


WRONG_RECORDS = {
    "not a dict": [1],
    "document is not a string": {"document": 3},
    "meta is not a dict": {"meta": "x"},
    "meta has bytes": {"meta": {"x": b"y"}},
    "meta has many levels": {"meta": {"x": nested(1100)}},
    "entities are a number": {"entities": 3, "relations": []},
    "entities without relations": {"entities": []},
    "relations without entities": {"relations": []},
    "a column is missing": {"entities": [[0, 3]], "relations": []},
    "an offset is a string": {"entities": [["0", 3, "PER"]], "relations": []},
    "a label is a list": {"entities": [[0, 3, []]], "relations": []},
    "a relation with a missing entity": {
        "entities": [[0, 3, "P"]],
        "relations": [[0, 1, "x"]],
    },
}


@pytest.mark.parametrize("kept", WRONG_RECORDS.values(), ids=WRONG_RECORDS)
def test_malformed_record_data_is_an_error_with_a_code(kept):
    doc = make_doc()
    doc.user_data[RECORD_KEY] = kept
    with pytest.raises(ValueError, match=r"^\[J114\] x\.spacy, Doc 0: .*jre:record"):
        read_record(doc, source="x.spacy, Doc 0")


# span groups

SPAN = struct.Struct(">QQQllll")


def with_group(packed, change):
    """Change the span group of the first Doc and remove its stored entities."""
    message = unpack(packed)
    ((group, keys),) = srsly.msgpack_loads(message["span_groups"][0]).items()
    content = srsly.msgpack_loads(group)
    change(content)
    changed = {srsly.msgpack_dumps(content): keys}
    message["span_groups"][0] = srsly.msgpack_dumps(changed)
    data = srsly.msgpack_loads(message["user_data"][0])
    data[KEY]["entities"] = None
    message["user_data"][0] = srsly.msgpack_dumps(data)
    return message


@pytest.mark.parametrize("column", range(7))
@pytest.mark.parametrize("value", [10**6, 2**31 - 1])
def test_span_that_does_not_match_its_doc_fails(tmp_path, nlp, packed, column, value):
    def change(content):
        span = list(SPAN.unpack(content["spans"][0]))
        span[column] = value
        content["spans"][0] = SPAN.pack(*span)

    path = write(tmp_path / "x.spacy", with_group(packed, change))
    with pytest.raises(ValueError, match=r"^\[J621\].*x\.spacy, Doc 0"):
        list(read_docbin(path, nlp))


@pytest.mark.parametrize("scores", [[], [1.0], ["x"] * 4, 3, None, {"a": 1}])
def test_scores_that_do_not_match_their_group_are_an_error_with_a_code(
    nlp, packed, scores
):
    def change(content):
        content["attrs"]["scores"] = scores

    message = with_group(packed, change)
    (group,) = srsly.msgpack_loads(message["span_groups"][0])
    doc = build_doc(make_record(STORY[0]), nlp)
    doc.spans["jre"].from_bytes(group)
    doc.user_data.clear()
    with pytest.raises(ValueError, match=r"^\[J113\].*scores"):
        annotated_entities(doc)


def test_group_with_spans_outside_the_text_is_an_error_with_a_code(nlp, packed):
    def change(content):
        content["spans"][0] = SPAN.pack(0, 0, 0, 0, 1, 0, 999)

    (group,) = srsly.msgpack_loads(with_group(packed, change)["span_groups"][0])
    doc = build_doc(make_record(STORY[0]), nlp)
    doc.spans["jre"].from_bytes(group)
    doc.user_data.clear()
    with pytest.raises(ValueError, match=r"^\[J113\].*span 0 is outside"):
        annotated_entities(doc)


# files that decompress to too much data


def deflate(head, filler, count, tail=b""):
    packer = zlib.compressobj(9)
    blocks = (packer.compress(filler * (1 << 16)) for _ in range(count >> 16))
    return (
        packer.compress(head)
        + b"".join(blocks)
        + packer.compress(tail)
        + packer.flush()
    )


def bomb(key, head, filler, count):
    """Make a .spacy file without Docs and with a very long value."""
    message = unpack(RelationDocBin().to_bytes())
    message.pop(key)
    body = srsly.msgpack_dumps(message)
    start = bytes([body[0] + 1]) + body[1:] + srsly.msgpack_dumps(key) + head
    return deflate(start, filler, count)


MIB = 1 << 20
BOMBS = {
    "zeros": (lambda: deflate(b"", b"\0", 64 * MIB), "J620"),
    "lists": (lambda: bomb("cats", b"\xdd\x00\x20\x00\x00", b"\x90", 2 * MIB), "J620"),
    "dicts": (lambda: bomb("flags", b"\xdd\x00\x20\x00\x00", b"\x80", 2 * MIB), "J620"),
    "lists that claim a length": (
        lambda: bomb("strings", b"\xdd\x00\x70\x00\x00" * 400, b"\x90", 8 * MIB),
        "J609",
    ),
    "many levels": (lambda: bomb("cats", b"", b"\x91", MIB), "J609"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_file_that_unpacks_to_too_much_fails(tmp_path, monkeypatch, name):
    monkeypatch.setattr(checked_docbin, "ANY_CONTAINERS", 10_000)
    make, code = BOMBS[name]
    path = tmp_path / "x.spacy"
    path.write_bytes(make())
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"^\[{code}\].*x\.spacy"):
        load_docbin(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * MIB


def test_large_file_must_not_unpack_to_20_times_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(checked_docbin, "LARGE", 20 * MIB)
    path = tmp_path / "x.spacy"
    path.write_bytes(deflate(random.Random(0).randbytes(300_000), b"\0", 40 * MIB))
    with pytest.raises(ValueError, match=r"^\[J620\].*more than 20971520 bytes"):
        load_docbin(path)


@pytest.mark.parametrize(
    ("size", "limit"),
    [(1, 16), (1 * MIB, 200), (2 * MIB, 256), (10 * MIB, 256), (100 * MIB, 2000)],
)
def test_small_file_cannot_unpack_to_a_gigabyte(size, limit):
    assert checked_docbin.max_unpacked_size(size) == limit * MIB


def test_file_that_claims_too_many_docs_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(checked_docbin, "ANY_DOCS", 100)
    count = 100_000
    message = unpack(RelationDocBin().to_bytes())
    message.update(lengths=bytes(4 * count), cats=[{}] * count, flags=[{}] * count)
    message.update(span_groups=[b""] * count, user_data=[None] * count)
    path = write(tmp_path / "x.spacy", message)
    with pytest.raises(ValueError, match=r"^\[J620\].*claims to have 100000 Docs"):
        load_docbin(path)


def test_user_data_with_too_many_dicts_fails(tmp_path, monkeypatch, nlp, packed):
    monkeypatch.setattr(checked_docbin, "ANY_CONTAINERS", 10_000)
    message = unpack(packed)
    message["user_data"][0] = b"\xdd\x00\x02\x00\x00" + b"\x80" * (2 << 16)
    path = write(tmp_path / "x.spacy", message)
    with pytest.raises(ValueError, match=r"^\[J621\].*Doc 0.*\[J620\]"):
        list(read_docbin(path, nlp))


def test_file_with_many_equal_sentences_is_read(tmp_path, nlp):
    docs = RelationDocBin()
    doc = build_doc(make_record(STORY[0]), nlp)
    for _ in range(500):
        docs.add(doc)
    docs.to_disk(tmp_path / "x.spacy")
    assert len(load_docbin(tmp_path / "x.spacy")) == 500


def test_file_that_unpacks_to_more_than_100_mebibytes_is_read(tmp_path, nlp):
    # the default limit of srsly's unpacker
    doc = nlp("Ada cooks.")
    doc.user_data["note"] = random.Random(0).randbytes(15_000) * 7_500
    path = tmp_path / "large.spacy"
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    (read,) = load_docbin(path).get_docs(nlp.vocab)
    assert read.user_data["note"] == doc.user_data["note"]


# invalid files


def test_only_the_invalid_doc_is_skipped(tmp_path, packed):
    message = unpack(packed)
    message["user_data"][0] = b"\xc1"
    message["user_data"][2] = srsly.msgpack_dumps({KEY: {"entities": 3}})
    path = write(tmp_path / "x.spacy", message)
    skipped = []
    records = list(read_docbin_records(path, skip=skipped.append))
    assert len(records) == 3
    assert [left_out.reason[:6] for left_out in skipped] == ["[J621]"] * 2
    assert "Doc 2" in skipped[1].reason
    assert all(left_out.broken for left_out in skipped)


def test_conversion_counts_an_invalid_doc(tmp_path, packed):
    message = unpack(packed)
    message["flags"][1] = 3
    path = write(tmp_path / "x.spacy", message)
    result = run("convert", path, tmp_path / "out.json", "--to", "spert")
    assert "[J621]" in output_of(result)
    assert "[J702] 1 of 5 records were lost" in output_of(result)


def test_command_reports_an_invalid_file_in_one_line(tmp_path, packed):
    path = write(tmp_path / "x.spacy", {**unpack(packed), "lengths": b"\xff" * 20})
    nlp = spacy.blank("en")
    nlp.add_pipe("jre")
    nlp.to_disk(tmp_path / "model")
    result = run("show", tmp_path / "model", path, tmp_path / "page.html")
    assert_plain_error(result, "J609", "x.spacy")


def test_garbage_collection_is_enabled_after_an_invalid_file(tmp_path):
    path = tmp_path / "x.spacy"
    path.write_bytes(zlib.compress(b"\xc1"))
    with pytest.raises(ValueError, match=r"^\[J609\]"):
        load_docbin(path)
    assert gc.isenabled()


UNUSUAL = [
    None,
    True,
    -1,
    0,
    10**6,
    2**63,
    1.5,
    "",
    "x",
    b"",
    b"\x81",
    [],
    {},
    [[]],
    [0, 1],
]


def containers(value):
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


def put_unusual_value(rng, value):
    target = rng.choice([container for container in containers(value) if container])
    key = rng.choice(list(target) if isinstance(target, dict) else range(len(target)))
    target[key] = rng.choice(UNUSUAL)


def mutate(rng, packed):
    """Change the bytes, values, tokens, user data or groups of a .spacy file."""
    message = unpack(packed)
    kind = rng.choice(["bytes", "cut", "message", "tokens", "user data", "group"])
    number = rng.randrange(len(STORY))
    if kind in ("bytes", "cut"):
        data = bytearray(srsly.msgpack_dumps(message))
        data[rng.randrange(len(data))] = rng.randrange(256)
        return zlib.compress(
            data[: rng.randrange(len(data))] if kind == "cut" else data
        )
    if kind == "message":
        put_unusual_value(rng, message)
    elif kind == "tokens":
        tokens = np.frombuffer(message["tokens"], dtype="uint64").copy()
        tokens[rng.randrange(len(tokens))] = rng.choice([0, 1, 5, 2**32, 2**64 - 1])
        message["tokens"] = tokens.tobytes()
    elif kind == "user data":
        data = srsly.msgpack_loads(message["user_data"][number])
        put_unusual_value(rng, data)
        message["user_data"][number] = srsly.msgpack_dumps(data)
    else:
        changed = bytearray(message["span_groups"][number])
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        message["span_groups"][number] = bytes(changed)
    return zlib.compress(srsly.msgpack_dumps(message))


def test_mutated_file_gives_valid_docs_or_an_error_with_a_code(tmp_path, nlp, packed):
    path = tmp_path / "x.spacy"
    outcomes = []
    for seed in range(120):
        path.write_bytes(mutate(random.Random(seed), packed))
        skipped = []
        try:
            list(read_docbin_records(path, skip=skipped.append))
            examples = list(Corpus(path)(nlp))
        except ValueError as error:
            outcomes.append(str(error)[:6])
        else:
            score_joint(examples)
            render_page([example.reference for example in examples], title="x")
            outcomes.append("read")
        outcomes += {left_out.reason[:6] for left_out in skipped}
    assert {"read", "[J609]", "[J621]"} <= set(outcomes)
    assert all(x == "read" or x.startswith("[J") for x in outcomes)


# pickles


class Touch:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def numpy_objects(marker, dtype="|O", kind=b""):
    """Make a message like srsly's, but with an array of objects."""
    data = pickle.dumps(Touch(marker))
    data += b"." * (-len(data) % 8)
    array = {b"nd": True, b"type": dtype, b"kind": kind, b"shape": [len(data) // 8]}
    return {**array, b"data": data}


DTYPES = [
    ("|O", b""),
    ("O", b""),
    ([["x", "|O"]], b"V"),
    ([["x", "<i4"], ["y", "O"]], b"V"),
]


@pytest.mark.parametrize(("dtype", "kind"), DTYPES)
def test_object_arrays_are_not_unpacked(tmp_path, packed, dtype, kind):
    marker = tmp_path / "marker"
    value = numpy_objects(marker, dtype, kind)
    with pytest.raises(ValueError, match="OBJECT"):
        srsly.msgpack_loads(srsly.msgpack_dumps({"x": value}))
    message = unpack(packed)
    message["user_data"][0] = srsly.msgpack_dumps({KEY: value})
    path = write(tmp_path / "x.spacy", message)
    skipped = []
    assert len(list(read_docbin_records(path, skip=skipped.append))) == len(STORY) - 1
    assert skipped[0].reason.startswith("[J621]")
    assert not marker.exists()


def test_object_arrays_in_the_bytes_of_a_doc_are_not_unpacked(tmp_path, nlp):
    message = srsly.msgpack_loads(make_doc().to_bytes())
    value = numpy_objects(tmp_path / "marker")
    for change in (
        {"user_data_values": srsly.msgpack_dumps([value])},
        {"tensor": value},
        {"cats": value},
    ):
        data = srsly.msgpack_dumps({**message, **change})
        with pytest.raises(ValueError, match="OBJECT"):
            Doc(nlp.vocab).from_bytes(data)
    assert not (tmp_path / "marker").exists()


def test_pickle_in_user_data_is_not_loaded(tmp_path, nlp):
    doc = make_doc()
    doc.user_data["x"] = pickle.dumps(Touch(tmp_path / "marker"))
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert isinstance(again.user_data["x"], bytes)
    assert not (tmp_path / "marker").exists()


def test_msgpack_extension_type_is_not_loaded(nlp):
    packed = b"\xc7\x03\x01abc"  # an extension of type 1
    message = srsly.msgpack_loads(make_doc().to_bytes())
    message["user_data_values"] = b"\x91" + packed
    doc = Doc(nlp.vocab).from_bytes(srsly.msgpack_dumps(message))
    with pytest.raises(ValueError, match=r"^\[J112\]"):
        doc._.relations  # noqa: B018
