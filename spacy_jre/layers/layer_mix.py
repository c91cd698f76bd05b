"""A weighted mean of all hidden states of a transformer."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Weight of the last layer before training. The other layers share the rest equally. So
# the first mixes are near the output of the pretrained transformer.
LAST_WEIGHT = 0.55


class LayerMix(nn.Module):
    """Mix hidden states with one trained weight per layer, for one or more views.

    Source: Peters et al., "Deep contextualized word representations" (2018), equation
    1, without the scale gamma. The weights are a softmax, so they are positive and
    their sum is 1.
    """

    def __init__(self, n_layers: int, n_views: int):
        """
        n_layers (int): Number of hidden states, with the input embeddings.
        n_views (int): Number of mixes, each with its own weights.
        """
        super().__init__()
        logits = torch.zeros(n_views, n_layers)
        if n_layers > 1:
            logits[:, -1] = math.log(LAST_WEIGHT / (1 - LAST_WEIGHT) * (n_layers - 1))
        self.logits = nn.Parameter(logits)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """
        states (Sequence[Tensor]): The hidden states, from the first to the last layer.
            Shape of each: (B, L, D).
        RETURNS (Tensor): The mixes, one after the other. Shape: (B, L, views * D).
        """
        weights = self.logits.softmax(1)
        return torch.cat(
            [
                sum_weighted(states, weights[view])
                for view in range(self.logits.shape[0])
            ],
            dim=-1,
        )


def sum_weighted(states: Sequence[Tensor], weights: Tensor) -> Tensor:
    """RETURNS (Tensor): The weighted sum. The sum is computed layer by layer, so that
    no tensor of all layers is built."""
    total = states[0] * weights[0]
    for state, weight in zip(states[1:], weights[1:], strict=True):
        total = total + state * weight
    return total
