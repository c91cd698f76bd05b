"""Warnings about training data: each kind once, with the counts of its first batch."""

import warnings

from ..errors import Warnings
from ..training.targets import SkippedGold


class OnceWarner:
    """Remembers which warnings were given."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def warn(self, message: str, count: int, **counts: int) -> None:
        """
        message (str): One of ``Warnings``.
        count (int): How often it applies; nothing happens at 0.
        counts (int): Other numbers of the message.
        """
        if count and message not in self._given:
            self._given.add(message)
            warnings.warn(message.format(count=count, **counts), stacklevel=4)

    def warn_of_skipped(
        self, skipped: SkippedGold, *, n_untagged: int, n_multi_label: int
    ) -> None:
        """
        skipped (SkippedGold): Gold of a batch that cannot be learnt from.
        n_untagged (int): Entities that no token tag can hold.
        n_multi_label (int): Pairs with several relations of which one was learnt.
        """
        lost = {"entities": skipped.entities, "relations": skipped.relations}
        self.warn(Warnings.J904, skipped.entities + skipped.relations, **lost)
        self.warn(Warnings.J903, skipped.unannotated)
        self.warn(Warnings.J906, skipped.two_labels)
        self.warn(Warnings.J909, n_untagged)
        self.warn(Warnings.J910, n_multi_label)
