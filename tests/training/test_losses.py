import math

import numpy as np
import pytest
import torch

from spacy_jre.training.losses import pair_loss, sigmoid, span_loss


def test_span_loss_by_hand():
    logits = np.log(np.asarray([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype="float32"))
    loss, gradient = span_loss(np, logits, np.asarray([0, 1]))
    assert loss == pytest.approx(-(math.log(0.5) + math.log(0.1)) / 2, rel=1e-6)
    expected = np.asarray([[-0.5, 0.25, 0.25], [0.1, -0.9, 0.8]]) / 2
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_pair_loss_by_hand():
    logits = np.asarray([[0.0, math.log(3)]], dtype="float32")  # 0.5 and 0.75
    loss, gradient = pair_loss(np, logits, np.asarray([[1.0, 0.0]], dtype="float32"))
    assert loss == pytest.approx(-(math.log(0.5) + math.log(0.25)) / 2, rel=1e-6)
    np.testing.assert_allclose(gradient, [[-0.25, 0.375]], rtol=1e-5)


@pytest.mark.parametrize("loss_of", [span_loss, pair_loss])
def test_gradient_equals_finite_differences(loss_of, rng):
    logits = rng.normal(size=(3, 4)) * 2
    targets = np.asarray([0, 3, 1])
    if loss_of is pair_loss:
        targets = (rng.random((3, 4)) > 0.5).astype("float64")
    _, gradient = loss_of(np, logits, targets)
    step = 1e-6
    for index in np.ndindex(*logits.shape):
        above, below = logits.copy(), logits.copy()
        above[index] += step
        below[index] -= step
        slope = loss_of(np, above, targets)[0] - loss_of(np, below, targets)[0]
        assert gradient[index] == pytest.approx(slope / (2 * step), abs=1e-6)


def test_losses_equal_torch(rng):
    logits = rng.normal(size=(5, 3)).astype("float32")
    targets = np.asarray([0, 1, 2, 1, 0])
    theirs = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(targets)
    )
    assert span_loss(np, logits, targets)[0] == pytest.approx(float(theirs), rel=1e-5)
    hot = np.eye(3, dtype="float32")[targets]
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(logits), torch.from_numpy(hot)
    )
    assert pair_loss(np, logits, hot)[0] == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize("loss_of", [span_loss, pair_loss])
def test_huge_logits_stay_finite(loss_of):
    logits = np.asarray([[1e4, -1e4]], dtype="float32")
    targets = np.asarray([1]) if loss_of is span_loss else np.ones((1, 2), "float32")
    loss, gradient = loss_of(np, logits, targets)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    assert np.isfinite(sigmoid(np, logits)).all()


@pytest.mark.parametrize(
    ("loss_of", "targets"),
    [(span_loss, np.zeros(0, "int64")), (pair_loss, np.zeros((0, 4), "float32"))],
)
def test_nothing_to_score_is_no_loss_and_no_gradient(loss_of, targets):
    loss, gradient = loss_of(np, np.zeros((0, 4), "float32"), targets)
    assert loss == 0.0
    assert gradient.shape == (0, 4)
