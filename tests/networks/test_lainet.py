"""LAI-Net's network against its equations, written a second time in plain loops."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from spacy_jre.networks import lainet as module
from spacy_jre.networks.lainet import (
    EntityOutputs,
    LAINet,
    Marked,
    agree_both,
    agree_forward,
    agree_mean,
    count_rising,
    entity_loss,
    group_alike,
    mean_loss,
    mirror_columns,
)

WIDTH = 12
E, R = 3, 4
SYMMETRIC = (1,)
# spans of each pass of each graph
ENTITY_SIZES = (((4, 3), (2,)), ((5,), (1, 1, 2)))
NO_DROPOUT = {"dropout": 0.0, "graph_dropout": 0.0}
EXACT = {"rtol": 1e-5, "atol": 1e-5}


def build(dtype=torch.float32, **settings) -> LAINet:
    """In eval mode, with random weights large enough to matter."""
    network = LAINet(WIDTH, E, R, symmetric=SYMMETRIC, **settings)
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3, generator=generator)
    return network.to(dtype).eval()


def marked_of(*graphs, labels=E, subjects=0, seed=0, dtype=torch.float32) -> Marked:
    """Random rows. graphs: the number of spans of each pass of each graph."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [size for graph in graphs for size in graph]
    n_passes = len(sizes)

    def rows(*shape):
        return torch.randn(*shape, WIDTH, generator=generator, dtype=dtype)

    return Marked(
        spans=rows(sum(sizes), 4),
        passes=torch.repeat_interleave(torch.arange(n_passes), torch.tensor(sizes)),
        pass_graphs=torch.tensor(
            [number for number, graph in enumerate(graphs) for _ in graph]
        ),
        n_graphs=len(graphs),
        annotations=rows(n_passes, labels, 2),
        subjects=rows(n_passes, subjects),
    )


def entity_batch(**settings) -> Marked:
    return marked_of((4, 3), (2,), (5,), **settings)


def relation_batch(**settings) -> Marked:
    return marked_of((3,), (2, 2), (1,), labels=R, subjects=4, **settings)


# the equations, once more -------------------------------------------------------------


def plain(layer, row: Tensor) -> Tensor:
    product = layer.weight @ row
    return product if layer.bias is None else product + layer.bias


# what the equations are told; nothing but weights is read off the network
DEFAULTS = {
    "filter": True,
    "filter_threshold": 0.5,
    "annotate": True,
    "entity_layers": 2,
    "entity_heads": 4,
    "relation_layers": 2,
    "relation_heads": 2,
}


@torch.no_grad()
def naive_graph(
    network: LAINet,
    kind: str,
    settings: dict,
    rows: list[Tensor],
    annotations: Tensor,
) -> list[Tensor]:
    """annotations: first and last piece, per pass and label. (P, A, 2, D)"""
    layers, heads = settings[f"{kind}_layers"], settings[f"{kind}_heads"]
    if not layers or not settings["annotate"]:
        return rows
    stage = getattr(network, kind)
    graph = stage.interact.graph
    per_label = []
    for label in range(annotations.shape[1]):
        per_pass = [
            plain(stage.interact.annotation, torch.cat([a[label][0], a[label][1]]))
            for a in annotations
        ]
        per_label.append(sum(per_pass) / len(per_pass))
    nodes = [*rows, *per_label]
    count = len(nodes)
    part = WIDTH // heads
    outputs = [[] for _ in rows]
    for head in range(heads):
        normals = []
        for node in nodes:
            deviation = math.log1p(math.exp(plain(graph.deviation, node)[head])) + 1e-3
            normals.append(
                Normal(plain(graph.mean, node)[head], torch.tensor(deviation))
            )
        edge = [[float(kl_divergence(a, b)) for b in normals] for a in normals]
        for i in range(count):
            edge[i][i] += 1.0
        degree = [sum(row) for row in edge]
        values = [plain(graph.first, node)[head * part :][:part] for node in nodes]
        for layer in range(layers):
            if layer:
                weight, bias = graph.weights[layer - 1], graph.biases[layer - 1]
                values = [value @ weight[head] + bias[head][0] for value in values]
            values = [
                sum(
                    edge[i][j] / math.sqrt(degree[i] * degree[j]) * values[j]
                    for j in range(count)
                ).clamp(min=0)
                for i in range(count)
            ]
        for index in range(len(rows)):
            outputs[index].append(values[index])
    return [0.5 * (row + torch.cat(out)) for row, out in zip(rows, outputs)]


