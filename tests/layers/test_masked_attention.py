import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.testing import assert_close

from spacy_jre.layers.masked_attention import MaskedSelfAttention

WIDTH = 8
KEPT = torch.tensor(
    [
        [True, True, True, True],
        [True, False, False, True],
        [False, False, True, False],
        [False, False, False, False],
    ]
)


def make_layer(n_heads=2, dtype=torch.float64):
    torch.manual_seed(0)
    layer = MaskedSelfAttention(WIDTH, n_heads=n_heads)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer.to(dtype)


def make_rows():
    return torch.randn(6, WIDTH, dtype=torch.float64)


@pytest.mark.parametrize("n_heads", [1, 2, 8])
def test_shared_projections_equal_projections_of_masked_rows(n_heads):
    layer, rows = make_layer(n_heads), make_rows()
    result = layer(layer.project(rows), slice(1, 5), KEPT)
    assert result.shape == (4, 4, WIDTH)
    for number, kept in enumerate(KEPT[:3]):
        masked = rows[1:5] * kept.unsqueeze(1)
        query, key, value = (
            part(masked).view(4, n_heads, -1).transpose(0, 1)
            for part in (layer.query, layer.key, layer.value)
        )
        scores = query @ key.transpose(1, 2) / math.sqrt(WIDTH / n_heads)
        weights = scores.masked_fill(~kept, -math.inf).softmax(-1)
        mixed = (weights @ value).transpose(0, 1).reshape(4, WIDTH)
        assert_close(result[:, number], masked + mixed)


def test_masked_row_attends_evenly_to_all_kept_rows():
    layer, rows = make_layer(), make_rows()
    result = layer(layer.project(rows), slice(1, 5), KEPT)
    assert_close(result[1, 1], layer.value(rows[[1, 4]]).mean(0))
    assert_close(result[2, 1], result[1, 1])


def test_mask_without_kept_rows_gives_zeros():
    layer, rows = make_layer(), make_rows()
    assert not layer(layer.project(rows), slice(1, 5), KEPT)[:, 3].any()


def test_large_scores_of_masked_keys_do_not_change_the_result():
    layer, rows = make_layer(dtype=torch.float32), make_rows().float()
    large = rows.clone()
    large[2] *= 1000.0  # excluded by the second mask
    results = [layer(layer.project(r), slice(1, 5), KEPT[1:2]) for r in (rows, large)]
    assert_close(*results)


def test_gradients_equal_finite_differences():
    layer = make_layer()

    def attend(rows):
        return layer(layer.project(rows), slice(1, 5), KEPT)

    assert gradcheck(attend, make_rows().requires_grad_())


@pytest.mark.parametrize("n_heads", [0, 3])
def test_width_must_be_divisible_by_the_heads(n_heads):
    with pytest.raises(ValueError, match="J201"):
        MaskedSelfAttention(WIDTH, n_heads=n_heads)
