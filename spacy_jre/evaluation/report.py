"""The report of `spacy jre evaluate`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from spacy.training import Example

from ..annotations import stored_entities
from ..scoring.comparison import KINDS, Comparison, EntityRow, compare
from ..scoring.scorer import score_joint
from ..scoring.thresholds import LabelScores, Thresholds, join_labels
from .bootstrap import (
    RESAMPLES,
    Difference,
    Intervals,
    bootstrap_intervals,
    compare_tables,
)
from .buckets import Bucket, make_buckets
from .causes import ErrorGroup, group_errors
from .confusion import Confusion, confuse_entities, confuse_relations
from .counts import count_documents
from .curves import Calibration, Curve, calibrate, precision_recall
from .outcomes import DocumentOutcome, outcomes_of


@dataclass(frozen=True)
class Bootstrap:
    """How the documents were resampled.

    seed (int): Random seed.
    resamples (int): Number of resamples.
    documents (int): Number of documents. The Docs of one document are drawn together.
    """

    seed: int
    resamples: int
    documents: int


@dataclass(frozen=True)
class GivenEntities:
    """Scores of the relations that are predicted between the gold entities.

    scores (dict[str, Any]): ``rel_*`` and ``rel_strict_*`` of the scorer.
    n_skipped (int): Number of gold entities that do not match the tokens of the
        pipeline. Relations with them are missed.
    """

    scores: dict[str, Any]
    n_skipped: int


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall of strict relations over thresholds.

    lowest (float): Relations with a lower score are not included.
    micro (Curve): All labels, with the same threshold.
    per_type (dict[str, Curve]): Each label.
    """

    lowest: float
    micro: Curve
    per_type: dict[str, Curve]


@dataclass(frozen=True)
class CalibrationReport:
    """Whether the scores are probabilities.

    entities (Calibration): The predicted entities.
    relations (Calibration): The relations that reach the thresholds. Correct: strictly.
    scored_relations (Calibration): All relations of ``PrecisionRecall``, most of which
        have low scores.
    """

    entities: Calibration
    relations: Calibration
    scored_relations: Calibration


@dataclass(frozen=True)
class ComparedModel:
    """The scores of another model on the same data, and the differences.

    model (str): Name or path of the other model.
    scores (dict[str, Any]): Its ``ents_*``, ``rel_*`` and ``rel_strict_*``.
    differences (dict[str, Difference]): By the names of the scores, such as "rel_f" and
        "rel_macro_f".
    per_type (dict[str, dict[str, Difference]]): The differences in the F1 of each
        label, by "ents", "rel" and "rel_strict".
    """

    model: str
    scores: dict[str, Any]
    differences: dict[str, Difference]
    per_type: dict[str, dict[str, Difference]]