class Naive(NamedTuple):
    filtered: list[Tensor]
    nodes: list[int]
    logits: list[Tensor]


@torch.no_grad()
def naive_entities(
    network: LAINet,
    marked: Marked,
    settings: dict,
    gold: set | None = None,
    cold: bool = False,
) -> Naive:
    """Graph by graph, span by span."""
    settings = {**DEFAULTS, **settings}
    stage = network.entity
    filtered, nodes, logits = [], [], []
    for graph in range(marked.n_graphs):
        passes = [
            p for p in range(len(marked.pass_graphs)) if marked.pass_graphs[p] == graph
        ]
        kept, rows = [], []
        for number in range(len(marked.spans)):
            if int(marked.passes[number]) not in passes:
                continue
            row = plain(stage.represent, torch.cat(list(marked.spans[number])))
            survives = True
            if settings["filter"]:
                filtered.append(plain(stage.filter, row))
                survives = filtered[-1].softmax(0)[1] >= settings["filter_threshold"]
                if gold is not None:
                    survives = (survives and not cold) or number in gold
            if survives:
                kept.append(number)
                rows.append(row)
        nodes += kept
        annotations = marked.annotations[passes]
        rows = naive_graph(network, "entity", settings, rows, annotations)
        logits += [plain(stage.classify, row) for row in rows]
    return Naive(filtered, nodes, logits)


@torch.no_grad()
def naive_relations(network: LAINet, marked: Marked, settings: dict) -> list[Tensor]:
    settings = {**DEFAULTS, **settings}
    stage = network.relation
    logits = []
    for graph in range(marked.n_graphs):
        passes = [
            p for p in range(len(marked.pass_graphs)) if marked.pass_graphs[p] == graph
        ]
        rows = []
        for number in range(len(marked.spans)):
            own = int(marked.passes[number])
            if own in passes:
                subject = plain(stage.subject, torch.cat(list(marked.subjects[own])))
                other = plain(stage.object, torch.cat(list(marked.spans[number])))
                rows.append(plain(stage.pair, torch.cat([subject, other])))
        annotations = marked.annotations[passes]
        rows = naive_graph(network, "relation", settings, rows, annotations)
        logits += [plain(stage.classify, row) for row in rows]
    return logits


