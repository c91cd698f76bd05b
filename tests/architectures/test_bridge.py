import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from spacy_jre.architectures.bridge import (
    _convert_inputs,
    joint_model,
    label_counts,
    learns_tags,
    merge_scores,
)
from spacy_jre.architectures.builders import (
    build_iser_v1,
    build_sinet_v1,
    build_spert_v1,
    build_stsn_v1,
)
from spacy_jre.architectures.candidates import all_spans
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.layers.losses import UNKNOWN
from spacy_jre.networks.base import Layout, Targets
from spacy_jre.types import Candidates, Encoded, Labels, Windows

from .fake_encoder import fake_encoder

# two entity labels, three relation labels, four tags
LABELS = Labels(("A", "B"), ("r", "s", "t"), frozenset(), ("O", "B-A", "I-A", "B-B"))


def build(model, nlp, labels=LABELS):
    model.initialize(X=[nlp.make_doc("Oslo")], Y=labels)


def make_encoded(rng, counts=(4, 1, 6), width=6, sizes=None) -> Encoded:
    counts = np.asarray(counts, dtype=np.int64)
    n_tokens = int(counts.sum())
    sizes = rng.integers(0, 3, size=n_tokens) if sizes is None else np.asarray(sizes)
    ends = np.cumsum(sizes)
    bounds = np.cumsum(counts)
    units = np.asarray(
        [sizes[b - c : b].sum() for c, b in zip(counts, bounds, strict=True)]
    )
    return Encoded(
        windows=Windows(np.arange(len(counts)), np.zeros_like(counts), counts),
        units=rng.normal(size=(int(sizes.sum()), width)).astype("float32"),
        sentence=rng.normal(size=(len(counts), width)).astype("float32"),
        unit_counts=units.astype(np.int64),
        token_units=np.stack([ends - sizes, ends], 1).astype(np.int64),
    )


@pytest.fixture(
    params=[build_spert_v1, build_sinet_v1, build_stsn_v1, build_iser_v1],
    ids=["SpERT", "SINET", "STSN", "ISER"],
)
def model(request, nlp):
    torch.manual_seed(0)
    options = {"n_heads": 2, "attention_dropout": 0.0}
    if request.param is build_spert_v1:
        options = {}
    if request.param is build_iser_v1:
        options = {"n_heads": 2}
    model = request.param(fake_encoder(6), dropout=0.0, width_embedding=3, **options)
    build(model, nlp)
    for parameter in get_module(model.get_ref("network")).parameters():
        parameter.data.normal_(0, 0.5)
    return model


def test_all_spans_are_sorted_by_width():
    windows = Windows(np.asarray([0, 1]), np.asarray([0, 0]), np.asarray([3, 1]))
    result = all_spans(windows, 2)
    assert result.spans.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [0, 2], [1, 3]]
    assert result.width_counts == (4, 2)


def test_no_windows_have_no_spans():
    none = np.zeros(0, dtype=np.int64)
    result = all_spans(Windows(none, none, none), 5)
    assert result.spans.shape == (0, 2)
    assert result.width_counts == ()


@pytest.mark.parametrize(("sizes", "expected"), [((1, 2), False), ((1, 0), True)])
def test_layout_says_whether_a_token_has_no_units(model, rng, sizes, expected):
    encoded = make_encoded(rng, (2,), sizes=sizes)
    inputs = encoded, all_spans(encoded.windows, 3), None
    arguments, _ = _convert_inputs(model.get_ref("network"), inputs, False)
    assert arguments.args[2].has_empty is expected


def test_split_batches_have_the_scores_of_one_batch(model, rng):
    network = model.get_ref("network")
    encoded = make_encoded(rng, (4, 1, 6, 2, 5))
    whole = network.predict((encoded, all_spans(encoded.windows, 3), None))
    parts = encoded.split(6)
    assert len(parts) == 4
    merged = merge_scores(
        encoded.windows,
        [network.predict((p, all_spans(p.windows, 3), None)) for p in parts],
    )

    def by_span(scores):
        spans = [tuple(s) for s in scores.spans.tolist()]
        entity = dict(zip(spans, scores.entity_logits.tolist(), strict=True))
        relation = {
            (spans[h], spans[t]): row
            for (h, t), row in zip(
                scores.pairs.tolist(), scores.relation_scores.tolist(), strict=True
            )
        }
        return entity, relation

    for first, second in zip(by_span(whole), by_span(merged), strict=True):
        assert first.keys() == second.keys()
        for key, row in first.items():
            np.testing.assert_allclose(second[key], row, atol=1e-5)


