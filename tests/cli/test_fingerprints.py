"""Fingerprints change with the content of files."""

import shutil

import pytest

from spacy_jre.cli.fingerprints import (
    data_fingerprints,
    encoder_fingerprint,
    fingerprint,
    fingerprint_bytes,
)
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


def test_fingerprint_of_bytes_is_that_of_a_file_with_them(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"a\r\n")
    assert fingerprint_bytes(b"a\r\n") == fingerprint(path)


def write_encoder(folder, text):
    folder.mkdir()
    (folder / "weights").write_text(text)
    return folder


def test_fingerprint_of_an_encoder_depends_on_the_files_of_its_folder(tmp_path):
    first = encoder_fingerprint(write_encoder(tmp_path / "a", "1"))
    same = write_encoder(tmp_path / "b", "1")
    (same / ".cache").write_text("hidden")
    write_encoder(same / "inner", "2")
    assert encoder_fingerprint(same) == first
    assert encoder_fingerprint(write_encoder(tmp_path / "c", "2")) != first


def test_linked_files_of_an_encoder_are_read(tmp_path):
    """As in the cache of the Hugging Face Hub."""
    found = set()
    for name in "12":
        blob = tmp_path / name
        blob.write_text(name)
        folder = tmp_path / f"snapshot-{name}"
        folder.mkdir()
        (folder / "weights").symlink_to(blob)
        found.add(encoder_fingerprint(folder))
    assert len(found) == 2


def test_fingerprint_of_an_encoder_is_computed_once(tmp_path):
    folder = write_encoder(tmp_path / "a", "1")
    first = encoder_fingerprint(folder)
    (folder / "weights").write_text("2")
    assert encoder_fingerprint(folder) == first
