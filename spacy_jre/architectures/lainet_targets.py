"""What LAI-Net's candidates and pairs are in the gold."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..types import GoldArrays
from .lainet_input import Texts


def candidate_targets(gold: GoldArrays, spans: np.ndarray) -> tuple[np.ndarray, int]:
    """The entity column of each candidate; 0 where it is no gold entity.

    spans (ndarray): By place. Shape: (S, 2).
    RETURNS (tuple[ndarray, int]): Columns, shape: (S,); and the gold entities that are
        no candidates.
    """
    scale = 1 + max(spans.max(initial=0), gold.spans.max(initial=0))
    keys = spans[:, 0] * scale + spans[:, 1]
    wanted = gold.spans[:, 0] * scale + gold.spans[:, 1]
    found = np.isin(wanted, keys)
    targets = np.zeros(len(spans), dtype=np.int64)
    targets[np.searchsorted(keys, wanted[found])] = gold.labels[found]
    unreached = gold.knows_entities[gold.windows] & ~found
    return targets, int(unreached.sum())


class Arguments(NamedTuple):
    """The gold entities that the second stage reads.

    entities (ndarray): Positions in the gold, by place in the text. Shape: (N,).
    relations (ndarray): Head and tail as positions in these, and the label, from 0.
        Shape: (M, 3).
    unread (int): Relations with an argument that has no wordpiece.
    """

    entities: np.ndarray
    relations: np.ndarray
    unread: int


def find_arguments(gold: GoldArrays, texts: Texts) -> Arguments:
    """Gold that is no candidate of the first stage is an argument all the same, if
    only it has pieces."""
    pieces = texts.span_pieces(gold.spans)
    known = gold.knows_relations[gold.windows]
    entities = np.flatnonzero(known & (pieces[:, 0] <= pieces[:, 1]))
    # windows follow the text
    order = np.lexsort((gold.spans[entities, 1], gold.spans[entities, 0]))
    entities = entities[order]
    places = np.full(len(gold.spans), -1, dtype=np.int64)
    places[entities] = np.arange(len(entities))
    relations = gold.relations[known[gold.relations[:, 0]]]
    relations = np.column_stack([places[relations[:, :2]], relations[:, 2]])
    is_read = (relations >= 0).all(axis=1)
    return Arguments(entities, relations[is_read], int((~is_read).sum()))


def pair_targets(
    relations: np.ndarray, pairs: np.ndarray, mirrors: Sequence[int]
) -> tuple[np.ndarray, int]:
    """The relation column of each ordered pair (section 3.5, appendix B.9).

    A relation labels its pair, and its mirror the other order. Of several relations
    of two entities one is learnt, so that both orders can agree on it: the first in
    label order; of one label in both directions, that whose head comes first.

    relations (ndarray): Head and tail, numbered by their place in the text, and the
        label, from 0. Shape: (M, 3).
    pairs (ndarray): Both orders of each pair. Shape: (P, 2).
    mirrors (Sequence[int]): See ``mirror_columns``.
    RETURNS (tuple[ndarray, int]): Columns, 0 for none, shape: (P,); and how many two
        entities have several relations.
    """
    # by head and tail in text order, as the first of them sees the other
    columns: dict[tuple[int, int], set[int]] = {}
    for head, tail, label in relations.tolist():
        if head < tail:
            columns.setdefault((head, tail), set()).add(1 + label)
        else:
            columns.setdefault((tail, head), set()).add(mirrors[1 + label])
    # a twin ranks as its label, and comes after it
    chosen = {
        pair: min(found, key=lambda column: (min(column, mirrors[column]), column))
        for pair, found in columns.items()
    }
    targets = [
        chosen.get((i, j), 0) if i < j else mirrors[chosen.get((j, i), 0)]
        for i, j in pairs.tolist()
    ]
    doubled = sum(len(found) > 1 for found in columns.values())
    return np.asarray(targets, dtype=np.int64), doubled
