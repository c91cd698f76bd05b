"""Judge the figures of a corpus: errors, warnings and advice.

An error stops the training, or makes a part of it pointless. A warning costs scores, or
makes them say something else than they seem to. Advice is worth a look.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from .data_checks import (
    check_arguments,
    check_repeats,
    check_sentences,
    check_widths,
    check_zeros,
)
from .finding import Finding, Level, Splits
from .label_checks import (
    check_directions,
    check_label_counts,
    check_label_settings,
    check_labels,
)
from .passage import Settings

CHECKS: tuple[Callable[[Splits, Settings], Iterator[Finding]], ...] = (
    check_labels,
    check_label_settings,
    check_label_counts,
    check_arguments,
    check_zeros,
    check_widths,
    check_sentences,
    check_repeats,
    check_directions,
)


def judge(
    splits: Splits, settings: Settings, others: Sequence[Finding] = ()
) -> list[Finding]:
    """
    splits (Mapping): Name -> figures; has "train".
    settings (Settings): The figures were taken with them.
    others (Sequence[Finding]): What was found elsewhere.
    RETURNS (list[Finding]): Errors first, then warnings, then advice.
    """
    findings = [finding for check in CHECKS for finding in check(splits, settings)]
    order = {level: place for place, level in enumerate(get_args(Level))}
    return sorted([*others, *findings], key=lambda finding: order[finding.level])
