"""Forked processes tokenize without threads, independent of the parent process."""

import os

import pytest

from spacy_jre.pipeline.forks import (
    PARALLELISM,
    disable_tokenizers_parallelism_in_forks,
)

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"),
    pytest.mark.filterwarnings("ignore:This process.*multi-thread:DeprecationWarning"),
]


def value_in_a_fork() -> str:
    disable_tokenizers_parallelism_in_forks()
    end, start = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(start, os.environ.get(PARALLELISM, "unset").encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(start)
    with os.fdopen(end) as file:
        return file.read()


def test_parallelism_is_turned_off_in_the_fork_only(monkeypatch):
    monkeypatch.delenv(PARALLELISM, raising=False)
    assert value_in_a_fork() == "false"
    assert PARALLELISM not in os.environ
    assert value_in_a_fork() == "false"


@pytest.mark.parametrize("value", ["true", "false"])
def test_value_set_by_the_user_is_kept(monkeypatch, value):
    monkeypatch.setenv(PARALLELISM, value)
    assert value_in_a_fork() == value
    assert os.environ[PARALLELISM] == value
