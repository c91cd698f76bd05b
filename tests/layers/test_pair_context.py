import torch
from torch.testing import assert_close

from spacy_jre.layers.masked_attention import MaskedSelfAttention
from spacy_jre.layers.pair_context import (
    AttendedRanges,
    WindowVectors,
    gap_windows,
)
from spacy_jre.layers.ranges import between_ranges, unit_ranges

# two windows of three and two tokens
TOKEN_WINDOWS = torch.tensor([0, 0, 0, 1, 1])
TOKEN_UNITS = torch.tensor([[0, 2], [2, 2], [2, 3], [3, 4], [4, 6]])
UNIT_COUNTS = torch.tensor([3, 3])
FIRST = torch.tensor([[0, 1], [0, 1], [2, 3], [4, 5], [0, 3], [3, 5]])
SECOND = torch.tensor([[2, 3], [1, 2], [0, 2], [3, 4], [1, 3], [4, 5]])


def test_gap_is_in_the_window_of_its_spans():
    # separate, adjacent and overlapping spans; both orders; at the end of the batch
    gaps = between_ranges(FIRST, SECOND)
    assert gap_windows(gaps, TOKEN_WINDOWS).tolist() == [0, 0, 0, 1, 0, 1]
    gaps = between_ranges(SECOND, FIRST)
    assert gap_windows(gaps, TOKEN_WINDOWS).tolist() == [0, 0, 0, 1, 0, 1]


def test_every_gap_gets_the_vector_of_its_window():
    vectors = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    gaps = between_ranges(FIRST, SECOND)
    rows = WindowVectors(vectors, TOKEN_WINDOWS).ranges(gaps)
    assert torch.equal(rows, vectors[[0, 0, 0, 1, 0, 1]])


def test_token_ranges_are_converted_to_unit_ranges():
    ranges = torch.tensor([[0, 1], [0, 2], [1, 2], [3, 5], [2, 2], [4, 1]])
    units = unit_ranges(ranges, TOKEN_UNITS).tolist()
    assert units[:4] == [[0, 2], [0, 2], [2, 2], [3, 6]]
    assert all(start == end for start, end in units[4:])
    none = torch.zeros((0, 2), dtype=torch.long)
    assert unit_ranges(none, none).shape == (0, 2)


def test_attention_is_limited_to_the_units_of_a_range():
    torch.manual_seed(0)
    attention = MaskedSelfAttention(4, n_heads=2)
    rows = torch.randn(6, 4)
    pooler = AttendedRanges(
        attention, rows, TOKEN_UNITS, UNIT_COUNTS, TOKEN_WINDOWS, memory=10_000
    )
    ranges = torch.tensor([[4, 5], [1, 2], [3, 5], [2, 2], [4, 5]])
    pooled = pooler.ranges(ranges)
    alone = rows[4:6]
    all_kept = torch.ones(1, 2, dtype=torch.bool)
    expected = attention(attention.project(alone), slice(0, 2), all_kept)[:, 0]
    assert_close(pooled[0], expected.amax(0))
    assert torch.equal(pooled[4], pooled[0])
    # a token without units, and an empty range
    assert not pooled[[1, 3]].any()
    assert pooler.ranges(ranges[:0]).shape == (0, 4)
