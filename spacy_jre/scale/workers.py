"""Worker processes that end with their parent."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_SECONDS = 0.5  # between two checks
_active = False


@contextmanager
def workers_end_with_parent() -> Iterator[None]:
    """End processes that are forked in the block if this process is killed.

    The workers of ``nlp.pipe`` wait for texts, and would wait forever. Does nothing
    where processes are not forked, as on Windows.
    """
    global _active
    if hasattr(os, "register_at_fork"):
        _register()
    _active = True
    try:
        yield
    finally:
        _active = False


@cache
def _register() -> None:
    os.register_at_fork(after_in_child=_watch_parent)


def _watch_parent() -> None:
    if _active:
        args = (os.getppid(),)
        threading.Thread(target=_end_with, args=args, daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)
