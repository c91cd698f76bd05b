"""What programs write in different ways, in every JSON format that can have it."""

import gzip
import json
import re

import pytest

from spacy_jre.corpora.formats import FORMATS, guess_format

from .mutations import ABSENT, changed
from .story import FOLDER, STORY, content

# format -> file, and the names of the lists of entities and relations
JSON = {
    "doccano": ("doccano.jsonl", "entities", "relations"),
    "docred": ("docred.json", "vertexSet", "labels"),
    "dygie": ("dygie.jsonl", "ner", "relations"),
    "gliner": ("gliner.jsonl", "ner", "relations"),
    "label-studio": ("label_studio.json", "result", "result"),
    "prodigy": ("prodigy.jsonl", "spans", "relations"),
    "pubannotation": ("pubannotation.json", "denotations", "relations"),
    "spert": ("spert.json", "entities", "relations"),
    "spo": ("spo.jsonl", "spo_list", "spo_list"),
    "tacred": ("tacred.json", "", ""),
    "triples": ("triples.json", "triple_list", "triple_list"),
    "ubiai": ("ubiai.json", "tokens", "relations"),
    "uie": ("uie.jsonl", "entity", "relation"),
    "uie-prompts": ("uie_prompts.jsonl", "result_list", "result_list"),
}
UNTYPED = ("triples", "uie-prompts")


def load(name):
    text = (FOLDER / JSON[name][0]).read_text(encoding="utf8")
    if text.startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines()]


def write(path, values):
    path.write_text(json.dumps(values), encoding="utf8")
    return path


def read(path, name):
    """The records, and what is left out of them, without notes."""
    format = guess_format(path)
    assert format.name == name
    records = list(format.read(path, skip=print))
    lost = [left for record in records for left in record.left_out if left.broken]
    return records, lost


def contents(records, name):
    labels = name not in UNTYPED
    return [content(record, labels) for record in records]


def with_numbers(value, convert):
    """Convert all integers of a JSON value."""
    if isinstance(value, dict):
        return {key: with_numbers(item, convert) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item, convert) for item in value]
    return convert(value) if type(value) is int else value


@pytest.mark.parametrize("convert", [float, str, "{}.0".format])
@pytest.mark.parametrize("name", JSON)
def test_numbers_can_be_floats_and_strings(tmp_path, name, convert):
    values = with_numbers(load(name), convert)
    records, lost = read(write(tmp_path / "x.json", values), name)
    assert lost == []
    assert contents(records, name) == contents(STORY, name)


def with_ids(value, convert):
    """Convert the ids of entities, but not those in relations."""
    if isinstance(value, dict):
        is_relation = {"from_id", "subj", "head"} & value.keys()
        return {
            key: convert[item]
            if key == "id" and not is_relation and item in convert
            else with_ids(item, convert)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [with_ids(item, convert) for item in value]
    return value


def test_ids_of_doccano_can_be_strings_in_one_place(tmp_path):
    convert = {number: str(number) for number in range(200)}
    records, lost = read(
        write(tmp_path / "x.json", with_ids(load("doccano"), convert)), "doccano"
    )
    assert lost == []
    assert contents(records, "doccano") == contents(STORY, "doccano")


def test_ids_of_pubannotation_can_be_integers_in_one_place(tmp_path):
    text = json.dumps(load("pubannotation"))
    documents = json.loads(re.sub('"T([0-9])', r'"\1', text))
    convert = {str(number): number for number in range(200)}
    values = with_ids(documents, convert)
    records, lost = read(write(tmp_path / "x.json", values), "pubannotation")
    assert lost == []
    assert contents(records, "pubannotation") == contents(STORY, "pubannotation")


def place(name, field):
    """The path of a list in the second task."""
    if name == "label-studio":
        return [1, "annotations", 0, field]
    return [1, field]


@pytest.mark.parametrize(
    "name", [name for name in JSON if name not in ("tacred", "docred", "uie-prompts")]
)
def test_lists_can_be_null(tmp_path, name):
    values = load(name)
    for field in dict.fromkeys(JSON[name][1:]):
        values = changed(values, place(name, field), None)
    records, lost = read(write(tmp_path / "x.json", values), name)
    assert lost == []
    expected = contents(STORY, name)
    expected[1] = (expected[1][0], [], [])
    assert contents(records, name) == expected


@pytest.mark.parametrize("value", [None, ABSENT])
@pytest.mark.parametrize(
    "name", ["doccano", "dygie", "gliner", "prodigy", "pubannotation", "spert", "ubiai"]
)
def test_record_without_relations_has_its_entities(tmp_path, name, value):
    values = changed(load(name), [1, "relations"], value)
    records, lost = read(write(tmp_path / "x.json", values), name)
    assert lost == []
    expected = contents(STORY, name)
    expected[1] = (*expected[1][:2], [])
    assert contents(records, name) == expected


@pytest.mark.parametrize("name", JSON)
def test_null_rows_cost_nothing_else(tmp_path, name):
    values = load(name)
    fields = [field for field in dict.fromkeys(JSON[name][1:]) if field]
    for field in fields:
        rows = values[1]
        for key in place(name, field)[1:]:
            rows = rows[key]
        if name == "dygie":
            rows = rows[0]
        rows.append(None)
    if not fields:
        values.insert(1, None)
    path, skipped = write(tmp_path / "x.json", values), []
    records = list(FORMATS[name].read(path, skip=skipped.append))
    assert contents(records, name) == contents(STORY, name)
    lost = [left for record in records for left in record.left_out if left.broken]
    assert len(lost) + len(skipped) == max(len(fields), 1)


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("form", ["list", "lines", "object", "crlf", "mark", "gzip"])
def test_form_of_the_file_does_not_matter(tmp_path, name, form):
    values = load(name)
    path = tmp_path / "x.json"
    lines = "\n".join(map(json.dumps, values))
    text = {
        "list": json.dumps(values),
        "lines": lines,
        "object": json.dumps(values[0], indent=2),
        "crlf": json.dumps(values, indent=2).replace("\n", "\r\n"),
        "mark": f"\ufeff{lines}",
        "gzip": lines,
    }[form]
    data = text.encode()
    path.write_bytes(gzip.compress(data) if form == "gzip" else data)
    records, lost = read(path, name)
    assert lost == []
    if form == "object":
        assert records[0].text == STORY[0].text
        assert len(records) == 1
    else:
        assert contents(records, name) == contents(STORY, name)
