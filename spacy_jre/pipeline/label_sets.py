"""The labels of a component, from data or from a file, and their token tags."""

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


class CollectedLabels(NamedTuple):
    """The labels of a sequence of Examples."""

    entity_labels: set[str]
    relation_labels: set[str]
    n_examples: int


def collect_labels(examples: Iterable[Example], attr: str) -> CollectedLabels:
    """Collect the labels of the gold entities and relations.

    examples (Iterable[Example]): The Examples.
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
    return CollectedLabels(entities - {""}, relations - {""}, count)


def check_label_data(name: str, labels: Any) -> None:
    """Check the structure of the labels that ``initialize`` gets.

    name (str): Name of the component.
    labels (Any): The labels.
    RAISES (JREError): J503 if the structure is not that of ``label_data``.
    """
    if (
        not isinstance(labels, dict)
        or set(labels) - {"tags"} != {"entities", "relations"}
        or not all(isinstance(names, (list, tuple)) for names in labels.values())
        or not all(isinstance(n, str) for names in labels.values() for n in names)
    ):
        raise JREError(Errors.J503.format(name=name, value=labels))


def check_labels(name: str, labels: Labels, count: int) -> None:
    """Check that there are entity labels and relation labels.

    name (str): Name of the component.
    labels (Labels): The labels.
    count (int): Number of Examples that they were collected from.
    RAISES (JREError): J502 without entity or relation labels.
    """
    for kind, names in (("entity", labels.entities), ("relation", labels.relations)):
        if not names:
            raise JREError(Errors.J502.format(name=name, kind=kind, count=count))


def choose_tags(
    get_examples: Callable[[], Iterable[Example]],
    given: list[str] | None,
    labels: Labels,
    attr: str,
) -> list[str]:
    """Choose the tag set of a network that predicts tags.

    get_examples (Callable): Returns the training Examples.
    given (list[str] | None): The tags of a labels file.
    labels (Labels): Entity and relation labels.
    attr (str): Name of the relation extension.
    RETURNS (list[str]): The given tags and the missing plain BIO tags, or the tags
        of the Examples if none are given.
    RAISES (UnknownLabel): For a label of the Examples that is not in `labels`.
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
    """RETURNS (JREError): The error J504 for an unknown label."""
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
