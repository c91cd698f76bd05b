import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from spacy_jre.layers.gaussian_graph import (
    MIN_DEVIATION,
    GaussianGraph,
    divergences,
)

WIDTH = 12


def build(n_heads=3, n_layers=2, dropout=0.0, dtype=torch.float32) -> GaussianGraph:
    graph = GaussianGraph(WIDTH, n_heads=n_heads, n_layers=n_layers, dropout=dropout)
    generator = torch.Generator().manual_seed(0)
    for parameter in graph.parameters():
        parameter.data.normal_(0, 0.4, generator=generator)
    return graph.to(dtype).eval()


def nodes_of(*counts, seed=0, dtype=torch.float32):
    """Random nodes of graphs of the given sizes, with random values as padding."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(counts), max(counts), WIDTH)
    nodes = torch.randn(shape, generator=generator, dtype=dtype)
    mask = torch.arange(max(counts)) < torch.tensor(counts).unsqueeze(1)
    return nodes, mask


@torch.no_grad()
def naive(graph: GaussianGraph, nodes: torch.Tensor) -> torch.Tensor:
    """One graph without padding, edge by edge. (N, D) -> (N, D)"""
    count, heads = len(nodes), graph.n_heads
    part = WIDTH // heads
    views = []
    for head in range(heads):
        mean = [float(graph.mean(row)[head]) for row in nodes]
        raw = [float(graph.deviation(row)[head]) for row in nodes]
        deviation = [math.log(1 + math.exp(value)) + 1e-3 for value in raw]
        adjacency = torch.zeros(count, count, dtype=nodes.dtype)
        for i in range(count):
            for j in range(count):
                first = Normal(
                    *torch.tensor([mean[i], deviation[i]], dtype=torch.float64)
                )
                second = Normal(
                    *torch.tensor([mean[j], deviation[j]], dtype=torch.float64)
                )
                adjacency[i, j] = kl_divergence(first, second) + (i == j)
        degree = adjacency.sum(1)
        normalized = torch.zeros(count, count, dtype=nodes.dtype)
        for i in range(count):
            for j in range(count):
                normalized[i, j] = adjacency[i, j] / (degree[i] * degree[j]).sqrt()
        own = slice(head * part, (head + 1) * part)
        rows = nodes @ graph.first.weight[own].T + graph.first.bias[own]
        rows = (normalized @ rows).clamp(min=0)
        for weight, bias in zip(graph.weights, graph.biases, strict=True):
            rows = (normalized @ (rows @ weight[head] + bias[head])).clamp(min=0)
        views.append(rows)
    return torch.cat(views, 1)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("n_heads", [1, 2, 3, 4, 6])
def test_rows_equal_the_equations(n_heads, n_layers):
    graph = build(n_heads, n_layers, dtype=torch.float64)
    nodes, mask = nodes_of(5, dtype=torch.float64)
    assert_close(graph(nodes, mask)[0], naive(graph, nodes[0]), rtol=1e-9, atol=1e-9)


def test_single_precision_is_close_to_double_precision():
    nodes, mask = nodes_of(5, dtype=torch.float64)
    expected = build(dtype=torch.float64)(nodes, mask)
    assert_close(build()(nodes.float(), mask).double(), expected, rtol=1e-3, atol=1e-4)


def test_divergence_equals_torch():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    deviation = torch.rand(2, 6, generator=generator, dtype=torch.float64) + 1e-3
    expected = kl_divergence(
        Normal(mean.unsqueeze(2), deviation.unsqueeze(2)),
        Normal(mean.unsqueeze(1), deviation.unsqueeze(1)),
    )
    assert_close(divergences(mean, deviation), expected, rtol=1e-9, atol=1e-9)


def test_divergence_of_two_gaussians_equals_the_value_by_hand():
    # N(0, 1) and N(2, 3): log 3 + (1 + 4) / 18 - 1/2, and -log 3 + (9 + 4) / 2 - 1/2
    result = divergences(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0]))
    expected = torch.tensor(
        [[0.0, math.log(3) - 2 / 9], [6.0 - math.log(3), 0.0]], dtype=torch.float32
    )
    assert_close(result, expected)


def test_smallest_deviations_give_finite_rows():
    graph = build()
    graph.deviation.bias.data.fill_(-200.0)
    nodes, mask = nodes_of(4)
    assert graph(nodes, mask).isfinite().all()
    assert pytest.approx(1e-3) == MIN_DEVIATION


def test_two_equal_nodes_have_self_loops_only():
    graph = build()
    nodes, mask = nodes_of(2)
    nodes[0, 1] = nodes[0, 0]
    edges = graph.edges(nodes, mask)[0]
    assert_close(edges, torch.eye(2).expand(3, 2, 2), rtol=0, atol=1e-6)


def test_graph_of_one_node_is_well_defined():
    graph = build(n_layers=1)
    nodes, mask = nodes_of(1)
    assert_close(graph.edges(nodes, mask), torch.ones(1, 3, 1, 1))
    assert_close(graph(nodes, mask), graph.first(nodes).clamp(min=0))


def test_padding_does_not_change_the_rows():
    graph = build()
    nodes, mask = nodes_of(3, 5, 1)
    rows = graph(nodes, mask)
    for number, count in enumerate((3, 5, 1)):
        alone = nodes[number : number + 1, :count]
        expected = graph(alone, torch.ones(1, count, dtype=torch.bool))
        assert_close(rows[number, :count], expected[0])


def test_padded_nodes_have_no_edges_and_no_rows():
    graph = build()
    nodes, mask = nodes_of(2, 4)
    edges = graph.edges(nodes, mask)[0]
    assert not edges[:, 2:].any()
    assert not edges[:, :, 2:].any()
    assert not graph(nodes, mask)[0, 2:].any()


def test_permuting_the_nodes_permutes_the_rows():
    graph = build()
    nodes, mask = nodes_of(5)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert_close(graph(nodes[:, order], mask), graph(nodes, mask)[:, order])


def test_gradients_equal_finite_differences():
    graph = build(dtype=torch.float64)
    nodes, mask = nodes_of(3, 2, dtype=torch.float64)
    parameters = dict(graph.named_parameters())

    def run(nodes, *values):
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(graph, named, (nodes, mask))

    inputs = (nodes.requires_grad_(), *parameters.values())
    assert gradcheck(run, inputs)


def test_gradients_of_one_node_and_of_equal_nodes_are_finite():
    graph = build()
    nodes, mask = nodes_of(1, 2)
    nodes[1, 1] = nodes[1, 0]
    nodes.requires_grad_()
    graph(nodes, mask).sum().backward()
    assert nodes.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in graph.parameters())


def test_divergences_are_not_computed_in_half_precision():
    graph = build()
    nodes, mask = nodes_of(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        edges = graph.edges(nodes, mask)
    assert torch.equal(edges, graph.edges(nodes, mask))


def test_dropout_applies_in_train_mode_only():
    graph = build(dropout=0.5)
    nodes, mask = nodes_of(4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(graph.train()(nodes, mask), graph.eval()(nodes, mask))
    assert torch.equal(graph(nodes, mask), graph(nodes, mask))


def test_weights_are_initialized_as_in_bert():
    torch.manual_seed(0)
    graph = GaussianGraph(96, n_heads=4, n_layers=3, dropout=0.1)
    for name, parameter in graph.named_parameters():
        if "bias" in name:
            assert not parameter.any()
        else:
            assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.2), name


@pytest.mark.parametrize("n_heads", [0, 5])
def test_width_must_be_divisible_by_the_heads(n_heads):
    with pytest.raises(ValueError, match=rf"J201.*12.*{n_heads}"):
        GaussianGraph(WIDTH, n_heads=n_heads, n_layers=1, dropout=0.0)


def test_zero_layers_are_refused():
    with pytest.raises(ValueError, match=r"J203.*n_layers.*0"):
        GaussianGraph(WIDTH, n_heads=2, n_layers=0, dropout=0.0)
