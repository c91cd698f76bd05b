"""Precision, recall and F1 of entities and relations.

Source: Bekoulis et al. (2018), section 4.2 ("boundaries" and "strict"), as implemented
in SpERT's evaluator. An entity is correct if its boundaries and type are correct. A
relation is correct ("rel") if its label and the boundaries of both entities are
correct, and strictly correct ("rel_strict") if both entity types are correct, too. Gold
annotations that are not predicted are false negatives. Duplicates count once. The order
of the entities of a symmetric relation is ignored.
"""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.scorer import PRFScore
from spacy.training import Example

from ..annotations import DEFAULT_ATTR, read_gold
from ..annotations.align import TextAlignment
from ..annotations.gold import SpanKey

# addresses and entity labels of head and tail, label
StrictRow = tuple[Any, str, Any, str, str]


def make_joint_scorer_v1() -> Callable[..., dict[str, Any]]:
    """spacy-jre.joint_scorer.v1"""
    return score_joint


def score_joint(
    examples: Iterable[Example],
    *,
    attr: str = DEFAULT_ATTR,
    symmetric: Iterable[str] = (),
    **cfg: Any,
) -> dict[str, Any]:
    """Compare predicted Docs with reference Docs.

    examples (Iterable[Example]): The examples. An example is ignored for the scores of
        entities or relations if its reference has no such annotations.
    attr (str): Name of the relation extension.
    symmetric (Iterable[str]): Symmetric relation labels.
    RETURNS (dict[str, Any]): ``ents_*``, ``rel_*`` and ``rel_strict_*`` with ``p``,
        ``r``, ``f``, ``macro_p``, ``macro_r``, ``macro_f`` and ``per_type``. The values
        are None if no reference is annotated. Macro scores are means over the labels
        that occur in the gold annotations or the predictions.
    """
    undirected = frozenset(symmetric)
    tables: dict[str, dict[str, PRFScore]] = {"ents": {}, "rel": {}, "rel_strict": {}}
    annotated = {"ents": False, "rel": False, "rel_strict": False}
    for example in examples:
        gold = read_gold(example.reference, attr=attr, symmetric=undirected)
        predicted = read_gold(example.predicted, attr=attr, symmetric=undirected)
        alignment = TextAlignment(example)
        at, gold_at = alignment.predicted_address, alignment.address
        pairs: list[tuple[str, set[tuple[Any, ...]], set[tuple[Any, ...]]]] = []
        if gold.knows_entities:
            pairs.append(
                (
                    "ents",
                    {(*at(key), key[2]) for key in predicted.entities},
                    {(*gold_at(key), key[2]) for key in gold.entities},
                )
            )
        if gold.knows_relations:
            triples, gold_triples = predicted.relations, gold.relations
            pairs.append(
                (
                    "rel",
                    {(at(h), at(t), label) for h, t, label in triples},
                    {(gold_at(h), gold_at(t), label) for h, t, label in gold_triples},
                )
            )
            pairs.append(
                (
                    "rel_strict",
                    {strict_row(triple, at) for triple in triples},
                    {strict_row(triple, gold_at) for triple in gold_triples},
                )
            )
        for name, candidates, references in pairs:
            annotated[name] = True
            for label in {row[-1] for row in candidates | references}:
                score = tables[name].setdefault(label, PRFScore())
                score.score_set(
                    {row for row in candidates if row[-1] == label},
                    {row for row in references if row[-1] == label},
                )
    scores: dict[str, Any] = {}
    for name, table in tables.items():
        scores.update(_summary(name, table if annotated[name] else None))
    return scores


def strict_row(
    triple: tuple[SpanKey, SpanKey, str], address: Callable[[SpanKey], Any]
) -> StrictRow:
    """Get what has to be equal for a strictly correct relation.

    triple (tuple): Head, tail and label.
    address (Callable): Gets the address of an entity, see ``TextAlignment``.
    """
    head, tail, label = triple
    return (address(head), head[2], address(tail), tail[2], label)


def _summary(name: str, table: dict[str, PRFScore] | None) -> dict[str, Any]:
    if table is None:
        keys = ("p", "r", "f", "macro_p", "macro_r", "macro_f", "per_type")
        return {f"{name}_{key}": None for key in keys}
    micro = PRFScore()
    for score in table.values():
        micro += score
    per_type = {label: table[label].to_dict() for label in sorted(table)}
    scores: dict[str, Any] = {f"{name}_{k}": v for k, v in micro.to_dict().items()}
    for key in ("p", "r", "f"):
        values = [row[key] for row in per_type.values()]
        scores[f"{name}_macro_{key}"] = sum(values) / len(values) if values else 0.0
    scores[f"{name}_per_type"] = per_type
    return scores
