"""CITATION.cff is about this version, and has the paper of each model."""

import srsly

from spacy_jre.about import __version__

from .conftest import ROOT

CITATION = srsly.read_yaml(ROOT / "CITATION.cff")
MODELS = ("SpERT", "SINET", "STSN", "ISER", "LAI-Net")


def test_version_is_that_of_the_package():
    assert CITATION["version"] == __version__


def test_each_model_has_one_reference():
    notes = [reference["notes"] for reference in CITATION["references"]]
    assert [note.split(".")[0] for note in notes] == [f"The model {m}" for m in MODELS]