SETTINGS = [
    {},
    {"filter": False},
    {"filter_threshold": 0.2},
    {"entity_layers": 0, "relation_layers": 0},
    {"entity_layers": 1, "relation_layers": 3},
    {"entity_heads": 1, "relation_heads": 6},
    {"annotate": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_predicted_entities_are_those_of_the_equations(settings, seed):
    network = build(**settings)
    marked = entity_batch(seed=seed)
    with torch.no_grad():
        outputs = network.entity(marked)
    wanted = naive_entities(network, marked, settings)
    assert outputs.nodes.tolist() == wanted.nodes
    assert len(wanted.nodes) > 1
    assert_close(outputs.entity_logits, torch.stack(wanted.logits), **EXACT)
    if outputs.filter_logits is not None:
        wanted_filter = torch.stack(wanted.filtered)
        assert_close(outputs.filter_logits, wanted_filter, **EXACT)


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_learnt_entities_are_those_of_the_equations(settings, cold):
    network, marked = build(**settings), entity_batch()
    gold = {0, 5, 8, 13}
    mask = torch.tensor([i in gold for i in range(len(marked.spans))])
    with torch.no_grad():
        outputs = network.entity(marked, mask, cold=cold)
    wanted = naive_entities(network, marked, settings, gold, cold)
    assert outputs.nodes.tolist() == wanted.nodes
    assert_close(outputs.entity_logits, torch.stack(wanted.logits), **EXACT)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_relations_are_those_of_the_equations(settings):
    network, marked = build(**settings), relation_batch()
    with torch.no_grad():
        logits = network.relation(marked)
    wanted = torch.stack(naive_relations(network, marked, settings))
    assert_close(logits, wanted, **EXACT)


def test_cold_start_classifies_gold_alone():
    gold = torch.zeros(14, dtype=torch.bool)
    gold[[2, 9]] = True
    outputs = build().entity(entity_batch(), gold, cold=True)
    assert outputs.nodes.tolist() == [2, 9]
    warm = build().entity(entity_batch(), gold)
    assert set(warm.nodes.tolist()) > {2, 9}


def test_without_a_filter_every_span_is_a_node_even_when_cold():
    gold = torch.zeros(14, dtype=torch.bool)
    outputs = build(filter=False).entity(entity_batch(), gold, cold=True)
    assert outputs.nodes.tolist() == list(range(14))
    assert outputs.filter_logits is None


def test_no_survivor_gives_no_graph_and_no_logits():
    network = build()
    network.entity.filter.bias.data = torch.tensor([1000.0, 0.0])
    outputs = network.entity(entity_batch())
    assert outputs.entity_logits.shape == (0, E + 1)
    assert entity_loss(outputs, torch.zeros(14, dtype=torch.long)).isfinite()


# what must not matter -----------------------------------------------------------------


def joined(first: Marked, second: Marked) -> Marked:
    return Marked(
        spans=torch.cat([first.spans, second.spans]),
        passes=torch.cat([first.passes, second.passes + len(first.pass_graphs)]),
        pass_graphs=torch.cat([first.pass_graphs, second.pass_graphs + first.n_graphs]),
        n_graphs=first.n_graphs + second.n_graphs,
        annotations=torch.cat([first.annotations, second.annotations]),
        subjects=torch.cat([first.subjects, second.subjects]),
    )


def test_batch_of_two_equals_two_batches_of_one():
    network = build()
    one, two = marked_of((4, 3), seed=1), marked_of((6,), seed=2)
    both = network.entity(joined(one, two))
    first, second = network.entity(one), network.entity(two)
    assert_close(
        both.entity_logits, torch.cat([first.entity_logits, second.entity_logits])
    )
    one = marked_of((3,), labels=R, subjects=4, seed=1)
    two = marked_of((2, 2), labels=R, subjects=4, seed=2)
    assert_close(
        network.relation(joined(one, two)),
        torch.cat([network.relation(one), network.relation(two)]),
    )


def test_passes_do_not_shape_the_graph():
    """Equal rows of the annotations in two passes, or one pass: the same logits."""
    network, whole = build(), marked_of((5,))
    split = whole._replace(
        passes=torch.tensor([0, 0, 0, 1, 1]),
        pass_graphs=torch.tensor([0, 0]),
        annotations=whole.annotations.expand(2, -1, -1, -1),
        subjects=whole.subjects.expand(2, -1, -1),
    )
    assert_close(
        network.entity(split).entity_logits, network.entity(whole).entity_logits
    )


def test_grouping_changes_nothing(monkeypatch):
    network = build(filter=False)
    marked = marked_of((4, 3), (1,), (2,), (9,), (3,), (2,))
    together = network.entity(marked).entity_logits
    monkeypatch.setattr(module, "MAX_EDGES", 1)
    assert_close(network.entity(marked).entity_logits, together)
    monkeypatch.setattr(
        module, "group_alike", lambda counts, *_: [list(range(len(counts)))[::-1]]
    )
    marked = marked_of((4, 3), (4,), (9,))
    ungrouped = network.entity(marked).entity_logits
    monkeypatch.undo()
    assert_close(network.entity(marked).entity_logits, ungrouped)


def test_graphs_without_nodes_change_nothing(monkeypatch):
    network = build()
    marked = marked_of((4,), (3,), (5,))
    gold = torch.zeros(12, dtype=torch.bool)
    gold[[1, 2, 8]] = True
    wanted = network.entity(marked, gold, cold=True).entity_logits
    monkeypatch.setattr(module, "MAX_EDGES", 1)
    assert_close(network.entity(marked, gold, cold=True).entity_logits, wanted)


def test_padded_edges_stay_within_the_budget(monkeypatch):
    """A long window beside many short ones."""
    network = build(filter=False)
    budget = 4 * (10 + E) ** 2
    monkeypatch.setattr(module, "MAX_EDGES", budget)
    graph = network.entity.interact.graph
    sizes = []
    original = graph.forward

    def spy(nodes, real):
        sizes.append(nodes.shape[0] * nodes.shape[1] ** 2)
        return original(nodes, real)

    monkeypatch.setattr(graph, "forward", spy)
    network.entity(marked_of(*[(10,)] * 9, (23,), *[(4,)] * 9))
    # padded together: 19 graphs of 26 nodes
    assert max(sizes) == budget
    assert len(sizes) < 10


def test_groups_are_alike_and_within_the_budget():
    counts = [3, 0, 40, 5, 5, 4, 38, 19]
    groups = group_alike(counts, 2, max_edges=3 * 7**2)
    # 42 and 40 nodes; 21; at most three of seven
    assert groups == [[2], [6], [7], [3, 4, 5], [0]]
    groups = group_alike(counts, 2, max_edges=10**6)
    assert groups == [[2, 6, 7], [3, 4, 5, 0]]
    assert group_alike([0, 0], 2, max_edges=10) == []


def test_rising_numbers_are_counted():
    counts = count_rising(torch.tensor([0, 0, 2, 2, 2, 4]), 6)
    assert counts.tolist() == [2, 0, 3, 0, 1, 0]
    assert count_rising(torch.zeros(0, dtype=torch.long), 2).tolist() == [0, 0]


def test_graphs_do_not_read_each_other():
    network, marked = build(filter=False), entity_batch()
    before = network.entity(marked).entity_logits
    spans = marked.spans.clone()
    spans[7:9] += 1.0  # the second graph
    after = network.entity(marked._replace(spans=spans)).entity_logits
    assert_close(after[:7], before[:7])
    assert_close(after[9:], before[9:])
    assert not torch.allclose(after[7:9], before[7:9])


def test_spans_of_a_graph_read_each_other_and_the_annotations():
    network, marked = build(filter=False), marked_of((3,))
    before = network.entity(marked).entity_logits[0]
    spans = marked.spans.clone()
    spans[2] += 1.0
    after = network.entity(marked._replace(spans=spans)).entity_logits[0]
    assert not torch.allclose(after, before)
    other = marked._replace(annotations=marked.annotations + 1.0)
    assert not torch.allclose(network.entity(other).entity_logits[0], before)


def test_without_layers_spans_are_alone():
    network = build(filter=False, entity_layers=0)
    marked = marked_of((3,))
    spans = marked.spans.clone()
    spans[1:] += 1.0
    other = marked._replace(spans=spans, annotations=marked.annotations + 1.0)
    first = network.entity(marked).entity_logits[0]
    assert_close(network.entity(other).entity_logits[0], first, rtol=0, atol=1e-6)


def test_train_mode_equals_eval_mode_without_dropout():
    network = build(**NO_DROPOUT)
    marked, pairs = entity_batch(), relation_batch()
    wanted = network.entity(marked), network.relation(pairs)
    network.train()
    assert_close((network.entity(marked), network.relation(pairs)), wanted)


@pytest.mark.parametrize("rate", ["dropout", "graph_dropout"])
def test_train_mode_drops(rate):
    network = build(**{**NO_DROPOUT, rate: 0.5}).train()
    gold = torch.ones(14, dtype=torch.bool)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = network.entity(entity_batch(), gold, cold=True).entity_logits
        again = network.entity(entity_batch(), gold, cold=True).entity_logits
        assert not torch.equal(first, again)
        pairs = relation_batch()
        assert not torch.equal(network.relation(pairs), network.relation(pairs))


# gradients ----------------------------------------------------------------------------


def loss_of(network, marked, pairs, cold=False):
    targets = torch.tensor([1, 0, 0, 2, 0, 0, 3, 0, 1, 0, 0, 0, 2, 0])
    outputs = network.entity(marked, targets > 0, cold=cold)
    columns = torch.arange(len(pairs.spans)) % len(network.relation.mirrors)
    return entity_loss(outputs, targets) + mean_loss(network.relation(pairs), columns)


def idle(network) -> set[str]:
    return {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_parameter_gets_a_gradient(settings, cold):
    network = build(**settings)
    loss_of(network, entity_batch(), relation_batch(), cold).backward()
    assert idle(network) == set()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_gradients_equal_finite_differences(settings):
    network = build(dtype=torch.float64, **settings)
    marked = entity_batch(dtype=torch.float64)
    pairs = relation_batch(dtype=torch.float64)
    parameters = dict(network.named_parameters())

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, spans, annotations, objects, subjects):
            return loss_of(
                self.network,
                marked._replace(spans=spans, annotations=annotations),
                pairs._replace(spans=objects, subjects=subjects),
            )

    module = Loss()

    def run(spans, annotations, objects, subjects, *values):
        named = {f"network.{n}": v for n, v in zip(parameters, values, strict=True)}
        rows = (spans, annotations, objects, subjects)
        return torch.func.functional_call(module, named, rows)

    rows = (marked.spans, marked.annotations, pairs.spans, pairs.subjects)
    for row in rows:
        row.requires_grad_()
    assert gradcheck(run, (*rows, *parameters.values()), fast_mode=True)


# ablations ----------------------------------------------------------------------------


def shapes_of(**settings) -> dict[str, tuple[int, ...]]:
    return {n: tuple(p.shape) for n, p in build(**settings).named_parameters()}


def affine(name: str, out: int, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, width), f"{name}.bias": (out,)}


def graph_shapes(stage: str, layers: int, heads: int) -> dict[str, tuple[int, ...]]:
    prefix = f"{stage}.interact."
    part = WIDTH // heads
    shapes = {
        **affine(f"{prefix}annotation", WIDTH, 2 * WIDTH),
        **affine(f"{prefix}graph.first", WIDTH, WIDTH),
        **affine(f"{prefix}graph.deviation", heads, WIDTH),
        f"{prefix}graph.mean.weight": (heads, WIDTH),
    }
    for number in range(layers - 1):
        shapes[f"{prefix}graph.weights.{number}"] = (heads, part, part)
        shapes[f"{prefix}graph.biases.{number}"] = (heads, 1, part)
    return shapes


# one label of four is symmetric: none, four labels, three twins
HEADS = {
    **affine("entity.represent", WIDTH, 4 * WIDTH),
    **affine("entity.classify", 1 + E, WIDTH),
    **affine("relation.subject", WIDTH, 4 * WIDTH),
    **affine("relation.object", WIDTH, 4 * WIDTH),
    **affine("relation.pair", WIDTH, 2 * WIDTH),
    **affine("relation.classify", 8, WIDTH),
}
FILTER = affine("entity.filter", 2, WIDTH)
ENTITY_GRAPH = graph_shapes("entity", 2, 4)
RELATION_GRAPH = graph_shapes("relation", 2, 2)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({}, [HEADS, FILTER, ENTITY_GRAPH, RELATION_GRAPH]),
        ({"filter": False}, [HEADS, ENTITY_GRAPH, RELATION_GRAPH]),
        ({"entity_layers": 0}, [HEADS, FILTER, RELATION_GRAPH]),
        ({"relation_layers": 0}, [HEADS, FILTER, ENTITY_GRAPH]),
        ({"annotate": False}, [HEADS, FILTER]),
        (
            {"entity_layers": 5, "relation_layers": 1},
            [
                HEADS,
                FILTER,
                graph_shapes("entity", 5, 4),
                graph_shapes("relation", 1, 2),
            ],
        ),
        (
            {"entity_heads": 6, "relation_heads": 3},
            [
                HEADS,
                FILTER,
                graph_shapes("entity", 2, 6),
                graph_shapes("relation", 2, 3),
            ],
        ),
    ],
    ids=str,
)
def test_switches_have_the_parameters_they_need_and_no_others(settings, parts):
    wanted = {name: shape for part in parts for name, shape in part.items()}
    assert shapes_of(**settings) == wanted


