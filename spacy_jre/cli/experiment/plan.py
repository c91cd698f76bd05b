"""Experiment files: their fields, the runs they define, and their checks.

A run is one training. The runs of a file are all combinations of its models, rows,
datasets, folds, samples and seeds.
"""

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import srsly
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from spacy.cli._util import import_code
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_model_from_config, registry
from thinc.api import Config

from ...about import __version__
from ...corpora.dataset import Dataset, find_dataset
from ...errors import Errors, JREError
from ..fingerprints import (
    data_fingerprints,
    encoder_fingerprint,
    fingerprint_bytes,
)
from ..overrides import SET_BY_CROSS_VALIDATE
from ..train import plan_training

# the logger of a run is always spaCy's, which writes the evaluations
LOGGER = "training.logger"
BATCH_SIZE, BATCHER_SIZE = "recipe.batch_size", "training.batcher.size"
RESERVED = {
    "paths.train": "'path' of the dataset",
    "paths.dev": "'path' of the dataset",
    "system.seed": "'seeds'",
    LOGGER: "epochs.jsonl in the folder of the run",
}
assert RESERVED.keys() > SET_BY_CROSS_VALIDATE.keys()


def _check_unique(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            text = "null" if value is None else value
            raise ValueError(f"contains {text} more than once")
    return values


Unique = AfterValidator(_check_unique)

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
        for name, value in overrides.items():
            reserved = LOGGER if name.startswith(f"{LOGGER}.") else name
            if reserved in RESERVED:
                raise ValueError(f"can't contain {name}. Use {RESERVED[reserved]}")
            if "." not in name:
                raise ValueError(f"must contain full names, not {name!r}")
            for problem in _find_not_json(value):
                raise ValueError(
                    f"can't contain {problem}: {name}. Use strings, numbers, true, "
                    "false, null, lists, and mappings with strings as keys"
                )
        return overrides


def _find_not_json(value: Any) -> Iterator[str]:
    """YIELDS (str): Each part of a value that JSON files can't contain."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"the key {key!r}"
            yield from _find_not_json(item)
    elif isinstance(value, list):
        for item in value:
            yield from _find_not_json(item)
    elif isinstance(value, int):
        # srsly does not write integers of more than 64 bits
        if abs(value) >= 2**63:
            yield f"the number {value}"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"the number {value}"
    elif value is not None and not isinstance(value, str):
        yield f"the value {value!r:.60}"


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
    folds: (
        Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Unique] | None
    ) = None
    score: Literal["dev", "test"] = "dev"
    average: Literal["micro", "macro"] = "micro"
    samples: Annotated[list[Count | None], Field(min_length=1), Unique] = [None]


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
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Unique] = [
        0
    ]
    best_of: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=0)] = 1
    max_loss: Annotated[float, Field(ge=0, le=1)] = 0.01


@dataclass(frozen=True)
class PlannedRun:
    """One training. The names are those of the experiment file.

    config_text (str): Content of the config. It was read once, so that changes of the
        file have no effect on the runs of the same command.
    data (Mapping | None): Fingerprints of the files of the dataset. None if they are
        absent, so that the run can't be trained.
    encoder_files (str): Fingerprint of the encoder if it is a local folder.
    """

    model: str
    row: str
    dataset: str
    fold: int
    sample: int | None
    seed: int
    config: Path
    config_text: str
    source: Path
    data: Mapping[str, list[str]] | None
    split: str
    encoder: str
    encoder_files: str
    overrides: Mapping[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """Runs with the same fingerprint have the same scores. Names, and the order of
        the overrides, have no effect. The order inside a mapping has: the first regular
        expression of ``training.optimizer.rates`` that matches is used."""
        data = None if self.data is None else _sort(self.data)
        return _hash({**self._settings, "data": data})

    @cached_property
    def settings_fingerprint(self) -> str:
        """The fingerprint without the data, for results of data that is absent."""
        return _hash(self._settings)

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "config": fingerprint_bytes(self.config_text.encode()),
            "fold": self.fold,
            "sample": self.sample,
            "seed": self.seed,
            "split": self.split,
            "encoder": self.encoder,
            **({"encoder_files": self.encoder_files} if self.encoder_files else {}),
            "overrides": _sort(self.overrides),
        }

    @property
    def label(self) -> str:
        """Description for messages."""
        parts = [self.model, self.row, self.dataset]
        parts += [f"fold {self.fold}"] if self.fold else []
        parts += [f"{self.sample} Docs"] if self.sample is not None else []
        return ", ".join([*parts, f"seed {self.seed}"])


def _sort(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(values.items()))


def _hash(conditions: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_sort(conditions)).encode()).hexdigest()


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
) -> list[str]:
    """Select datasets of an experiment, e.g. those that have been downloaded.

    path (Path): The file, for error messages.
    names (Sequence[str]): Names of the datasets. Empty: all.
    RETURNS (list[str]): The names of the selected datasets.
    RAISES (ValueError): J790 for an unknown name.
    """
    for name in names:
        if name not in experiment.datasets:
            known = ", ".join(experiment.datasets)
            raise JREError(Errors.J790.format(path=path, name=name, known=known))
    return [name for name in experiment.datasets if name in (names or [name])]


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


def plan_runs(
    path: Path,
    experiment: Experiment,
    *,
    required: Collection[str] | None = None,
    known_folds: Mapping[str, Iterable[int]] | None = None,
) -> list[PlannedRun]:
    """Get all runs of an experiment, seed by seed.

    path (Path): The experiment file, for error messages.
    required (Collection[str] | None): Names of the datasets that must exist. None: all.
    known_folds (Mapping | None): The folds of datasets that do not exist, by name.
    RAISES (ValueError): J750 for a dataset without dev data that is scored on dev, or
        a config that is not UTF-8, J601 for a missing file, J634 for a fold that does
        not exist.
    """
    data: dict[tuple[str, int], dict[str, list[str]] | None] = {}
    for name, entry in experiment.datasets.items():
        about = find_dataset(Path(entry.path))
        try:
            found = _fingerprint_data(path, name, entry, about)
            data |= {(name, fold): files for fold, files in found.items()}
        except JREError:
            if required is None or name in required:
                raise
            known = (known_folds or {}).get(name) or [0]
            folds = range(max(1, about.folds)) if about else sorted(known)
            data |= {(name, fold): None for fold in entry.folds or folds}
    configs = {
        name: _read_config(path, f"models.{name}.config", Path(entry.config))
        for name, entry in experiment.models.items()
    }
    settings = {
        (model, row, name): _combine(
            experiment,
            experiment.datasets[name],
            experiment.models[model],
            experiment.rows[row],
        )
        for row, entry in experiment.rows.items()
        for model in entry.models or experiment.models
        for name in entry.datasets or experiment.datasets
    }
    encoder_files = {
        (model, row, name): _fingerprint_encoder(
            Path(experiment.models[model].config),
            configs[model],
            find_dataset(Path(experiment.datasets[name].path)),
            **combined,
        )
        for (model, row, name), combined in settings.items()
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
            config_text=configs[model],
            source=Path(experiment.datasets[name].path),
            data=fingerprints,
            split=experiment.datasets[name].score,
            encoder_files=encoder_files[model, row, name],
            **settings[model, row, name],
        )
        for seed in experiment.seeds
        for (name, fold), fingerprints in data.items()
        for sample in experiment.datasets[name].samples
        for model in experiment.models
        for row in experiment.rows
        if (model, row, name) in settings
    ]


def _fingerprint_data(
    path: Path, name: str, entry: DatasetEntry, about: Dataset | None
) -> dict[int, dict[str, list[str]]]:
    """RETURNS (dict): The fingerprints of the files of each fold."""
    source = Path(entry.path)
    if not source.is_dir():
        raise JREError(Errors.J601.format(path=source))
    dataset = about or Dataset(source)
    if entry.score == "dev" and not dataset.has_dev:
        problem = "must be 'test': the dataset has no dev data"
        raise JREError(_wrong(path, f"datasets.{name}.score", problem))
    folds = entry.folds or range(max(1, dataset.folds))
    return {fold: data_fingerprints(dataset, fold) for fold in folds}


def _read_config(path: Path, field: str, config: Path) -> str:
    if not config.is_file():
        raise JREError(Errors.J601.format(path=config))
    try:
        # with its line breaks, so that its fingerprint is that of the file
        return config.read_bytes().decode("utf8")
    except UnicodeDecodeError as error:
        problem = f"names {config}, which is not UTF-8: {error}"
        raise JREError(_wrong(path, field, problem)) from error


def _fingerprint_encoder(
    config: Path,
    text: str,
    about: Dataset | None,
    encoder: str,
    overrides: Mapping[str, Any],
) -> str:
    """RETURNS (str): The fingerprint of the encoder of a run if it is a folder,
    otherwise an empty string."""
    try:
        complete = _complete_config(config, text, about, encoder, overrides)
        tok2vec = complete.interpolate()["components"]["jre"]["model"]["tok2vec"]
        name = tok2vec["name"]
        is_folder = bool(name) and Path(name).is_dir()
    except Exception:  # no transformer, or a config that `check_runs` reports
        return ""
    return encoder_fingerprint(Path(name).resolve()) if is_folder else ""


def _combine(*levels: Settings) -> dict[str, Any]:
    """Combine settings. Later levels take precedence."""
    encoder = ""
    overrides: dict[str, Any] = {}
    for level in levels:
        encoder = level.encoder or encoder
        for name in ("epochs", "batch_size"):
            if getattr(level, name):
                overrides[f"recipe.{name}"] = getattr(level, name)
        if level.batch_size or BATCH_SIZE in level.overrides:
            # takes precedence over the batch size of the recipe
            overrides.pop(BATCHER_SIZE, None)
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
    config = _complete_config(
        run.config,
        run.config_text,
        find_dataset(run.source),
        run.encoder,
        run.overrides,
    )
    known = Config().from_str(run.config_text, interpolate=False)["recipe"]
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
    nlp = load_model_from_config(config, auto_fill=True)
    resolved = nlp.config.interpolate()
    registry.resolve({"corpora": resolved["corpora"]})
    registry.resolve(resolved["training"], schema=ConfigSchemaTraining)
    return resolved


def _complete_config(
    path: Path,
    text: str,
    about: Dataset | None,
    encoder: str,
    overrides: Mapping[str, Any],
) -> Config:
    """RETURNS (Config): The config of a training, except for the files."""
    # only the steps of the schedule depend on the number of sentences
    config, computed = plan_training(
        path, about, 1000, text=text, encoder=encoder, overrides=overrides
    )
    values = {"paths.train": "-", "paths.dev": "-", LOGGER: file_logger("-")}
    return Config().from_str(
        config.to_str(),
        overrides={**computed, **overrides, **values},
        interpolate=False,
    )


def file_logger(path: str) -> dict[str, Any]:
    """Get the logger of a run. It replaces that of the config, which may not be able to
    write a file.

    path (str): The file with the evaluations.
    RETURNS (dict[str, Any]): The value of ``training.logger``.
    """
    return {"@loggers": "spacy.ConsoleLogger.v3", "output_file": path}