def test_long_window_does_not_pad_many_short_windows(rng):
    encoded = make_encoded(rng, (1, 1, 10, 1, 1, 1, 1, 1, 1), sizes=[1] * 18)
    counts = [part.windows.counts.tolist() for part in encoded.split(12)]
    # at most 12 tokens and 48 padded ones: 4 windows of 10
    assert counts == [[1, 1, 10], [1, 1, 1, 1, 1, 1]]
    counts = [part.windows.counts.tolist() for part in encoded.split(18)]
    assert counts == [[1, 1, 10, 1, 1, 1, 1], [1, 1]]


def test_token_with_many_units_does_not_pad_many_short_windows(rng):
    encoded = make_encoded(rng, (1, 1, 1, 1, 1), sizes=[1, 8, 1, 1, 1])
    counts = [part.windows.counts.tolist() for part in encoded.split(6)]
    # at most 24 padded units: 3 windows of 8
    assert counts == [[1, 1, 1], [1, 1]]


def test_gradients_of_the_loss_equal_plain_torch(model, rng):
    network = model.get_ref("network")
    module = get_module(network)
    encoded = make_encoded(rng)
    spans = np.asarray([[0, 2], [1, 3], [4, 5], [5, 9], [10, 11]])
    pairs = np.asarray([[0, 1], [1, 0], [3, 4]])
    targets = Targets(
        entities=np.asarray([1, 0, 2, 0, 1]),
        relations=np.asarray([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype="float32"),
        tags=rng.integers(0, 4, size=11) if learns_tags(model) else None,
    )
    candidates = Candidates(spans, pairs)
    result, backprop = network.begin_update((encoded, candidates, targets))
    module.zero_grad()
    gradient = backprop(1.0)
    ours = {n: p.grad.clone() for n, p in module.named_parameters()}

    module.zero_grad()
    units = torch.from_numpy(encoded.units.copy()).requires_grad_()
    sentence = torch.from_numpy(encoded.sentence.copy()).requires_grad_()
    layout = Layout(
        unit_counts=torch.from_numpy(encoded.unit_counts),
        token_counts=torch.from_numpy(encoded.windows.counts),
        token_units=torch.from_numpy(encoded.token_units),
        longest_window=6,
        longest_units=int(encoded.unit_counts.max()),
        longest_token=2,
        spans=torch.from_numpy(spans),
        pairs=torch.from_numpy(pairs),
    )
    outputs = module(units, sentence, layout)
    loss = cross_entropy(outputs.entity_logits, torch.from_numpy(targets.entities))
    loss = loss + binary_cross_entropy_with_logits(
        outputs.relation_logits, torch.from_numpy(targets.relations)
    )
    if targets.tags is not None:
        assert outputs.tag_logits.shape == (11, 4)
        loss = loss + cross_entropy(outputs.tag_logits, torch.from_numpy(targets.tags))
    loss.backward()
    assert result.value == pytest.approx(float(loss.detach()), rel=1e-6)
    np.testing.assert_allclose(gradient.units, units.grad, atol=1e-6)
    expected = 0.0 if sentence.grad is None else sentence.grad
    np.testing.assert_allclose(gradient.sentence, expected, atol=1e-6)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad)


