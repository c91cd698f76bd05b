import numpy as np
import pytest
import torch

from spacy_jre.architectures.bridge import (
    all_spans,
    build_network,
    joint_model,
    learns_tags,
    merge_scores,
    split_encoded,
)
from spacy_jre.architectures.builders import (
    build_iser_v1,
    build_sinet_v1,
    build_spert_v1,
    build_stsn_v1,
)
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.networks.base import Layout
from spacy_jre.types import Candidates, Encoded, ScoreGradient, Windows

from .fake_encoder import fake_encoder


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
def model(request):
    torch.manual_seed(0)
    options = {"n_heads": 2, "attention_dropout": 0.0}
    if request.param is build_spert_v1:
        options = {}
    if request.param is build_iser_v1:
        options = {"n_heads": 2}
    model = request.param(fake_encoder(6), dropout=0.0, width_embedding=3, **options)
    build_network(model, 6, 2, 3, n_tags=4)
    for parameter in get_module(model.get_ref("network")).parameters():
        parameter.data.normal_(0, 0.5)
    return model


def test_all_spans_by_hand():
    windows = Windows(np.asarray([0, 1]), np.asarray([0, 0]), np.asarray([3, 1]))
    found = all_spans(windows, 2)
    assert found.spans.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [0, 2], [1, 3]]
    assert found.width_counts == (4, 2)


def test_no_windows_have_no_spans():
    none = np.zeros(0, dtype=np.int64)
    found = all_spans(Windows(none, none, none), 5)
    assert found.spans.shape == (0, 2)
    assert found.width_counts == ()


def test_split_batches_score_what_one_batch_scores(model, rng):
    network = model.get_ref("network")
    encoded = make_encoded(rng, (4, 1, 6, 2, 5))
    whole = network.predict((encoded, all_spans(encoded.windows, 3)))
    parts = split_encoded(encoded, 6)
    assert len(parts) == 4
    merged = merge_scores(
        encoded.windows,
        [network.predict((p, all_spans(p.windows, 3))) for p in parts],
    )

    def by_place(scores):
        spans = [tuple(s) for s in scores.spans.tolist()]
        entity = dict(zip(spans, scores.entity_logits.tolist(), strict=True))
        relation = {
            (spans[h], spans[t]): row
            for (h, t), row in zip(
                scores.pairs.tolist(), scores.relation_logits.tolist(), strict=True
            )
        }
        return entity, relation

    for first, second in zip(by_place(whole), by_place(merged), strict=True):
        assert first.keys() == second.keys()
        for key, row in first.items():
            np.testing.assert_allclose(second[key], row, atol=1e-5)


def test_long_window_does_not_pad_many_short_ones(rng):
    encoded = make_encoded(rng, (1, 1, 10, 1, 1, 1, 1, 1, 1), sizes=[1] * 18)
    counts = [part.windows.counts.tolist() for part in split_encoded(encoded, 12)]
    # at most 12 tokens and 48 padded ones: 4 windows of 10
    assert counts == [[1, 1, 10], [1, 1, 1, 1, 1, 1]]
    counts = [part.windows.counts.tolist() for part in split_encoded(encoded, 18)]
    assert counts == [[1, 1, 10, 1, 1, 1, 1], [1, 1]]


def test_token_of_many_units_does_not_pad_many_short_windows(rng):
    encoded = make_encoded(rng, (1, 1, 1, 1, 1), sizes=[1, 8, 1, 1, 1])
    counts = [part.windows.counts.tolist() for part in split_encoded(encoded, 6)]
    # at most 24 padded units: 3 windows of 8
    assert counts == [[1, 1, 1], [1, 1]]


def test_gradients_come_home_as_those_of_plain_torch(model, rng):
    network = model.get_ref("network")
    module = get_module(network)
    encoded = make_encoded(rng)
    spans = np.asarray([[0, 2], [1, 3], [4, 5], [5, 9], [10, 11]])
    pairs = np.asarray([[0, 1], [1, 0], [3, 4]])
    scores, backprop = network.begin_update((encoded, Candidates(spans, pairs)))
    d_entity = rng.normal(size=scores.entity_logits.shape).astype("float32")
    d_relation = rng.normal(size=scores.relation_logits.shape).astype("float32")
    d_tags = None
    if scores.tag_logits is not None:
        assert scores.tag_logits.shape == (11, 4)
        d_tags = rng.normal(size=scores.tag_logits.shape).astype("float32")
    module.zero_grad()
    home = backprop(ScoreGradient(d_entity, d_relation, d_tags))
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
    np.testing.assert_allclose(
        scores.entity_logits, outputs.entity_logits.detach(), atol=1e-6
    )
    loss = (outputs.entity_logits * torch.from_numpy(d_entity)).sum()
    loss = loss + (outputs.relation_logits * torch.from_numpy(d_relation)).sum()
    if d_tags is not None:
        loss = loss + (outputs.tag_logits * torch.from_numpy(d_tags)).sum()
    loss.backward()
    np.testing.assert_allclose(home.units, units.grad, atol=1e-5)
    expected = 0.0 if sentence.grad is None else sentence.grad
    np.testing.assert_allclose(home.sentence, expected, atol=1e-5)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad)


@pytest.mark.parametrize("build", [build_spert_v1, build_stsn_v1])
def test_tags_are_asked_for_by_the_network_that_learns_them(build):
    model = build(fake_encoder(8))
    build_network(model, 8, 2, 3, n_tags=4)
    module = get_module(model.get_ref("network"))
    assert learns_tags(model) == (build is build_stsn_v1)
    assert ("n_tags" in module.metadata) == (build is build_stsn_v1)


def test_network_without_attention_layers_learns_no_tags():
    model = build_stsn_v1(fake_encoder(8), n_layers=0)
    assert not learns_tags(model)
    build_network(model, 8, 2, 3)
    assert "n_tags" not in get_module(model.get_ref("network")).metadata


@pytest.mark.parametrize("n_spans", [0, 2])
def test_nothing_to_learn_sends_zero_gradients_home(model, rng, n_spans):
    encoded = make_encoded(rng)
    spans = np.asarray([[0, 1], [2, 3]], dtype=np.int64)[:n_spans].reshape(-1, 2)
    candidates = Candidates(spans, np.zeros((0, 2), dtype=np.int64))
    scores, backprop = model.get_ref("network").begin_update((encoded, candidates))
    assert scores.relation_logits.shape == (0, 3)
    zero = ScoreGradient(scores.entity_logits * 0, scores.relation_logits * 0)
    home = backprop(zero)
    assert home.units.shape == encoded.units.shape
    assert not home.units.any()
    assert not home.sentence.any()


def test_model_is_called_like_any_thinc_model(model, nlp):
    docs = [nlp.make_doc("Ada Quint cooks"), nlp.make_doc("Oslo")]
    scores, backprop = model.begin_update(docs)
    assert scores.entity_logits.shape == (len(scores.spans), 3)
    gradient = ScoreGradient(scores.entity_logits, scores.relation_logits)
    d_vectors = backprop(gradient)
    assert [d.shape for d in d_vectors] == [(3, 6), (1, 6)]


def test_wrong_encoder_output_is_named(nlp):
    from thinc.api import Model

    bad = Model("bad", lambda model, docs, is_train: (["text"] * len(docs), None))
    with pytest.raises(ValueError, match="J303"):
        joint_model(bad, None).get_ref("encoder").predict([nlp.make_doc("Oslo")])
