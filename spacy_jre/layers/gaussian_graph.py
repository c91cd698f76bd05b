"""A graph convolution with divergences of Gaussians as edge weights (G4CN)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import check_heads, check_range
from .linear import linear

# added to the standard deviations, so that they stay above zero
MIN_DEVIATION = 1e-3


class GaussianGraph(nn.Module):
    """Exchange information between nodes over several graphs with learned edges.

    Source: LAI-Net, section 3.3 and appendix A. Equations 6 and 7: every node has
    one Gaussian per view; an edge weight is the Kullback-Leibler divergence of the
    Gaussians of two nodes. Equations A1-A5: a graph convolution per view. The views
    are concatenated. The paper does not specify these points: the Gaussians are
    scalar, a self-loop is added before the normalization (so that a graph of one
    node is well defined), and dropout follows each layer.
    """

    def __init__(self, width: int, *, n_heads: int, n_layers: int, dropout: float):
        """
        width (int): D.
        n_heads (int): Views. D must be divisible by it.
        n_layers (int): Layers of the convolution, at least one.
        dropout (float): Rate after each layer.
        RAISES (ValueError): J201 or J203 for invalid settings.
        """
        super().__init__()
        check_heads(width, n_heads)
        check_range("n_layers", n_layers, n_layers >= 1, "at least 1")
        self.n_heads = n_heads
        part = width // n_heads
        # a divergence depends on differences of means only: a bias has no effect
        self.mean = linear(width, n_heads, bias=False)
        self.deviation = linear(width, n_heads)
        # d -> d/N per view: one matrix for all views
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

    def forward(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """
        nodes (Tensor): The nodes of each graph, padded. Shape: (G, N, D).
        mask (Tensor): True for nodes, False for padding. Shape: (G, N), bool.
        RETURNS (Tensor): The output of the last layer, zeros for padding. Shape: (G,
            N, D).
        """
        edges = self.edges(nodes, mask)
        n_graphs, n_nodes, width = nodes.shape
        views = (n_graphs, n_nodes, self.n_heads, width // self.n_heads)
        rows = self.first(nodes).view(views).transpose(1, 2)
        # equations A1 and A3: ReLU(A^ (H W + b)), per view
        rows = self.dropout(F.relu(edges @ rows))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            rows = self.dropout(F.relu(edges @ (rows @ weight + bias)))
        return rows.transpose(1, 2).reshape(nodes.shape)

    def edges(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Compute the normalized adjacency ``D^-1/2 (A + I) D^-1/2`` (equation A2).

        RETURNS (Tensor): Zero rows and columns for padding. Shape: (G, heads, N, N).
        """
        # divergences of small deviations overflow in half precision
        with torch.autocast(nodes.device.type, enabled=False):
            rows = nodes if nodes.dtype == torch.float64 else nodes.float()
            # equations 6 and 7
            mean = self.mean(rows).transpose(1, 2)
            deviation = F.softplus(self.deviation(rows)).transpose(1, 2)
            both = (mask.unsqueeze(2) & mask.unsqueeze(1)).unsqueeze(1)
            adjacency = divergences(mean, deviation + MIN_DEVIATION)
            loops = torch.eye(nodes.shape[1], device=nodes.device, dtype=mean.dtype)
            adjacency = (adjacency + loops).masked_fill(~both, 0.0)
            degrees = adjacency.sum(-1)
            # only padding has degree 0: every node has a self-loop
            scale = degrees.masked_fill(~mask.unsqueeze(1), 1.0).rsqrt()
            normalized = adjacency * scale.unsqueeze(3) * scale.unsqueeze(2)
        return normalized.to(nodes.dtype)


def divergences(mean: Tensor, deviation: Tensor) -> Tensor:
    """Compute ``KL(N_i || N_j)`` of scalar Gaussians (LAI-Net, section 3.3).

    mean, deviation (Tensor): Shape of each: (..., N).
    RETURNS (Tensor): Second to last axis: i, last axis: j. Shape: (..., N, N).
    """
    gaps = mean.unsqueeze(-1) - mean.unsqueeze(-2)
    squares = deviation.square()
    logs = deviation.log()
    ratio = (squares.unsqueeze(-1) + gaps.square()) / (2.0 * squares.unsqueeze(-2))
    divergence = logs.unsqueeze(-2) - logs.unsqueeze(-1) + ratio - 0.5
    # rounding can make the divergence of two equal nodes slightly negative
    return divergence.clamp(min=0.0)
