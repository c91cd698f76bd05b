import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import LeftOut, Record
from spacy_jre.corpora import sources
from spacy_jre.corpora.sources import (
    ANY_SIZE,
    Location,
    describe_encoding,
    each_record,
    first_character,
    inner_stem,
    inner_suffix,
    read_blocks,
    read_json,
    read_lines,
    read_text,
    refuse,
    short_repr,
)

LOCATION = Location(Path("story.json"), "line 3")
# more digits than Python converts to an int
LONG = "1" * 5000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.json"


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf8"))
    return path


def read(path, skip=refuse):
    """Locations and values of a JSON file."""
    return [(location.where, value) for location, value in read_json(path, skip)]


def values(path, skip=refuse):
    return [value for _, value in read(path, skip)]


def skipped(path):
    """Values of a JSON file, and what is left out."""
    left_out = []
    return values(path, left_out.append), left_out


# JSON: a list, or one value per line


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[{"a": 1}, {"a": 2}]', id="list on a line"),
        pytest.param('[\n{"a": 1},\n{"a": 2}\n]\n', id="list, one value per line"),
        pytest.param('{"a": 1}\n{"a": 2}\n', id="lines"),
        pytest.param('{"a": 1}\n{"a": 2}', id="lines, without final newline"),
        pytest.param('\n \n{"a": 1}\n\n\n{"a": 2}\n \n', id="blank lines"),
        pytest.param(
            '\n \n[{"a": 1},\n\n{"a": 2}]\n \n', id="list between blank lines"
        ),
        pytest.param('{"a": 1}\r\n{"a": 2}\r\n', id="lines with CRLF"),
        pytest.param('[\r\n{"a": 1},\r\n{"a": 2}\r\n]\r\n', id="list with CRLF"),
        pytest.param('\ufeff{"a": 1}\n{"a": 2}', id="lines with BOM"),
        pytest.param('\ufeff[{"a": 1}, {"a": 2}]', id="list with BOM"),
        pytest.param('{\n"a": 1\n}\n{\n"a": 2\n}\n', id="indented objects"),
        pytest.param('\ufeff{\r\n"a": 1}{"a": 2}', id="indented objects with BOM"),
    ],
)
def test_all_layouts_give_the_same_values(path, text):
    assert values(write(path, text)) == [{"a": 1}, {"a": 2}]


def test_indented_object_is_one_value(path):
    story = {"a": [1, {"b": "c"}], "d": None}
    path.write_text(json.dumps(story, indent=2), encoding="utf8")
    assert read(path) == [("line 1, record 0", story)]


def test_location_is_the_line_for_json_lines(path):
    assert read(write(path, "\ufeff1\r\n\r\n2\n3")) == [
        ("line 1", 1),
        ("line 3", 2),
        ("line 4", 3),
    ]


def test_location_is_line_and_record_for_a_list(path):
    text = '\n[\n {\n  "a": 1\n },\n\n {"a": 2}, {"a": 3},\n 4]'
    assert read(write(path, text)) == [
        ("line 3, record 0", {"a": 1}),
        ("line 7, record 1", {"a": 2}),
        ("line 7, record 2", {"a": 3}),
        ("line 8, record 3", 4),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param('[\n{"a": 1},\n{"a": oops}]', 3, id="invalid JSON"),
        pytest.param('[\n{"a": 1},\n{"b":\n\n[}]', 5, id="inside a value"),
        pytest.param('[\n{"a": 1},\n\n', 4, id="not closed after a comma"),
        pytest.param('[\n{"a": 1},\n,2]', 3, id="two commas"),
        pytest.param('[{"a": 1},\n2\n3]', 3, id="missing comma"),
        pytest.param('[{"a": 1},\n2\n', 3, id="not closed"),
        pytest.param('[{"a": 1}]\n[{"a": 2}]', 2, id="a second list"),
        pytest.param('[{"a": 1}]\n\nend', 3, id="text after the list"),
        pytest.param(f'[{{"a": 1}},\n{LONG}]', 2, id="very long number"),
        pytest.param(f'[{{"a": 1}},\n{"[" * 100_000}]', 2, id="very deep nesting"),
    ],
)
def test_values_before_the_error_in_a_list_are_yielded(path, text, line):
    result = read_json(write(path, text), refuse)
    assert next(result)[1] == {"a": 1}
    with pytest.raises(ValueError, match=rf"J604.*story\.json, line {line}:"):
        list(result)


