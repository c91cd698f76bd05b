"""A pipeline that needs no training."""

from itertools import pairwise

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_jre.annotations import register_extension


@Language.component("test_capitals")
def capitals(doc: Doc) -> Doc:
    """Relate each word with a capital letter to the next one. Fails for "Error"."""
    if any(token.text == "Error" for token in doc):
        raise RuntimeError("the text has an error")
    words = [token for token in doc if token.text[:1].isupper()]
    doc.ents = [doc.char_span(w.idx, w.idx + len(w), "WORD") for w in words]
    doc._.relations = [
        (doc[a.i : a.i + 1], doc[b.i : b.i + 1], "next", 0.5)
        for a, b in pairwise(words)
    ]
    return doc


@pytest.fixture
def capitals_nlp():
    register_extension()
    nlp = spacy.blank("en")
    nlp.add_pipe("test_capitals")
    return nlp
