"""Replace a folder so that an interruption at any moment leaves a complete one.

If the path is a symbolic link, the folder that it points to is replaced.
"""

import glob
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ..errors import Errors, JREError


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Write a new folder beside an existing one and then replace it.

    The new folder is written completely before the old one is renamed, and the old one
    is deleted last. If the process ends between the two renames, both folders are
    complete, and ``recover_folder`` restores the name.

    path (Path): The folder to replace. It does not have to exist.
    YIELDS (Path): An empty folder to write to.
    RAISES (ValueError): J422 if a file cannot be written, e.g. because the disk is
        full. J785 if the path is a file.
    """
    recover_folder(path)
    path = _target(path)
    new, old = _siblings(path)
    try:
        try:
            new.mkdir(parents=True)
            yield new
            _flush(new)
        except BaseException:
            # frees the space on a full disk
            shutil.rmtree(new, ignore_errors=True)
            raise
        if path.exists():
            path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise JREError(Errors.J422.format(path=path, error=error)) from error


def complete_folder(path: Path) -> Path:
    """RETURNS (Path): Where the content of a folder is, if ``replace_folder`` was
    interrupted between the two renames. Otherwise the path. Nothing is changed, so that
    another process can be writing."""
    path = _target(path)
    new, old = _siblings(path)
    if path.exists() or not old.exists():
        return path
    # `old` gets its name when `new` is complete
    return new if new.exists() else old


def recover_folder(path: Path) -> None:
    """Complete or remove what an interrupted ``replace_folder`` has left.

    path (Path): The folder.
    RAISES (ValueError): J422 if a folder cannot be renamed, J785 if the path is a file.
    """
    check_folder(path)
    path = _target(path)
    complete = complete_folder(path)
    try:
        if complete != path:
            complete.rename(path)
        for folder in (*_kept(path), *_siblings(path)):
            if folder.is_symlink():
                folder.unlink()
            elif folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
        for folder in _siblings(path):
            if folder.exists():
                # a file in it cannot be deleted now. Later calls try it again
                folder.rename(_unused(path))
    except OSError as error:
        raise JREError(Errors.J422.format(path=path, error=error)) from error


def remove_folder(path: Path) -> None:
    """Delete a folder as far as possible. A symbolic link to it is kept."""
    shutil.rmtree(_target(path), ignore_errors=True)


def check_folder(path: Path) -> None:
    """RAISES (ValueError): J785 if the path, or a folder above it, is a file."""
    for folder in (path, *path.parents):
        if folder.exists():
            if not folder.is_dir():
                raise JREError(Errors.J785.format(path=folder))
            break


def _target(path: Path) -> Path:
    """RETURNS (Path): The path, or the path that a symbolic link points to."""
    return path.resolve() if path.is_symlink() else path


def _kept(path: Path) -> list[Path]:
    """RETURNS (list[Path]): Old folders that could not be deleted."""
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.old.*"))


def _unused(path: Path) -> Path:
    """RETURNS (Path): A new name for an old folder that cannot be deleted."""
    names = (path.with_name(f".{path.name}.old.{n}") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def _siblings(path: Path) -> tuple[Path, Path]:
    """RETURNS (tuple[Path, Path]): The names of the new and the old folder while a
    folder is replaced. They are on the same file system."""
    return path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")


def _flush(folder: Path) -> None:
    """Write the files to the disk, so that a power failure does not leave empty files
    under the final name."""
    for file in folder.rglob("*"):
        if file.is_file():
            # Windows only flushes files that are open for writing
            with file.open("r+b") as opened:
                os.fsync(opened.fileno())
