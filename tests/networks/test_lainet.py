"""LAI-Net's network against a reference implementation in plain loops."""

import math
from itertools import permutations
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from spacy_jre.networks import lainet as module
from spacy_jre.networks.base import Targets
from spacy_jre.networks.lainet import (
    AGREEMENTS,
    EntityOutputs,
    LAINet,
    LAINetOutputs,
    MarkedSpans,
    agree_both,
    agree_forward,
    agree_mean,
    agree_threshold,
    count_sorted,
    find_reversed,
    group_by_size,
    inverse_columns,
    pair_columns,
)

WIDTH = 12
E, R = 3, 4
SYMMETRIC = (1,)
# spans of each pass of each graph
ENTITY_SIZES = (((4, 3), (2,)), ((5,), (1, 1, 2)))
NO_DROPOUT = {"dropout": 0.0, "graph_dropout": 0.0}
EXACT = {"rtol": 1e-5, "atol": 1e-5}


def build(dtype=torch.float32, **settings) -> LAINet:
    """A network in eval mode with large random weights."""
    network = LAINet(WIDTH, E, R, symmetric=SYMMETRIC, **settings)
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3, generator=generator)
    return network.to(dtype).eval()


def marked_of(
    *graphs, labels=E, subjects=0, seed=0, dtype=torch.float32
) -> MarkedSpans:
    """Random vectors. graphs: the number of spans of each pass of each graph."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [size for graph in graphs for size in graph]
    n_passes = len(sizes)

    def rows(*shape):
        return torch.randn(*shape, WIDTH, generator=generator, dtype=dtype)

    return MarkedSpans(
        spans=rows(sum(sizes), 4),
        passes=torch.repeat_interleave(torch.arange(n_passes), torch.tensor(sizes)),
        pass_graphs=torch.tensor(
            [number for number, graph in enumerate(graphs) for _ in graph]
        ),
        n_graphs=len(graphs),
        annotations=rows(n_passes, labels, 2),
        subjects=rows(n_passes, subjects),
    )


def entity_batch(**settings) -> MarkedSpans:
    return marked_of((4, 3), (2,), (5,), **settings)


def relation_batch(**settings) -> MarkedSpans:
    return marked_of((3,), (2, 2), (1,), labels=R, subjects=4, **settings)


# the pairs of the relation batch, some without the reversed pair
PAIRS = torch.tensor([(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3), (1, 4), (2, 0)])
ENTITY_TARGETS = torch.tensor([1, 0, 0, 2, 0, 0, 3, 0, 1, 0, 0, 0, 2, 0])


def joint_outputs(
    entity: EntityOutputs,
    relation_logits: Tensor,
    pairs: Tensor = PAIRS,
    *,
    n_spans: int = len(ENTITY_TARGETS),
) -> LAINetOutputs:
    """Outputs of both stages. All spans are filtered, in text order."""
    logits = torch.full((n_spans, entity.entity_logits.shape[1]), -torch.inf)
    logits[:, 0] = 0.0
    logits[entity.nodes] = entity.entity_logits.float()
    return LAINetOutputs(
        entity_logits=logits,
        pairs=pairs,
        relation_logits=relation_logits,
        n_truncated=torch.tensor(0),
        subject_first=pairs[:, 0] < pairs[:, 1],
        filter_logits=entity.filter_logits,
        filtered=torch.arange(n_spans),
        classified=entity.nodes,
    )


def relation_targets(*relations, pairs: Tensor = PAIRS, n_labels: int = R) -> Tensor:
    """Multi-hot rows of the pairs. relations: (head, tail, label) each."""
    rows = torch.zeros(len(pairs), n_labels)
    for head, tail, label in relations:
        rows[pairs.tolist().index([head, tail]), label] = 1.0
    return rows


# reference implementation -------------------------------------------------------------


def apply_linear(layer, row: Tensor) -> Tensor:
    product = layer.weight @ row
    return product if layer.bias is None else product + layer.bias


# settings of the reference implementation, which uses only the weights of the network
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
            apply_linear(
                stage.interact.annotation, torch.cat([a[label][0], a[label][1]])
            )
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
            deviation = (
                math.log1p(math.exp(apply_linear(graph.deviation, node)[head])) + 1e-3
            )
            normals.append(
                Normal(apply_linear(graph.mean, node)[head], torch.tensor(deviation))
            )
        edge = [[float(kl_divergence(a, b)) for b in normals] for a in normals]
        for i in range(count):
            edge[i][i] += 1.0
        degree = [sum(row) for row in edge]
        values = [
            apply_linear(graph.first, node)[head * part :][:part] for node in nodes
        ]
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
    marked: MarkedSpans,
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
            row = apply_linear(stage.represent, torch.cat(list(marked.spans[number])))
            survives = True
            if settings["filter"]:
                filtered.append(apply_linear(stage.filter, row))
                survives = filtered[-1].softmax(0)[1] >= settings["filter_threshold"]
                if gold is not None:
                    survives = (survives and not cold) or number in gold
            if survives:
                kept.append(number)
                rows.append(row)
        nodes += kept
        annotations = marked.annotations[passes]
        rows = naive_graph(network, "entity", settings, rows, annotations)
        logits += [apply_linear(stage.classify, row) for row in rows]
    return Naive(filtered, nodes, logits)


@torch.no_grad()
def naive_relations(
    network: LAINet, marked: MarkedSpans, settings: dict
) -> list[Tensor]:
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
                subject = apply_linear(
                    stage.subject, torch.cat(list(marked.subjects[own]))
                )
                other = apply_linear(
                    stage.object, torch.cat(list(marked.spans[number]))
                )
                rows.append(apply_linear(stage.pair, torch.cat([subject, other])))
        annotations = marked.annotations[passes]
        rows = naive_graph(network, "relation", settings, rows, annotations)
        logits += [apply_linear(stage.classify, row) for row in rows]
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
def test_predicted_entities_equal_the_equations(settings, seed):
    network = build(**settings)
    marked = entity_batch(seed=seed)
    with torch.no_grad():
        outputs = network.entity(marked)
    expected = naive_entities(network, marked, settings)
    assert outputs.nodes.tolist() == expected.nodes
    assert len(expected.nodes) > 1
    assert_close(outputs.entity_logits, torch.stack(expected.logits), **EXACT)
    if outputs.filter_logits is not None:
        expected_filter = torch.stack(expected.filtered)
        assert_close(outputs.filter_logits, expected_filter, **EXACT)


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_entities_in_training_equal_the_equations(settings, cold):
    network, marked = build(**settings), entity_batch()
    gold = {0, 5, 8, 13}
    mask = torch.tensor([i in gold for i in range(len(marked.spans))])
    with torch.no_grad():
        outputs = network.entity(marked, mask, cold=cold)
    expected = naive_entities(network, marked, settings, gold, cold)
    assert outputs.nodes.tolist() == expected.nodes
    assert_close(outputs.entity_logits, torch.stack(expected.logits), **EXACT)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_relations_equal_the_equations(settings):
    network, marked = build(**settings), relation_batch()
    with torch.no_grad():
        logits = network.relation(marked)
    expected = torch.stack(naive_relations(network, marked, settings))
    assert_close(logits, expected, **EXACT)


def test_cold_start_classifies_gold_spans_only():
    gold = torch.zeros(14, dtype=torch.bool)
    gold[[2, 9]] = True
    outputs = build().entity(entity_batch(), gold, cold=True)
    assert outputs.nodes.tolist() == [2, 9]
    warm = build().entity(entity_batch(), gold)
    assert set(warm.nodes.tolist()) > {2, 9}


def test_all_spans_are_nodes_without_a_filter_even_in_cold_start():
    gold = torch.zeros(14, dtype=torch.bool)
    outputs = build(filter=False).entity(entity_batch(), gold, cold=True)
    assert outputs.nodes.tolist() == list(range(14))
    assert outputs.filter_logits is None


def test_no_filtered_spans_give_no_logits_and_a_finite_loss():
    network = build()
    network.entity.filter.bias.data = torch.tensor([1000.0, 0.0])
    outputs = network.entity(entity_batch())
    assert outputs.entity_logits.shape == (0, E + 1)
    joint = joint_outputs(outputs, torch.zeros(0, 8), pairs=PAIRS[:0])
    targets = Targets(torch.zeros(14, dtype=torch.long), torch.zeros(0, R))
    assert network.loss(joint, targets).value.isfinite()


# invariances --------------------------------------------------------------------------


def joined(first: MarkedSpans, second: MarkedSpans) -> MarkedSpans:
    return MarkedSpans(
        spans=torch.cat([first.spans, second.spans]),
        passes=torch.cat([first.passes, second.passes + len(first.pass_graphs)]),
        pass_graphs=torch.cat([first.pass_graphs, second.pass_graphs + first.n_graphs]),
        n_graphs=first.n_graphs + second.n_graphs,
        annotations=torch.cat([first.annotations, second.annotations]),
        subjects=torch.cat([first.subjects, second.subjects]),
    )


def test_joined_batch_equals_two_batches():
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


def test_number_of_passes_does_not_change_the_logits():
    """Two passes with equal vectors of the annotations, compared with one pass."""
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


def test_grouping_does_not_change_the_logits(monkeypatch):
    network = build(filter=False)
    marked = marked_of((4, 3), (1,), (2,), (9,), (3,), (2,))
    together = network.entity(marked).entity_logits
    monkeypatch.setattr(module, "MAX_EDGES", 1)
    assert_close(network.entity(marked).entity_logits, together)
    monkeypatch.setattr(
        module, "group_by_size", lambda counts, *_: [list(range(len(counts)))[::-1]]
    )
    marked = marked_of((4, 3), (4,), (9,))
    ungrouped = network.entity(marked).entity_logits
    monkeypatch.undo()
    assert_close(network.entity(marked).entity_logits, ungrouped)


def test_graphs_without_nodes_do_not_change_the_logits(monkeypatch):
    network = build()
    marked = marked_of((4,), (3,), (5,))
    gold = torch.zeros(12, dtype=torch.bool)
    gold[[1, 2, 8]] = True
    expected = network.entity(marked, gold, cold=True).entity_logits
    monkeypatch.setattr(module, "MAX_EDGES", 1)
    assert_close(network.entity(marked, gold, cold=True).entity_logits, expected)


def test_padded_edges_are_within_the_budget(monkeypatch):
    """One long window and many short windows."""
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
    # without groups, 19 graphs would be padded to 26 nodes
    assert max(sizes) == budget
    assert len(sizes) < 10


def test_groups_have_similar_sizes_within_the_budget():
    counts = [3, 0, 40, 5, 5, 4, 38, 19]
    groups = group_by_size(counts, 2, max_edges=3 * 7**2)
    # 42 and 40 nodes; 21; at most three of seven
    assert groups == [[2], [6], [7], [3, 4, 5], [0]]
    groups = group_by_size(counts, 2, max_edges=10**6)
    assert groups == [[2, 6, 7], [3, 4, 5, 0]]
    assert group_by_size([0, 0], 2, max_edges=10) == []


def test_sorted_numbers_are_counted():
    counts = count_sorted(torch.tensor([0, 0, 2, 2, 2, 4]), 6)
    assert counts.tolist() == [2, 0, 3, 0, 1, 0]
    assert count_sorted(torch.zeros(0, dtype=torch.long), 2).tolist() == [0, 0]


def test_graphs_do_not_affect_each_other():
    network, marked = build(filter=False), entity_batch()
    before = network.entity(marked).entity_logits
    spans = marked.spans.clone()
    spans[7:9] += 1.0  # the second graph
    after = network.entity(marked._replace(spans=spans)).entity_logits
    assert_close(after[:7], before[:7])
    assert_close(after[9:], before[9:])
    assert not torch.allclose(after[7:9], before[7:9])


def test_spans_of_a_graph_depend_on_other_spans_and_annotations():
    network, marked = build(filter=False), marked_of((3,))
    before = network.entity(marked).entity_logits[0]
    spans = marked.spans.clone()
    spans[2] += 1.0
    after = network.entity(marked._replace(spans=spans)).entity_logits[0]
    assert not torch.allclose(after, before)
    other = marked._replace(annotations=marked.annotations + 1.0)
    assert not torch.allclose(network.entity(other).entity_logits[0], before)


def test_spans_without_layers_do_not_affect_each_other():
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
    expected = network.entity(marked), network.relation(pairs)
    network.train()
    assert_close((network.entity(marked), network.relation(pairs)), expected)


@pytest.mark.parametrize("rate", ["dropout", "graph_dropout"])
def test_train_mode_applies_dropout(rate):
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


def loss_of(network, marked, pairs, cold=False) -> Tensor:
    """The loss in double precision; ``LAINet.loss`` uses single precision."""
    outputs = network.entity(marked, ENTITY_TARGETS > 0, cold=cold)
    loss = F.cross_entropy(outputs.entity_logits, ENTITY_TARGETS[outputs.nodes])
    if outputs.filter_logits is not None:
        is_entity = (ENTITY_TARGETS > 0).long()
        loss = loss + F.cross_entropy(outputs.filter_logits, is_entity)
    columns = torch.arange(len(pairs.spans)) % len(network.relation.inverses)
    return loss + F.cross_entropy(network.relation(pairs), columns)


def without_gradient(network) -> set[str]:
    return {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_parameter_gets_a_gradient(settings, cold):
    network = build(**settings)
    outputs = joint_outputs(
        network.entity(entity_batch(), ENTITY_TARGETS > 0, cold=cold),
        network.relation(relation_batch()),
    )
    relations = relation_targets((0, 1, 0), (0, 2, 1), (1, 4, 3))
    network.loss(outputs, Targets(ENTITY_TARGETS, relations)).value.backward()
    assert without_gradient(network) == set()


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


# one of four labels is symmetric: "none", four labels, three inverse labels
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
def test_settings_have_the_expected_parameters(settings, parts):
    expected = {name: shape for part in parts for name, shape in part.items()}
    assert shapes_of(**settings) == expected


def logits_of(network) -> dict[str, Tensor]:
    gold = torch.ones(14, dtype=torch.bool)
    outputs = network.entity(entity_batch(), gold, cold=True)
    logits = {"entity": outputs.entity_logits}
    if outputs.filter_logits is not None:
        logits["filter"] = outputs.filter_logits
    return {**logits, "relation": network.relation(relation_batch())}


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"entity_layers": 0}, ["entity"]),
        ({"entity_layers": 1}, ["entity"]),
        ({"entity_heads": 2}, ["entity"]),
        ({"relation_layers": 0}, ["relation"]),
        ({"relation_layers": 3}, ["relation"]),
        ({"relation_heads": 3}, ["relation"]),
        ({"annotate": False}, ["entity", "relation"]),
    ],
    ids=str,
)
def test_setting_changes_the_expected_logits_only(settings, changes):
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


# decoding both orders of a pair -------------------------------------------------------


def test_labels_with_a_direction_have_inverse_labels():
    # none, a, b (symmetric), c, d, then the inverses of a, c, d
    assert inverse_columns(4, [1]) == [0, 5, 2, 6, 7, 1, 3, 4]
    assert inverse_columns(2, []) == [0, 3, 4, 1, 2]
    assert inverse_columns(2, [0, 1]) == [0, 1, 2]


def log_probs(*rows) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).log()


# columns: none, a, b (symmetric), inverse of a
INVERSES = torch.tensor(inverse_columns(2, [1]))


def test_both_requires_inverse_columns_in_both_orders():
    first = log_probs([0.1, 0.7, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.2, 0.1, 0.6, 0.1])
    second = log_probs([0.2, 0.1, 0.2, 0.5], [0.4, 0.1, 0.2, 0.3], [0.1, 0.1, 0.7, 0.1])
    columns, scores = agree_both(first, second, INVERSES)
    assert columns.tolist() == [1, 0, 2]
    assert_close(scores[[0, 2]], torch.tensor([0.6, 0.65]))


def test_mean_chooses_the_best_sum_of_both_orders():
    first = log_probs([0.1, 0.7, 0.1, 0.1], [0.5, 0.4, 0.05, 0.05])
    second = log_probs([0.4, 0.1, 0.2, 0.3], [0.1, 0.1, 0.1, 0.7])
    columns, scores = agree_mean(first, second, INVERSES)
    # 0.7 * 0.3 > 0.1 * 0.4; 0.4 * 0.7 > 0.5 * 0.1
    assert columns.tolist() == [1, 1]
    assert_close(scores, torch.tensor([0.5, 0.55]))


def test_forward_uses_one_order_only():
    first = log_probs([0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7])
    columns, scores = agree_forward(first, first.roll(1, 1), INVERSES)
    assert columns.tolist() == [1, 3]
    assert_close(scores, torch.tensor([0.7, 0.7]))


def test_threshold_is_compared_with_the_lower_probability_of_both_orders():
    first = log_probs([0.1, 0.7, 0.1, 0.1], [0.6, 0.3, 0.05, 0.05])
    second = log_probs([0.1, 0.1, 0.2, 0.6], [0.1, 0.1, 0.1, 0.7])
    columns, scores = agree_threshold(first, second, INVERSES)
    # "none" is not a label, even if it is the best column of an order
    assert columns.tolist() == [1, 1]
    assert_close(scores, torch.tensor([0.6, 0.3]))


def score_pairs(network, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Relation scores of pairs and of their reversed pairs.

    first, second (Tensor): Logits of the pairs and of the reversed pairs. Shape: (P,
        K).
    """
    count = len(first)
    numbers = torch.arange(count)
    ahead = torch.stack([2 * numbers, 2 * numbers + 1], 1)
    nothing = EntityOutputs(None, numbers[:0], torch.zeros(0, E + 1))
    outputs = joint_outputs(
        nothing,
        torch.cat([first, second.flip(0)]),
        # reversed pairs can have any position
        torch.cat([ahead, ahead.flip(1).flip(0)]),
        n_spans=2 * count,
    )
    scores = network.relation_scores(outputs)
    return scores[:count], scores[count:].flip(0)


