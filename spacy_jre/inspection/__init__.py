"""Inspect a corpus before training: figures, findings and samples.

``passage`` reads a Doc with the tokens and windows that a component gets, ``figures``
counts, ``repeats`` compares texts, ``samples`` selects sentences, and ``findings``
reports problems.
"""

from .figures import Inspection, compare_with, inspect_split
from .finding import Finding, percent, ratio
from .findings import collect_findings
from .passage import Settings
from .reach import Reach
from .repeats import Leak, find_leaks
from .samples import choose_samples, render_sample

__all__ = [
    "Finding",
    "Inspection",
    "Leak",
    "Reach",
    "Settings",
    "choose_samples",
    "collect_findings",
    "compare_with",
    "find_leaks",
    "inspect_split",
    "percent",
    "ratio",
    "render_sample",
]
