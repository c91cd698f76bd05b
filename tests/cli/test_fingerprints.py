"""Fingerprints change with the content of files."""

import shutil

import pytest

from spacy_jre.cli.fingerprints import data_fingerprints, fingerprint
from spacy_jre.corpora.dataset import Dataset, read_dataset

from ..conftest import write_json


def test_fingerprint_of_a_folder_depends_on_names_and_contents(tmp_path):
    folder = tmp_path / "a"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "x").write_text("1")
    first = fingerprint(folder)
    assert fingerprint(shutil.copytree(folder, tmp_path / "b")) == first
    (folder / "inner" / "x").write_text("2")
    second = fingerprint(folder)
    (folder / "inner" / "x").rename(folder / "y")
    assert len({first, second, fingerprint(folder)}) == 3


def test_missing_file_fails(tmp_path):
    with pytest.raises(ValueError, match=r"\[J601\].*nowhere"):
        fingerprint(tmp_path / "nowhere")


def test_dataset_json_is_a_part_of_the_data(tmp_path):
    for split in ("train", "dev", "test"):
        write_json(tmp_path / f"{split}.json", [])
    assert data_fingerprints(Dataset(tmp_path), 0)["dataset"] == []
    path = write_json(tmp_path / "dataset.json", {"title": "ours"})
    assert data_fingerprints(read_dataset(path), 0)["dataset"] == [fingerprint(path)]
