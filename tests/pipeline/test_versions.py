"""Pipelines that are saved and loaded with two versions of transformers.

::

    SPACY_JRE_OTHER_PYTHON=/path/to/python pytest --slow tests/pipeline/test_versions.py

The variable names the Python interpreter of an environment with another version of
transformers, spaCy and pytest.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import spacy

from spacy_jre import register_extension

from ..conftest import ROOT, save_tiny_bert
from .helpers import MODELS, NO_DROPOUT, make_nlp, model_config
from .other_version import load_and_train, read_result, scores

PYTHON = os.environ.get("SPACY_JRE_OTHER_PYTHON")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="set SPACY_JRE_OTHER_PYTHON"),
]


def run_other(pipeline: Path, output: Path):
    command = [PYTHON, "-m", "tests.pipeline.other_version", pipeline, output]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return read_result(output)


@pytest.fixture(scope="module", params=MODELS)
def folders(request, tmp_path_factory):
    """An initialized pipeline, and the pipelines that both versions train from it."""
    folder = tmp_path_factory.mktemp(request.param)
    tiny = save_tiny_bert(folder / "tiny", dropout=0.0)
    wide = save_tiny_bert(folder / "wide", dropout=0.0, positions=160)
    config = model_config(request.param, str(tiny), str(wide))
    config["model"].update(NO_DROPOUT[request.param])
    register_extension()
    nlp, _ = make_nlp(config)
    nlp.to_disk(folder / "start")
    load_and_train(folder / "start", folder / "this")
    run_other(folder / "start", folder / "other")
    return folder


def assert_close(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-4)


def test_versions_differ(folders):
    this, other = read_result(folders / "this"), read_result(folders / "other")
    assert this.version != other.version


def test_pipeline_of_this_version_gives_the_same_scores_in_the_other(folders):
    this, other = read_result(folders / "this"), read_result(folders / "other")
    assert_close(other.loaded, this.loaded)


def test_updates_have_the_same_losses(folders):
    this, other = read_result(folders / "this"), read_result(folders / "other")
    np.testing.assert_allclose(other.losses, this.losses, rtol=1e-4)
    assert this.losses[-1] < this.losses[0]


def test_pipeline_of_the_other_version_gives_the_same_scores_in_this(folders):
    assert_close(
        scores(spacy.load(folders / "other")), read_result(folders / "other").trained
    )


def test_trained_pipeline_of_this_version_is_trained_on_in_the_other(folders):
    result = run_other(folders / "this", folders / "both")
    assert_close(result.loaded, read_result(folders / "this").trained)
    assert result.losses[-1] < read_result(folders / "this").losses[0]