@pytest.mark.parametrize("agreement", ["both", "mean", "forward"])
def test_scores_are_zero_for_none_and_inverse_labels(agreement):
    network = build(agreement=agreement)
    inverses = network.relation.inverses
    # one pair for each column
    sure = 20.0 * torch.eye(len(inverses))
    ahead, back = score_pairs(network, sure, sure[inverses])
    expected = torch.zeros(len(inverses), R)
    expected[1 : 1 + R] = torch.eye(R)
    assert_close(ahead, expected)
    assert torch.equal(ahead == 0.0, expected == 0.0)
    # a pair with an inverse label: the reversed pair has the label
    assert_close(back, expected[inverses])


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_pair_has_at_most_one_score_above_zero(agreement):
    network = build(agreement=agreement)
    first, second = random_logits(network)
    scores = torch.cat(score_pairs(network, first, second))
    counts = (scores > 0.0).sum(1)
    assert set(counts.tolist()) == {0, 1}
    assert float(scores.max()) <= 1.0


def random_logits(network) -> Tensor:
    """Logits of 50 pairs in both orders."""
    generator = torch.Generator().manual_seed(3)
    shape = (2, 50, len(network.relation.inverses))
    return torch.randn(shape, generator=generator)


def test_label_is_predicted_in_one_order_unless_it_is_symmetric():
    network = build(agreement="mean")
    ahead, back = score_pairs(network, *random_logits(network))
    n_predicted = 0
    for one, two in zip(ahead, back, strict=True):
        labels = [row.nonzero().squeeze(1).tolist() for row in (one, two)]
        # a label with a direction in one order, a symmetric label in both
        assert labels[0] == labels[1] if [1] in labels else [] in labels
        if labels[0] == [1]:
            assert one[1] == two[1]
        n_predicted += labels != [[], []]
    assert n_predicted > 30


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_scores_equal_the_agreement(agreement):
    network = build(agreement=agreement)
    first, second = random_logits(network)
    ahead, _ = score_pairs(network, first, second)
    columns, scores = AGREEMENTS[agreement](
        first.log_softmax(1), second.log_softmax(1), network.relation.inverses
    )
    for row, column, score in zip(ahead, columns.tolist(), scores, strict=True):
        expected = torch.zeros(R)
        if 1 <= column <= R:
            expected[column - 1] = score
        assert_close(row, expected)


