"""A graph convolution whose edges are divergences of Gaussians (G4CN)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import check_heads, check_range
from .linear import linear

# keeps the deviations away from zero
LEAST_DEVIATION = 1e-3


class GaussianGraph(nn.Module):
    """Let nodes read each other over several graphs of learnt edges.

    Source: LAI-Net, section 3.3 (equations 6-8) and appendix A (A1-A5): every node
    gets one Gaussian per view; the weight of an edge is the Kullback-Leibler
    divergence of its ends; a graph convolution per view, the views side by side.
    Decided where the paper is silent: scalar Gaussians, a self loop before the
    normalisation (appendix A; a lone node stays well defined), dropout after each
    layer.
    """

    def __init__(self, width: int, *, n_heads: int, n_layers: int, dropout: float):
        """
        width (int): D.
        n_heads (int): Views; they divide D.
        n_layers (int): Layers of the convolution, at least one.
        dropout (float): Rate after each layer.
        RAISES (ValueError): J201 or J203 for settings that do not fit.
        """
        super().__init__()
        check_heads(width, n_heads)
        check_range("n_layers", n_layers, n_layers >= 1, "at least 1")
        self.n_heads = n_heads
        part = width // n_heads
        # a divergence knows differences of means alone: a bias would do nothing
        self.mean = linear(width, n_heads, bias=False)
        self.deviation = linear(width, n_heads)
        # d -> d/N per view: the views side by side are one matrix
        self.first = linear(width, width)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(n_heads, part, part)) for _ in range(n_layers - 1)
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros(n_heads, 1, part)) for _ in range(n_layers - 1)
        )
        for weight in self.weights:
            nn.init.normal_(weight, std=0.02)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, real: Tensor) -> Tensor:
        """
        nodes (Tensor): The nodes of each graph, padded. Shape: (G, N, D).
        real (Tensor): Which nodes are no padding. Shape: (G, N), bool.
        RETURNS (Tensor): What the nodes have read, zeros where padded. Shape: (G, N,
            D).
        """
        edges = self.edges(nodes, real)
        n_graphs, n_nodes, width = nodes.shape
        views = (n_graphs, n_nodes, self.n_heads, width // self.n_heads)
        rows = self.first(nodes).view(views).transpose(1, 2)
        # A1: ReLU(A^ (H W + b)), per view
        rows = self.dropout(F.relu(edges @ rows))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            rows = self.dropout(F.relu(edges @ (rows @ weight + bias)))
        return rows.transpose(1, 2).reshape(nodes.shape)

    def edges(self, nodes: Tensor, real: Tensor) -> Tensor:
        """The normalised adjacency ``D^-1/2 (A + I) D^-1/2`` of each view (A2).

        RETURNS (Tensor): Zero rows and columns for padding. Shape: (G, heads, N, N).
        """
        # a divergence of small deviations leaves the range of half precision
        with torch.autocast(nodes.device.type, enabled=False):
            rows = nodes if nodes.dtype == torch.float64 else nodes.float()
            # equations 6 and 7
            mean = self.mean(rows).transpose(1, 2)
            deviation = F.softplus(self.deviation(rows)).transpose(1, 2)
            both = (real.unsqueeze(2) & real.unsqueeze(1)).unsqueeze(1)
            adjacency = divergences(mean, deviation + LEAST_DEVIATION)
            loops = torch.eye(nodes.shape[1], device=nodes.device, dtype=mean.dtype)
            adjacency = (adjacency + loops).masked_fill(~both, 0.0)
            degrees = adjacency.sum(-1)
            # only padding has no degree: every node has its self loop
            scale = degrees.masked_fill(~real.unsqueeze(1), 1.0).rsqrt()
            normalised = adjacency * scale.unsqueeze(3) * scale.unsqueeze(2)
        return normalised.to(nodes.dtype)


def divergences(mean: Tensor, deviation: Tensor) -> Tensor:
    """``KL(N_i || N_j)`` of scalar Gaussians.

    mean, deviation (Tensor): Shape of each: (..., N).
    RETURNS (Tensor): From each (second to last axis) to each. Shape: (..., N, N).
    """
    gaps = mean.unsqueeze(-1) - mean.unsqueeze(-2)
    squares = deviation.square()
    logs = deviation.log()
    ratio = (squares.unsqueeze(-1) + gaps.square()) / (2.0 * squares.unsqueeze(-2))
    found = logs.unsqueeze(-2) - logs.unsqueeze(-1) + ratio - 0.5
    # never negative; rounding may say so of two nodes that are alike
    return found.clamp(min=0.0)
