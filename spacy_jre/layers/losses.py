"""The two losses of the joint networks: of exclusive and of independent labels.

Both are means over all rows of a batch, in single precision. Without rows, the loss
and its gradient are 0.
"""

import torch.nn.functional as F
from torch import Tensor

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


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Sigmoid cross-entropy: the mean over rows and labels.

    logits (Tensor): Shape: (N, C).
    targets (Tensor): 0 or 1. Shape: (N, C).
    RETURNS (Tensor): Scalar.
    """
    logits = logits.float()
    if not logits.numel():
        return logits.sum()
    return F.binary_cross_entropy_with_logits(logits, targets)
