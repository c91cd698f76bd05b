"""CSV, TSV, JSON lines and Parquet, read with the libraries themselves."""

import csv
import json

import pytest
from hypothesis import HealthCheck, given, settings

from spacy_jre.export import COLUMNS, as_row, iter_triples

from .helpers import require, story_docs, triple, triples, write

any_triples = given(triples())
# the folder is used for all examples
in_folder = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read_csv(path, dialect):
    """Read the rows, and convert the values to the types of the columns."""
    with path.open(encoding="utf8", newline="") as file:
        return [
            {
                name: None if value == "" and kind is float else kind(value)
                for (name, kind), value in zip(
                    COLUMNS.items(), row.values(), strict=True
                )
            }
            for row in csv.DictReader(file, dialect=dialect)
        ]


def test_row_has_all_columns_in_their_order():
    assert list(as_row(triple())) == list(COLUMNS)


@pytest.mark.parametrize(("name", "dialect"), [("csv", "excel"), ("tsv", "excel-tab")])
def test_csv_has_the_triples(nlp, tmp_path, name, dialect):
    rows = [as_row(t) for t in iter_triples(story_docs(nlp))]
    written = write(iter_triples(story_docs(nlp)), tmp_path / "out", name)
    assert read_csv(tmp_path / "out", dialect) == rows
    assert written.triples == len(rows) == 8


@in_folder
@any_triples
def test_csv_keeps_any_text(tmp_path, triples):
    for name, dialect in (("csv", "excel"), ("tsv", "excel-tab")):
        write(triples, tmp_path / "out", name)
        assert read_csv(tmp_path / "out", dialect) == [as_row(t) for t in triples]


@in_folder
@any_triples
def test_json_lines_keep_any_text(tmp_path, triples):
    write(triples, tmp_path / "out", "jsonl")
    with (tmp_path / "out").open(encoding="utf8", newline="\n") as lines:
        assert [json.loads(line) for line in lines] == [as_row(t) for t in triples]


@in_folder
@any_triples
def test_parquet_keeps_any_text(tmp_path, triples):
    parquet = require("pyarrow.parquet")
    write(triples, tmp_path / "out", "parquet")
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    assert rows == [as_row(t) for t in triples]


def test_parquet_has_the_types_of_the_columns(tmp_path):
    parquet = require("pyarrow.parquet")
    write([], tmp_path / "out", "parquet")
    schema = parquet.read_schema(tmp_path / "out")
    names = {str: "string", int: "int64", float: "double"}
    types = dict(zip(schema.names, map(str, schema.types), strict=True))
    assert types == {name: names[kind] for name, kind in COLUMNS.items()}


def test_parquet_is_written_in_groups_of_rows(tmp_path, monkeypatch):
    parquet = require("pyarrow.parquet")
    monkeypatch.setattr("spacy_jre.export.tables._GROUP", 2)
    write([triple()] * 5, tmp_path / "out", "parquet")
    with parquet.ParquetFile(tmp_path / "out") as file:
        assert (file.num_row_groups, file.metadata.num_rows) == (3, 5)


def test_nodes_of_rows_can_be_mentions():
    row = as_row(triple(document="a:b"), "mention")
    assert row["head_node"] == "a%3Ab:0:0-9:PER"
