"""Fingerprints of files: whether a run was finished under the same conditions."""

import hashlib
from functools import cache
from pathlib import Path

from weasel.util import get_checksum

from ..corpora.dataset import FILE as DATASET_FILE
from ..corpora.dataset import Dataset
from ..corpora.sources import walk_files
from ..errors import Errors, JREError
from ..scale.items import hash_files


def data_fingerprints(dataset: Dataset, fold: int) -> dict[str, list[str]]:
    """Get the fingerprints of the files of a fold and of dataset.json."""
    dataset.check_files(fold)
    paths = dataset.paths(fold)
    dataset_json = dataset.folder / DATASET_FILE
    return {
        "dataset": [fingerprint(dataset_json)] if dataset_json.is_file() else [],
        **{
            split: [fingerprint(path) for path in part] for split, part in paths.items()
        },
    }


def fingerprint(path: Path) -> str:
    """Get the checksum of a file, or of the names and contents of a folder's files.

    RAISES (ValueError): J601 if the path does not exist.
    """
    if path.is_dir():
        digest = hashlib.md5(usedforsecurity=False)
        # the reader reports the links that are not followed
        for file in walk_files(path, skip=lambda left_out: None):
            name = file.relative_to(path).as_posix()
            digest.update(f"{get_checksum(file)} {name}\n".encode())
        return digest.hexdigest()
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    return get_checksum(path)


def fingerprint_bytes(content: bytes) -> str:
    """Get the checksum of the content of a file, equal to ``fingerprint`` of it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@cache
def encoder_fingerprint(folder: Path) -> str:
    """Get the checksum of the files of a local transformer.

    It is computed once per folder and process, because the files are large. Subfolders
    and hidden files have no effect: transformers only reads the files of the folder.
    Links are followed, because the snapshots in the cache of the Hugging Face Hub
    consist of links.
    """
    return hash_files(
        {
            file.name: file
            for file in folder.iterdir()
            if file.is_file() and not file.name.startswith(".")
        }
    )