def test_no_pairs_give_no_scores():
    network = build()
    nothing = EntityOutputs(None, PAIRS[:0, 0], torch.zeros(0, E + 1))
    outputs = joint_outputs(nothing, torch.zeros(0, 8), PAIRS[:0])
    assert network.relation_scores(outputs).shape == (0, R)


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_pair_without_reversed_pair_is_decoded_alone(agreement):
    network = build(agreement=agreement)
    logits = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    nothing = EntityOutputs(None, PAIRS[:0, 0], torch.zeros(0, E + 1))
    outputs = joint_outputs(nothing, logits, torch.tensor([(0, 1), (2, 3)]))
    best = logits.softmax(1).max(1)
    expected = torch.zeros(2, R)
    for row, (value, column) in enumerate(zip(*best, strict=True)):
        if 1 <= column <= R:
            expected[row, column - 1] = value
    assert_close(network.relation_scores(outputs), expected)


# reversed pairs -----------------------------------------------------------------------


def test_reversed_pairs_are_found():
    pairs = torch.tensor([(0, 1), (5, 2), (1, 0), (0, 2), (2, 5), (7, 0)])
    assert find_reversed(pairs).tolist() == [2, 4, 0, -1, 1, -1]


def test_no_pairs_give_no_reversed_pairs():
    assert find_reversed(torch.zeros((0, 2), dtype=torch.long)).tolist() == []


