"""Warnings about training data, each once, with the counts of its first batch."""

import warnings

from ..errors import Warnings
from ..training.targets import SkippedGold


class OnceWarner:
    """Shows each warning once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def warn(self, message: str, count: int, **values: object) -> None:
        """
        message (str): One of ``Warnings``.
        count (int): Number of cases. No warning if it is 0.
        values (object): Other values in the message.
        """
        if count and message not in self._given:
            self._given.add(message)
            warnings.warn(message.format(count=count, **values), stacklevel=4)

    def warn_about_skipped(
        self, skipped: SkippedGold, *, n_untagged: int, n_multi_label: int
    ) -> None:
        """
        skipped (SkippedGold): Counts of gold annotation that is not used.
        n_untagged (int): Number of entities that the token tags cannot represent.
        n_multi_label (int): Number of pairs with several relations, if only one of
            them is used.
        """
        counts = {"entities": skipped.entities, "relations": skipped.relations}
        self.warn(Warnings.J904, skipped.entities + skipped.relations, **counts)
        self.warn(Warnings.J903, skipped.unannotated)
        self.warn(Warnings.J906, skipped.two_labels)
        self.warn(Warnings.J909, n_untagged)
        self.warn(Warnings.J910, n_multi_label)
        self._warn_about_ignored(skipped.unknown, skipped.not_given)

    def warn_about_given(
        self, name: str, source: str, *, n_unset: int, n_unknown: int
    ) -> None:
        """
        name (str): Name of the component.
        source (str): Its setting `entities`.
        n_unset (int): Number of predicted Docs without given entities.
        n_unknown (int): Number of given entities that are skipped.
        """
        self.warn(Warnings.J918, n_unset, name=name, source=source)
        self._warn_about_ignored(n_unknown, 0)

    def _warn_about_ignored(self, unknown: int, not_given: int) -> None:
        count = unknown + not_given
        self.warn(Warnings.J919, count, unknown=unknown, not_given=not_given)
