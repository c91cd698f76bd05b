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
def test_projections_of_unmasked_rows_give_the_attention_of_masked_ones(n_heads):
    layer, rows = make_layer(n_heads), make_rows()
    found = layer(layer.project(rows), slice(1, 5), KEPT)
    assert found.shape == (4, 4, WIDTH)
    for number, kept in enumerate(KEPT[:3]):
        masked = rows[1:5] * kept.unsqueeze(1)
        query, key, value = (
            part(masked).view(4, n_heads, -1).transpose(0, 1)
            for part in (layer.query, layer.key, layer.value)
        )
        scores = query @ key.transpose(1, 2) / math.sqrt(WIDTH / n_heads)
        weights = scores.masked_fill(~kept, -math.inf).softmax(-1)
        mixed = (weights @ value).transpose(0, 1).reshape(4, WIDTH)
        assert_close(found[:, number], masked + mixed)


def test_masked_row_reads_all_kept_rows_alike():
    layer, rows = make_layer(), make_rows()
    found = layer(layer.project(rows), slice(1, 5), KEPT)
    assert_close(found[1, 1], layer.value(rows[[1, 4]]).mean(0))
    assert_close(found[2, 1], found[1, 1])


def test_nothing_kept_gives_zeros():
    layer, rows = make_layer(), make_rows()
    assert not layer(layer.project(rows), slice(1, 5), KEPT)[:, 3].any()


def test_large_scores_of_masked_keys_disturb_nothing():
    layer, rows = make_layer(dtype=torch.float32), make_rows().float()
    wild = rows.clone()
    wild[2] *= 1000.0  # masked out by the second mask
    found = [layer(layer.project(r), slice(1, 5), KEPT[1:2]) for r in (rows, wild)]
    assert_close(*found)


def test_gradients_equal_finite_differences():
    layer = make_layer()

    def read(rows):
        return layer(layer.project(rows), slice(1, 5), KEPT)

    assert gradcheck(read, make_rows().requires_grad_())


@pytest.mark.parametrize("n_heads", [0, 3])
def test_heads_that_do_not_divide_the_width_are_refused(n_heads):
    with pytest.raises(ValueError, match="J201"):
        MaskedSelfAttention(WIDTH, n_heads=n_heads)
