"""The networks against their equations, written a second time in plain loops."""

from itertools import product
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from spacy_jre.networks.base import JointOutputs

from .helpers import (
    Batch,
    build,
    by_pair,
    learning_batch,
    predicting_batch,
    random_sizes,
)
from .naive import Naive, Span
from .naive_iser import ISER_SETTINGS, NaiveISER
from .naive_spans import SINET_SETTINGS, SPERT_SETTINGS, NaiveSINET, NaiveSpERT
from .naive_stsn import STSN_SETTINGS, NaiveSTSN

# windows of one token, of one span, without units at the start or the end, crowded ones
SEEDS = [2, 5, 8]
NAIVE = {
    "spert": NaiveSpERT,
    "sinet": NaiveSINET,
    "stsn": NaiveSTSN,
    "iser": NaiveISER,
}
SETTINGS = [
    *(("spert", settings) for settings in SPERT_SETTINGS),
    *(("sinet", settings) for settings in SINET_SETTINGS),
    *(("stsn", settings) for settings in STSN_SETTINGS),
    *(("iser", settings) for settings in ISER_SETTINGS),
]


class Case(NamedTuple):
    """A batch, what the network gives for it, and what the equations give."""

    batch: Batch
    outputs: JointOutputs
    naive: Naive

    @property
    def spans(self) -> list[Span]:
        return [tuple(span) for span in self.batch.layout.spans.tolist()]


def describe(param) -> str:
    (name, settings), seed = param
    parts = [name, *(f"{k}={v}" for k, v in settings.items()), f"seed={seed}"]
    return "-".join(parts)


# both fixtures stay for a module, so that a network is computed once
every_case = pytest.fixture(
    scope="module", params=list(product(SETTINGS, SEEDS)), ids=describe
)


def make_case(param, make_batch) -> Case:
    (name, settings), seed = param
    network, batch = build(name, **settings), make_batch(random_sizes(seed), seed=seed)
    with torch.no_grad():
        outputs = network(*batch)
    return Case(batch, outputs, NAIVE[name](network, batch, settings))


@every_case
def learning(request):
    return make_case(request.param, learning_batch)


@every_case
def predicting(request):
    return make_case(request.param, predicting_batch)


def assert_equal_logits(logits: Tensor, expected: list[Tensor]) -> None:
    assert_close(logits.double(), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_given_spans_get_the_logits_of_the_equations(learning):
    expected = [learning.naive.entity_logits(span) for span in learning.spans]
    assert_equal_logits(learning.outputs.entity_logits, expected)


def test_given_pairs_get_the_logits_of_the_equations(learning):
    pairs = learning.batch.layout.pairs.tolist()
    spans = [(learning.spans[head], learning.spans[tail]) for head, tail in pairs]
    expected = [learning.naive.relation_logits(*pair) for pair in spans]
    assert_equal_logits(learning.outputs.relation_logits, expected)


def test_tokens_get_the_tag_logits_of_the_equations(learning):
    tags = learning.naive.tag_logits()
    if tags:
        assert_equal_logits(learning.outputs.tag_logits, tags)
    else:
        assert learning.outputs.tag_logits is None


def test_all_spans_get_the_logits_of_the_equations(predicting):
    expected = [predicting.naive.entity_logits(span) for span in predicting.spans]
    assert_equal_logits(predicting.outputs.entity_logits, expected)


def test_proposed_pairs_are_the_ordered_pairs_of_entities(predicting):
    expected = predicting.naive.pairs_of_entities(predicting.spans)
    assert set(by_pair(predicting.batch, predicting.outputs)) == expected
    assert len(predicting.outputs.pairs) == len(expected)


def test_proposed_pairs_get_the_logits_of_the_equations(predicting):
    logits = by_pair(predicting.batch, predicting.outputs)
    expected = [predicting.naive.relation_logits(p[:2], p[2:]) for p in logits]
    assert_equal_logits(torch.stack(list(logits.values())), expected)


def generous_batch(sizes, *, seed):
    limits = torch.full((len(sizes),), 1000)
    return predicting_batch(sizes, seed=seed, pair_limits=limits)


@pytest.mark.parametrize("name", NAIVE)
def test_generous_limits_pair_all_entities_of_a_window(name):
    case = make_case(((name, {}), SEEDS[0]), generous_batch)
    assert int(case.outputs.n_truncated) == 0
    expected = case.naive.pairs_of_entities(case.spans)
    assert set(by_pair(case.batch, case.outputs)) == expected


def test_cases_hold_spans_that_cover_their_window_and_windows_of_one_token():
    sizes = [window for seed in SEEDS for window in random_sizes(seed)]
    assert any(len(window) == 1 and window[0] for window in sizes)
    assert any(1 < len(window) <= 3 for window in sizes)  # spans go up to 3
    assert any(0 in window for window in sizes)