def test_single_pair_has_no_reversed_pair():
    assert find_reversed(torch.tensor([(3, 1)])).tolist() == [-1]


def test_reversed_pairs_of_all_ordered_pairs_are_found():
    pairs = torch.tensor(list(permutations(range(6), 2)))
    pairs = pairs[
        torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))
    ]
    assert torch.equal(pairs[find_reversed(pairs)], pairs.flip(1))


# columns of pairs ---------------------------------------------------------------------

# none, a, b (symmetric), c, inverse of a, inverse of c
THREE = inverse_columns(3, [1])
BOTH_ORDERS = torch.tensor([(0, 1), (1, 0), (0, 2), (2, 0)])


def columns_of(relations, pairs=BOTH_ORDERS, inverses=THREE, positions=None):
    """Columns of the pairs, and the number of pairs with several relations.

    relations: (head, tail, label) each.
    positions: Position of each entity in the text; by default its index.
    """
    directed = sum(inverse != column for column, inverse in enumerate(inverses)) // 2
    n_labels = len(inverses) - 1 - directed
    targets = relation_targets(*relations, pairs=pairs, n_labels=n_labels)
    in_text = pairs if positions is None else positions[pairs]
    columns, count = pair_columns(
        targets > 0,
        find_reversed(pairs),
        in_text[:, 0] < in_text[:, 1],
        torch.tensor(inverses),
    )
    return columns.tolist(), count