def test_broken_list_cannot_be_skipped(path):
    with pytest.raises(ValueError, match="J604"):
        skipped(write(path, "[1, 2, oops]"))


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("oops", id="invalid JSON"),
        pytest.param('{"a": 1', id="not closed"),
        pytest.param('{"a": 1} {"a": 2}', id="two values"),
        pytest.param(LONG, id="very long number"),
        pytest.param('{"a": ' + "[" * 100_000, id="very deep nesting"),
    ],
)
def test_broken_line_is_skipped(path, broken):
    broken = broken if isinstance(broken, bytes) else broken.encode()
    result, [left_out] = skipped(write(path, b'{"a": 0}\n\n' + broken + b"\n2\n"))
    assert result == [{"a": 0}, 2]
    assert (left_out.kind, left_out.broken) == ("record", True)
    assert left_out.reason.startswith(f"[J604] {path}, line 3: ")


def test_broken_line_raises_by_default(path):
    with pytest.raises(ValueError, match=r"J604.*line 2"):
        read(write(path, "1\noops"))


@pytest.mark.parametrize("layout", ["[1, %s]", "1\n%s"])
@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" * 4000])
def test_unusual_numbers_are_read(path, layout, number):
    assert values(write(path, layout % number))[0] == 1


@pytest.mark.parametrize("text", ["[]", " [ ]\n", "", "\n", " \n\r\n", "\ufeff"])
def test_file_without_values_raises(path, text):
    with pytest.raises(ValueError, match=r"J602.*story\.json"):
        read(write(path, text))


@pytest.mark.parametrize("text", [b"oops\n", b"\n\xff\n"])
def test_file_with_only_broken_lines_is_not_empty(path, text):
    result, left_out = skipped(write(path, text))
    assert (result, len(left_out)) == ([], 1)


