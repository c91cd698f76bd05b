"""Train and score the runs of an experiment in processes of their own.

Each finished run is one line in ``results.jsonl``. Only this process writes the file,
so that an interrupted command leaves at most one incomplete line.
"""

import hashlib
import json
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import srsly
import torch

from ...about import __version__
from ...annotations import register_extension
from ...corpora.dataset import FILE as DATASET_FILE
from ...corpora.dataset import Dataset, find_dataset
from ...corpora.formats.docbin import RelationDocBin
from ...corpora.reader import read_docbin
from ...errors import Errors, JREError
from ...profiling.machine import cpu_name
from ..convert import Settings, convert_again
from ..evaluate import evaluate
from ..train import run_training
from .plan import LOGGER, PlannedRun, file_logger
from .scores import SCORES, select_scores

RESULTS = "results.jsonl"
# runs with the same values take about the same time
SAME_MODEL = ("model", "dataset", "sample")
SAME_ROW = (*SAME_MODEL, "row")
# copy of the config in the folder of a run
ORIGINAL = "original.cfg"
# fields of a result that a run has, too
NAMES = ("model", "row", "dataset", "fold", "sample", "seed", "split")
MAX_SLUG = 100  # bytes
PACKAGES = ("spacy", "thinc", "torch", "transformers", "numpy")


class Outcome(NamedTuple):
    """A run that has ended.

    result (dict | None): Its line of the results. None if the run failed.
    log (Path): The log file of its process.
    reason (str): Why there is no result, if it is not in the output of the process.
    """

    run: PlannedRun
    result: dict[str, Any] | None
    log: Path
    reason: str = ""


# results


