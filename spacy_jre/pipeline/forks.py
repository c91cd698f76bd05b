"""Settings of forked processes, as with ``nlp.pipe(n_process=2)`` on Linux."""

import os
from functools import cache

PARALLELISM = "TOKENIZERS_PARALLELISM"


@cache
def disable_tokenizers_parallelism_in_forks() -> None:
    """Turn off the threads of Hugging Face tokenizers in forked processes.

    Threads do not survive a fork. The tokenizers library turns them off in the forked
    process, but prints a warning if the environment variable is not set before the
    fork. The parent process keeps its threads. A value set by the user is kept.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)


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
