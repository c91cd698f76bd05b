"""The factory of the component ``jre``.

spaCy imports this module for every pipeline, even without ``jre``. So it imports the
component, and with it the networks and transformers, only when a component is created.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from spacy.language import Language
from thinc.api import Model

from ..annotations import DEFAULT_ATTR, SPANS_KEY
from ..errors import Errors, JREError
from .defaults import DEFAULT_MODEL, FACTORY, SCORES

if TYPE_CHECKING:
    from .joint_extractor import JointRelationExtractor


@Language.factory(
    FACTORY,
    assigns=[
        "doc.ents",
        "doc.spans",
        "doc._.relations",
        "token.ent_iob",
        "token.ent_type",
    ],
    default_config={
        "model": DEFAULT_MODEL,
        "threshold": 0.4,
        "label_thresholds": {},
        "max_span_width": 10,
        "negative_spans": 100,
        "negative_pairs": 100,
        "symmetric": [],
        "overlaps": "keep",
        "constraints": "none",
        "overwrite_ents": True,
        "attr": DEFAULT_ATTR,
        "spans_key": SPANS_KEY,
        "entities": "predict",
        "unknown_entities": "error",
        "windows": "sentence",
        "seed": 0,
        "half_precision": "never",
        "scorer": {"@scorers": "spacy-jre.joint_scorer.v1"},
    },
    default_score_weights=SCORES,
)
def make_joint_extractor(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    threshold: float,
    label_thresholds: dict[str, float],
    max_span_width: int,
    negative_spans: int | None,
    negative_pairs: int | None,
    symmetric: list[str],
    overlaps: Literal["keep", "best", "auto"],
    constraints: Literal["none", "infer"] | list[list[str]],
    overwrite_ents: bool | Literal["merge"],
    attr: str,
    spans_key: str,
    entities: str,
    unknown_entities: Literal["error", "skip", "keep"],
    windows: Literal["sentence", "doc"] | int,
    seed: int,
    half_precision: Literal["never", "training", "always"],
    scorer: Callable[..., Any] | None,
) -> "JointRelationExtractor":
    """Create the component. See the class for the settings.

    RAISES (ValueError): J531 if another `jre` of the pipeline has the same `attr` or
        `spans_key`, and the errors of the class.
    """
    from .joint_extractor import JointRelationExtractor

    check_others(nlp, name, {"attr": attr, "spans_key": spans_key})
    return JointRelationExtractor(
        nlp.vocab,
        model,
        name,
        threshold=threshold,
        label_thresholds=label_thresholds,
        max_span_width=max_span_width,
        negative_spans=negative_spans,
        negative_pairs=negative_pairs,
        symmetric=symmetric,
        overlaps=overlaps,
        constraints=constraints,
        overwrite_ents=overwrite_ents,
        attr=attr,
        spans_key=spans_key,
        entities=entities,
        unknown_entities=unknown_entities,
        windows=windows,
        seed=seed,
        half_precision=half_precision,
        scorer=scorer,
    )


def check_others(nlp: Language, name: str, settings: dict[str, str]) -> None:
    """Check that no other component `jre` of a pipeline writes to the same place.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    settings (dict[str, str]): Its settings `attr` and `spans_key`.
    RAISES (ValueError): J531 for a setting with the value of another component.
    """
    for other in nlp.component_names:
        if other == name or nlp.get_pipe_meta(other).factory != FACTORY:
            continue
        pipe: Any = nlp.get_pipe(other)
        for setting, value in settings.items():
            if pipe.cfg[setting] == value:
                raise JREError(
                    Errors.J531.format(
                        name=name, other=other, setting=setting, value=value
                    )
                )
