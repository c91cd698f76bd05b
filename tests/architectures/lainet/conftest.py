"""Fixtures: a LAI-Net model and Docs."""

import pytest
from spacy.tokens import Doc

from ...conftest import STORY
from .helpers import build_model


@pytest.fixture
def docs(nlp):
    docs = [Doc(nlp.vocab, words=s["words"]) for s in STORY]
    docs.insert(2, Doc(nlp.vocab))
    return docs


@pytest.fixture
def model(wide_bert):
    return build_model(wide_bert)
