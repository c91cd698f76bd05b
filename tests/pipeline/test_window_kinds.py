"""The setting `windows`: relations within sentences, several sentences, or Docs."""

import pickle

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from spacy_jre.annotations import EntityRecord, Record, RelationRecord, build_doc
from spacy_jre.architectures import bridge, units
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.architectures.units import with_units
from spacy_jre.architectures.windows import SENTENCES, set_windows, windows_of
from spacy_jre.training.optimizer import create_adamw_v1
from spacy_jre.types import EncodedGradient

from ..conftest import needs_spacy_transformers
from .helpers import (
    MODELS,
    make_nlp,
    model_config,
    no_span_is_none,
    story_examples,
    tok2vec_config,
    transformer_config,
)

# one sentence each; a relation between the first and the second, the second and the
# third, and within the third
SENTENCES_OF_DOC = [
    "Ada Quint cooks .",
    "She works at Hotel Lima .",
    "Nils Dahl lives in Oslo .",
    "Rain fell .",
]
ENTITIES = [
    ("Ada Quint", "PER"),
    ("Hotel Lima", "ORG"),
    ("Nils Dahl", "PER"),
    ("Oslo", "LOC"),
]
RELATIONS = [
    (0, 1, "works_for"),  # distance 1
    (1, 3, "based_in"),  # distance 1
    (2, 3, "lives_in"),  # distance 0
    (0, 3, "visits"),  # distance 2
]


def make_example(nlp, filler=0) -> Example:
    text = " ".join(
        [*SENTENCES_OF_DOC[:2], *["It rains ."] * filler, *SENTENCES_OF_DOC[2:]]
    )
    starts = [text.index(name) for name, _ in ENTITIES]
    record = Record(
        text,
        tuple(
            EntityRecord(start, start + len(name), label)
            for start, (name, label) in zip(starts, ENTITIES, strict=True)
        ),
        tuple(RelationRecord(*row) for row in RELATIONS),
    )
    reference = build_doc(record, nlp)
    predicted = Doc(nlp.vocab, words=[t.text for t in reference])
    for token in predicted:
        token.is_sent_start = token.i == 0 or predicted[token.i - 1].text == "."
    return Example(predicted, reference)


def trained(windows, config=None, steps=80, rate=0.01, filler=0, **settings):
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    config = {**(config or tok2vec_config()), "windows": windows, **settings}
    nlp.add_pipe("jre", config=config)
    examples = [make_example(nlp, filler)]
    nlp.initialize(lambda: examples)
    optimizer = create_adamw_v1(rate, bias_correction=True)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


def labels_of(nlp, filler=0):
    doc = nlp.get_pipe("jre")(make_example(nlp, filler).predicted)
    return sorted(relation.label for relation in doc._.relations)


