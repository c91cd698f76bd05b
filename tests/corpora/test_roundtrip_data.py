"""The public corpora come through .spacy unchanged."""

import json
from functools import cache

import pytest
import spacy
from srsly.msgpack import msgpack_decoders, msgpack_encoders

from spacy_jre.corpora.formats.docbin import read_docbin_records, write_docbin
from spacy_jre.corpora.formats.spert_json import read_spert_json, write_spert_json

from ..conftest import SHARED, write_json


@pytest.mark.data
@pytest.mark.parametrize(
    ("corpus", "count"), [("conll04", 1441), ("scierc", 2687), ("ade", 4272)]
)
def test_spert_json_round_trips_through_docbin(tmp_path, monkeypatch, corpus, count):
    # srsly searches all installed packages five times per Doc; cache the result
    for registry in (msgpack_encoders, msgpack_decoders):
        monkeypatch.setattr(registry, "get_all", cache(registry.get_all))
    distinct = {}
    for path in sorted((SHARED / corpus / "spert").glob("*.json")):
        if path.stem.endswith("_types"):
            continue
        for sentence in json.loads(path.read_bytes()):
            # some files share sentences: folds with the full file, train with train_dev
            distinct[json.dumps(sentence, sort_keys=True)] = sentence
    sentences = list(distinct.values())
    assert len(sentences) == count
    records = read_spert_json(write_json(tmp_path / "in.json", sentences))
    docbin, written = tmp_path / "all.spacy", tmp_path / "out.json"
    write_docbin(records, docbin, spacy.blank("en"))
    write_spert_json(read_docbin_records(docbin), written)
    assert json.loads(written.read_bytes()) == sentences
