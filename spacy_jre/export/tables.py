"""Tables with one row per triple: CSV, TSV, JSON lines and Parquet. They are written as
a stream."""

import csv
import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from .graph import Nodes, node_id
from .options import ExportOptions, Written, require
from .triples import Triple

# names and types of the columns
COLUMNS: dict[str, type] = {
    "document": str,
    "doc": int,
    "head": str,
    "head_label": str,
    "head_start": int,
    "head_end": int,
    "head_score": float,
    "head_node": str,
    "relation": str,
    "tail": str,
    "tail_label": str,
    "tail_start": int,
    "tail_end": int,
    "tail_score": float,
    "tail_node": str,
    "score": float,
    "sentence": str,
    "sentence_start": int,
    "sentence_end": int,
}
# rows of a row group of Parquet
_GROUP = 10_000


def as_row(triple: Triple, nodes: Nodes = "name") -> dict[str, Any]:
    """Get a triple as a row of a table.

    triple (Triple): The triple.
    nodes (str): What becomes a node, see ``node_id``.
    RETURNS (dict[str, Any]): The values, with the names and in the order of COLUMNS.
        The score of an entity is None if it is not known.
    """
    head, tail = triple.head, triple.tail
    return {
        "document": triple.document,
        "doc": triple.doc,
        "head": head.text,
        "head_label": head.label,
        "head_start": head.start,
        "head_end": head.end,
        "head_score": head.score,
        "head_node": node_id(triple, head, nodes),
        "relation": triple.relation,
        "tail": tail.text,
        "tail_label": tail.label,
        "tail_start": tail.start,
        "tail_end": tail.end,
        "tail_score": tail.score,
        "tail_node": node_id(triple, tail, nodes),
        "score": triple.score,
        "sentence": triple.sentence,
        "sentence_start": triple.sentence_start,
        "sentence_end": triple.sentence_end,
    }


def _write_csv(
    triples: Iterable[Triple], path: Path, options: ExportOptions, *, dialect: str
) -> Written:
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, list(COLUMNS), dialect=dialect)
        writer.writeheader()
        writer.writerows(as_row(triple, options.nodes) for triple in triples)
    return Written()


write_csv = partial(_write_csv, dialect="excel")
write_tsv = partial(_write_csv, dialect="excel-tab")


def write_jsonl(
    triples: Iterable[Triple], path: Path, options: ExportOptions
) -> Written:
    with path.open("w", encoding="utf8", newline="\n") as file:
        for triple in triples:
            row = as_row(triple, options.nodes)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return Written()


def write_parquet(
    triples: Iterable[Triple], path: Path, options: ExportOptions
) -> Written:
    """RAISES (ValueError): J775 without pyarrow."""
    parquet = require("pyarrow.parquet", "parquet", "Parquet")
    rows = (as_row(triple, options.nodes) for triple in triples)
    with parquet.ParquetWriter(path, arrow_schema()) as writer:
        for group in _groups(rows):
            writer.write_table(arrow_table(group))
    return Written()


def arrow_schema(**more: type) -> Any:
    """Get the types of the columns for pyarrow.

    more (type): Additional columns.
    RETURNS (pyarrow.Schema): The schema.
    RAISES (ValueError): J775 without pyarrow.
    """
    arrow = require("pyarrow", "parquet", "Parquet")
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    columns = {**COLUMNS, **more}
    return arrow.schema([(name, types[kind]) for name, kind in columns.items()])


def arrow_table(rows: list[dict[str, Any]], **more: type) -> Any:
    """Make a table of pyarrow.

    rows (list[dict[str, Any]]): The rows. Columns that are missing are null.
    more (type): Additional columns.
    RETURNS (pyarrow.Table): The table.
    RAISES (ValueError): J775 without pyarrow.
    """
    arrow = require("pyarrow", "parquet", "Parquet")
    return arrow.Table.from_pylist(rows, schema=arrow_schema(**more))


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, _GROUP)):
        yield group