@pytest.mark.parametrize(
    "reader",
    [
        lambda path: list(read_json(path, refuse)),
        lambda path: list(read_lines(path, refuse)),
        read_text,
        first_character,
    ],
)
def test_missing_file_and_folder_raise(tmp_path, reader):
    for missing in (tmp_path / "story.json", tmp_path):
        with pytest.raises(ValueError, match="J601") as error:
            reader(missing)
        assert str(missing) in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(JSON, min_size=1, max_size=4),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_any_list_round_trips(tmp_path_factory, written, indent, ascii_):
    path = tmp_path_factory.mktemp("sources") / "any.json"
    write(path, json.dumps(written, indent=indent, ensure_ascii=ascii_))
    assert values(path) == written


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(JSON.filter(lambda v: not isinstance(v, list)), min_size=1, max_size=4))
def test_any_lines_round_trip(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("sources") / "any.jsonl"
    write(path, "\n".join(json.dumps(value, ensure_ascii=False) for value in written))
    assert values(path) == written


# lines and text


def test_lines_have_numbers_and_no_line_endings(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeffone\r\n\r\n \t\ntwo \n\tthree")
    assert [(p.where, line) for p, line in read_lines(path, refuse)] == [
        ("line 1", "one"),
        ("line 4", "two "),
        ("line 5", "\tthree"),
    ]


def test_unusual_line_separators_are_text(tmp_path):
    path = write(tmp_path / "a.txt", "a\u2028b\x0bc\x85d\n")
    assert [line for _, line in read_lines(path, refuse)] == ["a\u2028b\x0bc\x85d"]


def test_text_keeps_line_endings_but_not_the_byte_order_mark(tmp_path):
    assert read_text(write(tmp_path / "a.txt", "\ufeffa\r\nb\n")) == "a\r\nb\n"


@pytest.mark.parametrize("encoding", ["utf16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "reader",
    [read_text, first_character, lambda path: list(read_lines(path, refuse))],
)
def test_file_in_utf16_raises_with_the_fix(tmp_path, encoding, reader):
    path = tmp_path / "a.txt"
    path.write_bytes("Élise\n".encode(encoding))
    with pytest.raises(ValueError, match=r"J667.*a\.txt is not UTF-8.*UTF-16.*iconv"):
        reader(path)


def test_short_files_are_not_utf16(tmp_path):
    path = tmp_path / "a.txt"
    for data in (b"", b"a", b"\0", b"a\0"):
        path.write_bytes(data)
        assert read_text(path) == data.decode()


@pytest.mark.parametrize(
    "reader", [read_text, lambda path: list(read_lines(path, refuse))]
)
def test_file_in_latin1_raises_with_the_fix(tmp_path, reader):
    path = tmp_path / "a.txt"
    path.write_bytes("Élise\n".encode("latin1"))
    with pytest.raises(ValueError, match=r"J668.*a\.txt, line 1: .*iconv -f ISO"):
        reader(path)


def test_text_that_is_not_utf8_raises_with_its_line(tmp_path):
    with pytest.raises(ValueError, match=r"J668.*a\.txt, line 2: not UTF-8"):
        read_text(write(tmp_path / "a.txt", "a\nTromsø".encode("latin1")))


@pytest.mark.parametrize(
    ("text", "character"),
    [("", ""), (" \n", ""), ("[1]", "["), ("\ufeff \r\n {", "{"), (b"\xff", "\xff")],
)
def test_first_character_skips_whitespace_and_byte_order_mark(
    tmp_path, text, character
):
    assert first_character(write(tmp_path / "a.txt", text)) == character


# encodings


LATIN = [f"Nr. {n}: Tromsø.".encode("latin1") for n in range(5)]


def test_line_that_is_not_utf8_is_skipped(path):
    result, [left_out] = skipped(write(path, b'{"a": 0}\n\n"Troms\xf8"\n2\n'))
    assert result == [{"a": 0}, 2]
    assert (left_out.kind, left_out.broken) == ("record", True)
    assert left_out.reason.startswith(f"[J668] {path}, line 3: not UTF-8: ")


def test_file_in_another_encoding_raises_once(path):
    lines = read_lines(write(path, b"Oslo\n" + b"\n".join(LATIN)), refuse)
    assert next(lines)[1] == "Oslo"
    with pytest.raises(ValueError, match=rf"J667.*{path.name} is not UTF-8.*iconv"):
        next(lines)


def test_file_with_a_line_that_is_utf8_has_only_broken_lines(path):
    left_out = []
    text = b"\n".join([*LATIN, "Tromsø".encode()])
    lines = list(read_lines(write(path, text), left_out.append))
    assert [line for _, line in lines] == ["Tromsø"]
    assert len(left_out) == 5


@pytest.mark.parametrize(
    ("encoding", "text", "name"),
    [
        ("latin1", "Bodø og Tromsø", "ISO-8859-1"),
        ("cp1252", "Bodø – Tromsø", "WINDOWS-1252"),
        ("gb18030", "华法林与阿司匹林", "ENCODING"),
        ("shift_jis", "ワルファリン", "ENCODING"),
        ("utf-16", "Oslo", "UTF-16"),
        ("utf-16-le", "Oslo", "UTF-16LE"),
        ("utf-16-be", "Oslo", "UTF-16BE"),
        ("utf-32", "Oslo", "UTF-32"),
    ],
)
def test_encoding_is_named_with_the_remedy(encoding, text, name):
    assert f"`iconv -f {name} -t UTF-8`" in describe_encoding(text.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    "reader",
    [
        lambda path: list(read_json(path, refuse)),
        lambda path: list(read_lines(path, refuse)),
        lambda path: list(read_blocks(path)),
        read_text,
        first_character,
    ],
)
def test_utf16_and_utf32_raise_one_error(path, reader, encoding):
    write(path, '{"a": 1}\n{"a": 2}\n'.encode(encoding))
    with pytest.raises(ValueError, match=r"J667.*story\.json.*UTF-(16|32).*iconv"):
        reader(path)


# gzip


READERS = {
    "read_text": read_text,
    "read_lines": lambda path: [line for _, line in read_lines(path, refuse)],
    "read_json": lambda path: values(path),
    "read_blocks": lambda path: [block.lines[0][1] for block in read_blocks(path)],
    "first_character": first_character,
}


@pytest.mark.parametrize("name", ["story.json.gz", "story.json"])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", ['[{"a": 1}, "ø"]', '{"a": 1}\n\n"\ud55c"\n'])
def test_gzip_file_is_read_like_the_plain_file(tmp_path, text, reader, name):
    plain = write(tmp_path / "plain.json", text)
    packed = write(tmp_path / name, gzip.compress(text.encode("utf8")))
    assert READERS[reader](packed) == READERS[reader](plain)


def test_byte_order_mark_in_a_gzip_file_is_removed(path):
    assert read_text(write(path, gzip.compress(b"\xef\xbb\xbfa"))) == "a"


def test_utf16_in_a_gzip_file_raises(path):
    with pytest.raises(ValueError, match="J667"):
        read_text(write(path, gzip.compress("Oslo".encode("utf-16"))))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:20], id="cut early"),
        pytest.param(lambda data: data[:-4], id="cut late"),
        pytest.param(lambda data: data[:12] + b"\xff" * 9 + data[21:], id="changed"),
        pytest.param(lambda data: data[:-8] + b"\1" * 8, id="wrong checksum"),
        pytest.param(lambda data: data[:2], id="only the mark"),
    ],
)
def test_damaged_gzip_file_raises_with_its_name(path, damage, reader):
    data = gzip.compress(b'{"a": "Oslo, Bergen, Narvik"}\n' * 3)
    write(path, damage(data))
    with pytest.raises(ValueError, match=r"J665.*story\.json: the gzip file"):
        READERS[reader](path)


