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

from ..annotations import DEFAULT_ATTR
from .comparison import KINDS, compare


def make_joint_scorer_v1() -> Callable[..., dict[str, Any]]:
    """spacy-jre.joint_scorer.v1

    The scores have the names of ``score_joint``, such as ``rel_f``. If the `attr` of
    the component is not "relations", it is their prefix, as in ``triples_rel_f``. So
    two components of a pipeline do not overwrite each other's scores.
    """
    return score_component


def score_component(
    examples: Iterable[Example], *, attr: str = DEFAULT_ATTR, **cfg: Any
) -> dict[str, Any]:
    """Score the Examples like ``score_joint``, with the names of ``score_name``."""
    scores = score_joint(examples, attr=attr, **cfg)
    return {score_name(name, attr): value for name, value in scores.items()}


def score_name(name: str, attr: str) -> str:
    """Get the name that a score has in the scores of a pipeline.

    name (str): A name of ``score_joint``.
    attr (str): Name of the relation extension of the component.
    RETURNS (str): The name itself for the default extension.
    """
    return name if attr == DEFAULT_ATTR else f"{attr}_{name}"


def with_plain_names(scores: dict[str, Any], attr: str) -> dict[str, Any]:
    """Give the scores of a component the names that ``score_joint`` uses.

    scores (dict[str, Any]): The scores of a pipeline.
    attr (str): Name of the relation extension of the component.
    RETURNS (dict[str, Any]): The scores. Those of another component of the pipeline
        that has these names are replaced.
    """
    prefix = score_name("", attr)
    plain = {
        name.removeprefix(prefix): value
        for name, value in scores.items()
        if name.startswith(prefix)
    }
    others = {n: value for n, value in scores.items() if not n.startswith(prefix)}
    return {**others, **plain}


def score_joint(
    examples: Iterable[Example],
    *,
    attr: str = DEFAULT_ATTR,
    symmetric: Iterable[str] = (),
    symmetric_twice: bool = False,
    **cfg: Any,
) -> dict[str, Any]:
    """Compare predicted Docs with reference Docs.

    examples (Iterable[Example]): The examples. An example is ignored for the scores of
        entities or relations if its reference has no such annotations.
    attr (str): Name of the relation extension.
    symmetric (Iterable[str]): Symmetric relation labels.
    symmetric_twice (bool): Whether a symmetric relation counts twice, once in each
        order, as in the papers of PL-Marker and LAI-Net. By default it counts once, as
        in SpERT's evaluator.
    RETURNS (dict[str, Any]): ``ents_*``, ``rel_*`` and ``rel_strict_*`` with ``p``,
        ``r``, ``f``, ``macro_p``, ``macro_r``, ``macro_f`` and ``per_type``. The values
        are None if no reference is annotated. Macro scores are means over the labels
        that occur in the gold annotations or the predictions.
    """
    undirected = frozenset(symmetric)
    tables: dict[str, dict[str, PRFScore] | None] = dict.fromkeys(KINDS)
    for example in examples:
        comparison = compare(
            example,
            attr=attr,
            symmetric=undirected,
            symmetric_twice=symmetric_twice,
        )
        for name in KINDS:
            counts = comparison.count(name)
            if counts is None:
                continue
            table = tables[name] = tables[name] or {}
            for label, (tp, fp, fn) in counts.items():
                table[label] = table.get(label, PRFScore()) + PRFScore(
                    tp=tp, fp=fp, fn=fn
                )
    scores: dict[str, Any] = {}
    for name in KINDS:
        scores.update(_summary(name, tables[name]))
    return scores


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
