"""Worker processes end if their parent is killed."""

import os
import select
import time

import pytest

from spacy_jre.scale.workers import workers_end_with_parent

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def is_open_after(seconds: float, *, watched: bool) -> bool:
    """Fork a process that forks a worker and ends. Returns whether the worker is still
    running after some seconds. The worker holds the pipe open and ends after 4."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        if watched:
            with workers_end_with_parent():
                worker = os.fork()
        else:
            worker = os.fork()
        if worker == 0:
            time.sleep(4)
        os._exit(0)
    os.close(writer)
    os.wait()
    ready, _, _ = select.select([reader], [], [], seconds)
    os.close(reader)
    return not ready


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("watched", [True, False])
def test_worker_ends_with_its_parent_only_in_the_block(watched):
    assert is_open_after(2.5, watched=watched) != watched