@dataclass(frozen=True)
class Report:
    """The result of an evaluation.

    model, data (str): What was evaluated.
    n_docs (int): Number of Docs.
    scores (dict[str, Any]): The scores of ``nlp.evaluate``.
    symmetric_twice (dict[str, Any] | None): ``rel_*`` and ``rel_strict_*`` if symmetric
        relations count twice. None without symmetric labels.
    bootstrap (Bootstrap): The settings of the intervals.
    intervals (dict[str, Intervals]): By "ents", "rel" and "rel_strict", without those
        that are not annotated.
    given_entities (GivenEntities): Relation scores between gold entities.
    errors (dict[str, list[ErrorGroup]]): "entities" and "relations", by cause.
    buckets (dict[str, list[Bucket]]): See ``make_buckets``.
    confusion (dict[str, Confusion | None]): "entities" and "relations".
    precision_recall (PrecisionRecall): The curves.
    calibration (CalibrationReport): The reliability curves.
    compared_with (ComparedModel | None): The other model, if there is one.
    lang (str): Language code of the pipeline.
    """

    model: str
    data: str
    n_docs: int
    scores: dict[str, Any]
    symmetric_twice: dict[str, Any] | None
    bootstrap: Bootstrap
    intervals: dict[str, Intervals]
    given_entities: GivenEntities
    errors: dict[str, list[ErrorGroup]]
    buckets: dict[str, list[Bucket]]
    confusion: dict[str, Confusion | None]
    precision_recall: PrecisionRecall
    calibration: CalibrationReport
    compared_with: ComparedModel | None = None
    lang: str = ""

    def as_json(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The scores, and all other fields by their names."""
        fields = asdict(self)
        return {**fields.pop("scores"), **fields}


@dataclass(frozen=True)
class Predicted:
    """The predictions of a pipeline.

    model (str): Name or path of the pipeline.
    examples (list[Example]): Gold and predicted Docs.
    scores (dict[str, Any]): The scores of ``nlp.evaluate``.
    attr (str): Name of the relation extension.
    table (dict[str, LabelScores]): The scored relations by label, including those below
        the thresholds.
    lowest (float): The lowest score in `table`.
    thresholds (Thresholds): The thresholds.
    given (GivenEntities): The scores of relations between gold entities.
    lang (str): Language code of the pipeline.
    """

    model: str
    examples: list[Example]
    scores: dict[str, Any]
    attr: str
    table: dict[str, LabelScores]
    lowest: float
    thresholds: Thresholds
    given: GivenEntities
    lang: str = ""


def make_report(
    predicted: Predicted,
    *,
    data: str,
    symmetric: Iterable[str] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
    other: Predicted | None = None,
) -> tuple[Report, list[DocumentOutcome]]:
    """Evaluate predictions.

    predicted (Predicted): The predictions.
    data (str): Name of the data.
    symmetric (Iterable[str]): Symmetric relation labels, also of the other model.
    seed (int): Random seed of the bootstrap.
    resamples (int): Number of resamples.
    other (Predicted | None): The predictions of another model for the same data.
    RETURNS (tuple[Report, list[DocumentOutcome]]): The report, and the outcomes of each
        Doc.
    """
    undirected = frozenset(symmetric)
    comparisons = _compare_all(predicted, undirected)
    outcomes = [outcomes_of(comparison) for comparison in comparisons]
    references = [example.reference for example in predicted.examples]
    documents = number_documents(outcomes)
    tables = {kind: count_documents(comparisons, documents, kind) for kind in KINDS}
    compared = None
    if other is not None:
        others = _compare_all(other, undirected)
        scores = score_joint(other.examples, attr=other.attr, symmetric=undirected)
        differences: dict[str, Difference] = {}
        per_type = {}
        for kind, table in tables.items():
            other_table = count_documents(others, documents, kind)
            if table is None or other_table is None:
                continue
            summary, per_type[kind] = compare_tables(
                table, other_table, seed=seed, resamples=resamples
            )
            differences |= {f"{kind}_{name}": one for name, one in summary.items()}
        compared = ComparedModel(other.model, scores, differences, per_type)
    report = Report(
        model=predicted.model,
        data=data,
        n_docs=len(references),
        scores=predicted.scores,
        symmetric_twice=_symmetric_twice(predicted, undirected),
        bootstrap=Bootstrap(seed, resamples, int(documents.max(initial=-1)) + 1),
        intervals={
            kind: bootstrap_intervals(table, seed=seed, resamples=resamples)
            for kind, table in tables.items()
            if table is not None
        },
        given_entities=predicted.given,
        errors=group_errors(outcomes),
        buckets=make_buckets(list(zip(references, outcomes, strict=True))),
        confusion={
            "entities": confuse_entities(comparisons),
            "relations": confuse_relations(comparisons),
        },
        precision_recall=PrecisionRecall(
            predicted.lowest,
            precision_recall(join_labels(predicted.table)),
            {
                label: precision_recall(entry)
                for label, entry in sorted(predicted.table.items())
            },
        ),
        calibration=_calibrate_all(predicted, comparisons),
        compared_with=compared,
        lang=predicted.lang,
    )
    return report, outcomes


def number_documents(outcomes: Sequence[DocumentOutcome]) -> np.ndarray:
    """Number the documents in order.

    outcomes (Sequence[DocumentOutcome]): The outcomes of the Docs. Docs with the same
        ``doc_id`` belong together, a Doc without is a document of its own.
    RETURNS (ndarray): The number of the document of each Doc. Shape: (N,).
    """
    numbers: dict[object, int] = {}
    return np.asarray(
        [
            numbers.setdefault(outcome.doc_id or position, len(numbers))
            for position, outcome in enumerate(outcomes)
        ],
        dtype=np.int64,
    )


def relation_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The scores of the scorer without those of entities."""
    return {name: value for name, value in scores.items() if name.startswith("rel_")}


def _compare_all(predicted: Predicted, symmetric: frozenset[str]) -> list[Comparison]:
    return [
        compare(example, attr=predicted.attr, symmetric=symmetric)
        for example in predicted.examples
    ]


def _symmetric_twice(
    predicted: Predicted, symmetric: frozenset[str]
) -> dict[str, Any] | None:
    if not symmetric:
        return None
    scores = score_joint(
        predicted.examples,
        attr=predicted.attr,
        symmetric=symmetric,
        symmetric_twice=True,
    )
    return relation_scores(scores)


def _calibrate_all(
    predicted: Predicted, comparisons: Sequence[Comparison]
) -> CalibrationReport:
    reached = LabelScores()
    for label, entry in predicted.table.items():
        kept = entry.reach(predicted.thresholds.of(label))
        reached.scores += [score for score, keep in zip(entry.scores, kept) if keep]
        reached.correct += [one for one, keep in zip(entry.correct, kept) if keep]
    scored = join_labels(predicted.table)
    entities = LabelScores()
    for example, comparison in zip(predicted.examples, comparisons, strict=True):
        if comparison.knows_entities:
            for row, score in _entity_scores(example, comparison, predicted.attr):
                entities.scores.append(score)
                entities.correct.append(row in comparison.gold_entities)
    return CalibrationReport(
        *(
            calibrate(entry.scores, entry.correct)
            for entry in (entities, reached, scored)
        )
    )


def _entity_scores(
    example: Example, comparison: Comparison, attr: str
) -> list[tuple[EntityRow, float]]:
    best: dict[EntityRow, float] = {}
    address = comparison.alignment.predicted_address
    for entity in stored_entities(example.predicted, attr) or ():
        row = (*address(entity[:3]), entity.label)
        best[row] = max(entity.score, best.get(row, entity.score))
    return list(best.items())