def test_gradient_scales_with_gradient_of_the_loss(model, rng):
    network = model.get_ref("network")
    encoded = make_encoded(rng)
    candidates, targets = make_negatives(n_spans=2)
    gradients = [
        network.begin_update((encoded, candidates, targets))[1](scale).units
        for scale in (1.0, 3.0)
    ]
    assert gradients[0].any()
    np.testing.assert_allclose(gradients[1], 3 * gradients[0], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("build_model", [build_spert_v1, build_stsn_v1])
def test_only_stsn_is_trained_on_tags(build_model, nlp):
    model = build_model(fake_encoder(8))
    build(model, nlp)
    assert learns_tags(model) == (build_model is build_stsn_v1)
    assert label_counts(model).get("n_tags") == (4 if learns_tags(model) else None)


def test_network_without_attention_layers_is_not_trained_on_tags(nlp):
    model = build_stsn_v1(fake_encoder(8), n_layers=0)
    assert not learns_tags(model)
    build(model, nlp)
    assert label_counts(model) == {"n_entity_labels": 2, "n_relation_labels": 3}


def make_negatives(n_spans):
    """Create spans that are not entities, without pairs."""
    spans = np.asarray([[0, 1], [2, 3]], dtype=np.int64)[:n_spans].reshape(-1, 2)
    candidates = Candidates(spans, np.zeros((0, 2), dtype=np.int64))
    targets = Targets(
        entities=np.zeros(n_spans, dtype=np.int64),
        relations=np.zeros((0, 3), dtype="float32"),
        tags=np.full(11, UNKNOWN),
    )
    return candidates, targets


def test_batch_without_candidates_has_zero_loss_and_gradient(model, rng):
    encoded = make_encoded(rng)
    candidates, targets = make_negatives(n_spans=0)
    inputs = (encoded, candidates, targets)
    loss, backprop = model.get_ref("network").begin_update(inputs)
    assert loss.value == 0.0
    gradient = backprop(1.0)
    assert gradient.units.shape == encoded.units.shape
    assert not gradient.units.any()
    assert not gradient.sentence.any()


def test_spans_without_pairs_have_the_loss_of_the_spans(model, rng):
    encoded = make_encoded(rng)
    candidates, targets = make_negatives(n_spans=2)
    loss, _ = model.get_ref("network").begin_update((encoded, candidates, targets))
    module = get_module(model.get_ref("network"))
    inputs, _ = _convert_inputs(
        model.get_ref("network"), (encoded, candidates, targets), False
    )
    logits = module(*inputs.args).entity_logits
    wanted = -logits.detach().log_softmax(1)[:, 0].mean()
    assert loss.value == pytest.approx(float(wanted), rel=1e-5)


def test_model_scores_docs_and_backprop_raises_error(model, nlp):
    docs = [nlp.make_doc("Ada Quint cooks"), nlp.make_doc("Oslo")]
    scores, backprop = model((docs, 2), False)
    # five spans of up to two words in the first Doc, one span in the second
    assert scores.entity_logits.shape == (6, 3)
    assert scores.spans.max(axis=0).tolist() == [3, 4]
    with pytest.raises(NotImplementedError, match="J315"):
        backprop(None)


def test_copy_of_a_model_has_the_same_scores(model, nlp):
    docs = [nlp.make_doc("Ada sang in Oslo .")]
    scores = model.copy().predict((docs, 3))
    expected = model.predict((docs, 3))
    assert np.array_equal(scores.entity_logits, expected.entity_logits)


def test_relation_scores_are_sigmoid_of_logits(model, rng):
    network = model.get_ref("network")
    module = get_module(network)
    with torch.no_grad():
        module.heads.entity.bias[0] -= 100.0
    encoded = make_encoded(rng)
    candidates = all_spans(encoded.windows, 1)
    inputs, _ = _convert_inputs(network, (encoded, candidates, None), False)
    scores = network.predict((encoded, candidates, None))
    with torch.no_grad():
        logits = module(*inputs.args).relation_logits.numpy()
    assert len(logits) > 30
    np.testing.assert_allclose(scores.relation_scores, 1 / (1 + np.exp(-logits)), 1e-5)


def test_invalid_encoder_output_raises_error(nlp):
    from thinc.api import Model

    bad = Model("bad", lambda model, docs, is_train: (["text"] * len(docs), None))
    with pytest.raises(ValueError, match="J303"):
        joint_model(bad, None).get_ref("encoder").predict([nlp.make_doc("Oslo")])
