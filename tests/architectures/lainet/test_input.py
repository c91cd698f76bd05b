"""The input of LAI-Net's encoder: passes, windows, graphs, pairs and annotations."""

from dataclasses import replace

import numpy as np
import pytest

from spacy_jre.architectures.bridge import all_spans
from spacy_jre.architectures.lainet.input import (
    Graphs,
    InputFormat,
    Texts,
    annotate,
    candidate_graphs,
    find_readable,
    pad_passes,
    pair_entities,
    relation_graphs,
    undo_order,
)
from spacy_jre.layers.partial_attention import ANNOTATION, MARKER, PADDING, TEXT
from spacy_jre.types import Windows

CLS, SEP, PAD = 1, 2, 0
ENTITY = InputFormat(
    prefix=[CLS],
    suffix=[SEP],
    annotations=[[31], [32, 33]],
    separator=SEP,
    markers=[90, 91],
    solid=[],
)
RELATION = InputFormat(
    prefix=[CLS],
    suffix=[SEP],
    annotations=[[34, 35]],
    separator=SEP,
    markers=[94, 95],
    solid=[92, 93],
)
PIECES = [10, 11, 12, 13]


def spans(*rows):
    return np.asarray(rows, dtype=np.int64).reshape(-1, 2)


def test_input_of_first_stage_follows_equation_5():
    one = ENTITY.make_pass(PIECES, spans((0, 1), (3, 3)))
    assert one.ids.tolist() == [
        *[CLS, 10, 11, 12, 13, SEP, 31, 32, 33, SEP],
        *[90, 90, 91, 91],
    ]
    # markers repeat the positions of their span's first and last piece
    assert one.positions.tolist() == [*range(10), 1, 4, 2, 4]
    assert one.kinds.tolist() == [TEXT] * 6 + [ANNOTATION] * 4 + [MARKER] * 4
    assert one.pairs.tolist() == [-1] * 10 + [0, 1, 0, 1]


def test_columns_of_first_stage_refer_to_pieces_and_markers():
    one = ENTITY.make_pass(PIECES, spans((0, 1), (3, 3)))
    # first and last piece, start and end marker
    assert one.spans.tolist() == [[1, 2, 10, 12], [4, 4, 11, 13]]
    assert one.annotations.tolist() == [[6, 6], [7, 8]]
    assert one.subject.shape == (0, 4)


def test_solid_markers_shift_the_tokens_after_them():
    one = RELATION.make_pass(PIECES, spans((0, 0), (2, 3)), np.asarray([1, 2]))
    assert one.ids.tolist() == [
        *[CLS, 10, 92, 11, 12, 93, 13, SEP, 34, 35, SEP],
        *[94, 94, 95, 95],
    ]
    # an object may overlap the subject
    assert one.positions.tolist() == [*range(11), 1, 4, 1, 6]
    assert one.kinds.tolist() == [TEXT] * 8 + [ANNOTATION] * 3 + [MARKER] * 4
    assert one.spans.tolist() == [[1, 1, 11, 13], [4, 6, 12, 14]]
    assert one.subject.tolist() == [[3, 4, 2, 5]]
    assert one.annotations.tolist() == [[8, 9]]


@pytest.mark.parametrize("first", range(4))
def test_solid_markers_enclose_every_subject(first):
    for last in range(first, 4):
        one = RELATION.make_pass(PIECES, spans((0, 3)), np.asarray([first, last]))
        start, end, opening, closing = one.subject[0]
        assert one.ids[opening] == 92
        assert one.ids[closing] == 93
        wanted = PIECES[first : last + 1]
        assert one.ids[opening + 1 : closing].tolist() == wanted
        assert one.ids[start : end + 1].tolist() == wanted
        whole = one.spans[0]
        assert one.ids[whole[:2]].tolist() == [10, 13]


def test_input_without_annotations_ends_with_the_text():
    form = InputFormat([CLS], [SEP], [], SEP, [90, 91], [])
    one = form.make_pass(PIECES, spans((0, 0)))
    assert one.ids.tolist() == [CLS, *PIECES, SEP, 90, 91]
    assert one.annotations.shape == (0, 2)
    assert form.n_fixed == 2


def test_positions_start_at_first_position():
    form = InputFormat([CLS], [SEP], [], SEP, [90, 91], [], first_position=2)
    one = form.make_pass(PIECES, spans((0, 3)))
    assert one.positions.tolist() == [2, 3, 4, 5, 6, 7, 3, 6]


def test_max_text_pieces_excludes_special_tokens_annotations_and_solid_markers():
    # [CLS], [SEP], three pieces, [SEP]
    assert ENTITY.n_fixed == 6
    assert ENTITY.max_text_pieces(max_length=50, max_positions=64) == 44
    assert ENTITY.max_text_pieces(max_length=100, max_positions=64) == 58
    assert RELATION.max_text_pieces(max_length=50, max_positions=64) == 45
    assert RELATION.max_text_pieces(max_length=100, max_positions=64) == 57
    assert ENTITY.max_text_pieces(max_length=5, max_positions=64) == -1