def logits_of(network) -> dict[str, Tensor]:
    gold = torch.ones(14, dtype=torch.bool)
    outputs = network.entity(entity_batch(), gold, cold=True)
    found = {"entity": outputs.entity_logits}
    if outputs.filter_logits is not None:
        found["filter"] = outputs.filter_logits
    return {**found, "relation": network.relation(relation_batch())}


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"entity_layers": 0}, {"entity"}),
        ({"entity_layers": 1}, {"entity"}),
        ({"entity_heads": 2}, {"entity"}),
        ({"relation_layers": 0}, {"relation"}),
        ({"relation_layers": 3}, {"relation"}),
        ({"relation_heads": 3}, {"relation"}),
        ({"annotate": False}, {"entity", "relation"}),
    ],
    ids=str,
)
def test_switch_changes_its_own_logits_and_spares_the_others_to_the_bit(
    settings, changes
):
    reference, network = build(), build(**settings)
    state = reference.state_dict()
    own = network.state_dict()
    network.load_state_dict(
        {n: t for n, t in state.items() if n in own and own[n].shape == t.shape},
        strict=False,
    )
    before, after = logits_of(reference), logits_of(network)
    for name, rows in after.items():
        if name in changes:
            assert not torch.allclose(rows, before[name], atol=1e-4), name
        else:
            assert torch.equal(rows, before[name]), name


