"""What a pipeline gets right and wrong, and why. See docs/evaluation.md."""

from .outcomes import (
    DocumentOutcome,
    EntityOutcome,
    RelationOutcome,
    SpanRef,
    compare_docs,
)
from .report import Report

__all__ = [
    "DocumentOutcome",
    "EntityOutcome",
    "RelationOutcome",
    "Report",
    "SpanRef",
    "compare_docs",
]
