import numpy as np
import pytest
import torch

from spacy_jre.architectures.lainet_input import Texts
from spacy_jre.architectures.lainet_targets import (
    candidate_targets,
    find_arguments,
    pair_targets,
)
from spacy_jre.networks.lainet import agree_both, mirror_columns
from spacy_jre.types import GoldArrays, Windows


def rows(*values, width=2):
    return np.asarray(values, dtype=np.int64).reshape(-1, width)


def make_gold(spans, labels, **changes) -> GoldArrays:
    """Of one window that was annotated."""
    settings = {
        "spans": rows(*spans),
        "labels": np.asarray(labels, dtype=np.int64),
        "windows": np.zeros(len(labels), dtype=np.int64),
        "relations": rows(width=3),
        "knows_entities": np.array([True]),
        "knows_relations": np.array([True]),
    }
    return GoldArrays(**{**settings, **changes})


# entities -----------------------------------------------------------------------------

SPANS = rows((0, 1), (0, 2), (1, 2), (1, 3), (2, 3))


def test_candidates_get_the_column_of_their_gold():
    gold = make_gold([(1, 3), (0, 3), (0, 1)], [2, 1, 3])
    targets, _ = candidate_targets(gold, SPANS)
    assert targets.tolist() == [3, 0, 0, 2, 0]


def test_gold_that_is_no_candidate_is_counted():
    gold = make_gold([(1, 3), (0, 3), (9, 10)], [2, 1, 3])
    assert candidate_targets(gold, SPANS)[1] == 2


def test_arguments_of_a_window_without_known_entities_are_not_counted():
    gold = make_gold([(0, 3)], [1], knows_entities=np.array([False]))
    assert candidate_targets(gold, SPANS)[1] == 0


def test_without_candidates_all_gold_is_counted():
    targets, unreached = candidate_targets(make_gold([(0, 1)], [1]), rows())
    assert targets.shape == (0,)
    assert unreached == 1


# arguments ----------------------------------------------------------------------------

RELATIONS = rows((0, 1, 5), (1, 2, 6), width=3)


@pytest.fixture
def texts():
    """One window, whose tokens have 1, 0, 2 and 1 pieces."""
    windows = Windows(np.array([0]), np.array([0]), np.array([4]))
    return Texts.of(windows, [[10, 11, 12, 13]], np.array([1, 0, 2, 1]))


def test_arguments_are_numbered_by_their_place_in_the_text(texts):
    gold = make_gold([(3, 4), (0, 1), (2, 4)], [1, 2, 3], relations=RELATIONS)
    found = find_arguments(gold, texts)
    assert found.entities.tolist() == [1, 2, 0]
    assert found.relations.tolist() == [[2, 0, 5], [0, 1, 6]]
    assert found.unread == 0


def test_argument_without_pieces_takes_its_relations_along(texts):
    gold = make_gold([(1, 2), (0, 2), (3, 4)], [1, 2, 3], relations=RELATIONS)
    found = find_arguments(gold, texts)
    # a blank at an end is no hindrance
    assert found.entities.tolist() == [1, 2]
    assert found.relations.tolist() == [[0, 1, 6]]
    assert found.unread == 1


def test_unknown_relations_have_no_arguments_and_lose_nothing(texts):
    gold = make_gold(
        [(1, 2), (0, 1), (3, 4)],
        [1, 2, 3],
        relations=RELATIONS,
        knows_relations=np.array([False]),
    )
    found = find_arguments(gold, texts)
    assert (len(found.entities), len(found.relations), found.unread) == (0, 0, 0)


# pairs --------------------------------------------------------------------------------

PAIRS = rows((0, 1), (1, 0), (0, 2), (2, 0))
# none, a, b (symmetric), c, twin of a, twin of c
MIRRORS = mirror_columns(3, [1])


@pytest.mark.parametrize(
    ("relations", "targets", "doubled"),
    [
        ([], [0, 0, 0, 0], 0),
        ([(0, 1, 0)], [1, 4, 0, 0], 0),
        ([(1, 0, 2)], [5, 3, 0, 0], 0),
        # a symmetric label mirrors itself, and is one relation in either direction
        ([(0, 2, 1)], [0, 0, 2, 2], 0),
        ([(0, 2, 1), (2, 0, 1)], [0, 0, 2, 2], 0),
        # several relations: the first in label order, in whatever direction
        ([(0, 1, 2), (0, 1, 0)], [1, 4, 0, 0], 1),
        ([(0, 1, 2), (1, 0, 0)], [4, 1, 0, 0], 1),
        ([(1, 0, 1), (0, 1, 2)], [2, 2, 0, 0], 1),
        ([(0, 1, 0), (0, 1, 1), (2, 0, 0)], [1, 4, 4, 1], 1),
        # of one label in both directions, that whose head comes first
        ([(1, 0, 2), (0, 1, 2)], [3, 5, 0, 0], 1),
    ],
)
def test_pairs_get_one_relation_and_the_other_order_its_mirror(
    relations, targets, doubled
):
    found, count = pair_targets(rows(*relations, width=3), PAIRS, MIRRORS)
    assert found.tolist() == targets
    assert count == doubled


def test_both_orders_agree_on_whatever_is_learnt():
    every = [(h, t, r) for h in range(2) for t in range(2) for r in range(3) if h != t]
    mirrors = torch.tensor(MIRRORS)
    for first in every:
        for second in every:
            table = rows(first, second, width=3)
            ahead, back = pair_targets(table, PAIRS[:2], MIRRORS)[0]
            logs = torch.eye(len(MIRRORS)).log()
            columns, _ = agree_both(logs[[ahead]], logs[[back]], mirrors)
            assert columns.tolist() == [ahead]
