"""ISER against its equations, what each of its switches changes, and its memory."""

import math
import subprocess
import sys
from itertools import product
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.testing import assert_close

from spacy_jre.networks.iser import ISER

from .helpers import (
    N_ENTITY_LABELS,
    N_RELATION_LABELS,
    STORY,
    WIDTH,
    Batch,
    as_rows,
    backpropagate,
    build,
    by_pair,
    idle_parameters,
    learning_batch,
    logits_of,
    predicting_batch,
    random_sizes,
    with_layout,
)
from .test_parity import Naive, Span, Weights, pool_tokens, split_windows

# windows of one token, tokens and windows without units, crowded windows
SEEDS = [2, 5]
LOCAL = ["attention", "raw", "cls", "global", "global_raw"]
SETTINGS = [
    {},
    {"n_heads": 2},
    {"fusion": False},
    {"global_context": "gru"},
    {"global_context": "cls"},
    *({"local_context": kind} for kind in LOCAL),
    {"fusion": False, "global_context": "gru", "local_context": "attention"},
    {"fusion": False, "local_context": "global"},
    {"pooling": "max"},
    {"pooling": "max", "local_context": "attention", "n_heads": 4},
    {"pooling": "max", "local_context": "global_raw", "global_context": "cls"},
]
Rows = list[Tensor]


def settings_id(settings: dict) -> str:
    return "-".join(f"{name}={value}" for name, value in settings.items()) or "full"


every_setting = pytest.mark.parametrize("settings", SETTINGS, ids=settings_id)


# the equations, a second time --------------------------------------------------------


class NaiveISER(Naive):
    """Logits window by window, span by span; MODELS.md, section 5."""

    def __init__(self, network, batch: Batch, settings: dict):
        self.weights = {k: v.double() for k, v in network.state_dict().items()}
        self.settings = {
            "fusion": True,
            "global_context": "sea",
            "local_context": "max",
            "n_heads": 8,
            **settings,
        }
        limits = batch.layout.pair_limits
        limits = batch.layout.token_counts if limits is None else limits
        self.limits = limits.tolist()
        self.windows = split_windows(batch)
        if settings.get("pooling") == "max":
            self.windows = [pool_tokens(window) for window in self.windows]
        self.views = [self.read(list(window.units)) for window in self.windows]

    def read(self, units: Rows) -> tuple[Rows, Rows]:
        """Equations 1-5: what spans and what pairs read."""
        entity, relation = (
            [self.feed_forward(f"{task}_view", unit) for unit in units]
            for task in ("entity", "relation")
        )
        if not self.settings["fusion"]:
            return entity, relation
        fused = [
            torch.cat([mix(r, entity, entity), mix(e, relation, relation)])
            for e, r in zip(entity, relation, strict=True)
        ]
        rows = both_ways(self.weights, "fusion.lstm", fused, lstm_step)
        return rows, rows

    def feed_forward(self, name: str, row: Tensor) -> Tensor:
        hidden = self.linear(f"{name}.0", row).clamp(min=0)
        return self.linear(f"{name}.2", hidden)

    def inside(self, number: int, span: Span) -> set[int]:
        tokens = self.windows[number].tokens[slice(*span)]
        return {unit for token in tokens for unit in token}

    def maximum(self, rows: Rows, places: set[int]) -> Tensor:
        if not places:
            return torch.zeros(WIDTH, dtype=torch.float64)
        return torch.stack([rows[i] for i in places]).max(0).values

    def context(self, number: int, span: Span) -> Tensor:
        """Equations 7-9: the window with the span masked out."""
        kind = self.settings["global_context"]
        if kind == "cls":
            return self.windows[number].sentence
        hidden = self.inside(number, span)
        rows = [
            torch.zeros_like(row) if i in hidden else row
            for i, row in enumerate(self.views[number][0])
        ]
        if not rows:
            return torch.zeros(WIDTH, dtype=torch.float64)
        if kind == "sea":
            keys = [i for i in range(len(rows)) if i not in hidden]
            rows = self.attend("context.attention", rows, keys)
        outputs = both_ways(self.weights, "context.gru", rows, gru_step)
        half = WIDTH // 2
        return torch.cat([outputs[-1][:half], outputs[0][half:]])

    def attend(self, name: str, rows: Rows, keys: list[int]) -> Rows:
        """Equations 7 and 8, one query and one head at a time, plus the input."""
        n_heads = self.settings["n_heads"]
        size = WIDTH // n_heads
        query, key, value = (
            [self.weights[f"{name}.{part}.weight"] @ row for row in rows]
            for part in ("query", "key", "value")
        )
        found = []
        for number, row in enumerate(rows):
            heads = []
            for head in range(n_heads):
                part = slice(head * size, (head + 1) * size)
                heads.append(
                    mix(
                        query[number][part],
                        [key[i][part] for i in keys],
                        [value[i][part] for i in keys],
                    )
                )
            found.append(row + torch.cat(heads))
        return found

    def entity_logits(self, span: Span) -> Tensor:
        number, span = self.place(span)
        # the columns of the package: [s; w; c], as equation 10
        parts = [
            self.maximum(self.views[number][0], self.inside(number, span)),
            self.width(span),
            self.context(number, span),
        ]
        return self.linear("heads.entity", torch.cat(parts))

    def relation_logits(self, head: Span, tail: Span) -> Tensor:
        (number, head), (_, tail) = self.place(head), self.place(tail)
        rows = self.views[number][1]
        left, right = sorted([head, tail], key=lambda span: span[1])
        gap = self.inside(number, (left[1], max(left[0], right[0])))
        # the columns of the package; equation 12 orders them otherwise
        parts = [
            self.between(number, rows, gap),
            self.maximum(rows, self.inside(number, head)),
            self.maximum(rows, self.inside(number, tail)),
            self.width(head),
            self.width(tail),
        ]
        return self.linear("heads.relation", torch.cat(parts))

    def between(self, number: int, rows: Rows, gap: set[int]) -> Tensor:
        window = self.windows[number]
        raw, everything = list(window.units), set(range(len(window.units)))
        match self.settings["local_context"]:
            case "max":
                return self.maximum(rows, gap)
            case "raw":
                return self.maximum(raw, gap)
            case "cls":
                return window.sentence
            case "global":
                return self.maximum(rows, everything)
            case "global_raw":
                return self.maximum(raw, everything)
            case "attention":
                alone = [rows[i] for i in sorted(gap)]
                read = self.attend("between", alone, list(range(len(alone))))
                return self.maximum(read, set(range(len(read))))


