"""The networks against reference implementations in plain loops."""

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
    prediction_batch,
    random_sizes,
    training_batch,
)
from .naive import Naive, Span
from .naive_iser import ISER_EXTRAS, ISER_SETTINGS, NaiveISER
from .naive_spans import (
    SINET_EXTRAS,
    SINET_SETTINGS,
    SPERT_EXTRAS,
    SPERT_SETTINGS,
    NaiveSINET,
    NaiveSpERT,
)
from .naive_stsn import STSN_EXTRAS, STSN_SETTINGS, NaiveSTSN

# with windows of one token, tokens without units, and more entities than the limit
SEEDS = [2, 5, 8]
NAIVE = {
    "spert": NaiveSpERT,
    "sinet": NaiveSINET,
    "stsn": NaiveSTSN,
    "iser": NaiveISER,
}
SETTINGS = [
    *(("spert", settings) for settings in SPERT_SETTINGS + SPERT_EXTRAS),
    *(("sinet", settings) for settings in SINET_SETTINGS + SINET_EXTRAS),
    *(("stsn", settings) for settings in STSN_SETTINGS + STSN_EXTRAS),
    *(("iser", settings) for settings in ISER_SETTINGS + ISER_EXTRAS),
]


TAGGING_CASES = [
    (("stsn", settings), seed)
    for settings in STSN_SETTINGS
    if settings.get("n_layers") != 0
    for seed in SEEDS
]


class Case(NamedTuple):
    """A batch, the outputs of the network, and the reference implementation."""

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


# module scope, so that each network runs once per batch
every_case = pytest.fixture(
    scope="module", params=list(product(SETTINGS, SEEDS)), ids=describe
)


def make_case(param, make_batch) -> Case:
    (name, settings), seed = param
    network = build(name, **settings)
    views = {"views": settings["views"]} if "views" in settings else {}
    batch = make_batch(random_sizes(seed), seed=seed, **views)
    with torch.no_grad():
        outputs = network(*batch)
    return Case(batch, outputs, NAIVE[name](network, batch, settings))


@every_case
def training(request):
    return make_case(request.param, training_batch)


@every_case
def prediction(request):
    return make_case(request.param, prediction_batch)


def assert_equal_logits(logits: Tensor, expected: list[Tensor]) -> None:
    assert_close(logits.double(), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_logits_of_given_spans_equal_the_equations(training):
    expected = [training.naive.entity_logits(span) for span in training.spans]
    assert_equal_logits(training.outputs.entity_logits, expected)


def test_logits_of_given_pairs_equal_the_equations(training):
    pairs = training.batch.layout.pairs.tolist()
    spans = [(training.spans[head], training.spans[tail]) for head, tail in pairs]
    expected = [training.naive.relation_logits(*pair) for pair in spans]
    assert_equal_logits(training.outputs.relation_logits, expected)


@pytest.mark.parametrize(
    "training", TAGGING_CASES, ids=describe, indirect=True, scope="module"
)
def test_tag_logits_equal_the_equations(training):
    assert_equal_logits(training.outputs.tag_logits, training.naive.tag_logits())


@pytest.mark.parametrize(
    ("name", "settings"),
    [("spert", {}), ("sinet", {}), ("iser", {}), ("stsn", {"n_layers": 0})],
    ids=["spert", "sinet", "iser", "stsn-without-layers"],
)
def test_networks_without_tags_have_no_tag_logits(name, settings):
    case = make_case(((name, settings), SEEDS[0]), training_batch)
    assert case.outputs.tag_logits is None


def test_logits_of_all_spans_equal_the_equations(prediction):
    expected = [prediction.naive.entity_logits(span) for span in prediction.spans]
    assert_equal_logits(prediction.outputs.entity_logits, expected)


def test_proposed_pairs_are_the_ordered_pairs_of_entities(prediction):
    expected = prediction.naive.pairs_of_entities(prediction.spans)
    assert set(by_pair(prediction.batch, prediction.outputs)) == expected
    assert len(prediction.outputs.pairs) == len(expected)


def test_logits_of_proposed_pairs_equal_the_equations(prediction):
    for pair, logits in by_pair(prediction.batch, prediction.outputs).items():
        expected = prediction.naive.relation_logits(pair[:2], pair[2:])
        assert_equal_logits(logits.unsqueeze(0), [expected])


def batch_with_high_limits(sizes, *, seed):
    limits = torch.full((len(sizes),), 1000)
    return prediction_batch(sizes, seed=seed, pair_limits=limits)


@pytest.mark.parametrize("name", NAIVE)
def test_all_entities_of_a_window_are_paired_below_the_limit(name):
    case = make_case(((name, {}), SEEDS[0]), batch_with_high_limits)
    assert int(case.outputs.n_truncated) == 0
    expected = case.naive.pairs_of_entities(case.spans)
    assert set(by_pair(case.batch, case.outputs)) == expected


def test_cases_include_short_windows_and_tokens_without_units():
    sizes = [window for seed in SEEDS for window in random_sizes(seed)]
    assert any(len(window) == 1 and window[0] for window in sizes)
    assert any(1 < len(window) <= 3 for window in sizes)  # spans go up to 3
    assert any(0 in window for window in sizes)