@pytest.mark.parametrize(
    ("relations", "targets", "n_multi_label"),
    [
        ([], [0, 0, 0, 0], 0),
        ([(0, 1, 0)], [1, 4, 0, 0], 0),
        ([(1, 0, 2)], [5, 3, 0, 0], 0),
        # a symmetric label is its own inverse, in either direction
        ([(0, 2, 1)], [0, 0, 2, 2], 0),
        ([(0, 2, 1), (2, 0, 1)], [0, 0, 2, 2], 0),
        # several relations: the first in label order, in either direction
        ([(0, 1, 2), (0, 1, 0)], [1, 4, 0, 0], 1),
        ([(0, 1, 2), (1, 0, 0)], [4, 1, 0, 0], 1),
        ([(1, 0, 1), (0, 1, 2)], [2, 2, 0, 0], 1),
        ([(0, 1, 0), (0, 1, 1), (2, 0, 0)], [1, 4, 4, 1], 1),
        # one label in both directions: the relation with the first head
        ([(1, 0, 2), (0, 1, 2)], [3, 5, 0, 0], 1),
    ],
)
def test_pair_has_one_relation_and_the_reversed_pair_its_inverse(
    relations, targets, n_multi_label
):
    assert columns_of(relations) == (targets, n_multi_label)


