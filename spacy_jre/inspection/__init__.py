"""Look at a corpus before training on it: figures, findings, samples.

``passage`` reads one Doc the way a component meets it, ``figures`` counts, ``repeats``
compares texts, ``samples`` chooses some, ``findings`` judges.
"""

from .figures import Inspection, compare_with, inspect_split
from .finding import Finding, percent
from .findings import judge
from .passage import Settings
from .repeats import Leak, find_leaks
from .samples import choose_samples, render_sample

__all__ = [
    "Finding",
    "Inspection",
    "Leak",
    "Settings",
    "choose_samples",
    "compare_with",
    "find_leaks",
    "inspect_split",
    "judge",
    "percent",
    "render_sample",
]
