"""Experiment files: their fields, the runs they define, and their checks.

A run is one training. The runs of a file are all combinations of its models, rows,
datasets, folds, samples and seeds.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import srsly
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from spacy.cli._util import import_code
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_model_from_config, registry
from thinc.api import Config

from ...about import __version__
from ...corpora.dataset import Dataset, find_dataset
from ...errors import Errors, JREError
from ..fingerprints import data_fingerprints, fingerprint
from ..overrides import SET_BY_CROSS_VALIDATE
from ..train import plan_training

# evaluations of a run, written by spaCy's logger
LOG_SETTING = "training.logger.output_file"
RESERVED = {
    "paths.train": "'path' of the dataset",
    "paths.dev": "'path' of the dataset",
    "system.seed": "'seeds'",
    LOG_SETTING: "epochs.jsonl in the folder of the run",
}
assert RESERVED.keys() > SET_BY_CROSS_VALIDATE.keys()

Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
# 50 and 50.0
Percentage = Annotated[float, Field(ge=0, le=100)]


class Settings(BaseModel):
    """Settings of the training. A later level replaces values of an earlier one: file,
    dataset, model, row. Overrides are combined by name.

    encoder (str): See ``spacy jre train``.
    epochs, batch_size (int): Short for overrides of ``recipe.epochs`` and
        ``recipe.batch_size``. 0: the value of the earlier levels or the config.
    overrides (dict[str, Any]): Config values by dotted name.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    encoder: str = ""
    epochs: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=0)] = 0
    overrides: dict[Name, Any] = {}

    @field_validator("overrides")
    @classmethod
    def _check_overrides(cls, overrides: dict[str, Any]) -> dict[str, Any]:
        for name in overrides:
            if name in RESERVED:
                raise ValueError(f"can't contain {name}. Use {RESERVED[name]}")
            if "." not in name:
                raise ValueError(f"must contain full names, not {name!r}")
        return overrides


class ModelEntry(Settings):
    """config (str): Training config, relative to the current folder."""

    config: Name


class DatasetEntry(Settings):
    """
    path (str): Dataset folder, relative to the current folder.
    folds (list[int] | None): The folds. None: all folds of the dataset.
    score (str): The data that the trained pipelines are scored on.
    average (str): Whether the table shows micro or macro F1.
    samples (list[int | None]): Numbers of training Docs. Each seed draws other Docs,
        and a small sample is a part of a larger one. None: all Docs.
    """

    path: Name
    folds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = (
        None
    )
    score: Literal["dev", "test"] = "dev"
    average: Literal["micro", "macro"] = "micro"
    samples: Annotated[list[Count | None], Field(min_length=1)] = [None]


class PaperScores(BaseModel):
    """F1 scores that a paper publishes for a row, in percent.

    note (str): Where the paper has them, e.g. "table 4".
    models, datasets (list[str]): Names of the models and datasets that the scores are
        compared with. Empty: all of the row.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    note: Name
    models: list[Name] = []
    datasets: list[Name] = []
    ents_f: Percentage | None = None
    rel_f: Percentage | None = None
    rel_strict_f: Percentage | None = None


class Row(Settings):
    """
    models, datasets (list[str]): Names of the models and datasets that the row is run
        with. Empty: all.
    paper (list[PaperScores]): The scores in a paper. A single entry needs no list.
    """

    models: list[Name] = []
    datasets: list[Name] = []
    paper: list[PaperScores] = []

    @field_validator("paper", mode="before")
    @classmethod
    def _make_list(cls, paper: Any) -> Any:
        return [paper] if isinstance(paper, Mapping) else paper

    def paper_scores(self, model: str, dataset: str) -> PaperScores | None:
        """RETURNS (PaperScores | None): The first entry for a model and a dataset."""
        for entry in self.paper:
            if model in (entry.models or [model]) and dataset in (
                entry.datasets or [dataset]
            ):
                return entry
        return None


class Experiment(Settings):
    """An experiment file.

    title, description (str): Shown above the table.
    models, datasets, rows (dict): By name.
    seeds (list[int]): Random seeds of the training.
    best_of (int): The table also shows the mean of this number of best seeds, as some
        papers do. 0: it does not.
    threads (int): CPU threads of each run. 0: PyTorch's default.
    max_loss (float): See ``spacy jre convert``.
    """

    title: Name
    description: str = ""
    models: Annotated[dict[Name, ModelEntry], Field(min_length=1)]
    datasets: Annotated[dict[Name, DatasetEntry], Field(min_length=1)]
    rows: Annotated[dict[Name, Row], Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    best_of: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=0)] = 1
    max_loss: Annotated[float, Field(ge=0, le=1)] = 0.01


@dataclass(frozen=True)
class PlannedRun:
    """One training. The names are those of the experiment file.

    data (Mapping): Fingerprints of the files of the dataset.
    config_fingerprint (str): Fingerprint of the config.
    """

    model: str
    row: str
    dataset: str
    fold: int
    sample: int | None
    seed: int
    config: Path
    config_fingerprint: str
    source: Path
    data: Mapping[str, list[str]]
    split: str
    encoder: str
    overrides: Mapping[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """Runs with the same fingerprint have the same scores. Names, and the order of
        the overrides, have no effect."""
        conditions = {
            "version": __version__,
            "config": self.config_fingerprint,
            "data": self.data,
            "fold": self.fold,
            "sample": self.sample,
            "seed": self.seed,
            "split": self.split,
            "encoder": self.encoder,
            "overrides": self.overrides,
        }
        text = json.dumps(conditions, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Description for messages."""
        parts = [self.model, self.row, self.dataset]
        parts += [f"fold {self.fold}"] if self.fold else []
        parts += [f"{self.sample} Docs"] if self.sample is not None else []
        return ", ".join([*parts, f"seed {self.seed}"])


