"""The two losses of the joint networks: of exclusive and of independent labels.

Both are means over all rows of a batch, in single precision. Without rows, the loss
and its gradient are 0.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Reduction = Literal["mean", "sum"]
REDUCTIONS = ("mean", "sum")
# the target of a row without annotation
UNKNOWN = -100


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Softmax cross-entropy: the mean over the rows with a known target.

    logits (Tensor): Shape: (N, C).
    targets (Tensor): Columns, or UNKNOWN. Shape: (N,).
    RETURNS (Tensor): Scalar.
    """
    total = F.cross_entropy(
        logits.float(), targets, ignore_index=UNKNOWN, reduction="sum"
    )
    # without a condition, which would synchronize with the GPU
    return total / (targets != UNKNOWN).sum().clamp(min=1)


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, labels: Reduction = "mean"
) -> Tensor:
    """Sigmoid cross-entropy: the mean over rows.

    logits (Tensor): Shape: (N, C).
    targets (Tensor): 0 or 1. Shape: (N, C).
    labels (str): The "mean" or the "sum" over the labels of a row.
    RETURNS (Tensor): Scalar.
    """
    logits = logits.float()
    if not logits.numel():
        return logits.sum()
    loss = F.binary_cross_entropy_with_logits(logits, targets)
    return loss * logits.shape[1] if labels == "sum" else loss
