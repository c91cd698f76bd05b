"""Reading inputs of all kinds."""

import csv
import gzip
import json
import re

import pytest
from spacy.tokens import Doc

from spacy_jre.corpora.formats.docbin import RelationDocBin
from spacy_jre.errors import JREError
from spacy_jre.scale import InputSettings, find_source

from ..export.helpers import require, story_docs

ROWS = [{"text": "Ada left.", "id": "a"}, {"text": 'Rain\nfell, "hard".', "id": "b"}]
# a field of a .tsv file has no line break
TSV_ROWS = [ROWS[0], {"text": 'Rain fell, "hard".', "id": "b"}]


def items_of(path, **settings):
    return list(find_source(path, InputSettings(**settings)))


def read(path, **settings):
    """The numbers, ids and texts, which have no errors."""
    items = items_of(path, **settings)
    assert not [item.error for item in items if item.error]
    assert [item.number for item in items] == list(range(len(items)))
    return [(item.id, item.content) for item in items]


def write_rows(path):
    """Write the rows in the format of the suffix."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        arrow, parquet = require("pyarrow"), require("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(ROWS), path)
        return
    with path.open("w", encoding="utf8", newline="") as file:
        if kind == "jsonl":
            file.writelines(json.dumps(row) + "\n" for row in ROWS)
            return
        if kind == "tsv":
            lines = ["text\tid", *(f"{row['text']}\t{row['id']}" for row in TSV_ROWS)]
            file.writelines(f"{line}\n" for line in lines)
            return
        writer = csv.DictWriter(file, ["text", "id"])
        writer.writeheader()
        writer.writerows(ROWS)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "parquet"])
def test_rows_have_text_and_id(tmp_path, kind, packed):
    path = tmp_path / f"a.{kind}"
    write_rows(path)
    if packed:
        data = path.read_bytes()
        path = tmp_path / f"a.{kind}.gz"
        path.write_bytes(gzip.compress(data))
    rows = TSV_ROWS if kind == "tsv" else ROWS
    assert read(path, id_field="id") == [(row["id"], row["text"]) for row in rows]


@pytest.mark.parametrize(
    ("kind", "first"), [("jsonl", 1), ("csv", 1), ("tsv", 1), ("parquet", 0)]
)
def test_id_without_id_field_is_file_and_row(tmp_path, kind, first):
    path = tmp_path / f"a.{kind}"
    write_rows(path)
    names = [name for name, _ in read(path)]
    assert names == [f"a.{kind}:{first}", f"a.{kind}:{first + 1}"]


def test_other_field_can_be_chosen(tmp_path):
    path = tmp_path / "a.csv"
    write_rows(path)
    assert [content for _, content in read(path, field="id")] == ["a", "b"]


def test_lines_of_a_text_file_are_documents(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\ufeffAda.\n\n  \nOslo.", encoding="utf8")
    assert read(path) == [("a.txt:1", "Ada."), ("a.txt:4", "Oslo.")]


def test_text_files_of_a_folder_are_documents(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("Ada.\nOslo.\n")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"Rain."))
    assert read(tmp_path) == [("a.txt.gz", "Rain."), ("b/x.txt", "Ada.\nOslo.\n")]


def test_unit_of_text_files_can_be_chosen(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("Ada.\nOslo.\n")
    assert read(path, text_unit="file") == [("x.txt", "Ada.\nOslo.\n")]
    assert len(read(tmp_path, text_unit="line")) == 2


def test_docs_of_a_spacy_file_are_loaded_with_the_vocab(nlp, tmp_path):
    docs = RelationDocBin()
    for doc in story_docs(nlp):
        docs.add(doc)
    docs.to_disk(tmp_path / "a.spacy")
    items = items_of(tmp_path / "a.spacy")
    assert [item.id for item in items] == [f"a.spacy:{n}" for n in range(5)]
    doc = items[1].content(nlp.vocab)
    assert isinstance(doc, Doc)
    assert doc.text == story_docs(nlp)[1].text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"text": "Ada"', "J604"),
        (b"[1]", "J605.*not an object"),
        (b'{"title": "Ada"}', "J605.*'text' is missing"),
        (b'{"text": null}', "J605.*type str"),
        (b'{"text": "\xe5"}', "J668"),
    ],
)
def test_row_that_cannot_be_read_has_an_error(tmp_path, content, problem):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content + b'\n{"text": "Oslo"}\n')
    first, second = items_of(path)
    assert re.search(problem, first.error)
    assert (first.id, second.id, second.content) == ("a.jsonl:1", "a.jsonl:2", "Oslo")


def test_file_that_cannot_be_read_is_one_document_with_an_error(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "A"}\n')[:-6])
    (tmp_path / "b.spacy").write_bytes(b"no DocBin")
    (tmp_path / "c.csv").write_text("title\nAda\n")
    (tmp_path / "d.txt").write_bytes(b"\xff\xfeA\x00")
    (tmp_path / "e.txt").write_text("Oslo")
    items = items_of(tmp_path)
    assert [item.id for item in items] == [
        "a.jsonl.gz",
        "b.spacy",
        "c.csv",
        "d.txt",
        "e.txt",
    ]
    codes = [item.error[:6] for item in items]
    assert codes == ["[J665]", "[J609]", "[J773]", "[J667]", ""]


def test_missing_column_lists_the_columns(tmp_path):
    write_rows(tmp_path / "a.csv")
    (item,) = items_of(tmp_path / "a.csv", field="body")
    assert "'body'. Fields: 'text, id'" in item.error
    (item,) = items_of(tmp_path / "a.csv", id_field="key")
    assert "--id-field" in item.error


@pytest.mark.parametrize(
    ("row", "count"), [("2,Bob, who left, fell", 4), ("2", 1), ('2,"a\nb",c', 3)]
)
def test_row_with_another_number_of_fields_has_an_error(tmp_path, row, count):
    path = tmp_path / "a.csv"
    path.write_text(f"id,text\n1,Ada.\n\n{row}\n3,Mia.\n")
    first, second, third = items_of(path)
    assert (first.content, third.content, third.id) == ("Ada.", "Mia.", "a.csv:3")
    assert (second.id, second.content) == ("a.csv:2", "")
    assert f"row 2 has {count} field(s), but the header has 2" in second.error
    assert second.error.startswith("[J624]")


def test_quotes_of_tsv_are_part_of_the_text(tmp_path):
    path = tmp_path / "a.tsv"
    texts = ['"I left, he said.', "Bob fell.", '"Yes," she said.', '"No."']
    path.write_text("".join(f"{line}\n" for line in ["text", *texts]))
    assert [content for _, content in read(path)] == texts


def test_quoted_line_break_in_tsv_has_an_error(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tid\n"Rain\nfell."\t1\nAda.\t2\n')
    errors = [item.error for item in items_of(path)]
    assert "row 1 has 1 field(s)" in errors[0]
    assert "no quotes: use .csv" in errors[0]
    # the rest of the line looks like a row
    assert errors[1:] == ["", ""]


def test_damaged_parquet_has_an_error(tmp_path):
    require("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no data")
    (item,) = items_of(tmp_path / "a.parquet")
    assert "J612" in item.error


def test_long_cell_of_csv_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "a" * 200_000 + "\n")
    assert len(items_of(path)[0].content) == 200_000


def test_other_files_of_a_folder_are_reported(tmp_path):
    (tmp_path / "a.txt").write_text("Ada.")
    (tmp_path / "b.pdf").write_text("Ada.")
    source = find_source(tmp_path, InputSettings())
    assert len(source.files) == 1
    (ignored,) = source.ignored
    assert "b.pdf" in ignored


def test_input_without_readable_files_raises(tmp_path):
    (tmp_path / "b.pdf").write_text("Ada.")
    for path in (tmp_path, tmp_path / "b.pdf"):
        with pytest.raises(JREError, match=r"J771.*\.parquet"):
            find_source(path, InputSettings())
    with pytest.raises(JREError, match="J601"):
        find_source(tmp_path / "missing", InputSettings())


def test_unknown_unit_raises():
    with pytest.raises(JREError, match=r"J202.*text_unit"):
        InputSettings(text_unit="page")


def test_fingerprint_depends_on_names_and_content(tmp_path):
    def fingerprint():
        return find_source(tmp_path, InputSettings()).fingerprint()

    (tmp_path / "a.txt").write_text("Ada.")
    first = fingerprint()
    assert fingerprint() == first
    (tmp_path / "a.txt").write_text("Adb.")
    second = fingerprint()
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert len({first, second, fingerprint()}) == 3
