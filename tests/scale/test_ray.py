"""Ray Data: the class for map_batches."""

import pickle

import numpy as np
import pytest
import spacy

from spacy_jre.errors import JREError
from spacy_jre.export import iter_triples

from ..conftest import STORY
from ..export.helpers import require
from ..pipeline.helpers import save_trained

TEXTS = [" ".join(sentence["words"]) for sentence in STORY]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A trained pipeline."""
    return save_trained(tmp_path_factory.mktemp("model"))


@pytest.fixture
def predict(model):
    require("pyarrow")
    from spacy_jre.scale.ray import PredictTriples

    return PredictTriples(model)


def expected_rows(model, texts, names):
    """Document id, head, relation and tail, from one process."""
    nlp = spacy.load(model)
    return [
        (names[t.doc], t.head.text, t.relation, t.tail.text, round(t.score, 4))
        for t in iter_triples(nlp.pipe(texts))
    ]


def values(row):
    triple = [row[name] for name in ("document", "head", "relation", "tail")]
    return (*triple, round(row["score"], 4))


def test_batch_gives_the_triples(predict, model):
    names = [f"s{n}" for n in range(len(TEXTS))]
    table = predict({"id": np.array(names), "text": np.array(TEXTS, dtype=object)})
    rows = [values(row) for row in table.to_pylist()]
    assert rows == expected_rows(model, TEXTS, names)
    assert len(rows) >= 6
    assert not any(table.column("error").to_pylist())


def test_document_that_fails_is_a_row_with_the_error(predict):
    table = predict({"id": np.array([7, 8]), "text": np.array([None, TEXTS[0]])})
    *triples, failed = table.to_pylist()
    assert (failed["document"], failed["head"]) == ("7", None)
    assert "None" in failed["error"]
    assert {row["document"] for row in triples} == {"8"}


def test_pickled_object_has_no_pipeline(predict, model):
    batch = {"id": np.array([1]), "text": np.array(TEXTS[:1])}
    table = predict(batch)
    data = pickle.dumps(predict)
    assert len(data) < 2000
    assert pickle.loads(data)(batch) == table


def test_pipeline_is_loaded_once(predict, monkeypatch):
    loaded = []
    load = spacy.load
    monkeypatch.setattr(spacy, "load", lambda name: loaded.append(name) or load(name))
    for _ in range(2):
        predict({"id": np.array([1]), "text": np.array(TEXTS[:1])})
    assert len(loaded) == 1


def test_unknown_nodes_raise():
    from spacy_jre.scale.ray import PredictTriples

    with pytest.raises(JREError, match=r"J202.*nodes"):
        PredictTriples("model", nodes="names")


@pytest.mark.filterwarnings("ignore")  # warnings of ray
def test_two_workers_give_the_triples_of_one_process(model):
    ray = require("ray")
    require("ray.data")
    from spacy_jre.scale.ray import PredictTriples

    texts = TEXTS * 8
    names = [f"s{n}" for n in range(len(texts))]
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        rows = [
            {"id": name, "text": text} for name, text in zip(names, texts, strict=True)
        ]
        triples = ray.data.from_items(rows, override_num_blocks=4).map_batches(
            PredictTriples,
            fn_constructor_kwargs={"model": str(model)},
            batch_size=5,
            concurrency=2,
        )
        found = [values(row) for row in triples.take_all()]
    finally:
        ray.shutdown()
    assert sorted(found) == sorted(expected_rows(model, texts, names))
    assert len(found) >= 48