def read_experiment(path: Path) -> Experiment:
    """Read an experiment file.

    RAISES (ValueError): J601 if the file is missing, J750 with the invalid field.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    try:
        values = srsly.read_yaml(path)
    except Exception as error:  # the errors of the YAML parser have no common class
        problem = f"is not valid YAML: {error}"
        raise JREError(_wrong(path, "-", problem)) from error
    if not isinstance(values, dict):
        raise JREError(_wrong(path, "-", "must be a mapping"))
    return parse_experiment(path, values)


def parse_experiment(path: Path, values: Mapping[str, Any]) -> Experiment:
    """Check the fields of an experiment.

    path (Path): The file, for error messages.
    RAISES (ValueError): J750 with the invalid field.
    """
    try:
        experiment = Experiment(**values)
    except (ValidationError, TypeError) as error:
        raise JREError(_wrong(path, *_first_problem(error))) from error
    for name, row in experiment.rows.items():
        _check_names(path, experiment, f"rows.{name}", row)
        for entry in row.paper:
            _check_names(path, experiment, f"rows.{name}.paper", entry)
    if experiment.best_of > len(experiment.seeds):
        problem = (
            f"is {experiment.best_of}, but there are {len(experiment.seeds)} seeds"
        )
        raise JREError(_wrong(path, "best_of", problem))
    return experiment


def _check_names(
    path: Path, experiment: Experiment, place: str, entry: Row | PaperScores
) -> None:
    for field, known in (
        ("models", experiment.models),
        ("datasets", experiment.datasets),
    ):
        for item in getattr(entry, field):
            if item not in known:
                problem = f"has unknown name {item!r}. Known: {', '.join(known)}"
                raise JREError(_wrong(path, f"{place}.{field}", problem))


def select_datasets(
    path: Path, experiment: Experiment, names: Sequence[str]
) -> Experiment:
    """Select datasets of an experiment, e.g. those that have been downloaded.

    path (Path): The file, for error messages.
    names (Sequence[str]): Names of the datasets. Empty: all.
    RETURNS (Experiment): The experiment without the runs of other datasets.
    RAISES (ValueError): J790 for an unknown name.
    """
    if not names:
        return experiment
    for name in names:
        if name not in experiment.datasets:
            known = ", ".join(experiment.datasets)
            raise JREError(Errors.J790.format(path=path, name=name, known=known))
    kept = {n: entry for n, entry in experiment.datasets.items() if n in names}
    return experiment.model_copy(update={"datasets": kept})


def _first_problem(error: ValidationError | TypeError) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The invalid field and the problem."""
    if isinstance(error, TypeError):  # a key that is not a string
        return "-", f"must have names as keys: {error}"
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return field, "is unknown"
    if first["type"] == "missing":
        return field, "is required"
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return field, str(cause)
    return field, f"is invalid: {first['msg']}, not {first['input']!r:.60}"


