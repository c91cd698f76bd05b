"""The search in windows, compared with a search in all of them."""

from hypothesis import given
from hypothesis import strategies as st

from spacy_jre.inspection.windows import Windows

RANGES = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(
    lambda pair: (pair[0], sum(pair))
)


def contains(window, *spans) -> bool:
    return all(window[0] <= start and end <= window[1] for start, end in spans)


@given(st.lists(RANGES, max_size=8), st.lists(RANGES, min_size=1, max_size=2))
def test_window_is_found_if_any_range_contains_the_spans(ranges, spans):
    windows = Windows(ranges)
    found = windows.find(*spans)
    assert (found is not None) == any(contains(one, *spans) for one in ranges)
    if found is not None:
        numbers = [i for i, one in enumerate(windows) if contains(one, *spans)]
        assert found == numbers[0]


@given(st.lists(RANGES, max_size=8), st.lists(RANGES, max_size=8, unique=True))
def test_each_pair_of_a_window_is_counted_once(ranges, spans):
    windows = Windows(ranges)
    counts = list(windows.count_pairs(sorted(spans)))
    inside = [[span for span in spans if contains(one, span)] for one in windows]
    assert [count for count, _ in counts] == [len(own) for own in inside]
    pairs = {(i, j) for own in ranges for i in spans for j in spans
             if i != j and contains(own, i, j)}  # fmt: skip
    assert sum(number for _, number in counts) == len(pairs)


def test_windows_inside_others_are_left_out():
    assert list(Windows([(3, 9), (0, 5), (4, 8), (0, 2), (0, 5)])) == [(0, 5), (3, 9)]