class Results:
    """The results of an experiment, in a file of JSON lines."""

    def __init__(self, path: Path):
        """Read the file if it exists. RAISES (OSError): If it can't be read."""
        self.path = path
        self.by_fingerprint: dict[str, dict[str, Any]] = {}
        self.incomplete = 0  # lines
        content = path.read_bytes() if path.is_file() else b""
        # a line that was interrupted while it was written has no line break
        self._separator = "\n" if content and not content.endswith(b"\n") else ""
        # not splitlines: a name can contain other line breaks, such as U+2028
        for line in content.split(b"\n"):
            try:
                result = json.loads(line)
                self.by_fingerprint[result["fingerprint"]] = result
            except (ValueError, KeyError, TypeError):
                self.incomplete += bool(line.strip())

    def find(self, runs: Iterable[PlannedRun]) -> dict[str, dict[str, Any]]:
        """Get the results of runs by their fingerprints.

        The fingerprint of a run without its data is not that of its result. Then the
        newest result with the same name of the dataset and the same settings is used.
        Results of older versions have no fingerprint of the settings: they are found
        by their names, config and overrides.
        """
        settings, names = {}, {}
        for result in self.by_fingerprint.values():
            if "settings_fingerprint" in result:
                settings[result["dataset"], result["settings_fingerprint"]] = result
            else:
                names[_key(result)] = result
        found = {}
        for run in runs:
            line = self.by_fingerprint.get(run.fingerprint)
            if run.data is None:
                line = settings.get((run.dataset, run.settings_fingerprint))
                line = line or names.get(_key(_describe(run)))
            if line is not None:
                found[run.fingerprint] = line
        return found

    @property
    def folds(self) -> dict[str, set[int]]:
        """The folds of each dataset that have results."""
        folds: dict[str, set[int]] = {}
        for result in self.by_fingerprint.values():
            if "dataset" in result:
                folds.setdefault(result["dataset"], set()).add(result["fold"])
        return folds

    def add(self, result: dict[str, Any]) -> None:
        """Append a line, and write it to the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf8") as file:
            file.write(f"{self._separator}{json.dumps(result, ensure_ascii=False)}\n")
            file.flush()
            os.fsync(file.fileno())
        self._separator = ""
        self.by_fingerprint[result["fingerprint"]] = result


def _key(result: Mapping[str, Any]) -> str:
    overrides = sorted((result.get("overrides") or {}).items())
    names = [result.get(name) for name in (*NAMES, "config")]
    return json.dumps([*names, overrides])


# data


def convert_data(
    path: Path,
    runs: Sequence[PlannedRun],
    output: Path,
    max_loss: float,
    *,
    checksums: Path | None = None,
) -> None:
    """Convert the datasets of runs, and draw the samples of the training data.

    path (Path): The experiment file, for error messages.
    checksums (Path | None): See ``spacy jre convert``.
    RAISES (ValueError): J752 for a sample that is larger than the training data, and
        the errors of the conversion.
    """
    converted: set[Path] = set()
    for run in runs:
        folder = corpus_folder(run, output)
        if folder not in converted:
            settings = Settings(fold=run.fold, checksums=checksums)
            convert_again(run.source, folder, settings, max_loss)
            converted.add(folder)
        train = train_file(run, output)
        if run.sample is not None and train not in converted:
            _draw_sample(path, run, folder, train)
            converted.add(train)


def corpus_folder(run: PlannedRun, output: Path) -> Path:
    return output / "corpus" / unique_slug(run.dataset) / str(run.fold)


def train_file(run: PlannedRun, output: Path) -> Path:
    """RETURNS (Path): The training data of a run."""
    folder = corpus_folder(run, output)
    if run.sample is not None:
        folder = folder / f"{run.sample}-docs-seed-{run.seed}"
    return folder / "train.spacy"


def _draw_sample(path: Path, run: PlannedRun, folder: Path, target: Path) -> None:
    register_extension()
    about = find_dataset(folder) or Dataset(folder)
    docs = list(read_docbin(folder / "train.spacy", spacy.blank(about.lang)))
    order = list(range(len(docs)))
    random.Random(run.seed).shuffle(order)
    assert run.sample is not None
    if run.sample > len(docs):
        raise JREError(
            Errors.J752.format(
                path=path, dataset=run.dataset, found=len(docs), size=run.sample
            )
        )
    docbin = RelationDocBin()
    for number in sorted(order[: run.sample]):
        docbin.add(docs[number])
    target.parent.mkdir(parents=True, exist_ok=True)
    docbin.to_disk(target)
    # `run_training` reads it from the folder of the training data
    (target.parent / DATASET_FILE).unlink(missing_ok=True)
    if (folder / DATASET_FILE).is_file():
        shutil.copy(folder / DATASET_FILE, target.parent)


def slug(name: str) -> str:
    """RETURNS (str): A name for a file. Different names can have the same one."""
    text = re.sub(r"[^\w.]+", "-", name).strip("-.") or "-"
    # the limit of most file systems is 255 bytes
    return text.encode()[:MAX_SLUG].decode(errors="ignore")


def unique_slug(name: str) -> str:
    """RETURNS (str): A name for a file that no other name has."""
    text = slug(name)
    if text == name:
        return text
    return f"{text}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


# processes


def run_all(
    runs: Sequence[PlannedRun],
    output: Path,
    results: Results,
    *,
    jobs: int = 1,
    gpu_id: int = -1,
    threads: int = 1,
    keep_models: bool = False,
    keep_predictions: bool = False,
    trust: Sequence[str] = (),
    started: MutableMapping[str, float] | None = None,
) -> Iterator[Outcome]:
    """Train and score runs in parallel processes, and add their results to the file.

    The data of the runs must have been converted.

    runs (Sequence[PlannedRun]): The runs. Of several runs with the same fingerprint,
        only the first one is trained.
    jobs (int): Number of processes.
    threads (int): CPU threads of each process. 0: PyTorch's default.
    keep_models (bool): Whether to keep the trained pipelines.
    keep_predictions (bool): Whether to keep the predictions for the scored data.
    trust (Sequence[str]): See ``trust_remote_code``.
    started (MutableMapping[str, float] | None): Gets the time (``time.monotonic``) at
        which a run starts, by its fingerprint.
    YIELDS (Outcome): One per trained run, as soon as it has ended.
    """
    unique: dict[str, PlannedRun] = {}
    for run in runs:
        unique.setdefault(run.fingerprint, run)
    processes = _Processes(threads, trust, {} if started is None else started)
    with ThreadPoolExecutor(jobs) as executor:
        try:
            futures: dict[Future[Outcome], PlannedRun] = {}
            for run in unique.values():
                spec = {
                    **_specify(run, output),
                    "gpu_id": gpu_id,
                    "threads": threads,
                    "keep_models": keep_models,
                    "keep_predictions": keep_predictions,
                }
                futures[executor.submit(processes.execute, run, spec)] = run
            for future in as_completed(futures):
                outcome = future.result()
                if outcome.result is not None:
                    results.add(outcome.result)
                yield outcome
        finally:
            # e.g. Ctrl-C
            executor.shutdown(wait=False, cancel_futures=True)
            processes.stop()


def run_folder(run: PlannedRun, output: Path) -> Path:
    """RETURNS (Path): The folder of a run with its log file."""
    sample = "" if run.sample is None else f"-{run.sample}"
    names = f"{run.model}-{run.row}-{run.dataset}-{run.fold}{sample}-{run.seed}"
    return output / "runs" / f"{slug(names)}-{run.fingerprint[:8]}"


def find_folders(fingerprint: str, output: Path) -> list[Path]:
    """RETURNS (list[Path]): The folders of a run, also if its names have changed."""
    return list((output / "runs").glob(f"*-{fingerprint[:8]}"))


def _specify(run: PlannedRun, output: Path) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The arguments of `execute_run` that depend on the
    run."""
    corpus = corpus_folder(run, output)
    folder = run_folder(run, output)
    return {
        "config": str(folder / ORIGINAL),
        "output": str(folder),
        "train": str(train_file(run, output)),
        "dev": str(corpus / "dev.spacy"),
        "scored": str(corpus / f"{run.split}.spacy"),
        "encoder": run.encoder,
        "seed": run.seed,
        "overrides": dict(run.overrides),
    }