def test_padding_has_its_own_kind():
    passes = [
        ENTITY.make_pass([10], spans((0, 0))),
        ENTITY.make_pass(PIECES, spans((0, 0), (1, 3))),
    ]
    padded = pad_passes(passes, PAD)
    assert padded.ids.shape == (2, 14)
    assert (padded.ids[0, 9:] == PAD).all()
    assert (padded.kinds[0, 9:] == PADDING).all()
    assert (padded.pairs[0, 9:] == -1).all()
    assert not (padded.kinds[:, :9] == PADDING).any()
    assert padded.ids[1].tolist() == passes[1].ids.tolist()


def test_rows_of_padded_passes_match_each_pass():
    passes = [
        RELATION.make_pass([10], spans((0, 0)), np.asarray([0, 0])),
        RELATION.make_pass(PIECES, spans((0, 0), (1, 3)), np.asarray([1, 2])),
    ]
    padded = pad_passes(passes, PAD)
    ids = padded.ids.ravel()
    wanted = [p.ids[p.spans].tolist() for p in passes]
    assert ids[padded.spans].tolist() == [*wanted[0], *wanted[1]]
    wanted = [p.ids[p.annotations].tolist() for p in passes]
    assert ids[padded.annotations].tolist() == wanted
    wanted = [p.ids[p.subject[0]].tolist() for p in passes]
    assert ids[padded.subjects].tolist() == wanted


def test_passes_of_the_first_stage_have_no_subject():
    padded = pad_passes([ENTITY.make_pass(PIECES, spans((0, 0)))] * 2, PAD)
    assert padded.subjects.shape == (2, 0)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_undo_order_restores_the_original_order(order):
    outputs = [["a", "b"], ["c"], ["d", "e", "f"]]
    by_pass, by_span = undo_order(np.asarray(order), np.array([2, 1, 3]))
    assert [order[index] for index in by_pass] == [0, 1, 2]
    reordered = [output for number in order for output in outputs[number]]
    assert "".join(reordered[index] for index in by_span) == "abcdef"


# texts, graphs, pairs -----------------------------------------------------------------


@pytest.fixture
def texts():
    """Two windows: tokens of 2, 0, 1 and of 1, 3 pieces."""
    windows = Windows(np.array([0, 1]), np.array([0, 0]), np.array([3, 2]))
    pieces = [[10, 11, 12], [13, 14, 15, 16]]
    return Texts.of(windows, pieces, np.array([2, 0, 1, 1, 3]))


def test_span_pieces_are_first_and_last_piece(texts):
    actual = texts.span_pieces(
        spans((0, 1), (0, 2), (0, 3), (1, 3), (2, 3), (3, 5), (4, 5))
    )
    assert actual.tolist() == [
        *[[0, 1], [0, 1], [0, 2], [2, 2], [2, 2]],
        *[[0, 3], [1, 3]],
    ]


def test_last_piece_precedes_first_in_span_without_pieces(texts):
    ((first, last),) = texts.span_pieces(spans((1, 2))).tolist()
    assert last < first


def test_tokens_without_pieces_have_no_units(texts):
    assert texts.has_units.tolist() == [True, False, True, True, True]


def test_texts_are_not_split(texts):
    # the module limits the size of its own passes
    assert texts.split(1) == [texts]


def select_spans(texts, candidates):
    return candidates[find_readable(texts, candidates)].tolist()


def test_find_readable_returns_spans_with_pieces_at_both_ends_in_text_order(texts):
    every = all_spans(texts.windows, 3).spans
    # sorted by width; the second token of the first window has no pieces
    assert every.tolist() != sorted(every.tolist())
    actual = select_spans(texts, every)
    assert actual == [[0, 1], [0, 3], [2, 3], [3, 4], [3, 5], [4, 5]]
    assert select_spans(texts, all_spans(texts.windows, 2).spans) == [
        span for span in actual if span != [0, 3]
    ]


def test_find_readable_skips_span_with_a_token_without_pieces_at_an_end(texts):
    candidates = spans((1, 3), (0, 2), (1, 2), (2, 3))
    assert select_spans(texts, candidates) == [[2, 3]]


def test_find_readable_returns_nothing_without_candidates(texts):
    assert select_spans(texts, spans()) == []


def test_find_readable_returns_spans_with_distinct_pieces():
    windows = Windows(np.array([0]), np.array([0]), np.array([7]))
    sizes = np.array([0, 1, 0, 0, 2, 1, 0])
    texts = Texts.of(windows, [[10, 11, 12, 13]], sizes)
    actual = np.asarray(select_spans(texts, all_spans(windows, 7).spans))
    pieces = texts.span_pieces(actual).tolist()
    assert sorted(pieces) == [[0, 0], [0, 2], [0, 3], [1, 2], [1, 3], [3, 3]]


def test_windows_without_candidates_have_no_graph(texts):
    graphs = candidate_graphs(texts, spans((3, 4), (3, 5)))
    assert graphs.windows.tolist() == [1]
    assert [rows.tolist() for rows in graphs.spans] == [[[0, 0], [0, 3]]]
    graphs = candidate_graphs(texts, spans())
    assert (len(graphs.windows), graphs.spans) == (0, [])


