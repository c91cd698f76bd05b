import pytest
import torch
from torch.testing import assert_close

from spacy_jre.layers.boundaries import BoundaryPooler, WithBoundaries, token_rows
from spacy_jre.layers.ranges import MaxPooler

TOKENS = torch.tensor([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0], [13.0, 17.0]])


def test_span_is_represented_by_its_first_and_last_token():
    ranges = torch.tensor([[0, 1], [0, 3], [2, 4]])
    assert BoundaryPooler(TOKENS, TOKENS).ranges(ranges).tolist() == [
        [1, 2, 1, 2],
        [1, 2, 7, 11],
        [7, 11, 13, 17],
    ]


@pytest.mark.parametrize("longest", [0, 1, 4])
def test_widths_equal_the_ranges_of_each_width(longest):
    pooler = BoundaryPooler(TOKENS, TOKENS)
    widths = list(pooler.widths(longest))
    assert len(widths) == longest
    for width, rows in enumerate(widths, start=1):
        starts = torch.arange(len(TOKENS) - width + 1)
        expected = pooler.ranges(torch.stack([starts, starts + width], 1))
        assert_close(rows[: len(starts)], expected, rtol=0, atol=0)


def test_no_ranges_give_no_rows():
    none = torch.zeros((0, 2), dtype=torch.long)
    assert BoundaryPooler(TOKENS, TOKENS).ranges(none).shape == (0, 4)
    assert BoundaryPooler(TOKENS[:0], TOKENS[:0]).ranges(none).shape == (0, 4)


def test_token_without_unit_gets_zeros():
    token_units = torch.tensor([[0, 0], [0, 1], [1, 1], [1, 2]])
    assert token_rows(TOKENS[:2], token_units).tolist() == [
        [0, 0],
        [1, 2],
        [0, 0],
        [3, 5],
    ]


def test_tokens_get_zeros_if_there_are_no_units():
    token_units = torch.zeros((3, 2), dtype=torch.long)
    assert token_rows(TOKENS[:0], token_units).tolist() == [[0, 0]] * 3


def test_last_unit_of_a_token_is_looked_up():
    token_units = torch.tensor([[0, 3], [3, 3], [3, 4]])
    rows = token_rows(TOKENS, token_units, last=True)
    assert rows.tolist() == [[7, 11], [0, 0], [13, 17]]


def with_boundaries() -> WithBoundaries:
    tokens = torch.arange(5)
    pooler = MaxPooler(TOKENS, torch.stack([tokens[:4], tokens[1:]], 1), 4, 1)
    return WithBoundaries(pooler, BoundaryPooler(-TOKENS, 2 * TOKENS))


def test_pooled_vector_precedes_first_and_last_token():
    rows = with_boundaries().ranges(torch.tensor([[0, 3], [1, 2]]))
    assert rows.tolist() == [[7, 11, -1, -2, 14, 22], [3, 5, -3, -5, 6, 10]]


def test_widths_with_boundaries_equal_the_ranges_of_each_width():
    pooler = with_boundaries()
    for width, rows in enumerate(pooler.widths(4), start=1):
        starts = torch.arange(len(TOKENS) - width + 1)
        expected = pooler.ranges(torch.stack([starts, starts + width], 1))
        assert_close(rows[: len(starts)], expected, rtol=0, atol=0)
