"""Predict a corpus once, with the relations below the thresholds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.training import Example

from ..scoring.thresholds import Thresholds

# relations with a lower score are not collected, and no threshold is lower
LOWEST = 0.001


def thresholds_of(cfg: Mapping[str, Any]) -> Thresholds:
    """RETURNS (Thresholds): The thresholds in the settings of a component."""
    return Thresholds(cfg["threshold"], dict(cfg["label_thresholds"]))


def predict_scores(nlp: Language, name: str, examples: list[Example]) -> float:
    """Predict with a component and those before it, without thresholds.

    Later components do not change its predictions, except for another `jre`, which
    replaces them.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    examples (list[Example]): The Examples. Their predicted Docs get the predictions.
    RETURNS (float): The score that all predicted relations reach. It is not higher than
        any threshold of the component.
    """
    pipe: Any = nlp.get_pipe(name)
    own = thresholds_of(pipe.cfg)
    lowest = min(LOWEST, own.threshold, *own.labels.values())
    later = nlp.pipe_names[nlp.pipe_names.index(name) + 1 :]
    pipe.cfg.update(threshold=lowest, label_thresholds={})
    try:
        run_components(nlp, examples, disable=later)
    finally:
        pipe.cfg.update(threshold=own.threshold, label_thresholds=dict(own.labels))
    return lowest


def run_components(
    nlp: Language, examples: list[Example], *, disable: list[str]
) -> None:
    """Run components of a pipeline on the predicted Docs of Examples.

    disable (list[str]): Names of the components that do not run.
    """
    with nlp.select_pipes(disable=disable):
        docs = nlp.pipe([example.predicted for example in examples])
        for example, doc in zip(examples, docs, strict=True):
            example.predicted = doc


def apply_thresholds(
    examples: list[Example], thresholds: Thresholds, attr: str
) -> None:
    """Keep only the predicted relations that reach their threshold.

    examples (list[Example]): The Examples.
    thresholds (Thresholds): The thresholds.
    attr (str): Name of the relation extension.
    """
    for example in examples:
        doc = example.predicted
        kept = [
            relation
            for relation in doc._.get(attr)
            if np.float32(relation.score) >= np.float32(thresholds.of(relation.label))
        ]
        doc._.set(attr, kept)
