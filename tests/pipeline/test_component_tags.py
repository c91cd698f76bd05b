"""Tags of tokens: collected from data, saved, trained, not predicted."""

from typing import NamedTuple

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner

from spacy_jre.annotations import build_doc
from spacy_jre.architectures.bridge import _convert_inputs, network_of
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.layers.layout import JointOutputs, Targets
from spacy_jre.layers.losses import UNKNOWN
from spacy_jre.training.sampling import sample_candidates
from spacy_jre.training.tags import tag_tokens
from spacy_jre.training.targets import align_gold, make_targets
from spacy_jre.types import Candidates

from ..conftest import ROOT, STORY, make_example, make_record
from .helpers import learn, logits, make_nlp, same, story_examples, tok2vec_config

PLAIN = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
TAGS = [*PLAIN, "I-ORG/B-LOC"]
LABELS = {
    "entities": ["LOC", "ORG", "PER"],
    "relations": ["based_in", "lives_in", "spouse", "works_for"],
}


@pytest.fixture
def nlp_and_examples():
    return make_nlp(tok2vec_config("STSN"))


def initialized_with(labels, architecture="STSN", **network):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("jre", config=tok2vec_config(architecture, **network))
    examples = story_examples(nlp)
    pipe.initialize(lambda: examples, labels=labels)
    return pipe, examples


class TrainingBatch(NamedTuple):
    """The candidates and targets of a batch, and the outputs of the network."""

    outputs: JointOutputs
    targets: Targets
    candidates: Candidates


def training_batch(pipe, examples) -> TrainingBatch:
    """A batch of gold spans without negatives."""
    docs = [example.x for example in examples]
    encoded = pipe.model.get_ref("encoder").predict(docs)
    windows, labels = encoded.windows, pipe._labels
    gold = align_gold(examples, windows, encoded.has_units, labels, "relations")
    candidates = sample_candidates(
        gold,
        windows,
        np.random.default_rng(0),
        max_span_width=10,
        negative_spans=0,
        negative_pairs=0,
    )
    targets, _ = make_targets(gold, candidates, windows, labels)
    node = pipe.model.get_ref("network")
    inputs, _ = _convert_inputs(node, (encoded, candidates, targets), False)
    with torch.no_grad():
        outputs = get_module(node).eval()(*inputs.args)
    return TrainingBatch(outputs, targets, candidates)


def loss_of(pipe, batch: TrainingBatch) -> float:
    targets = Targets(*map(torch.from_numpy, batch.targets))
    return float(network_of(pipe.model).loss(batch.outputs, targets).value)


# the tag set --------------------------------------------------------------------------


def test_tags_come_from_the_data(nlp_and_examples):
    nlp, _ = nlp_and_examples
    assert nlp.get_pipe("jre").label_data == {**LABELS, "tags": TAGS}
    tags = get_module(nlp.get_pipe("jre").model.get_ref("network")).tags
    assert tags.out_features == len(TAGS)
    assert nlp.get_pipe("jre").labels == (*LABELS["entities"], *LABELS["relations"])


def test_added_label_has_tags(nlp):
    pipe = nlp.add_pipe("jre", config=tok2vec_config("STSN"))
    pipe.add_label("ZZZ", kind="entity")
    nlp.initialize(lambda: story_examples(nlp))
    assert pipe.label_data["tags"] == ["O", "B-ZZZ", "I-ZZZ", *TAGS[1:]]


@pytest.mark.parametrize(
    ("architecture", "network"),
    [("SpERT", {}), ("STSN", {"n_layers": 0})],
    ids=["SpERT", "without-layers"],
)
def test_network_without_tags_ignores_tags_of_a_labels_file(architecture, network):
    labels = {**LABELS, "tags": TAGS}
    pipe, examples = initialized_with(labels, architecture, **network)
    assert pipe.label_data == LABELS
    assert training_batch(pipe, examples).outputs.tag_logits is None


def test_given_tags_keep_their_order_and_plain_bio_tags_are_added():
    given = ["B-PER/I-LOC", "I-PER", "O"]
    pipe, _ = initialized_with({**LABELS, "tags": given})
    rest = [tag for tag in PLAIN if tag not in given]
    assert pipe.label_data["tags"] == [*given, *rest]


def test_tags_are_collected_from_the_data_if_none_are_given():
    pipe, _ = initialized_with(LABELS)
    assert pipe.label_data["tags"] == TAGS


@pytest.mark.parametrize("tags", ["O", [1], {"O": 0}])
def test_tags_with_another_structure_are_refused(tags):
    with pytest.raises(ValueError, match="J503"):
        initialized_with({**LABELS, "tags": tags})


def test_error_names_a_label_of_the_data_that_is_not_in_the_file():
    with pytest.raises(ValueError, match=r"J504.*PER"):
        initialized_with({**LABELS, "entities": ["LOC", "ORG"]})


def test_same_labels_give_the_same_network(nlp_and_examples):
    first = nlp_and_examples[0].get_pipe("jre")
    second, _ = initialized_with(first.label_data)
    assert second.label_data == first.label_data
    metadata = [
        get_module(pipe.model.get_ref("network")).metadata for pipe in (first, second)
    ]
    assert metadata[0] == metadata[1]
    assert metadata[0]["n_tags"] == len(TAGS)


def test_tags_of_init_labels_can_be_loaded(nlp, tmp_path):
    docs = [build_doc(make_record(sentence), nlp) for sentence in STORY]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "story.spacy")
    paths = [f"--paths.{s}={tmp_path / 'story.spacy'}" for s in ("train", "dev")]
    config = str(ROOT / "configs" / "test" / "stsn.cfg")
    command = ["init", "labels", config, str(tmp_path / "labels"), *paths]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    written = srsly.read_json(tmp_path / "labels" / "jre.json")
    assert written == {**LABELS, "tags": TAGS}
    pipe, _ = initialized_with(written)
    assert pipe.label_data == written


