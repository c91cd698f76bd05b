from types import SimpleNamespace

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_jre.architectures.candidates import PairChooser, all_spans
from spacy_jre.architectures.windows import (
    WindowSettings,
    sentence_windows,
    split_windows,
    stride_windows,
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


# windows of several sentences ---------------------------------------------------------


def test_windows_of_two_sentences_overlap_by_one(nlp):
    docs = [make_doc(nlp, 9, {0, 3, 5}), make_doc(nlp, 2, {0})]
    windows = WindowSettings(2).make(docs)
    assert as_rows(windows) == [(0, 0, 5), (0, 3, 9), (1, 0, 2)]
    assert windows.repeated.tolist() == [0, 2, 0]
    assert windows.overlap


def test_window_of_more_sentences_than_the_doc_has_is_the_doc(nlp):
    windows = WindowSettings(4).make([make_doc(nlp, 9, {0, 3, 5})])
    assert as_rows(windows) == [(0, 0, 9)]
    assert not windows.overlap


def test_windows_of_one_sentence_are_the_sentences(nlp):
    docs = [make_doc(nlp, 5, {0, 3}), make_doc(nlp, 0)]
    assert as_rows(WindowSettings(1).make(docs)) == as_rows(sentence_windows(docs))


def test_window_of_a_doc_has_all_of_its_sentences(nlp):
    docs = [make_doc(nlp, 5, {0, 3}), make_doc(nlp, 0), make_doc(nlp, 2, {0, 1})]
    assert as_rows(WindowSettings("doc").make(docs)) == [(0, 0, 5), (2, 0, 2)]


def test_long_window_is_divided_into_windows_that_overlap_by_half():
    windows = stride_windows(make_windows([10, 3]), np.ones(13, dtype=np.int64), 4)
    assert as_rows(windows) == [(0, 0, 4), (0, 2, 6), (0, 4, 8), (0, 6, 10), (1, 0, 3)]
    assert windows.repeated.tolist() == [0, 2, 2, 2, 0]


def test_divided_window_that_another_one_contains_is_left_out():
    number = np.asarray([0, 0])
    windows = Windows(number, np.asarray([0, 4]), np.asarray([8, 10]))
    divided = stride_windows(windows, np.ones(14, dtype=np.int64), 4)
    assert as_rows(divided) == [(0, 0, 4), (0, 2, 6), (0, 4, 8), (0, 6, 10)]


sizes_of_docs = st.lists(
    st.lists(st.integers(0, 5), min_size=1, max_size=12), min_size=1, max_size=3
)


@given(sizes_of_docs, st.integers(5, 12))
@settings(max_examples=80, deadline=None)
def test_divided_windows_cover_all_tokens_within_the_limit(sizes, limit):
    flat = np.asarray([n for s in sizes for n in s], dtype=np.int64)
    windows = stride_windows(make_windows([len(s) for s in sizes]), flat, limit)
    rows = as_rows(windows)
    assert rows == sorted(rows)
    for doc, own in enumerate(sizes):
        ranges = [(start, end) for number, start, end in rows if number == doc]
        assert all(sum(own[start:end]) <= limit for start, end in ranges)
        ends = [end for _, end in ranges]
        assert ends == sorted(set(ends))
        # tokens that are at most half a window apart are in a common window
        for first in range(len(own)):
            for last in range(first, len(own)):
                if sum(own[first : last + 1]) <= limit // 2:
                    assert any(s <= first and last < e for s, e in ranges)


@st.composite
def overlapping_windows(draw):
    """Windows of 1 to 3 sentences, and the lengths of the Docs."""
    lengths = draw(
        st.lists(
            st.lists(st.integers(1, 4), min_size=1, max_size=5), min_size=1, max_size=3
        )
    )
    size = draw(st.integers(1, 3))
    nlp = spacy.blank("en")
    docs = [
        make_doc(nlp, sum(own), {0, *np.cumsum(own)[:-1].tolist()}) for own in lengths
    ]
    return WindowSettings(size).make(docs), [len(doc) for doc in docs]


@given(overlapping_windows())
@settings(max_examples=60, deadline=None)
def test_first_window_of_a_range_is_found(made):
    windows, lengths = made
    for doc, length in enumerate(lengths):
        for start in range(length):
            for end in range(start + 1, length + 1):
                inside = [
                    index
                    for index, row in enumerate(as_rows(windows))
                    if row[0] == doc and row[1] <= start and end <= row[2]
                ]
                (found,) = windows.find(np.asarray([[doc, start, end]]))
                assert found == (inside[0] if inside else -1)
                for index in inside:
                    shift = windows.first_token[index] - windows.start[index]
                    span = np.asarray([[start, end]]) + shift
                    assert windows.is_new(span) == [index == found]
                    assert windows.to_docs(span).tolist() == [[doc, start, end]]
                if inside:
                    batch = windows.to_batch(np.asarray([[doc, start, end]]))
                    assert windows.to_docs(batch).tolist() == [[doc, start, end]]
                    assert windows.token_window[batch[0, 0]] == found


@given(overlapping_windows())
@settings(max_examples=40, deadline=None)
def test_each_span_and_each_pair_is_a_candidate_once(made):
    windows, lengths = made
    ranges = np.asarray(
        [(doc, token, token + 1) for doc, n in enumerate(lengths) for token in range(n)]
    )
    spans = windows.to_docs(all_spans(windows, 1).spans).tolist()
    assert sorted(spans) == ranges.tolist()
    part = SimpleNamespace(
        windows=windows, has_units=np.ones(windows.n_tokens, dtype=bool)
    )
    choose = PairChooser(ranges)
    candidates = choose(part)
    _, pairs = choose.expand(candidates.pairs)
    expected = {
        (int(first), int(second))
        for first in range(len(ranges))
        for second in range(len(ranges))
        if first != second
        and any(
            ranges[first, 0] == ranges[second, 0] == doc
            and min(ranges[first, 1], ranges[second, 1]) >= start
            and max(ranges[first, 2], ranges[second, 2]) <= end
            for doc, start, end in as_rows(windows)
        )
    }
    assert len(pairs) == len(expected)
    assert set(map(tuple, pairs.tolist())) == expected


@given(overlapping_windows(), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_parts_of_overlapping_windows_find_the_same_pairs(made, size):
    windows, lengths = made
    ranges = np.asarray(
        [(doc, token, token + 1) for doc, n in enumerate(lengths) for token in range(n)]
    )

    def pairs_of(cuts):
        choose, pairs, n_spans = PairChooser(ranges), [], 0
        for first in range(0, len(windows.doc), cuts):
            part = windows.part(slice(first, first + cuts))
            has_units = np.ones(part.n_tokens, dtype=bool)
            candidates = choose(SimpleNamespace(windows=part, has_units=has_units))
            pairs.append(candidates.pairs + n_spans)
            n_spans += len(candidates.spans)
        return choose.expand(np.concatenate(pairs))[1].tolist()

    assert sorted(pairs_of(size)) == sorted(pairs_of(len(windows.doc)))
