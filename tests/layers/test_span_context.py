import pytest
import torch
from torch.testing import assert_close

from spacy_jre.layers.span_context import SpanContext, cut_windows

WIDTH = 8
COUNTS = (3, 0, 21, 8, 13)


def all_spans(max_width=3):
    spans, windows, first = [], [], 0
    for window, count in enumerate(COUNTS):
        for start in range(first, first + count):
            for end in range(start + 1, min(start + max_width, first + count) + 1):
                spans.append((start, end))
                windows.append(window)
        first += count
    return torch.tensor(spans), torch.tensor(windows)


def make_context(n_heads=2, max_units=8):
    torch.manual_seed(0)
    context = SpanContext(WIDTH, n_heads=n_heads, memory=10**6, max_units=max_units)
    return context.double(), torch.randn(sum(COUNTS), WIDTH).double()


def test_each_span_is_inside_its_section_with_context_on_both_sides():
    spans, windows = all_spans()
    sections = cut_windows(spans, windows, COUNTS, 8)
    first_units = torch.tensor(COUNTS).cumsum(0) - torch.tensor(COUNTS)
    for (start, end), window, section in zip(
        spans.tolist(), windows.tolist(), sections.of_span.tolist(), strict=True
    ):
        left = sections.starts[section]
        right = left + int(sections.unit_counts[section])
        first = int(first_units[window])
        last = first + COUNTS[window]
        assert first <= left <= start < end <= right <= last
        assert right - left == min(8, COUNTS[window])
        middle = (start + end) // 2
        assert middle - left >= 2 or left == first
        assert right - middle >= 2 or right == last


@pytest.mark.parametrize("n_heads", [None, 2])
def test_context_of_a_section_is_that_of_a_window_with_its_units(n_heads):
    context, rows = make_context(n_heads)
    spans, windows = all_spans()
    counts = torch.tensor(COUNTS)
    limited = context(rows, counts, spans, windows, COUNTS)
    sections = cut_windows(spans, windows, COUNTS, 8)
    for number, section in enumerate(sections.of_span.tolist()):
        start, count = sections.starts[section], int(sections.unit_counts[section])
        alone = context(
            rows[start : start + count],
            torch.tensor([count]),
            spans[[number]] - start,
            torch.tensor([0]),
            (count,),
        )
        assert_close(limited[[number]], alone)


def test_no_limit_reads_the_whole_window():
    context, rows = make_context(max_units=0)
    spans, windows = all_spans()
    before = context(rows, torch.tensor(COUNTS), spans, windows, COUNTS)
    rows[23] += 1  # the last unit of the window of 21 units
    after = context(rows, torch.tensor(COUNTS), spans, windows, COUNTS)
    changed = (before != after).any(1)
    assert changed[windows == 2].sum() > 0.9 * (windows == 2).sum()
    assert not changed[windows != 2].any()


def test_gradient_reaches_every_unit_of_a_long_window():
    context, rows = make_context()
    rows.requires_grad_()
    spans, windows = all_spans()
    context(rows, torch.tensor(COUNTS), spans, windows, COUNTS).sum().backward()
    assert (rows.grad != 0).any(1).all()


def test_span_that_is_longer_than_the_limit_gets_a_finite_context():
    context, rows = make_context()
    spans, windows = torch.tensor([[3, 24]]), torch.tensor([2])
    assert context(rows, torch.tensor(COUNTS), spans, windows, COUNTS).isfinite().all()
