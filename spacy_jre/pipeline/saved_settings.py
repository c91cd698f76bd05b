"""The settings and labels that a saved component holds, checked when it is loaded."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from ..architectures.header import Fields, first_problem
from ..errors import Errors, JREError

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Label = Annotated[str, Field(min_length=1)]


class SavedSettings(Fields):
    """See ``JointRelationExtractor`` for the settings. The labels are in the order of
    the output columns."""

    threshold: Probability
    label_thresholds: dict[str, Probability]
    max_span_width: PositiveInt
    negative_spans: NonNegativeInt | None
    negative_pairs: NonNegativeInt | None
    symmetric: list[str]
    overwrite_ents: bool
    attr: str
    entity_labels: list[Label]
    relation_labels: list[Label]
    tags: list[str]


def check_settings(
    name: str, settings: Mapping[str, Any], attr: str, counts: Mapping[str, int]
) -> None:
    """
    name (str): Of the component.
    settings (Mapping): What the component loaded.
    attr (str): Name of the relation extension, by the config.
    counts (Mapping[str, int]): How many labels the heads of the network have; empty
        where the network is not built.
    RAISES (JREError): J520 with the field that is refused.
    """

    def wrong(field: str, problem: str) -> JREError:
        return JREError(Errors.J520.format(name=name, field=field, problem=problem))

    try:
        SavedSettings.model_validate(dict(settings))
    except ValidationError as error:
        raise wrong(*first_problem(error)) from error
    if settings["attr"] != attr:
        raise wrong("attr", f"is {settings['attr']!r}, but {attr!r} in the config")
    labels = {
        "n_entity_labels": "entity_labels",
        "n_relation_labels": "relation_labels",
        "n_tags": "tags",
    }
    for head, count in counts.items():
        field = labels[head]
        found = settings[field]
        if len(found) != count:
            raise wrong(field, f"has {len(found)} labels, but the network has {count}")
        if len(set(found)) != len(found):
            raise wrong(field, "has a label twice")
