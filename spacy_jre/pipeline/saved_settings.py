"""Check the settings and labels of a saved component when it is loaded."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from ..architectures.header import Fields, first_problem
from ..errors import Errors, JREError

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Label = Annotated[str, Field(min_length=1)]
# see annotations/given.py
Source = Annotated[str, Field(pattern=r"\A(predict|doc\.ents|spans:.+)\z")]
Overlaps = list[Annotated[list[Label], Field(min_length=2, max_length=2)]]
Table = list[Annotated[list[Label], Field(min_length=3, max_length=3)]]


class SavedSettings(Fields):
    """The saved settings. See ``JointRelationExtractor``."""

    threshold: Probability
    label_thresholds: dict[str, Probability]
    max_span_width: PositiveInt
    negative_spans: NonNegativeInt | None
    negative_pairs: NonNegativeInt | None
    symmetric: list[str]
    overwrite_ents: bool | Literal["merge"]
    attr: str
    spans_key: Label
    entities: Source
    unknown_entities: Literal["error", "skip", "keep"]
    windows: Literal["sentence", "doc"] | PositiveInt
    entity_labels: list[Label]
    relation_labels: list[Label]
    tags: list[str]
    overlaps: Literal["keep", "best", "auto"]
    constraints: Literal["none", "infer"] | Table
    overlapping: Overlaps | None
    triples: Table | None
    several_sentences: bool


def check_settings(
    name: str, settings: Mapping[str, Any], attr: str, counts: Mapping[str, int]
) -> None:
    """Check the loaded settings.

    name (str): Name of the component.
    settings (Mapping): The loaded settings.
    attr (str): Name of the relation extension in the config.
    counts (Mapping[str, int]): Numbers of labels of the network. Empty before
        initialization.
    RAISES (JREError): J520 for an invalid field.
    """

    def make_error(field: str, problem: str) -> JREError:
        return JREError(Errors.J520.format(name=name, field=field, problem=problem))

    try:
        SavedSettings.model_validate(dict(settings))
    except ValidationError as error:
        raise make_error(*first_problem(error)) from error
    if settings["attr"] != attr:
        raise make_error("attr", f"is {settings['attr']!r}, but {attr!r} in the config")
    labels = {
        "n_entity_labels": "entity_labels",
        "n_relation_labels": "relation_labels",
        "n_tags": "tags",
    }
    for dim, count in counts.items():
        field = labels[dim]
        names = settings[field]
        if len(names) != count:
            raise make_error(
                field, f"has {len(names)} labels, but the network has {count}"
            )
        if len(set(names)) != len(names):
            raise make_error(field, "has a label twice")
    if counts:
        known = set(settings["entity_labels"]), set(settings["relation_labels"])
        for row in settings["overlapping"] or ():
            if not set(row) <= known[0]:
                raise make_error("overlapping", f"has unknown labels: {row}")
        for field in ("constraints", "triples"):
            table = settings[field]
            for row in () if table is None or isinstance(table, str) else table:
                head, label, tail = row
                if not ({head, tail} <= known[0] and label in known[1]):
                    raise make_error(field, f"has unknown labels: {row}")
