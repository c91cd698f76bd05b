"""The labels of a component, from data or from a file, and their token tags."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.training import Example

from ..annotations import read_gold
from ..architectures.windows import WindowSettings
from ..errors import Errors, JREError
from ..training.tags import plain_tags
from ..training.targets import UnknownLabel, align_gold, find_tags
from ..types import Labels
from .observed import Observed

# fields of the label data that are not labels, see ``Observed``
OBSERVED = ("overlapping", "triples")


class CollectedLabels(NamedTuple):
    """The labels of a sequence of Examples, and what else their annotation contains."""

    entity_labels: set[str]
    relation_labels: set[str]
    n_examples: int
    observed: Observed


def collect_labels(examples: Iterable[Example], attr: str) -> CollectedLabels:
    """Collect the labels of the gold entities and relations.

    examples (Iterable[Example]): The Examples.
    attr (str): Name of the relation extension.
    """
    entities: set[str] = set()
    relations: set[str] = set()
    observed = Observed()
    count = 0
    for example in examples:
        gold = read_gold(example.reference, attr=attr)
        entities.update(label for _, _, label in gold.entities)
        relations.update(label for _, _, label in gold.relations)
        observed.add(gold)
        count += 1
    return CollectedLabels(entities - {""}, relations - {""}, count, observed)


def check_label_data(name: str, labels: Any) -> None:
    """Check the structure of the labels that ``initialize`` gets.

    name (str): Name of the component.
    labels (Any): The labels.
    RAISES (JREError): J503 if the structure is not that of ``label_data``.
    """
    if not isinstance(labels, dict):
        raise JREError(Errors.J503.format(name=name, value=labels))
    names = {field: labels[field] for field in labels if field not in OBSERVED}
    if (
        set(names) - {"tags"} != {"entities", "relations"}
        or not all(map(is_list_of_labels, names.values()))
        or not is_table(labels.get("overlapping", ()), 2)
        or not is_table(labels.get("triples", ()))
    ):
        raise JREError(Errors.J503.format(name=name, value=labels))


def is_list_of_labels(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(n, str) for n in value)


def is_table(value: Any, n_columns: int = 3) -> bool:
    """Check whether a value is a list of rows of labels. With 3 columns: head label,
    label and tail label."""
    return isinstance(value, (list, tuple)) and all(
        is_list_of_labels(row) and len(row) == n_columns for row in value
    )


def check_table(
    name: str,
    table: Iterable[Sequence[str]],
    labels: Labels,
    kinds: Sequence[str] = ("entity", "relation", "entity"),
) -> None:
    """Check the labels of a table, such as the table of constraints.

    name (str): Name of the component.
    table (Iterable): Rows of labels.
    labels (Labels): The labels of the component.
    kinds (Sequence[str]): The kind of the labels of each column, "entity" or
        "relation".
    RAISES (JREError): J511 for an unknown label.
    """
    known = {"entity": labels.entities, "relation": labels.relations}
    for row in table:
        for kind, label in zip(kinds, row, strict=True):
            names = known[kind]
            if label not in names:
                raise JREError(
                    Errors.J511.format(
                        name=name, row=list(row), label=label, kind=kind, labels=names
                    )
                )


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
    windows: WindowSettings,
) -> list[str]:
    """Choose the tag set of a network that predicts tags.

    get_examples (Callable): Returns the training Examples.
    given (list[str] | None): The tags of a labels file.
    labels (Labels): Entity and relation labels.
    attr (str): Name of the relation extension.
    windows (WindowSettings): The windows of the component.
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
            made = windows.make([doc])
            rows = made.rows([len(doc)])
            yield align_gold([example], made, has_units[rows], labels, attr)

    return find_tags(labels, golds())


def explain_unknown_label(
    error: UnknownLabel, name: str, label_data: dict[str, Any]
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