# relations of two orders --------------------------------------------------------------


def test_directed_labels_have_twins_and_symmetric_ones_mirror_themselves():
    # none, a, b (symmetric), c, d, then the twins of a, c, d
    assert mirror_columns(4, [1]) == [0, 5, 2, 6, 7, 1, 3, 4]
    assert mirror_columns(2, []) == [0, 3, 4, 1, 2]
    assert mirror_columns(2, [0, 1]) == [0, 1, 2]


def logs(*rows) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).log()


# columns: none, a, b (symmetric), twin of a
MIRRORS = torch.tensor(mirror_columns(2, [1]))


def test_both_wants_each_order_to_be_the_mirror_of_the_other():
    first = logs([0.1, 0.7, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.2, 0.1, 0.6, 0.1])
    second = logs([0.2, 0.1, 0.2, 0.5], [0.4, 0.1, 0.2, 0.3], [0.1, 0.1, 0.7, 0.1])
    columns, scores = agree_both(first, second, MIRRORS)
    assert columns.tolist() == [1, 0, 2]
    assert_close(scores[[0, 2]], torch.tensor([0.6, 0.65]))


def test_mean_weighs_both_orders():
    first = logs([0.1, 0.7, 0.1, 0.1], [0.5, 0.4, 0.05, 0.05])
    second = logs([0.4, 0.1, 0.2, 0.3], [0.1, 0.1, 0.1, 0.7])
    columns, scores = agree_mean(first, second, MIRRORS)
    # 0.7 * 0.3 > 0.1 * 0.4; 0.4 * 0.7 > 0.5 * 0.1
    assert columns.tolist() == [1, 1]
    assert_close(scores, torch.tensor([0.5, 0.55]))


