"""Losses with their gradients, in plain array arithmetic.

Source: SpERT's and SINET's code: cross-entropy, the mean over all sampled spans of
the batch; binary cross-entropy, the mean over labels, then over all sampled pairs.
"""

from typing import Any

import numpy as np
from thinc.types import Floats2d


def span_loss(
    xp: Any, logits: Floats2d, targets: np.ndarray
) -> tuple[float, Floats2d]:
    """Softmax cross-entropy, mean over spans (STSN's tags: over tokens).

    logits (Floats2d): Shape: (S, E + 1).
    targets (ndarray): Columns. Shape: (S,).
    RETURNS (tuple[float, Floats2d]): Loss and its gradient; zero without rows.
    """
    count = logits.shape[0]
    if count == 0:
        return 0.0, xp.zeros(logits.shape, dtype="float32")
    rows = xp.arange(count)
    targets = xp.asarray(targets)
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    log_sums = xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    log_probabilities = shifted - log_sums
    loss = -log_probabilities[rows, targets].mean()
    gradient = xp.exp(log_probabilities)
    gradient[rows, targets] -= 1.0
    return float(loss), gradient / count


def pair_loss(xp: Any, logits: Floats2d, targets: np.ndarray) -> tuple[float, Floats2d]:
    """Sigmoid cross-entropy, mean over labels and pairs.

    logits (Floats2d): Shape: (P, R).
    targets (ndarray): 0 or 1. Shape: (P, R).
    RETURNS (tuple[float, Floats2d]): Loss and its gradient; zero without pairs.
    """
    size = logits.shape[0] * logits.shape[1]
    if size == 0:
        return 0.0, xp.zeros(logits.shape, dtype="float32")
    targets = xp.asarray(targets)
    # log(1 + e^-|x|) stays finite for any logit
    loss = xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-abs(logits)))
    gradient = (sigmoid(xp, logits) - targets) / size
    return float(loss.mean()), gradient


def sigmoid(xp: Any, logits: Any) -> Any:
    """Logistic function without overflow."""
    small = xp.exp(-abs(logits))
    return xp.where(logits >= 0, 1.0 / (1.0 + small), small / (1.0 + small))
