"""Forked processes tokenize without threads, independent of the parent process."""

import multiprocessing
import os

import pytest
import torch

from spacy_jre.pipeline.forks import (
    PARALLELISM,
    disable_threads_in_forks,
)

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"),
    pytest.mark.filterwarnings("ignore:This process.*multi-thread:DeprecationWarning"),
]


def value_in_a_fork() -> str:
    disable_threads_in_forks()
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


def test_fork_of_a_process_with_torch_threads_computes():
    disable_threads_in_forks()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        matrix = torch.ones(512, 512)
        matrix @ matrix  # starts the threads
        torch.nn.functional.gelu(matrix)
        process = multiprocessing.get_context("fork").Process(
            target=_compute, args=(matrix,)
        )
        process.start()
        process.join(20)
        if process.is_alive():
            process.kill()
            pytest.fail("the forked process waits")
        assert process.exitcode == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def _compute(matrix):
    assert torch.get_num_threads() == 1
    assert (matrix @ torch.nn.functional.gelu(matrix)).isfinite().all()
