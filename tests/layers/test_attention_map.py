"""Weights of units are aggregated to weights of tokens."""

import torch

from spacy_jre.layers.attention_map import TokenAxis, mean_of_queries

# three tokens of two units, none and one unit
TOKEN_UNITS = torch.tensor([[0, 2], [2, 2], [2, 3]])
WEIGHTS = torch.tensor([[[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.6, 0.0, 0.4]]])


def test_weight_of_a_key_is_the_sum_over_its_units():
    axis = TokenAxis(TOKEN_UNITS, 3)
    expected = torch.tensor([[[0.3, 0.7], [0.8, 0.2], [0.6, 0.4]]])
    torch.testing.assert_close(axis.keys(WEIGHTS), expected)


def test_weight_of_a_query_is_the_mean_over_its_units():
    axis = TokenAxis(TOKEN_UNITS, 3)
    expected = torch.tensor([[[0.3, 0.25, 0.45], [0.6, 0.0, 0.4]]])
    torch.testing.assert_close(axis.queries(WEIGHTS), expected)


def test_token_without_units_is_left_out():
    square = TokenAxis(TOKEN_UNITS, 3).square(WEIGHTS)
    assert square.rows == square.columns == (((0, 1),), ((2, 3),))
    expected = torch.tensor([[[0.55, 0.45], [0.6, 0.4]]])
    torch.testing.assert_close(square.weights, expected)


def test_masked_queries_do_not_count_in_the_mean():
    kept = torch.tensor([[True, False, True], [False, True, False]])
    means = mean_of_queries(WEIGHTS.unsqueeze(1).expand(1, 2, 3, 3), kept)
    expected = torch.tensor([[[0.35, 0.1, 0.55], [0.5, 0.3, 0.2]]])
    torch.testing.assert_close(means, expected)
