import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_jre.architectures.windows import (
    sentence_windows,
    split_windows,
    with_context,
)
from spacy_jre.types import Windows


def make_doc(nlp, n_tokens, starts=None) -> Doc:
    doc = Doc(nlp.vocab, words=["w"] * n_tokens)
    if starts is not None:
        for token in doc:
            token.is_sent_start = token.i in starts
    return doc


def as_rows(windows):
    return list(zip(windows.doc, windows.start, windows.end, strict=True))


def test_one_window_per_sentence(nlp):
    docs = [make_doc(nlp, 5, {0, 3}), make_doc(nlp, 2, {0})]
    assert as_rows(sentence_windows(docs)) == [(0, 0, 3), (0, 3, 5), (1, 0, 2)]


def test_doc_without_boundaries_is_one_window(nlp):
    assert as_rows(sentence_windows([make_doc(nlp, 4)])) == [(0, 0, 4)]


def test_first_token_always_starts_a_sentence(nlp):
    assert as_rows(sentence_windows([make_doc(nlp, 4, {2})])) == [(0, 0, 2), (0, 2, 4)]


def test_doc_without_tokens_has_no_window(nlp):
    docs = [make_doc(nlp, 0), make_doc(nlp, 1), make_doc(nlp, 0)]
    assert as_rows(sentence_windows(docs)) == [(1, 0, 1)]
    assert as_rows(sentence_windows([make_doc(nlp, 0)])) == []


def make_windows(lengths) -> Windows:
    zeros = np.zeros(len(lengths), dtype=np.int64)
    return Windows(np.arange(len(lengths)), zeros, np.asarray(lengths, dtype=np.int64))


def test_long_window_is_split_between_tokens():
    windows = make_windows([4, 2])
    split = split_windows(windows, np.asarray([3, 3, 1, 3, 2, 2]), 6)
    assert as_rows(split) == [(0, 0, 2), (0, 2, 4), (1, 0, 2)]


def test_token_longer_than_the_limit_is_a_window_of_its_own():
    split = split_windows(make_windows([3]), np.asarray([1, 9, 1]), 4)
    assert as_rows(split) == [(0, 0, 1), (0, 1, 2), (0, 2, 3)]


def test_short_windows_are_not_changed():
    windows = make_windows([2, 1])
    assert split_windows(windows, np.asarray([1, 1, 1]), 2) is windows


def test_empty_windows_are_not_changed():
    windows = make_windows([])
    assert split_windows(windows, np.zeros(0, dtype=np.int64), 5) is windows


@given(
    st.lists(
        st.lists(st.integers(0, 5), min_size=1, max_size=9), min_size=1, max_size=4
    ),
    st.integers(5, 12),
)
@settings(max_examples=60, deadline=None)
def test_split_windows_cover_all_tokens_within_the_limit(sizes, limit):
    windows = make_windows([len(s) for s in sizes])
    flat = np.asarray([n for s in sizes for n in s], dtype=np.int64)
    split = split_windows(windows, flat, limit)
    covered = [
        (doc, token)
        for doc, start, end in as_rows(split)
        for token in range(start, end)
    ]
    assert covered == [(d, t) for d, s in enumerate(sizes) for t in range(len(s))]
    for doc, start, end in as_rows(split):
        assert sum(sizes[doc][start:end]) <= limit


@pytest.mark.parametrize("counts", [[3, 4], [1]])
def test_windows_count_tokens_of_the_batch(counts):
    windows = make_windows(counts)
    assert windows.n_tokens == sum(counts)
    assert windows.first_token.tolist() == [0, *np.cumsum(counts)[:-1]]


# two Docs with 10 and 6 units
CONTEXT_WINDOWS = Windows(
    np.array([0, 0, 0, 1]), np.array([0, 3, 5, 0]), np.array([3, 5, 9, 5])
)
CONTEXT_UNITS = np.array([4, 2, 4, 6])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, [(0, 4), (4, 6), (6, 10), (10, 16)]),
        # one from each side; only from the right, or left, at the ends of the Doc
        (4, [(0, 4), (3, 7), (6, 10), (10, 16)]),
        (6, [(0, 6), (2, 8), (4, 10), (10, 16)]),
        # an odd number: one more from the right
        (5, [(0, 5), (3, 8), (5, 10), (10, 16)]),
        (100, [(0, 10), (0, 10), (0, 10), (10, 16)]),
    ],
)
def test_windows_are_extended_within_their_doc(size, expected):
    starts, ends = with_context(CONTEXT_WINDOWS, CONTEXT_UNITS, size)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == expected


def test_no_windows_have_no_context():
    none = np.zeros(0, dtype=np.int64)
    starts, ends = with_context(Windows(none, none, none), none, 4)
    assert (len(starts), len(ends)) == (0, 0)


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), max_size=4),
    st.integers(0, 30),
)
def test_context_has_the_size_unless_the_doc_is_shorter(docs, size):
    number = np.repeat(np.arange(len(docs)), [len(doc) for doc in docs])
    counts = np.array([n for doc in docs for n in doc], dtype=np.int64)
    zeros = np.zeros(len(counts), dtype=np.int64)
    starts, ends = with_context(Windows(number, zeros, zeros), counts, size)
    last = np.cumsum(counts)
    assert (starts <= last - counts).all()
    assert (ends >= last).all()
    for index, doc in enumerate(number):
        expected = max(counts[index], min(size, sum(docs[doc])))
        assert ends[index] - starts[index] == expected
