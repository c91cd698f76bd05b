"""An experiment with a tiny dataset and a test config."""

import pytest
import srsly

from ...conftest import ROOT
from ..test_cross_validate import write_dataset

CONFIG = ROOT / "configs" / "test" / "spert.cfg"


@pytest.fixture
def values(tmp_path):
    """The values of a valid experiment file with two rows and two seeds."""
    write_dataset(tmp_path / "tiny")
    return {
        "title": "Thresholds",
        "models": {"spert": {"config": str(CONFIG)}},
        "datasets": {
            "tiny": {"path": str(tmp_path / "tiny"), "folds": [0], "score": "test"}
        },
        "seeds": [1, 2],
        "epochs": 1,
        "rows": {
            "as configured": {},
            "low": {"overrides": {"components.jre.threshold": 0.2}},
        },
    }


@pytest.fixture
def write(tmp_path):
    """Write values as an experiment file."""

    def write(values):
        path = tmp_path / "own.yml"
        srsly.write_yaml(path, values)
        return path

    return write
