"""Settings of forked processes, as with ``nlp.pipe(n_process=2)`` on Linux."""

import os
from functools import cache

import torch

PARALLELISM = "TOKENIZERS_PARALLELISM"


@cache
def disable_threads_in_forks() -> None:
    """Turn off the threads of torch and of Hugging Face tokenizers in forked processes.

    Threads do not survive a fork. If torch has used several threads before the fork, it
    waits for them forever in the forked process, so that the process gets one thread.
    The tokenizers library turns off its threads, but prints a warning if the
    environment variable is not set before the fork. A value set by the user is kept.
    The parent process keeps its threads.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(
            before=_before_fork,
            after_in_parent=_after_fork,
            after_in_child=_use_one_thread,
        )


def _use_one_thread() -> None:
    torch.set_num_threads(1)


_set_by_us = False


def _before_fork() -> None:
    global _set_by_us
    if PARALLELISM not in os.environ:
        os.environ[PARALLELISM] = "false"
        _set_by_us = True


def _after_fork() -> None:
    global _set_by_us
    if _set_by_us:
        del os.environ[PARALLELISM]
        _set_by_us = False