def prepare_folder(run: PlannedRun, spec: Mapping[str, Any]) -> None:
    """Create the folder of a run, with the config and the arguments of its process.

    The config is the text from which the fingerprint was computed: the file may have
    changed since then.
    """
    folder = Path(spec["output"])
    # left by an interrupted call
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / ORIGINAL).write_bytes(run.config_text.encode())
    srsly.write_json(folder / "spec.json", dict(spec))


def time_left(
    pending: Sequence[PlannedRun],
    results: Iterable[Mapping[str, Any]],
    jobs: int,
    *,
    spent: Mapping[str, float] | None = None,
    machine: Mapping[str, Any] | None = None,
) -> float | None:
    """Estimate the time that runs will take.

    A run takes as long as the finished runs with the same model, row, dataset and
    sample; or else, of any row; or else, as all finished runs.

    pending (Sequence[PlannedRun]): The runs that have not finished.
    results (Iterable[Mapping]): The results of finished runs.
    jobs (int): Number of processes.
    spent (Mapping[str, float] | None): Seconds since the start of runs, by fingerprint.
    machine (Mapping[str, Any] | None): See ``describe_machine``. Runs on this machine
        are preferred.
    RETURNS (float | None): Seconds. None if no run has finished.
    """
    seconds: dict[tuple[Any, ...], list[float]] = {}
    for result in results:
        here = machine is not None and result.get("machine") == machine
        for names in (SAME_ROW, SAME_MODEL, ()):
            alike = names, tuple(result.get(name) for name in names)
            for key in [(False, *alike), *([(True, *alike)] if here else [])]:
                seconds.setdefault(key, []).append(
                    result.get("wall_seconds", result["seconds"])
                )
    if not seconds:
        return None
    means = {key: statistics.fmean(values) for key, values in seconds.items()}

    def remaining(run: PlannedRun) -> float:
        row, model = (
            (names, tuple(getattr(run, name) for name in names))
            for names in (SAME_ROW, SAME_MODEL)
        )
        every: tuple[Any, ...] = (), ()
        # another model differs more than another machine
        keys = [(here, *alike) for here in (True, False) for alike in (row, model)]
        keys += [(True, *every), (False, *every)]
        mean = next(means[key] for key in keys if key in means)
        return max(0.0, mean - (spent or {}).get(run.fingerprint, 0.0))

    if not pending:
        return 0.0
    return sum(map(remaining, pending)) / min(jobs, len(pending))


