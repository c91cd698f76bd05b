"""Check the figures of a corpus: errors, warnings and advice.

An error stops the training, or makes part of it useless. A warning means lower or
misleading scores. Advice is worth checking.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from .data_checks import (
    check_arguments,
    check_overlaps,
    check_repeats,
    check_sentences,
    check_widths,
    check_windows,
    check_zeros,
)
from .finding import Finding, Level, Splits
from .label_checks import (
    check_constraints,
    check_directions,
    check_label_counts,
    check_label_settings,
    check_labels,
    check_similar_labels,
)
from .passage import Settings

CHECKS: tuple[Callable[[Splits, Settings], Iterator[Finding]], ...] = (
    check_labels,
    check_label_settings,
    check_label_counts,
    check_similar_labels,
    check_constraints,
    check_arguments,
    check_zeros,
    check_overlaps,
    check_widths,
    check_sentences,
    check_windows,
    check_repeats,
    check_directions,
)


def collect_findings(
    splits: Splits, settings: Settings, others: Sequence[Finding] = ()
) -> list[Finding]:
    """Run all checks.

    splits (Mapping): Name of the split -> figures. "train" is required.
    settings (Settings): The settings that the figures were computed with.
    others (Sequence[Finding]): Findings of other checks, which are added.
    RETURNS (list[Finding]): Errors first, then warnings, then advice.
    """
    findings = [finding for check in CHECKS for finding in check(splits, settings)]
    order = {level: rank for rank, level in enumerate(get_args(Level))}
    return sorted([*others, *findings], key=lambda finding: order[finding.level])