def test_first_head_is_determined_by_the_text():
    relations = [(1, 0, 2), (0, 1, 2)]
    reverse = torch.tensor([2, 1, 0])
    assert columns_of(relations, positions=reverse) == ([5, 3, 0, 0], 1)


def test_pair_without_reversed_pair_has_its_own_relations():
    single = torch.tensor([(0, 1), (2, 0)])
    assert columns_of([(0, 1, 2), (2, 0, 0)], single) == ([3, 1], 0)
    # several relations are counted although the subject is last
    assert columns_of([(2, 0, 2), (2, 0, 0)], single) == ([0, 1], 1)


def test_no_pairs_give_no_columns():
    assert columns_of([], BOTH_ORDERS[:0]) == ([], 0)


def test_both_orders_agree_on_the_target_columns():
    every = [(h, t, r) for h, t in ((0, 1), (1, 0)) for r in range(3)]
    for first in every:
        for second in every:
            ahead, back = columns_of([first, second], BOTH_ORDERS[:2])[0]
            sure = torch.eye(len(THREE)).log()
            columns, _ = agree_both(sure[[ahead]], sure[[back]], torch.tensor(THREE))
            assert columns.tolist() == [ahead]


def naive_columns(relations, pairs, n_labels, symmetric, positions):
    """Reference implementation of ``pair_columns`` in plain loops."""
    inverse_labels = {}
    for label in range(n_labels):
        if label not in symmetric:
            inverse_labels[label] = 1 + n_labels + len(inverse_labels)
    columns, n_multi_label = [], set()
    for i, j in pairs:
        first, second = (i, j) if positions[i] < positions[j] else (j, i)
        # label, and whether the relation is from the second entity to the first
        known = set()
        for head, tail, label in relations:
            if {head, tail} == {i, j}:
                known.add((label, label not in symmetric and head == second))
        if len(known) > 1:
            n_multi_label.add((first, second))
        if not known:
            columns.append(0)
            continue
        label, backwards = min(known)
        # the column from the subject, which may be the second entity
        if label not in symmetric and backwards == (i == first):
            columns.append(inverse_labels[label])
        else:
            columns.append(1 + label)
    return columns, len(n_multi_label)


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("seed", range(25))
def test_columns_of_random_pairs_equal_plain_loops(seed, share):
    """share: the share of ordered pairs that are given."""
    generator = torch.Generator().manual_seed(seed)

    def draw(count):
        return torch.randperm(count, generator=generator)

    n_labels = 1 + seed % 5
    symmetric = [label for label in range(n_labels) if (seed + label) % 3 == 0]
    pairs = torch.tensor(list(permutations(range(6), 2)))
    pairs = pairs[draw(30)[: int(30 * share)]]
    positions = draw(6)
    chances = torch.rand(len(pairs), n_labels, generator=generator)
    relations = [
        (*pairs[row].tolist(), label)
        for row, label in (chances < 0.25).nonzero().tolist()
    ]
    result = columns_of(
        relations, pairs, inverse_columns(n_labels, symmetric), positions
    )
    expected = naive_columns(
        relations, pairs.tolist(), n_labels, symmetric, positions.tolist()
    )
    assert result == expected
    assert any(result[0])