def _wrong(path: Path, field: str, problem: str) -> str:
    return Errors.J750.format(path=path, field=field, problem=problem)


def plan_runs(path: Path, experiment: Experiment) -> list[PlannedRun]:
    """Get all runs of an experiment, seed by seed.

    path (Path): The experiment file, for error messages.
    RAISES (ValueError): J750 for a dataset without dev data that is scored on dev,
        J601 for a missing file, J634 for a fold that does not exist.
    """
    data: dict[tuple[str, int], dict[str, list[str]]] = {}
    for name, entry in experiment.datasets.items():
        source = Path(entry.path)
        if not source.is_dir():
            raise JREError(Errors.J601.format(path=source))
        dataset = find_dataset(source) or Dataset(source)
        if entry.score == "dev" and not dataset.has_dev:
            problem = "must be 'test': the dataset has no dev data"
            raise JREError(_wrong(path, f"datasets.{name}.score", problem))
        for fold in entry.folds or range(max(1, dataset.folds)):
            data[name, fold] = data_fingerprints(dataset, fold)
    configs = {
        name: fingerprint(Path(entry.config))
        for name, entry in experiment.models.items()
    }
    return [
        PlannedRun(
            model=model,
            row=row,
            dataset=name,
            fold=fold,
            sample=sample,
            seed=seed,
            config=Path(experiment.models[model].config),
            config_fingerprint=configs[model],
            source=Path(experiment.datasets[name].path),
            data=fingerprints,
            split=experiment.datasets[name].score,
            **_combine(
                experiment,
                experiment.datasets[name],
                experiment.models[model],
                experiment.rows[row],
            ),
        )
        for seed in experiment.seeds
        for (name, fold), fingerprints in data.items()
        for sample in experiment.datasets[name].samples
        for model in experiment.models
        for row, settings in experiment.rows.items()
        if model in (settings.models or experiment.models)
        and name in (settings.datasets or experiment.datasets)
    ]


def _combine(*levels: Settings) -> dict[str, Any]:
    """Combine settings. Later levels take precedence."""
    encoder = ""
    overrides: dict[str, Any] = {}
    for level in levels:
        encoder = level.encoder or encoder
        for name in ("epochs", "batch_size"):
            if getattr(level, name):
                overrides[f"recipe.{name}"] = getattr(level, name)
        overrides.update(level.overrides)
    return {"encoder": encoder, "overrides": overrides}


def check_runs(path: Path, runs: list[PlannedRun]) -> None:
    """Check that each row results in a valid config, before the first training.

    path (Path): The experiment file, for error messages.
    RAISES (ValueError): J751 with the first row that is not valid.
    """
    checked = set()
    for run in runs:
        names = (run.model, run.row, run.dataset)
        if names in checked:
            continue
        checked.add(names)
        try:
            resolve_run(run)
        except Exception as error:  # functions of the config raise various errors
            raise JREError(
                Errors.J751.format(
                    path=path,
                    row=run.row,
                    model=run.model,
                    dataset=run.dataset,
                    error=error,
                )
            ) from error


def resolve_run(run: PlannedRun) -> Config:
    """Build the pipeline, the optimizer and the readers of a run, without its data.

    RETURNS (Config): The complete config.
    RAISES (ValueError): Errors of the config.
    """
    import_code(None)
    # only the steps of the schedule depend on the number of sentences
    config, computed = plan_training(
        run.config,
        find_dataset(run.source),
        1000,
        encoder=run.encoder,
        overrides=run.overrides,
    )
    known = Config().from_disk(run.config, interpolate=False)["recipe"]
    for name in run.overrides:
        section, _, value = name.rpartition(".")
        if section == "recipe" and value not in known:
            raise JREError(
                Errors.J750.format(
                    path=run.config,
                    field=name,
                    problem=f"is unknown. Known in [recipe]: {', '.join(known)}",
                )
            )
    values = {"paths.train": "-", "paths.dev": "-", LOG_SETTING: "-"}
    complete = Config().from_str(
        config.to_str(),
        overrides={**computed, **run.overrides, **values},
        interpolate=False,
    )
    nlp = load_model_from_config(complete, auto_fill=True)
    resolved = nlp.config.interpolate()
    registry.resolve({"corpora": resolved["corpora"]})
    registry.resolve(resolved["training"], schema=ConfigSchemaTraining)
    return resolved