def mix(query: Tensor, keys: Rows, values: Rows) -> Tensor:
    """One query of scaled dot-product attention; zeros if there is no key."""
    if not keys:
        return torch.zeros_like(query)
    scores = [float(query @ key) / math.sqrt(len(query)) for key in keys]
    total = sum(math.exp(score) for score in scores)
    return sum(
        math.exp(score) / total * value
        for score, value in zip(scores, values, strict=True)
    )


def both_ways(weights: Weights, name: str, rows: Rows, step) -> Rows:
    """Step a recurrent cell through the rows, and back again."""
    found = []
    for suffix, order in (("", 1), ("_reverse", -1)):
        parts = [
            weights[f"{name}.{kind}_l0{suffix}"]
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        state = (torch.zeros(WIDTH // 2, dtype=torch.float64),) * 2
        outputs = []
        for row in rows[::order]:
            state = step(parts, row, *state)
            outputs.append(state[0])
        found.append(outputs[::order])
    return [torch.cat(pair) for pair in zip(*found, strict=True)]


def gru_step(parts: Rows, row: Tensor, state: Tensor, _) -> tuple[Tensor, Tensor]:
    by_row = (parts[0] @ row + parts[2]).chunk(3)
    by_state = (parts[1] @ state + parts[3]).chunk(3)
    reset = torch.sigmoid(by_row[0] + by_state[0])
    update = torch.sigmoid(by_row[1] + by_state[1])
    new = torch.tanh(by_row[2] + reset * by_state[2])
    state = (1 - update) * new + update * state
    return state, state


def lstm_step(
    parts: Rows, row: Tensor, state: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    gates = parts[0] @ row + parts[2] + parts[1] @ state + parts[3]
    keep_in, forget, new, out = gates.chunk(4)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(keep_in) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(cell), cell


class Case(NamedTuple):
    """A batch, what the network gives for it, and what the equations give."""

    batch: Batch
    outputs: object
    naive: NaiveISER

    @property
    def spans(self) -> list[Span]:
        return [tuple(span) for span in self.batch.layout.spans.tolist()]


def make_case(param, make_batch) -> Case:
    settings, seed = param
    network = build("iser", **settings)
    batch = make_batch(random_sizes(seed), seed=seed)
    with torch.no_grad():
        outputs = network(*batch)
    return Case(batch, outputs, NaiveISER(network, batch, settings))


every_case = pytest.fixture(
    scope="module",
    params=list(product(SETTINGS, SEEDS)),
    ids=lambda param: f"{settings_id(param[0])}-seed={param[1]}",
)


@every_case
def learning(request):
    return make_case(request.param, learning_batch)


@every_case
def predicting(request):
    return make_case(request.param, predicting_batch)


def assert_equal_logits(logits: Tensor, expected: Rows) -> None:
    assert_close(logits.double(), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_given_spans_and_pairs_get_the_logits_of_the_equations(learning):
    spans, naive = learning.spans, learning.naive
    expected = [naive.entity_logits(span) for span in spans]
    assert_equal_logits(learning.outputs.entity_logits, expected)
    pairs = learning.batch.layout.pairs.tolist()
    expected = [naive.relation_logits(spans[h], spans[t]) for h, t in pairs]
    assert_equal_logits(learning.outputs.relation_logits, expected)


def test_all_spans_get_the_logits_of_the_equations(predicting):
    expected = [predicting.naive.entity_logits(span) for span in predicting.spans]
    assert_equal_logits(predicting.outputs.entity_logits, expected)


def test_proposed_pairs_are_those_of_entities_with_their_logits(predicting):
    naive = predicting.naive
    found = by_pair(predicting.batch, predicting.outputs)
    assert set(found) == naive.pairs_of_entities(predicting.spans)
    expected = [naive.relation_logits(pair[:2], pair[2:]) for pair in found]
    assert_equal_logits(torch.stack(list(found.values())), expected)


def test_cases_hold_spans_that_cover_their_window_and_windows_of_one_token():
    sizes = [window for seed in SEEDS for window in random_sizes(seed)]
    assert any(len(window) == 1 and window[0] for window in sizes)
    assert any(1 < len(window) <= 3 for window in sizes)  # spans go up to 3
    assert any(0 in window for window in sizes)


# gradients ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"n_heads": 4},
        {"n_heads": 2, "fusion": False, "local_context": "attention"},
        {"global_context": "gru", "local_context": "global"},
    ],
    ids=settings_id,
)
def test_gradients_of_all_parameters_equal_finite_differences(settings):
    network = build("iser", dtype=torch.float64, **settings)
    batch = learning_batch(((1, 2, 0), (2, 1)), dtype=torch.float64)
    names, parameters = zip(*network.named_parameters())

    def logits(*values):
        state = dict(zip(names, values, strict=True))
        return logits_of(functional_call(network, state, tuple(batch)))

    assert gradcheck(logits, parameters, fast_mode=True)


# switches ----------------------------------------------------------------------------


def attention(name: str) -> set[str]:
    return {f"{name}.{part}.weight" for part in ("query", "key", "value")}


def recurrent(name: str) -> set[str]:
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {f"{name}.{k}_l0{s}" for k in kinds for s in ("", "_reverse")}


def with_bias(*names: str) -> set[str]:
    return {f"{name}.{part}" for name in names for part in ("weight", "bias")}


FUSION = recurrent("fusion.lstm")
SEA = attention("context.attention") | recurrent("context.gru")
VIEWS = with_bias(*(f"{t}_view.{n}" for t in ("entity", "relation") for n in (0, 2)))
HEADS = with_bias("heads.entity", "heads.relation")
HEADS |= {"heads.width_embedding.table.weight"}
BOTH = frozenset({"entity", "relation"})


class Row(NamedTuple):
    """One row of tables 3 to 6, or a setting, against ISER as published."""

    settings: dict
    changes: set[str]  # which logits
    appear: set[str] = frozenset()
    vanish: set[str] = frozenset()


TABLE = [
    Row({"fusion": False}, BOTH, vanish=FUSION),
    Row({"global_context": "gru"}, {"entity"}, vanish=attention("context.attention")),
    Row({"global_context": "cls"}, {"entity"}, vanish=SEA),
    Row({"local_context": "attention"}, {"relation"}, appear=attention("between")),
    *(Row({"local_context": kind}, {"relation"}) for kind in LOCAL[1:]),
    # ours
    Row({"n_heads": 2}, {"entity"}),
    Row({"pooling": "max"}, BOTH),
    Row({"span_memory": 1}, frozenset()),
]
every_row = pytest.mark.parametrize("row", TABLE, ids=lambda r: settings_id(r.settings))


def parameters_of(network) -> dict[str, torch.Size]:
    return {name: p.shape for name, p in network.named_parameters()}


def test_published_network_has_these_parameters():
    assert parameters_of(build("iser")).keys() == FUSION | SEA | VIEWS | HEADS


@every_row
def test_row_has_the_parameters_it_needs_and_no_others(row):
    reference = parameters_of(build("iser"))
    ablated = parameters_of(build("iser", **row.settings))
    assert ablated.keys() - reference.keys() == row.appear
    assert reference.keys() - ablated.keys() == row.vanish
    for name in ablated.keys() & reference.keys():
        assert ablated[name] == reference[name]


@every_row
def test_row_changes_the_logits_it_should_and_no_others(row):
    reference, network = build("iser"), build("iser", **row.settings)
    network.load_state_dict(reference.state_dict(), strict=False)
    batch = learning_batch()
    wanted, found = reference(*batch), network(*batch)
    for kind in BOTH:
        before = getattr(wanted, f"{kind}_logits")
        after = getattr(found, f"{kind}_logits")
        if kind in row.changes:
            assert not torch.allclose(after, before, atol=1e-3)
        else:
            assert torch.equal(after, before)


@every_row
def test_row_leaves_no_parameter_idle(row):
    network = build("iser", **row.settings)
    backpropagate(network(*learning_batch()))
    assert idle_parameters(network) == []


@every_setting
def test_sentence_vector_is_read_by_the_cls_contexts_alone(settings):
    batch = learning_batch()
    batch.sentence.requires_grad_()
    backpropagate(build("iser", **settings)(*batch))
    if "cls" in settings.values():
        assert batch.sentence.grad.any(1).all()
    else:
        assert batch.sentence.grad is None


# cross attention ---------------------------------------------------------------------


def test_weights_of_both_directions_are_returned_and_sum_to_one():
    batch = learning_batch()
    views = build("iser").read(batch.units, batch.layout)
    longest = batch.layout.longest_units
    for weights in views.weights:
        assert weights.shape == (len(STORY), longest, longest)
        assert_close(weights.sum(-1), torch.ones(len(STORY), longest))
        for window, count in zip(weights, batch.layout.unit_counts, strict=True):
            assert not window[:, count:].any()  # padding is no key


def test_weights_are_those_of_equations_3_and_4():
    network, batch = build("iser"), learning_batch()
    weights = network.read(batch.units, batch.layout).weights
    n = int(batch.layout.unit_counts[0])
    entity = network.entity_view(batch.units)[:n]
    relation = network.relation_view(batch.units)[:n]
    for found, own, other in (
        (weights[0], relation, entity),
        (weights[1], entity, relation),
    ):
        expected = (own @ other.T / math.sqrt(WIDTH)).softmax(-1)
        assert_close(found[0, :n, :n], expected)


def test_network_without_fusion_has_no_weights_and_two_views():
    network, batch = build("iser", fusion=False), learning_batch()
    views = network.read(batch.units, batch.layout)
    assert views.weights is None
    assert torch.equal(views.entity, network.entity_view(batch.units))
    assert torch.equal(views.relation, network.relation_view(batch.units))


# what must not matter ----------------------------------------------------------------


@every_setting
@pytest.mark.parametrize("make_batch", [learning_batch, predicting_batch])
def test_padding_changes_nothing(settings, make_batch):
    batch = make_batch()
    wide = with_layout(batch, longest_units=batch.layout.longest_units + 7)
    network = build("iser", **settings)
    assert_close(network(*wide), network(*batch))


def in_chunks(settings: dict, memory: int) -> ISER:
    network = build("iser", **settings)
    network.memory = memory
    if network.context is not None:
        network.context.memory = memory
    return network


@pytest.mark.parametrize("memory", [1, 20_000])
@pytest.mark.parametrize("settings", [{}, {"local_context": "attention"}])
@pytest.mark.parametrize("make_batch", [learning_batch, predicting_batch])
def test_spans_in_chunks_get_the_same_logits_and_gradients(
    settings, memory, make_batch
):
    found = []
    for network in (in_chunks(settings, memory), build("iser", **settings)):
        batch = make_batch()
        batch.units.requires_grad_()
        outputs = network(*batch)
        backpropagate(outputs)
        gradients = {n: p.grad for n, p in network.named_parameters()}
        found.append((logits_of(outputs), batch.units.grad, gradients))
    assert_close(*found, rtol=1e-5, atol=1e-5)


def test_given_and_proposed_pairs_agree_in_learning_without_dropout():
    network = build("iser", dropout=0.0).train()
    batch = predicting_batch()
    proposed = network(*batch)
    given = network(*with_layout(batch, pairs=proposed.pairs, width_counts=()))
    assert len(proposed.pairs)
    assert_close(given.entity_logits, proposed.entity_logits)
    assert_close(given.relation_logits, proposed.relation_logits)


@every_setting
def test_a_second_window_changes_nothing_for_the_first(settings):
    network = build("iser", **settings)
    both = predicting_batch(STORY[:2])
    n_units = sum(STORY[0])
    alone = predicting_batch(STORY[:1])._replace(
        units=both.units[:n_units], sentence=both.sentence[:1]
    )
    inside = (both.layout.spans[:, 1] <= len(STORY[0])).nonzero().squeeze(1)
    assert_close(network(*both).entity_logits[inside], network(*alone).entity_logits)


# edges -------------------------------------------------------------------------------


def test_span_that_covers_its_window_has_the_context_of_zeros():
    network = build("iser")
    batch = predicting_batch(((2, 1),))
    rows = network.read(batch.units, batch.layout).entity
    context = network.context(
        rows, batch.layout.unit_counts, as_rows([(0, 3)]), torch.tensor([0])
    )
    _, state = network.context.gru(torch.zeros(3, 1, WIDTH))
    assert_close(context, torch.cat([state[0], state[1]], 1))


@every_setting
@pytest.mark.parametrize("sizes", [((1,),), ((3,),), ((0,), (1, 1)), ((2,), (1, 1))])
def test_short_windows_get_finite_logits_and_gradients(settings, sizes):
    network, batch = build("iser", **settings), learning_batch(sizes)
    batch.units.requires_grad_()
    outputs = network(*batch)
    assert all(bool(rows.isfinite().all()) for rows in logits_of(outputs))
    backpropagate(outputs)
    assert batch.units.grad.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "code", "name"),
    [
        ({"n_heads": 3}, "J201", "8"),
        ({"n_heads": 0}, "J201", "8"),
        ({"n_heads": 16, "local_context": "attention"}, "J201", "16"),
        ({"global_context": "max"}, "J202", "global_context"),
        ({"local_context": "sea"}, "J202", "local_context"),
        ({"pooling": "mean"}, "J202", "pooling"),
        ({"dropout": 1.0}, "J203", "dropout"),
        ({"width_embedding": 0}, "J203", "width_embedding"),
        ({"span_memory": 0}, "J203", "span_memory"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, code, name):
    with pytest.raises(ValueError, match=rf"{code}.*{name}"):
        ISER(WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, **settings)


def test_odd_width_is_refused():
    with pytest.raises(ValueError, match=r"J203.*width.*even"):
        ISER(7, N_ENTITY_LABELS, N_RELATION_LABELS, n_heads=1)


def test_heads_are_not_asked_where_nothing_attends():
    ISER(10, N_ENTITY_LABELS, N_RELATION_LABELS, n_heads=8, global_context="gru")


# memory ------------------------------------------------------------------------------

MEASURE = """
import resource, sys, torch
from spacy_jre.networks.iser import ISER
torch.set_num_threads(1)
torch.manual_seed(0)
context = ISER(384, 4, 5).context
rows, counts = torch.randn(100, 384), torch.tensor([100])
spans = torch.tensor(
    [(s, s + w) for w in range(1, 11) for s in range(101 - w)], dtype=torch.long
)
assert len(spans) == 955
learns, n_spans = sys.argv[1] == "learning", int(sys.argv[2])
spans = spans[torch.randperm(955)[:n_spans]]

def read(spans):
    windows = torch.zeros(len(spans), dtype=torch.long)
    return context(rows, counts, spans, windows)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

read(spans[:1]).sum().backward()  # what torch itself takes
before = peak()
if learns:
    read(spans).sum().backward()
else:
    with torch.inference_mode():
        read(spans)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "n_spans"), [("prediction", 955), ("learning", 105), ("learning", 955)]
)
def test_spans_of_a_long_sentence_take_less_memory_than_the_budget(mode, n_spans):
    command = [sys.executable, "-c", MEASURE, mode, str(n_spans)]
    added = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(added) < 1024 * 2**20  # the default; the promise is 1.5 GB