# saving -------------------------------------------------------------------------------


def test_loading_restores_the_tags_and_their_weights(nlp_and_examples, tmp_path):
    nlp, examples = nlp_and_examples
    learn(nlp, examples, 2)
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert loaded.get_pipe("jre").label_data["tags"] == TAGS
    expected, loaded_logits = (
        training_batch(n.get_pipe("jre"), examples).outputs.tag_logits
        for n in (nlp, loaded)
    )
    np.testing.assert_allclose(loaded_logits, expected, atol=1e-6)
    assert same(logits(loaded), logits(nlp))


def test_loaded_pipeline_can_be_trained_on_tags(nlp_and_examples):
    nlp, examples = nlp_and_examples
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    before = training_batch(loaded.get_pipe("jre"), examples).outputs.tag_logits
    learn(loaded, examples, 1)
    after = training_batch(loaded.get_pipe("jre"), examples).outputs.tag_logits
    assert not np.allclose(before, after, atol=1e-5)


# training -----------------------------------------------------------------------------


def test_mean_tag_loss_over_tokens_is_added_to_the_loss(nlp_and_examples):
    nlp, examples = nlp_and_examples
    pipe = nlp.get_pipe("jre")
    batch = training_batch(pipe, [examples[2], examples[0]])
    gold = [
        *("O", "O", "O", "B-LOC", "O", "O", "O"),
        *("B-PER", "I-PER", "O", "O", "B-ORG", "I-ORG/B-LOC", "O", "B-LOC", "O"),
    ]
    columns = [TAGS.index(tag) for tag in gold]
    assert batch.targets.tags.tolist() == columns
    logits = batch.outputs.tag_logits.numpy()
    assert logits.shape == (16, len(TAGS))
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(1, keepdims=True)
    mean = -np.log(probabilities[range(16), columns]).mean()
    without = batch._replace(outputs=batch.outputs._replace(tag_logits=None))
    added = loss_of(pipe, batch) - loss_of(pipe, without)
    assert added == pytest.approx(mean, rel=1e-4)


def test_tokens_of_unannotated_docs_have_no_tags(nlp_and_examples):
    nlp, examples = nlp_and_examples
    pipe = nlp.get_pipe("jre")
    unannotated = Example(nlp.make_doc("Ada Quint"), nlp.make_doc("Ada Quint"))
    annotated = training_batch(pipe, examples)
    both = training_batch(pipe, [*examples, unannotated])
    assert both.targets.tags[-2:].tolist() == [UNKNOWN, UNKNOWN]
    assert loss_of(pipe, both) == pytest.approx(loss_of(pipe, annotated), rel=1e-5)


def test_entity_without_tags_is_reported_once_and_is_a_gold_span(nlp_and_examples):
    nlp, _ = nlp_and_examples
    entities = [(0, 3, "PER"), (1, 4, "ORG")]
    example = make_example(nlp, {**STORY[0], "entities": entities, "relations": []})
    with pytest.warns(UserWarning, match=r"J909.*1 gold entities"):
        nlp.update([example])
    nlp.update([example])  # warnings are errors here
    pipe = nlp.get_pipe("jre")
    assert len(training_batch(pipe, [example]).candidates.spans) == 2


# prediction ---------------------------------------------------------------------------


def test_prediction_computes_no_tags(nlp_and_examples):
    nlp, examples = nlp_and_examples
    pipe = nlp.get_pipe("jre")
    calls = []
    tags = get_module(pipe.model.get_ref("network")).tags
    tags.register_forward_hook(lambda *_: calls.append(1))
    list(nlp.pipe(example.text for example in examples))
    assert calls == []
    nlp.update(examples)
    assert calls == [1]


@pytest.mark.parametrize("network", [{"n_layers": 0}, {"interaction": "none"}])
def test_ablations_overfit(network):
    nlp, examples = make_nlp(tok2vec_config("STSN", **network))
    learn(nlp, examples, 60, rate=0.003)
    scores = nlp.evaluate(story_examples(nlp))
    assert (scores["ents_f"], scores["rel_strict_f"]) == (1.0, 1.0)


# predicted tags


def test_predicted_tags_of_an_overfitted_pipeline_are_those_of_the_data(
    nlp_and_examples,
):
    nlp, examples = nlp_and_examples
    learn(nlp, examples, 120)
    pipe = nlp.get_pipe("jre")
    docs = [example.predicted for example in examples]
    for sentence, found in zip(STORY, pipe.predict_tags(docs), strict=True):
        expected = tag_tokens(sentence["entities"]).tags
        assert found == [expected.get(i, "O") for i in range(len(sentence["words"]))]
    # the Docs are not changed
    assert not any(doc.ents for doc in docs)


def test_tags_are_in_the_order_of_the_tokens(nlp_and_examples):
    nlp, examples = nlp_and_examples
    pipe = nlp.get_pipe("jre")
    docs = [example.reference for example in examples]
    alone = [pipe.predict_tags([doc])[0] for doc in docs]
    assert pipe.predict_tags([*docs, nlp.make_doc("")]) == [*alone, []]
    assert pipe.predict_tags([nlp.make_doc("")]) == [[]]


@pytest.mark.parametrize(
    ("architecture", "network"), [("SpERT", {}), ("STSN", {"n_layers": 0})]
)
def test_network_without_tags_cannot_predict_them(architecture, network):
    pipe, examples = initialized_with(None, architecture, **network)
    with pytest.raises(ValueError, match=r"\[J440\].*'jre'"):
        pipe.predict_tags([examples[0].reference])
