"""Errors by cause, with examples."""

from collections.abc import Sequence
from dataclasses import dataclass

from .outcomes import (
    FALSE_ENTITY_CAUSES,
    FALSE_RELATION_CAUSES,
    MISSED_ENTITY_CAUSES,
    MISSED_RELATION_CAUSES,
    DocumentOutcome,
    EntityOutcome,
    Kind,
    RelationOutcome,
    SpanRef,
)

MAX_EXAMPLES = 3
MAX_TEXT = 60

CAUSES: dict[str, dict[Kind, tuple[str, ...]]] = {
    "entities": {"missed": MISSED_ENTITY_CAUSES, "false": FALSE_ENTITY_CAUSES},
    "relations": {"missed": MISSED_RELATION_CAUSES, "false": FALSE_RELATION_CAUSES},
}


@dataclass(frozen=True)
class ErrorExample:
    """An error.

    doc (int): Number of the Doc in the data, from 0.
    text (str): The entity or relation, such as ``Ada (PER) -works_for-> Lima (ORG)``.
        For a wrong entity that overlaps another one, also the other one.
    """

    doc: int
    text: str


@dataclass(frozen=True)
class ErrorGroup:
    """The errors with one cause.

    kind (str): "missed" or "false".
    cause (str): See ``EntityOutcome`` and ``RelationOutcome``.
    count (int): Number of errors.
    examples (list[ErrorExample]): The first ones.
    """

    kind: Kind
    cause: str
    count: int
    examples: list[ErrorExample]


def group_errors(documents: Sequence[DocumentOutcome]) -> dict[str, list[ErrorGroup]]:
    """Count the errors of each cause, including causes without errors.

    documents (Sequence[DocumentOutcome]): The outcomes of all Docs.
    RETURNS (dict[str, list[ErrorGroup]]): "entities" and "relations", in a fixed order.
    """
    groups = {}
    for name, kinds in CAUSES.items():
        found: dict[tuple[Kind, str], tuple[list[int], list[ErrorExample]]] = {
            (kind, cause): ([0], [])
            for kind, causes in kinds.items()
            for cause in causes
        }
        for number, document in enumerate(documents):
            for outcome in getattr(document, name):
                if outcome.kind == "hit":
                    continue
                count, examples = found[outcome.kind, outcome.cause]
                count[0] += 1
                if len(examples) < MAX_EXAMPLES:
                    text = describe(document.text, outcome)
                    examples.append(ErrorExample(number, text))
        groups[name] = [
            ErrorGroup(kind, cause, count[0], examples)
            for (kind, cause), (count, examples) in found.items()
        ]
    return groups


def describe(text: str, outcome: EntityOutcome | RelationOutcome) -> str:
    """Describe an outcome on one line.

    text (str): The text of the gold Doc.
    outcome (EntityOutcome | RelationOutcome): The outcome.
    RETURNS (str): The description.
    """
    if isinstance(outcome, RelationOutcome):
        head, tail = _span(text, outcome.head), _span(text, outcome.tail)
        return f"{head} -{outcome.label}-> {tail}"
    if outcome.gold is None or outcome.predicted is None:
        own = outcome.gold or outcome.predicted
        assert own is not None
        return _span(text, own)
    gold, predicted = _span(text, outcome.gold), _span(text, outcome.predicted)
    return f"gold {gold}, predicted {predicted}"


def _span(text: str, span: SpanRef) -> str:
    words = " ".join(text[span.start : span.end].split())
    if len(words) > MAX_TEXT:
        words = words[: MAX_TEXT - 3].rstrip() + "..."
    return f"{words} ({span.label})"