class _Processes:
    """The running processes."""

    def __init__(
        self, threads: int, trust: Sequence[str], started: MutableMapping[str, float]
    ):
        self.trust = [part for name in trust for part in ("--trust-remote-code", name)]
        limit = {"OMP_NUM_THREADS": str(threads)} if threads else {}
        self.environment = {**os.environ, **limit}
        self.started = started
        self.running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def execute(self, run: PlannedRun, spec: Mapping[str, Any]) -> Outcome:
        """Run one process and read its result."""
        log = Path(spec["output"]) / "log.txt"
        try:
            return self._execute(run, spec, log)
        except OSError as error:  # e.g. the disk is full, or no memory for a process
            # the log may be what can't be written
            with suppress(OSError), log.open("a", encoding="utf8") as file:
                file.write(f"{error}\n")
            return Outcome(run, None, log, str(error))

    def _execute(self, run: PlannedRun, spec: Mapping[str, Any], log: Path) -> Outcome:
        prepare_folder(run, spec)
        command = [sys.executable, "-m", "spacy", "jre", "experiment-run"]
        with log.open("wb") as file:
            with self._lock:
                if self._stopped:
                    return Outcome(run, None, log)
                started = time.monotonic()
                process = subprocess.Popen(
                    [*command, str(log.parent / "spec.json"), *self.trust],
                    # closed if this process ends, which then ends the other process
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=self.environment,
                )
                self.running.add(process)
                self.started[run.fingerprint] = started
            # closes the standard input afterwards
            with process:
                code = process.wait()
            seconds = time.monotonic() - started
            with self._lock:  # `stop` iterates over the set
                self.running.discard(process)
        result = log.parent / "result.json"
        if code or not result.is_file():
            return Outcome(run, None, log)
        line = {**_describe(run), **srsly.read_json(result)}
        return Outcome(run, {**line, "wall_seconds": round(seconds, 1)}, log)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self.running:
                process.kill()


def _describe(run: PlannedRun) -> dict[str, Any]:
    return {
        "fingerprint": run.fingerprint,
        "settings_fingerprint": run.settings_fingerprint,
        **{name: getattr(run, name) for name in NAMES},
        "overrides": dict(run.overrides),
        "config": str(run.config),
    }


# inside the process of a run


def end_with_parent() -> None:
    """End this process if the standard input is closed.

    The parent process holds the other end, so it is closed even if the parent was
    killed.
    """

    def wait() -> None:
        # not sys.stdin, whose lock would abort the interpreter at its end
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def execute_run(spec: Mapping[str, Any]) -> None:
    """Train and score one run, and write its ``result.json``."""
    output = Path(spec["output"])
    epochs_file = output / "epochs.jsonl"
    started, cpu_started = time.perf_counter(), time.process_time()
    run_training(
        Path(spec["config"]),
        output,
        Path(spec["train"]),
        Path(spec["dev"]),
        encoder=spec["encoder"],
        seed=spec["seed"],
        gpu_id=spec["gpu_id"],
        threads=spec["threads"],
        overrides={**spec["overrides"], LOGGER: file_logger(str(epochs_file))},
        resumable=False,
    )
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu_started
    epochs = read_epochs(epochs_file)
    about = find_dataset(Path(spec["train"]).parent)
    keeps_last = about is not None and about.keep == "last"
    result = {
        "last": _score(output / "model-last", spec),
        "best": _score(output / "model-best", spec),
        "best_epoch": epochs[-1]["epoch"] if keeps_last else best_epoch(epochs),
        "epochs": epochs,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "threads": torch.get_num_threads(),
        "machine": describe_machine(spec["gpu_id"]),
        "versions": versions(),
    }
    if not spec["keep_models"]:
        for name in ("model-best", "model-last"):
            shutil.rmtree(output / name)
    # written last, because it marks the run as finished
    srsly.write_json(output / "result.json", result)


def _score(model: Path, spec: Mapping[str, Any]) -> dict[str, Any]:
    predictions = None
    if spec["keep_predictions"]:
        predictions = model.parent / f"{model.name}.spacy"
    scores = evaluate(
        model, Path(spec["scored"]), gpu_id=spec["gpu_id"], predictions=predictions
    )
    return select_scores(scores)


def read_epochs(path: Path) -> list[dict[str, Any]]:
    """Read the evaluations on dev, which spaCy's logger has written.

    RETURNS (list[dict]): ``epoch``, ``score`` (which selects the best epoch) and F1
        scores between 0 and 1, in order. Epoch 0 is the evaluation after the first
        update.
    """
    return [
        {
            "epoch": row["epoch"],
            "score": row["score"],
            # the logger writes percentages
            **{k: v / 100 for k, v in row["scores"].items() if k in SCORES},
        }
        for row in srsly.read_jsonl(path)
    ]


def best_epoch(epochs: Sequence[Mapping[str, Any]]) -> int:
    """RETURNS (int): The epoch of model-best: the last one with the best score."""
    return max(epochs, key=lambda row: (row["score"], row["epoch"]))["epoch"]


def describe_machine(gpu_id: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): CPU, number of cores, and GPU."""
    gpu = torch.cuda.get_device_name(gpu_id) if gpu_id >= 0 else None
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "gpu": gpu}


def versions() -> dict[str, str]:
    """RETURNS (dict[str, str]): Versions of Python and the main packages."""
    return {
        "spacy_jre": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