def test_gzip_file_that_unpacks_to_too_much_raises_with_little_memory(path):
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"J666.*story\.json.*gunzip"):
        list(read_lines(path, refuse))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * ANY_SIZE


def test_large_gzip_file_has_a_smaller_ratio(path, monkeypatch):
    monkeypatch.setattr(sources, "ANY_SIZE", 1 << 10)
    monkeypatch.setattr(sources, "LARGE", 1 << 20)
    # about 100 times the size of the file
    line = b"".join(b"%07d\n" % number for number in range(200)) + bytes(40_000)
    write(path, gzip.compress((line + b"\n") * 100))
    with pytest.raises(ValueError, match=r"J666.*more than [0-9]+ bytes"):
        list(read_lines(path, refuse))
    monkeypatch.setattr(sources, "LARGE", 1 << 28)
    assert len(list(read_lines(path, refuse))) == 100 * 201


def test_gzip_file_with_equal_lines_is_read(path):
    line = json.dumps({"tokens": ["Ada", "Quint"], "entities": [], "relations": []})
    write(path, gzip.compress("".join(f"{line}\n" for _ in range(20_000)).encode()))
    assert len(values(path)) == 20_000


def test_long_line_of_a_gzip_file_is_skipped(path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_LINE", 1000)
    write(path, gzip.compress(b"1\n" + b"0" * 5000 + b"\n2\n"))
    result, [left_out] = skipped(path)
    assert result == [1, 2]
    assert left_out.reason.startswith(f"[J622] {path}, line 2 ")


@pytest.mark.parametrize(
    ("name", "stem", "suffix"),
    [
        ("train.json.gz", "train", ".json"),
        ("train.json", "train", ".json"),
        ("train.GZ", "train", ""),
        ("a.b.xml.gz", "a.b", ".xml"),
        ("train", "train", ""),
    ],
)
def test_name_of_a_gzip_file(name, stem, suffix):
    assert (inner_stem(Path(name)), inner_suffix(Path(name))) == (stem, suffix)


# blocks


def test_blocks_are_separated_by_empty_lines(path):
    blocks = list(read_blocks(write(path, "\ufeff\na\r\nb\n \n\nc")))
    assert [[line for _, line in block.lines] for block in blocks] == [
        ["a", "b"],
        ["c"],
    ]
    assert [block.location.where for block in blocks] == ["line 2", "line 6"]
    assert [here.where for here, _ in blocks[0].lines] == ["line 2", "line 3"]


def test_blocks_can_start_at_a_line(path):
    blocks = read_blocks(write(path, "1\na\n\nb\n2\nc"), str.isdecimal)
    assert [[line for _, line in block.lines] for block in blocks] == [
        ["1", "a", "b"],
        ["2", "c"],
    ]


def test_block_with_a_line_that_is_not_utf8_has_an_error(path):
    first, second = read_blocks(write(path, b"a\nTroms\xf8\nb\n\nc"))
    assert str(first.error).startswith(f"[J668] {path}, line 2: ")
    assert [line for _, line in first.lines] == ["a", "", "b"]
    assert second.error is None


def test_long_block_has_an_error(path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_LINE", 50)
    first, second = read_blocks(write(path, "0123456789\n" * 6 + "\n1"))
    assert str(first.error).startswith(f"[J622] {path}, line 6 ")
    assert len(first.lines) == 5
    assert second.error is None


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_file_without_blocks_raises(path, text):
    with pytest.raises(ValueError, match="J602"):
        list(read_blocks(write(path, text)))


# skipping


def test_refuse_raises_for_broken_records():
    with pytest.raises(ValueError, match=r"^a reason$"):
        refuse(LeftOut("record", "a reason", broken=True))


def test_refuse_accepts_records_that_are_not_broken():
    assert refuse(LeftOut("record", "not annotated")) is None


def parse(item):
    """Record of a string. 0 raises an error, None has no record."""
    if item == 0:
        raise LOCATION.error("text", "is 0")
    return None if item is None else Record(item)


def test_broken_item_is_skipped():
    left_out = []
    records = list(each_record(["a", 0, "b"], parse, left_out.append))
    assert [r.text for r in records] == ["a", "b"]
    reason = "[J605] story.json, line 3: field 'text' is 0."
    assert left_out == [LeftOut("record", reason, broken=True)]


def test_item_without_record_is_skipped():
    assert [r.text for r in each_record(["a", None, "b"], parse, refuse)] == ["a", "b"]


def test_items_are_parsed_lazily():
    records = each_record(iter(["a", 0]), parse, refuse)
    assert next(records).text == "a"
    with pytest.raises(ValueError, match="J605"):
        next(records)


def test_unexpected_error_is_not_skipped():
    left_out = []
    with pytest.raises(ValueError, match="invalid literal"):
        list(each_record(["x"], int, left_out.append))
    assert not left_out


# locations


def test_nested_location_has_both_parts():
    assert str(LOCATION.at("entity 2")) == "story.json, line 3, entity 2"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "is missing"),
        ([], r"is missing: \[\] is not an object"),
        (None, "is missing: None is not an object"),
        ({"a": "1a"}, "must be of type int, is '1a'"),
        ({"a": "1.5"}, "must be of type int, is '1.5'"),
        ({"a": True}, "must be of type int, is True"),
        ({"a": 1.5}, "must be of type int, is 1.5"),
        ({"a": float("nan")}, "must be of type int, is nan"),
    ],
)
def test_field_of_another_type_raises(value, problem):
    with pytest.raises(ValueError, match=rf"J605.*line 3: field 'a' {problem}"):
        LOCATION.get(value, "a", int)