@pytest.mark.parametrize(
    ("limit", "sizes"), [(220, [3, 2]), (3, [3, 2]), (2, [2, 1, 2]), (1, [1] * 5)]
)
def test_graph_with_many_spans_has_several_passes(texts, limit, sizes):
    rows = [spans((0, 0), (0, 2), (2, 2)), spans((0, 3), (1, 3))]
    graphs = Graphs(texts, np.array([0, 1]), rows, [None, None])
    passes, numbers = graphs.passes(ENTITY, limit)
    assert [len(p.spans) for p in passes] == sizes
    assert all(len(p.spans) <= limit for p in passes)
    first = [p.spans[:, :2] - 1 for p in passes]
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(rows))
    assert [numbers.tolist().count(g) for g in (0, 1)] == [
        -(-3 // limit),
        -(-2 // limit),
    ]


PLAIN = replace(ENTITY, annotations=[])


@pytest.mark.parametrize(
    ("size", "sizes"), [(1, [3, 2, 4]), (5, [5, 4]), (6, [5, 4]), (9, [9])]
)
def test_chunks_divide_between_graphs(texts, size, sizes):
    rows = [spans(*[(0, 0)] * n) for n in (3, 2, 4)]
    graphs = Graphs(texts, np.array([0, 1, 1]), rows, [None] * 3)
    chunks = graphs.chunks(PLAIN, 220, size)
    assert [sum(len(s) for s in chunk.spans) for chunk in chunks] == sizes
    assert np.concatenate([chunk.windows for chunk in chunks]).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("max_spans", "size", "sizes"),
    [
        # two annotations per pass, one pass per graph: 5 and 4 rows
        (220, 9, [5]),
        (220, 8, [3, 2]),
        # two passes and one pass: 7 and 4 rows
        (2, 11, [5]),
        (2, 10, [3, 2]),
    ],
)
def test_chunks_count_the_annotations_of_each_pass(texts, max_spans, size, sizes):
    rows = [spans(*[(0, 0)] * n) for n in (3, 2)]
    graphs = Graphs(texts, np.array([0, 1]), rows, [None] * 2)
    chunks = graphs.chunks(ENTITY, max_spans, size)
    assert [sum(len(s) for s in chunk.spans) for chunk in chunks] == sizes


def test_empty_input_has_no_chunks(texts):
    graphs = Graphs(texts, np.zeros(0, dtype=np.int64), [], [])
    assert graphs.chunks(ENTITY, 220, 5) == []


def test_pairs_of_a_window_are_sorted_by_subject():
    pairs = pair_entities(np.array([0, 0, 0, 2, 3, 3]))
    assert pairs.tolist() == [
        *[[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]],
        *[[4, 5], [5, 4]],
    ]


@pytest.mark.parametrize("windows", [[], [0], [0, 1, 5]])
def test_fewer_than_two_entities_have_no_pairs(windows):
    pairs = pair_entities(np.asarray(windows, dtype=np.int64))
    assert pairs.shape == (0, 2)
    assert pairs.dtype == np.int64


def test_each_subject_has_a_graph_with_its_objects(texts):
    entities = spans((0, 1), (2, 3), (3, 4), (3, 5), (4, 5))
    windows = np.array([0, 0, 1, 1, 1])
    graphs = relation_graphs(texts, entities, windows, pair_entities(windows))
    assert graphs.windows.tolist() == [0, 0, 1, 1, 1]
    subjects = [s.tolist() for s in graphs.subjects]
    assert subjects == [[0, 1], [2, 2], [0, 0], [0, 3], [1, 3]]
    assert [s.tolist() for s in graphs.spans[:3]] == [
        [[2, 2]],
        [[0, 1]],
        [[0, 3], [1, 3]],
    ]


def test_entity_without_pairs_has_no_graph(texts):
    entities = spans((0, 1), (2, 3), (3, 4), (4, 5))
    graphs = relation_graphs(texts, entities, np.array([0, 0, 1, 1]), spans((3, 2)))
    assert graphs.windows.tolist() == [1]
    assert [s.tolist() for s in graphs.subjects] == [[1, 3]]
    assert [s.tolist() for s in graphs.spans] == [[[0, 0]]]
    graphs = relation_graphs(texts, entities, np.array([0, 0, 1, 1]), spans())
    assert (len(graphs.windows), graphs.spans) == (0, [])


# annotations --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("PER", "per"),
        ("Work_For", "work for"),
        ("OrgBased_In", "org based in"),
        ("PART-WHOLE", "part whole"),
        ("usedFor", "used for"),
        ("HTMLPage", "html page"),
        ("Adverse Effect", "adverse effect"),
        ("药物", "药物"),
        ("-", "-"),
    ],
)
def test_label_is_split_into_words(label, words):
    assert annotate(label, {}) == words


def test_annotation_overrides_words_of_the_label():
    words = {"GPE": "geography political entity"}
    assert annotate("GPE", words) == "geography political entity"