def test_forward_asks_one_order_alone():
    first = logs([0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7])
    columns, scores = agree_forward(first, first.roll(1, 1), MIRRORS)
    assert columns.tolist() == [1, 3]
    assert_close(scores, torch.tensor([0.7, 0.7]))


@pytest.mark.parametrize("agreement", ["both", "mean", "forward"])
def test_decision_names_labels_and_never_twins_or_none(agreement):
    network = build(agreement=agreement)
    mirrors = network.relation.mirrors
    n_columns = len(mirrors)
    sure = 20.0 * torch.eye(n_columns)
    labels, scores = network.decide(sure, sure[mirrors])
    assert labels.tolist() == [-1, 0, 1, 2, 3, -1, -1, -1]
    assert_close(scores, torch.ones(n_columns))


def test_twin_is_the_label_of_the_other_order():
    network = build(agreement="mean")
    generator = torch.Generator().manual_seed(3)
    n_columns = len(network.relation.mirrors)
    first = torch.randn(50, n_columns, generator=generator)
    second = torch.randn(50, n_columns, generator=generator)
    ahead, score = network.decide(first, second)
    back, other = network.decide(second, first)
    assert_close(score, other)
    # a directed label is found in one order, a symmetric one in both
    for one, two in zip(ahead.tolist(), back.tolist(), strict=True):
        assert one == two if 1 in (one, two) else -1 in (one, two)


