"""Replacing a folder: complete at every moment."""

import errno
import os
from pathlib import Path

import pytest

from spacy_jre.errors import JREError
from spacy_jre.training import folders as module
from spacy_jre.training.folders import recover_folder, replace_folder


class Killed(BaseException):
    """The end of the process: nothing is cleaned up afterwards."""


@pytest.fixture
def kill_at(monkeypatch):
    """Kill the process at a file operation. They are numbered from 0."""

    def install(number: int) -> None:
        count = iter(range(10**6))
        dead = []

        def guard(function):
            def guarded(*args, **kwargs):
                if dead or next(count) == number:
                    dead.append(True)
                    raise Killed
                return function(*args, **kwargs)

            return guarded

        for owner, name in (
            (Path, "mkdir"),
            (Path, "rename"),
            (Path, "write_text"),
            (module.shutil, "rmtree"),
            (module, "_flush"),
        ):
            monkeypatch.setattr(owner, name, guard(getattr(owner, name)))

    return install


def write(path: Path, text: str) -> None:
    with replace_folder(path) as folder:
        for name in ("a", "b"):
            (folder / name).write_text(text)


def read(path: Path) -> list[str]:
    return [file.read_text() for file in sorted(path.iterdir())]


@pytest.mark.parametrize("number", range(7))
def test_folder_is_complete_after_a_kill(tmp_path, kill_at, monkeypatch, number):
    path = tmp_path / "model"
    write(path, "old")
    kill_at(number)
    with pytest.raises(Killed):
        write(path, "new")
    monkeypatch.undo()
    recover_folder(path)
    assert read(path) in (["old", "old"], ["new", "new"])
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_all_operations_are_tested(tmp_path, kill_at):
    # the parameter of the test above is one more than the last operation
    write(tmp_path / "model", "old")
    kill_at(7)
    write(tmp_path / "model", "new")
    assert read(tmp_path / "model") == ["new", "new"]


def test_first_folder_is_absent_or_complete_after_a_kill(
    tmp_path, kill_at, monkeypatch
):
    kill_at(2)
    with pytest.raises(Killed):
        write(tmp_path / "model", "new")
    monkeypatch.undo()
    recover_folder(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_next_training_completes_the_folder(tmp_path, kill_at, monkeypatch):
    path = tmp_path / "model"
    write(path, "old")
    kill_at(5)  # between the two renames
    with pytest.raises(Killed):
        write(path, "new")
    monkeypatch.undo()
    assert not path.exists()
    recover_folder(path)
    assert read(path) == ["new", "new"]


def fill_disk(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_keeps_the_old_folder(tmp_path, monkeypatch):
    path = tmp_path / "model"
    write(path, "old")
    monkeypatch.setattr(Path, "write_text", fill_disk)
    with pytest.raises(JREError, match=r"J422.*model.*No space left"):
        write(path, "new")
    monkeypatch.undo()
    assert read(path) == ["old", "old"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_file_is_not_replaced(tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(JREError, match=r"J785.*model is a file"):
        write(tmp_path / "model", "new")
    with pytest.raises(JREError, match=r"J785.*model is a file"):
        write(tmp_path / "model" / "last", "new")


def test_files_of_the_old_folder_are_removed(tmp_path):
    write(tmp_path / "model", "old")
    (tmp_path / "model" / "c").write_text("old")
    write(tmp_path / "model", "new")
    assert read(tmp_path / "model") == ["new", "new"]


def test_folder_of_a_symbolic_link_is_replaced(tmp_path):
    target = tmp_path / "disk" / "a"
    target.mkdir(parents=True)
    (tmp_path / "model").symlink_to(target)
    for text in ("first", "second", "third"):
        write(tmp_path / "model", text)
        assert read(target) == [text, text]
    assert (tmp_path / "model").is_symlink()
    assert [file.name for file in target.parent.iterdir()] == ["a"]


def test_missing_folder_of_a_symbolic_link_is_created(tmp_path):
    (tmp_path / "model").symlink_to(tmp_path / "disk" / "a")
    write(tmp_path / "model", "new")
    assert read(tmp_path / "disk" / "a") == ["new", "new"]


def test_folder_of_a_symbolic_link_is_removed(tmp_path):
    (tmp_path / "model").symlink_to(tmp_path / "disk")
    write(tmp_path / "model", "new")
    module.remove_folder(tmp_path / "model")
    assert not (tmp_path / "disk").exists()
    write(tmp_path / "model", "newer")
    assert read(tmp_path / "disk") == ["newer", "newer"]


def test_symbolic_link_that_earlier_versions_left_is_removed(tmp_path):
    (tmp_path / "disk").mkdir()
    write(tmp_path / "model", "old")
    (tmp_path / ".model.old").symlink_to(tmp_path / "disk")
    write(tmp_path / "model", "new")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["disk", "model"]


def test_old_folder_that_cannot_be_deleted_does_not_end_the_training(
    tmp_path, monkeypatch
):
    rmtree = module.shutil.rmtree

    def refuse(folder, ignore_errors=False):
        if ".old" not in folder.name:
            rmtree(folder, ignore_errors=ignore_errors)
        elif not ignore_errors:
            raise PermissionError("in use")

    path = tmp_path / "model"
    monkeypatch.setattr(module.shutil, "rmtree", refuse)
    for text in ("first", "second", "third", "fourth"):
        write(path, text)
    assert read(path) == ["fourth", "fourth"]
    monkeypatch.undo()
    # it is deleted as soon as possible
    recover_folder(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_folder_that_cannot_be_renamed_is_reported(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError("in use")

    write(tmp_path / "model", "old")
    (tmp_path / "model").rename(tmp_path / ".model.old")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(JREError, match=r"J422.*model.*in use"):
        recover_folder(tmp_path / "model")


def test_files_are_open_for_writing_when_they_are_flushed(tmp_path, monkeypatch):
    # os.fsync of Windows requires it
    flushed = []
    monkeypatch.setattr(module.os, "fsync", lambda n: flushed.append(os.write(n, b"x")))
    write(tmp_path / "model", "a")
    assert flushed == [1, 1]