@pytest.mark.parametrize("value", [3.0, "3", " 3", "3.0", "+3"])
def test_integer_can_be_written_as_another_number(value):
    assert LOCATION.get({"a": value}, "a", int) == 3


@pytest.mark.parametrize(("value", "expected"), [(3.0, 3), ("3", "3")])
def test_id_that_can_be_a_string_is_kept_as_one(value, expected):
    assert LOCATION.get({"a": value}, "a", (int, str)) == expected


def test_list_of_rows_can_be_null():
    assert LOCATION.get_rows({"a": None}, "a") == []
    assert LOCATION.get_rows({"a": [1]}, "a") == [1]


def test_list_of_rows_is_only_optional_if_the_format_says_so():
    assert LOCATION.get_rows({}, "a", required=False) == []
    with pytest.raises(ValueError, match=r"J605.*field 'a' is missing"):
        LOCATION.get_rows({}, "a")


@pytest.mark.parametrize("value", [{"a": {}}, {"a": "x"}, [], None])
def test_other_values_are_no_list_of_rows(value):
    with pytest.raises(ValueError, match=r"J605.*field 'a' "):
        LOCATION.get_rows(value, "a", required=False)


def test_one_of_several_types_is_accepted():
    assert LOCATION.get({"a": "x"}, "a", (dict, str)) == "x"
    with pytest.raises(ValueError, match="must be of type dict or str, is 1"):
        LOCATION.get({"a": 1}, "a", (dict, str))


def test_half_a_surrogate_pair_raises():
    with pytest.raises(ValueError, match=r"J605.*half a surrogate pair"):
        LOCATION.check("a", "x\ud83d", str)


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)]
)
def test_number_is_parsed(text, number):
    assert LOCATION.number("a", text) == number


@pytest.mark.parametrize("text", ["", " 1", "-1", "1.0", "²", "x", "9" * 19, LONG])
def test_text_that_is_not_a_number_raises(text):
    with pytest.raises(ValueError, match=r"J605.*field 'a' must be a number"):
        LOCATION.number("a", text)


def test_rest_excludes_known_fields():
    value = {"a": 1, "b": [None, {"c": 2.5}], "d": "e"}
    assert LOCATION.rest(value, "a", "x") == {"b": [None, {"c": 2.5}], "d": "e"}


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("key", "item"),
    [
        pytest.param("a", 2**64, id="huge number"),
        pytest.param("a", [-(2**63) - 1], id="huge negative number"),
        pytest.param("a", nested(600), id="nested too deeply"),
        pytest.param("a", "\ud83d", id="half a surrogate pair"),
        pytest.param("a\ud83d", 1, id="half a surrogate pair as key"),
    ],
)
def test_rest_that_cannot_be_stored_raises(key, item):
    with pytest.raises(ValueError, match=r"J605.*line 3: field 'a.*cannot be stored"):
        LOCATION.rest({key: item})


def test_long_values_are_truncated():
    assert short_repr("a" * 99) == "'" + "a" * 59 + "..."
    assert short_repr([1, "a"]) == "[1, 'a']"