# losses -------------------------------------------------------------------------------

# two entities in both orders, and the columns of four labels
TWO = torch.tensor([(0, 3), (3, 0)])


def outputs_by_hand() -> LAINetOutputs:
    """Four spans: the third is not filtered, the second does not pass the filter."""
    entity = EntityOutputs(
        torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.5, 0.5]]),
        torch.tensor([0, 3]),
        torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 3.0]]),
    )
    relations = torch.zeros(2, 8)
    relations[0, 1] = 1.0
    outputs = joint_outputs(entity, relations, TWO, n_spans=4)
    return outputs._replace(filtered=torch.tensor([0, 1, 3]))


FILTERED = [
    -math.log(math.e / (1 + math.e)),
    -math.log(math.e**2 / (1 + math.e**2)),
    math.log(2),
]
SPANS = [
    -math.log(math.e / (3 + math.e)),
    -math.log(math.e / (math.e + 2 + math.e**3)),
]
# "a" from the first to the second, its inverse for the reversed pair
RELATED = [-math.log(math.e / (7 + math.e)), math.log(8)]


@pytest.mark.parametrize(
    ("weight", "has_filter", "filtered"),
    [
        (1.0, True, sum(FILTERED) / 3),
        (5.0, True, 5 * sum(FILTERED) / 3),
        (5.0, False, 0.0),
    ],
)
def test_loss_is_the_sum_of_means_over_filtered_spans_classified_spans_and_pairs(
    weight, has_filter, filtered
):
    network = build(filter_weight=weight)
    outputs = outputs_by_hand()
    if not has_filter:
        outputs = outputs._replace(filter_logits=None)
    relations = relation_targets((0, 3, 0), pairs=TWO)
    # the third span is neither filtered nor classified
    loss = network.loss(outputs, Targets(torch.tensor([1, 0, 2, 0]), relations))
    expected = filtered + sum(SPANS) / 2 + sum(RELATED) / 2
    assert float(loss.value) == pytest.approx(expected, abs=1e-6)
    assert loss.n_multi_label == 0