# losses -------------------------------------------------------------------------------


def test_loss_is_the_filters_over_all_spans_and_the_spans_over_the_nodes():
    filter_logits = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.5, 0.5]])
    entity_logits = torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 3.0]])
    outputs = EntityOutputs(filter_logits, torch.tensor([0, 2]), entity_logits)
    targets = torch.tensor([1, 0, 0])
    filtered = [
        -math.log(math.e / (1 + math.e)),
        -math.log(math.e**2 / (1 + math.e**2)),
        math.log(2),
    ]
    spans = [
        -math.log(math.e / (3 + math.e)),
        -math.log(math.e / (math.e + 2 + math.e**3)),
    ]
    wanted = sum(filtered) / 3 + sum(spans) / 2
    assert float(entity_loss(outputs, targets)) == pytest.approx(wanted, abs=1e-6)
    heavier = 5 * sum(filtered) / 3 + sum(spans) / 2
    assert float(entity_loss(outputs, targets, 5.0)) == pytest.approx(heavier, abs=1e-6)
    alone = outputs._replace(filter_logits=None)
    assert float(entity_loss(alone, targets)) == pytest.approx(sum(spans) / 2, abs=1e-6)


def test_nothing_costs_nothing():
    loss = mean_loss(torch.zeros((0, 3)), torch.zeros(0, dtype=torch.long))
    assert float(loss) == 0.0


# settings -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mask", "markers_see", "agreement"])
def test_unknown_value_is_refused(name):
    with pytest.raises(ValueError, match=rf"J202.*{name}.*median"):
        LAINet(WIDTH, E, R, **{name: "median"})


@pytest.mark.parametrize("name", ["entity_heads", "relation_heads"])
def test_heads_that_do_not_divide_the_width_are_refused(name):
    with pytest.raises(ValueError, match=r"J201.*12.*5"):
        LAINet(WIDTH, E, R, **{name: 5})


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_filter_threshold_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=rf"J203.*filter_threshold.*{value}"):
        LAINet(WIDTH, E, R, filter_threshold=value)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_filter_without_a_weight_is_refused(value):
    with pytest.raises(ValueError, match=rf"J203.*filter_weight.*{value}"):
        LAINet(WIDTH, E, R, filter_weight=value)


@pytest.mark.parametrize("name", ["entity_layers", "relation_layers"])
def test_layers_below_zero_are_refused(name):
    with pytest.raises(ValueError, match=r"J203.*n_layers.*-1"):
        LAINet(WIDTH, E, R, **{name: -1})
