"""The labels of a component: from the data, from a file, and the tags they need."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from spacy.training import Example

from ..annotations import read_gold
from ..architectures.windows import sentence_windows
from ..errors import Errors, JREError
from ..training.tags import plain_tags
from ..training.targets import UnknownLabel, align_gold, find_tags
from ..types import Labels


class FoundLabels(NamedTuple):
    """The labels of some examples."""

    entity_labels: set[str]
    relation_labels: set[str]
    n_examples: int


def collect_labels(examples: Iterable[Example], attr: str) -> FoundLabels:
    """
    attr (str): Name of the relation extension.
    """
    entities: set[str] = set()
    relations: set[str] = set()
    count = 0
    for example in examples:
        gold = read_gold(example.reference, attr=attr)
        entities.update(label for _, _, label in gold.entities)
        relations.update(label for _, _, label in gold.relations)
        count += 1
    return FoundLabels(entities - {""}, relations - {""}, count)


def check_label_data(name: str, labels: Any) -> None:
    """
    name (str): Of the component.
    labels (Any): What ``initialize`` was given.
    RAISES (JREError): J503 for another shape than that of ``label_data``.
    """
    if (
        not isinstance(labels, dict)
        or set(labels) - {"tags"} != {"entities", "relations"}
        or not all(isinstance(names, (list, tuple)) for names in labels.values())
        or not all(isinstance(n, str) for names in labels.values() for n in names)
    ):
        raise JREError(Errors.J503.format(name=name, value=labels))


def check_labels(name: str, labels: Labels, count: int) -> None:
    """
    count (int): How many examples they were collected from.
    RAISES (JREError): J502 without entity or relation labels.
    """
    for kind, found in (("entity", labels.entities), ("relation", labels.relations)):
        if not found:
            raise JREError(Errors.J502.format(name=name, kind=kind, count=count))


def choose_tags(
    get_examples: Callable[[], Iterable[Example]],
    given: list[str] | None,
    labels: Labels,
    attr: str,
) -> list[str]:
    """The tags of tokens that a network learns.

    given (list[str] | None): Of a labels file.
    labels (Labels): Entity and relation labels.
    RETURNS (list[str]): The tags given, with what plain BIO needs; without any,
        those of the examples.
    RAISES (UnknownLabel): For a label of the examples that is not in `labels`.
    """
    if given is not None:
        return list(dict.fromkeys([*given, *plain_tags(labels.entities)]))

    def golds() -> Iterable[Any]:
        for example in get_examples():
            doc = example.predicted
            has_units = np.asarray([not token.is_space for token in doc], dtype=bool)
            yield align_gold(
                [example], sentence_windows([doc]), has_units, labels, attr
            )

    return find_tags(labels, golds())


def explain_unknown_label(
    error: UnknownLabel, name: str, label_data: dict[str, list[str]]
) -> JREError:
    """RETURNS (JREError): J504, to be raised."""
    kind, label = error.args
    return JREError(
        Errors.J504.format(
            kind=kind,
            label=label,
            source="the training data",
            name=name,
            labels=label_data,
        )
    )
