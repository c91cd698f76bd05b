"""Formats by suffix, label maps, missing dependencies, and complete files."""

import json
import sys

import pytest

from spacy_jre.errors import JREError
from spacy_jre.export import (
    FORMATS,
    ExportOptions,
    choose_format,
    find_format,
    read_label_map,
)

from .helpers import triple, write


@pytest.mark.parametrize("name", [name for name, f in FORMATS.items() if f.suffix])
def test_suffix_determines_the_format(tmp_path, name):
    path = tmp_path / f"out{FORMATS[name].suffix.upper()}"
    assert choose_format(path).name == name


def test_chosen_format_has_precedence_over_the_suffix(tmp_path):
    assert choose_format(tmp_path / "out.csv", "turtle").name == "turtle"


def test_unknown_suffix_lists_the_formats(tmp_path):
    with pytest.raises(JREError, match=r"J776.*\.ttl.*neo4j"):
        choose_format(tmp_path / "out.xlsx")


def test_unknown_format_lists_the_formats():
    with pytest.raises(JREError, match=r"J701.*'xlsx'.*graphml"):
        find_format("xlsx")


@pytest.mark.parametrize("name", [name for name, f in FORMATS.items() if f.module])
def test_missing_dependency_names_the_extra(tmp_path, monkeypatch, name):
    format = FORMATS[name]
    monkeypatch.setitem(sys.modules, format.module, None)
    expected = rf'J775.*{format.module}.*pip install "spacy-jre\[{format.extra}\]"'
    with pytest.raises(JREError, match=expected):
        write([triple()], tmp_path / "out", name)
    assert not list(tmp_path.iterdir())


def test_failed_export_keeps_the_earlier_file(tmp_path):
    def broken():
        yield triple()
        raise RuntimeError("no more triples")

    path = tmp_path / "out.csv"
    write([triple()], path, "csv")
    before = path.read_bytes()
    with pytest.raises(RuntimeError):
        write(broken(), path, "csv")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]


def test_label_map_can_be_yaml_or_json(tmp_path):
    iris = {"PER": "https://schema.org/Person"}
    (tmp_path / "a.yml").write_text("PER: https://schema.org/Person\n")
    (tmp_path / "a.json").write_text(json.dumps(iris))
    assert read_label_map(tmp_path / "a.yml") == iris
    assert read_label_map(tmp_path / "a.json") == iris


@pytest.mark.parametrize("content", ["- PER", "", "PER: [", "1: https://a.org"])
def test_other_label_map_raises(tmp_path, content):
    path = tmp_path / "labels.yml"
    path.write_text(content)
    with pytest.raises(JREError, match=r"J782.*labels\.yml"):
        read_label_map(path)


def test_missing_label_map_raises(tmp_path):
    with pytest.raises(JREError, match="J601"):
        read_label_map(tmp_path / "labels.yml")


def test_namespace_must_be_an_absolute_iri():
    with pytest.raises(JREError, match=r"J772.*namespace"):
        ExportOptions(namespace="kg/")
