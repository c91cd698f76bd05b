"""`spacy jre tune-thresholds`: choose the thresholds of a pipeline on dev data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spacy
from confection import ConfigValidationError
from spacy.language import Language
from spacy.scorer import PRFScore
from spacy.training import Example
from thinc.api import Config

from ..errors import Errors, JREError
from ..evaluation.report import relation_scores
from ..scoring.scorer import score_joint, score_name
from ..scoring.thresholds import (
    LabelScores,
    Thresholds,
    choose_thresholds,
    collect_scores,
    count_all,
)
from .components import choose_component, read_corpus
from .scored_relations import apply_thresholds, predict_scores, thresholds_of


@dataclass(frozen=True)
class Tuning:
    """The result.

    path (Path): Folder of the tuned pipeline.
    component (str): Name of the component.
    old, new (Thresholds): The thresholds before and after.
    table (dict[str, LabelScores]): The relations by label.
    """

    path: Path
    component: str
    old: Thresholds
    new: Thresholds
    table: dict[str, LabelScores]

    @property
    def not_in_config(self) -> list[str]:
        """Labels whose thresholds are only saved with the component, because a config
        file cannot contain them."""
        return [label for label in self.new.labels if not is_key(label)]

    def micro(self) -> tuple[PRFScore, PRFScore]:
        """RETURNS (tuple): The counts of all labels before and after."""
        return count_all(self.table, self.old), count_all(self.table, self.new)

    def rows(self) -> list[tuple[str, ...]]:
        """RETURNS (list): For each label and for all, the number of gold relations, and
        the threshold and F1 (in percent) before and after."""
        before, after = self.micro()
        support = sum(entry.support for entry in self.table.values())
        return [
            *(
                (
                    label,
                    str(entry.support),
                    f"{self.old.of(label):g}",
                    _percent(entry.count(self.old.of(label))),
                    f"{self.new.of(label):g}",
                    _percent(entry.count(self.new.of(label))),
                )
                for label, entry in sorted(self.table.items())
            ),
            ("micro", str(support), "", _percent(before), "", _percent(after)),
        ]


def _percent(counts: PRFScore) -> str:
    return f"{100 * counts.fscore:.2f}"


def tune_thresholds(
    model: str,
    dev: Path,
    *,
    output: Path | None = None,
    component: str = "",
    min_support: int = 10,
) -> Tuning:
    """Choose the thresholds with the highest strict F1, and save the pipeline.

    The data is read as in training and in `spacy jre evaluate`, with its tokens and
    sentences, and predicted once.

    model (str): Name or path of a pipeline.
    dev (Path): The data, a .spacy file or a folder.
    output (Path | None): Folder for the tuned pipeline. None to change the pipeline.
    component (str): Name of the component. Can be empty if there is only one.
    min_support (int): Minimum number of gold relations of a label with its own
        threshold.
    RETURNS (Tuning): The thresholds and counts.
    RAISES (ValueError): J740, J722 for the component, J741 for data without relations,
        J742 for an installed pipeline without `output`, and the errors of the reader.
    """
    if output is None and not Path(model).is_dir():
        raise JREError(Errors.J742.format(model=model))
    nlp = spacy.load(model)
    name = choose_component(nlp, model, component)
    cfg = _settings_of(nlp, name)
    examples = list(read_corpus(nlp, name, dev)(nlp))
    old = thresholds_of(cfg)
    lowest = predict_scores(nlp, name, examples)
    table = collect_scores(examples, attr=cfg["attr"], symmetric=cfg["symmetric"])
    if not any(entry.support for entry in table.values()):
        raise JREError(Errors.J741.format(path=dev))
    new = choose_thresholds(table, old, min_support=min_support, lowest=lowest)
    _set_thresholds(nlp, name, new)
    _update_performance(nlp, name, new, examples)
    path = Path(model) if output is None else output
    nlp.to_disk(path)
    return Tuning(path, name, old, new, table)


def _settings_of(nlp: Language, name: str) -> dict[str, Any]:
    pipe: Any = nlp.get_pipe(name)
    return pipe.cfg


def _set_thresholds(nlp: Language, name: str, thresholds: Thresholds) -> None:
    """Set thresholds in the component, and in the config of the pipeline."""
    in_config = {
        label: value for label, value in thresholds.labels.items() if is_key(label)
    }
    for settings, labels in (
        (_settings_of(nlp, name), dict(thresholds.labels)),
        (nlp.get_pipe_config(name), in_config),
    ):
        settings["threshold"] = thresholds.threshold
        settings["label_thresholds"] = labels


def is_key(label: str) -> bool:
    """Check whether a label can be the name of a setting in a config file. A label with
    a colon or an equals sign, or with "@" at its start, cannot.
    """
    if label.startswith("@"):  # the name of a registry
        return False
    config = Config({"section": {label: 0.5}})
    try:
        return Config().from_str(config.to_str()) == config
    except ConfigValidationError:
        return False


def _update_performance(
    nlp: Language,
    name: str,
    thresholds: Thresholds,
    examples: list[Example],
) -> None:
    """Update the scores of relations on the dev data in the meta.json, if it has any.

    The thresholds do not change the entities, whose scores can be those of a later
    component.
    """
    performance = nlp.meta.get("performance")
    if not performance:
        return
    attr, symmetric = (_settings_of(nlp, name)[key] for key in ("attr", "symmetric"))
    apply_thresholds(examples, thresholds, attr)
    scores = relation_scores(score_joint(examples, attr=attr, symmetric=symmetric))
    named = {score_name(key, attr): value for key, value in scores.items()}
    performance.update({k: v for k, v in named.items() if k in performance})