@pytest.mark.parametrize(
    ("windows", "labels"),
    [
        ("sentence", ["lives_in"]),
        (1, ["lives_in"]),
        (2, ["based_in", "lives_in", "works_for"]),
        (3, ["based_in", "lives_in", "visits", "works_for"]),
        ("doc", ["based_in", "lives_in", "visits", "works_for"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.J904")
def test_relations_within_the_window_are_learned_and_predicted(windows, labels):
    assert labels_of(trained(windows)) == labels


@pytest.mark.parametrize("windows", ["sentence", 2])
def test_relations_beyond_the_window_are_counted_in_training(windows):
    count = {"sentence": 3, 2: 1}[windows]
    with pytest.warns(UserWarning, match=rf"J904.* 0 gold entities and {count} gold"):
        trained(windows, steps=1)


@pytest.mark.filterwarnings("ignore:.J904")
@pytest.mark.parametrize("name", ["SINET", "STSN", "ISER", "LAINet"])
def test_every_model_finds_relations_between_two_sentences(name, tiny_bert, wide_bert):
    config = model_config(name, tiny_bert, wide_bert)
    steps, rate, settings = 150, 0.003, {"threshold": 0.2}
    if name == "ISER":
        config = tok2vec_config("ISER", dropout=0.0)
        steps = 300
    if name == "LAINet":
        config["model"] |= {"dropout": 0.0, "graph_dropout": 0.0, "cold_start": 30}
        settings |= {"negative_pairs": None, "max_span_width": 3}
    nlp = trained(2, config, steps=steps, rate=rate, **settings)
    assert {"based_in", "works_for"} <= set(labels_of(nlp))


@pytest.mark.parametrize("name", MODELS)
def test_two_passes_score_the_same_as_one(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert))
    model = nlp.get_pipe("jre").model
    docs = [example.predicted for example in story_examples(nlp)]
    encoded = bridge.encode(model, docs)
    once, _ = bridge.forward(model, (docs, 3), False)
    twice = bridge._score_twice(model, encoded, 3)
    assert np.allclose(once.entity_logits, twice.entity_logits, atol=1e-5)

    def by_pair(scores):
        rows = map(tuple, scores.pairs.tolist())
        return dict(zip(rows, scores.relation_scores.tolist(), strict=True))

    expected, actual = by_pair(once), by_pair(twice)
    assert len(expected) > 0
    assert expected.keys() == actual.keys()
    for pair, values in expected.items():
        assert values == pytest.approx(actual[pair], abs=1e-5)


def test_entity_of_two_windows_is_predicted_once():
    nlp = trained(3)
    doc = nlp.get_pipe("jre")(make_example(nlp).predicted)
    assert [span.text for span in doc.spans["jre"]] == [name for name, _ in ENTITIES]


@pytest.mark.parametrize("overlaps", ["keep", "best"])
def test_overlaps_between_windows_are_resolved(overlaps):
    nlp = trained(3, steps=2, overlaps=overlaps)
    pipe = nlp.get_pipe("jre")
    with no_span_is_none(get_module(pipe.model.get_ref("network"))):
        doc = pipe(make_example(nlp).predicted)
    assert len(doc.spans["jre"]) > 3
    tokens = [token.i for span in doc.spans["jre"] for token in span]
    assert (len(set(tokens)) == len(tokens)) is (overlaps == "best")


# long Docs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "labels"),
    [
        # windows of the tokens 0 to 15 and 8 to 21; "Hotel" is token 7, "Oslo" is 17
        (16, ["lives_in", "works_for"]),
        # 0 to 19 and 10 to 21
        (20, ["based_in", "lives_in", "visits", "works_for"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.J904")
def test_long_doc_is_divided_into_windows_that_overlap(monkeypatch, size, labels):
    monkeypatch.setattr(units, "MAX_TOKENS", size)
    nlp = trained("doc", filler=1)
    docs = [make_example(nlp, 1).predicted]
    windows = bridge.encode(nlp.get_pipe("jre").model, docs).windows
    assert windows.start.tolist() == [0, size // 2]
    assert windows.end.tolist() == [size, 22]
    assert labels_of(nlp, filler=1) == labels


def test_long_doc_of_a_transformer_is_divided_with_a_warning(tiny_bert):
    nlp, _ = make_nlp(transformer_config(tiny_bert, "SpERT"), windows="doc")
    doc = Doc(nlp.vocab, words=["Oslo"] * 150)
    with pytest.warns(UserWarning, match=r"J901.*1 window.*62 wordpieces.*overlap"):
        encoded = bridge.encode(nlp.get_pipe("jre").model, [doc])
    windows = encoded.windows
    assert set(windows.doc_token) == set(range(150))
    assert encoded.unit_counts.max() <= 62
    assert encoded.unit_counts.sum() == len(encoded.units)
    # by half, except for the last one
    assert (2 * windows.repeated[1:-1] >= windows.counts[1:-1] - 1).all()


def test_gradients_of_a_token_in_two_windows_are_added():
    received = []

    def forward(model, docs, is_train):
        vectors = [np.ones((len(doc), 2), dtype="float32") for doc in docs]
        return vectors, lambda gradients: received.extend(gradients) or docs

    encoder = with_units(Model("vectors", forward))
    set_windows(encoder, 2)
    doc = Doc(spacy.blank("en").vocab, words=["a", "b", "c"], sent_starts=[1, 1, 1])
    encoded, backprop = encoder.begin_update([doc])
    assert encoded.windows.end.tolist() == [2, 3]
    gradient = np.asarray([[1, 0], [2, 0], [3, 0], [4, 0]], dtype="float32")
    backprop(EncodedGradient(gradient, np.zeros((2, 2), dtype="float32")))
    assert received[0].tolist() == [[1, 0], [5, 0], [4, 0]]


# settings -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, "text", True])
def test_other_windows_are_refused(nlp, value):
    with pytest.raises(ValueError, match="windows"):
        nlp.add_pipe("jre", config={"windows": value})


@pytest.mark.filterwarnings("ignore:.J904")
def test_loaded_pipeline_has_the_same_windows(tmp_path):
    nlp = trained(2)
    nlp.to_disk(tmp_path / "model")
    for copied in (spacy.load(tmp_path / "model"), pickle.loads(pickle.dumps(nlp))):
        encoder = copied.get_pipe("jre").model.get_ref("encoder")
        assert windows_of(encoder).kind == 2
        assert labels_of(copied) == labels_of(nlp)


def test_docs_of_several_sentences_are_not_reported_with_windows_of_docs():
    nlp, _ = make_nlp(windows="doc")
    nlp("It rains . It pours .")  # J912 otherwise


def test_context_of_the_encoder_is_refused(nlp, tiny_bert):
    config = transformer_config(tiny_bert, "SpERT")
    config["model"]["tok2vec"]["context_pieces"] = 20
    with pytest.raises(ValueError, match=r"J533.*context_pieces"):
        nlp.add_pipe("jre", config={**config, "windows": 2})


@needs_spacy_transformers
def test_shared_transformer_is_refused(nlp):
    config = tok2vec_config()
    config["model"]["tok2vec"] = {"@architectures": "spacy-jre.SharedTransformer.v1"}
    with pytest.raises(ValueError, match=r"J533.*get_spans"):
        nlp.add_pipe("jre", config={**config, "windows": "doc"})


def test_model_starts_with_windows_of_sentences(nlp):
    pipe = nlp.add_pipe("jre", config=tok2vec_config())
    assert windows_of(pipe.model.get_ref("encoder")) == SENTENCES