def test_loss_counts_the_pairs_with_several_relations():
    relations = relation_targets((0, 3, 0), (3, 0, 2), pairs=TWO)
    targets = Targets(torch.tensor([1, 0, 0, 0]), relations)
    assert build().loss(outputs_by_hand(), targets).n_multi_label == 1


def test_loss_without_spans_and_pairs_is_zero():
    empty = torch.zeros(0, dtype=torch.long)
    nothing = EntityOutputs(torch.zeros(0, 2), empty, torch.zeros(0, E + 1))
    outputs = joint_outputs(nothing, torch.zeros(0, 8), PAIRS[:0], n_spans=0)
    loss = build().loss(outputs, Targets(empty, torch.zeros(0, R)))
    assert (float(loss.value), loss.n_multi_label) == (0.0, 0)


# cold start ---------------------------------------------------------------------------


@pytest.mark.parametrize("cold_start", [0, 2])
def test_cold_start_lasts_for_the_given_number_of_updates(cold_start):
    network = build(cold_start=cold_start)
    is_cold = []
    for _ in range(4):
        is_cold.append(network.is_cold())
        network.relation.classify.weight.grad = torch.ones(8, WIDTH)
        network.count_update()
    assert is_cold == [number < cold_start for number in range(4)]
    assert int(network.updates) == 4


def test_update_without_a_gradient_is_not_counted():
    network = build()
    network.count_update()
    assert int(network.updates) == 0


def test_updates_are_saved_with_the_weights():
    network = build()
    network.updates += 7
    other = build()
    other.load_state_dict(network.state_dict())
    assert int(other.updates) == 7


# settings -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mask", "markers_see", "agreement"])
def test_unknown_value_is_refused(name):
    with pytest.raises(ValueError, match=rf"J202.*{name}.*median"):
        LAINet(WIDTH, E, R, **{name: "median"})


@pytest.mark.parametrize("name", ["entity_heads", "relation_heads"])
def test_width_must_be_divisible_by_the_heads(name):
    with pytest.raises(ValueError, match=r"J201.*12.*5"):
        LAINet(WIDTH, E, R, **{name: 5})


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_filter_threshold_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=rf"J203.*filter_threshold.*{value}"):
        LAINet(WIDTH, E, R, filter_threshold=value)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_filter_weight_of_zero_or_less_is_refused(value):
    with pytest.raises(ValueError, match=rf"J203.*filter_weight.*{value}"):
        LAINet(WIDTH, E, R, filter_weight=value)


def test_cold_start_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"J203.*cold_start.*-1"):
        LAINet(WIDTH, E, R, cold_start=-1)


@pytest.mark.parametrize("name", ["entity_layers", "relation_layers"])
def test_layers_below_zero_are_refused(name):
    with pytest.raises(ValueError, match=r"J203.*n_layers.*-1"):
        LAINet(WIDTH, E, R, **{name: -1})
