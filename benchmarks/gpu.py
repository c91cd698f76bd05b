"""Test and measure training and prediction on a GPU with one command.

Usage: python benchmarks/gpu.py [--quick] [--output FILE]

Nothing is downloaded: the encoder is a BERT-base with random weights, and its
vocabulary is trained on the texts. The script

1. runs the tests with the marker `gpu`,
2. trains configs/sinet.cfg in float32 and in half precision,
3. compares the predictions of the GPU with those of the CPU,
4. measures training, prediction and the bare encoder, counts the operations for which
   the host waits for the GPU, and lists the operators that take the most time.

Without a GPU, it does the same on the CPU with a small encoder, without the tests.
"""

import argparse
import copy
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import spacy
import torch
import transformers
from host_waits import count_host_waits
from measure import (
    BareEncoder,
    copy_docs,
    describe,
    find_component,
    find_encoder,
    fresh_examples,
    interleave,
)
from random_bert import BASE, SMALL, save_random_bert
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Optimizer, require_cpu, require_gpu
from torch.profiler import ProfilerActivity, profile

from spacy_jre.cli.convert import Settings, convert_path
from spacy_jre.cli.train import schedule_overrides
from spacy_jre.corpora.reader import Corpus

CONFIG = ROOT / "configs" / "sinet.cfg"
# Of the runtime of CUDA: calls that wait for the GPU, and copies, which wait if the
# memory of the host is not pinned
CUDA_CALLS = (
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "cudaEventSynchronize",
    "cudaMemcpyAsync",
    "cudaLaunchKernel",
)
N_OPERATORS = 12
# sentences for training, and for prediction, with `--quick`
N_QUICK = 48


class Run:
    """The state of a run: its device, its time limit and its results.

    results (dict): What `--output` writes.
    """

    def __init__(self, *, on_gpu: bool, budget: float, quick: bool):
        """
        on_gpu (bool): Whether to use the GPU.
        budget (float): Time limit in seconds. Steps that do not fit are skipped.
        quick (bool): Whether to use fewer sentences.
        """
        self.on_gpu = on_gpu
        self.quick = quick
        self.results: dict[str, Any] = {}
        self._start = time.monotonic()
        self._budget = budget

    @property
    def remaining(self) -> float:
        """Seconds until the time limit."""
        return self._budget - (time.monotonic() - self._start)

    def report(self, name: str, value: Any, text: str) -> None:
        """Print a result, and save it for `--output`."""
        self.results[name] = value
        print(f"[{time.monotonic() - self._start:5.0f} s] {name}: {text}", flush=True)

    def skip(self, name: str) -> None:
        """Report a step that is skipped, because of the time limit."""
        self.report(name, None, "skipped, time limit reached")

    def has_time(self, name: str, seconds: float) -> bool:
        """Check whether enough time is left for a step. If not, report it as skipped.

        name (str): Name of the step.
        seconds (float): The time that the step needs.
        RETURNS (bool): Whether to run the step.
        """
        if self.remaining >= seconds:
            return True
        self.skip(name)
        return False

    def use_device(self) -> None:
        """Create the next models on the device of the run."""
        if self.on_gpu:
            require_gpu(0)
        else:
            require_cpu()

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.on_gpu:
            torch.cuda.synchronize()


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run all steps.

    RETURNS (dict): The results.
    RAISES (SystemExit): After all steps, if a test failed.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="use fewer sentences, for about a minute"
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "gpu"),
        default="auto",
        help="auto: the GPU if there is one (default)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT / "assets" / "newswire",
        help="folder of a dataset with train and dev (default: assets/newswire)",
    )
    parser.add_argument("--epochs", type=int, default=2, help="epochs (default: 2)")
    parser.add_argument(
        "--budget",
        type=float,
        default=300,
        help="time limit in seconds, at most 480 (default: 300)",
    )
    parser.add_argument("--skip-tests", action="store_true", help="skip step 1")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    options = parser.parse_args(arguments)
    on_gpu = options.device != "cpu" and torch.cuda.is_available()
    if options.device == "gpu" and not on_gpu:
        parser.error("PyTorch detects no GPU")
    run = Run(on_gpu=on_gpu, budget=min(options.budget, 480), quick=options.quick)
    run.report("machine", *describe_machine(on_gpu))
    failed = False
    try:
        if not options.skip_tests:
            failed = not run_tests(run)
        with tempfile.TemporaryDirectory() as folder:
            measure_models(run, Path(folder), options.data, options.epochs)
    finally:
        require_cpu()
        if options.output:
            options.output.write_text(json.dumps(run.results, indent=2))
    if failed:
        raise SystemExit(
            "Tests with the marker `gpu` failed or did not finish, see above"
        )
    return run.results


def describe_machine(on_gpu: bool) -> tuple[dict[str, str], str]:
    """RETURNS (tuple): The device and the versions, as a dict and as a text."""
    facts = {
        "device": torch.cuda.get_device_name(0) if on_gpu else "CPU",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "spacy": spacy.__version__,
        "numpy": np.__version__,
    }
    if on_gpu:
        import cupy

        facts["cupy"] = cupy.__version__
    return facts, ", ".join(f"{name} {value}" for name, value in facts.items())


def run_tests(run: Run) -> bool:
    """Run the tests with the marker `gpu`, at most for half of the time.

    RETURNS (bool): Whether the tests finished, and none failed.
    """
    if not run.on_gpu:
        run.report("tests", None, "skipped, they require a GPU")
        return True
    # other files may import packages that are not installed on the machine
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    paths = [p for p in paths if "mark.gpu" in p.read_text(encoding="utf8")]
    command = [sys.executable, "-m", "pytest", "--gpu", "-q", "-m", "gpu"]
    search_path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", *map(str, paths)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(search_path)},
            capture_output=True,
            text=True,
            timeout=run.remaining / 2,
        )
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        run.report("tests", "timeout", f"time limit reached\n{output.decode()}")
        return False
    text = done.stdout if done.returncode else done.stdout.strip().splitlines()[-1]
    run.report("tests", text, f"exit status {done.returncode}\n{text}{done.stderr}")
    return done.returncode == 0


def measure_models(run: Run, folder: Path, data: Path, epochs: int) -> None:
    """Steps 2 to 4.

    folder (Path): A folder for temporary files.
    data (Path): A dataset.
    epochs (int): Epochs of training.
    """
    convert_path(data, folder / "corpus", Settings())
    blank = spacy.blank("en")
    limit = N_QUICK if run.quick else 0
    train, dev = (
        list(Corpus(folder / "corpus" / f"{name}.spacy", limit=limit)(blank))
        for name in ("train", "dev")
    )
    encoder = save_random_bert(
        folder / "encoder",
        [example.text for example in train],
        BASE if run.on_gpu else SMALL,
    )
    run.report(
        "data",
        {"train": len(train), "dev": len(dev)},
        f"{len(train)} sentences for training, {len(dev)} for prediction",
    )
    trained: dict[str, Language] = {}
    for name, settings in precisions().items():
        if run.has_time(f"train, {name}", 45):
            run.use_device()
            nlp = train_model(run, name, encoder, settings, train, epochs)
            if nlp is not None:
                trained[name] = nlp
    docs = [example.reference for example in dev]
    for name, nlp in trained.items():
        compare_with_cpu(run, name, nlp, docs)
    for name, nlp in trained.items():
        measure_speed(run, name, nlp, docs)
    for name, nlp in trained.items():
        count_waits(run, name, nlp, train, docs)
        profile_operators(run, name, nlp, train, docs)


def precisions() -> dict[str, dict[str, Any]]:
    """RETURNS (dict): Overrides of the config for each precision."""
    names = {"float32": "never", "half precision": "always"}
    return {name: {"components.jre.half_precision": v} for name, v in names.items()}


def train_model(
    run: Run,
    name: str,
    encoder: Path,
    settings: dict[str, Any],
    examples: Sequence[Example],
    epochs: int,
) -> Language | None:
    """Train configs/sinet.cfg with its own batch size and schedule.

    RETURNS (Language | None): The pipeline. None if there is no time for an update.
    """
    recipe = load_config(CONFIG)["recipe"]
    size = recipe["batch_size"]
    overrides = {
        **schedule_overrides(len(examples), size, epochs, recipe["warmup"]),
        "components.jre.model.tok2vec.name": str(encoder),
        # required by the schema, but not read
        "paths.train": "train.spacy",
        "paths.dev": "dev.spacy",
        **settings,
    }
    spacy.util.fix_random_seed(0)
    config = load_config(CONFIG, overrides=overrides, interpolate=True)
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: examples)
    section = nlp.config.interpolate()["training"]
    resolved = registry.resolve(section, schema=ConfigSchemaTraining)
    optimizer: Optimizer = resolved["optimizer"]
    shuffled, losses, seconds = list(examples), [], []
    rng = random.Random(0)
    for _ in range(epochs):
        rng.shuffle(shuffled)
        for start in range(0, len(shuffled), size):
            if run.remaining < 30:
                break
            batch = fresh_examples(nlp, shuffled[start : start + size])
            begin = time.perf_counter()
            losses.append(nlp.update(batch, sgd=optimizer, losses={})["jre"])
            run.synchronize()
            seconds.append(time.perf_counter() - begin)
            optimizer.step_schedules()
    if not losses:
        run.skip(f"train, {name}")
        return None
    part = max(len(losses) // 10, 1)
    first, last = (float(np.mean(rows)) for rows in (losses[:part], losses[-part:]))
    # the first updates allocate memory and load kernels
    rate = size / median(seconds)
    scores = nlp.evaluate(fresh_examples(nlp, examples[:N_QUICK]))
    f1 = {key: scores[key] for key in ("ents_f", "rel_strict_f")}
    run.report(
        f"train, {name}",
        {"updates": len(losses), "first": first, "last": last, "rate": rate, **f1},
        f"{len(losses)} updates of {size}, loss {first:.3f} -> {last:.3f}, "
        f"{rate:.0f} sentences/s; F1 on {N_QUICK} training sentences: {f1}",
    )
    if not np.isfinite(losses).all():
        raise SystemExit(f"The loss of {name} is not finite: {losses}")
    return nlp


def compare_with_cpu(run: Run, name: str, nlp: Language, docs: Sequence[Any]) -> None:
    """Compare the predictions with those of the CPU for the same weights."""
    if not run.has_time(f"compare with the CPU, {name}", 30):
        return
    # the vocab of the pipeline is on the GPU, so it is saved before the switch
    data = nlp.to_bytes()
    require_cpu()
    on_cpu = load_model_from_config(copy.deepcopy(nlp.config)).from_bytes(data)
    expected = predict(on_cpu, docs)
    run.use_device()
    actual = predict(nlp, docs)
    differences = np.abs(actual[0] - expected[0])
    equal = sum(a == b for a, b in zip(actual[1], expected[1], strict=True))
    run.report(
        f"compare with the CPU, {name}",
        {"largest": float(differences.max()), "equal": equal, "docs": len(docs)},
        f"largest difference of entity logits {differences.max():.1e}; equal "
        f"predictions for {equal} of {len(docs)} sentences",
    )


def predict(nlp: Language, docs: Sequence[Any]) -> tuple[np.ndarray, list[Any]]:
    """RETURNS (tuple): Entity logits, and entities and relations of each Doc."""
    component = find_component(nlp)
    tokens = copy_docs(nlp, docs)
    scores = component.model.predict((tokens, component.cfg["max_span_width"]))
    logits = scores.entity_logits
    predictions = [
        (
            [(span.start, span.end, span.label_) for span in doc.spans["jre"]],
            [
                (r["head"]["start"], r["tail"]["start"], r.label)
                for r in doc._.relations
            ],
        )
        for doc in nlp.pipe(tokens)
    ]
    return logits.get() if hasattr(logits, "get") else logits, predictions


def measure_speed(run: Run, name: str, nlp: Language, docs: Sequence[Any]) -> None:
    """Compare prediction with the bare encoder."""
    if not run.has_time(f"speed, {name}", 15):
        return
    encoder = find_encoder(find_component(nlp))
    assert encoder is not None
    many = list(docs) * (1 if run.quick else 5)
    stream: list[Any] = []

    def prepare() -> None:
        stream[:] = copy_docs(nlp, many)

    times = interleave(
        {
            "bare encoder": BareEncoder(encoder, many),
            "nlp.pipe": lambda: list(nlp.pipe(stream)),
        },
        1 if run.quick else 5,
        prepare=prepare,
        synchronize=run.synchronize,
    )
    rates = {key: [len(many) / s for s in value.wall] for key, value in times.items()}
    pairs = zip(times["nlp.pipe"].wall, times["bare encoder"].wall)
    ratios = [pipe / bare for pipe, bare in pairs]
    lines = [f"\n    {key}: {describe(r, '.0f')}" for key, r in rates.items()]
    run.report(
        f"speed, {name}",
        {"sentences_per_second": rates, "ratio": ratios},
        f"sentences/s (minimum / median / maximum){''.join(lines)}\n"
        f"    time of nlp.pipe divided by that of the bare encoder: {describe(ratios)}",
    )


def steps(
    nlp: Language, train: Sequence[Example], docs: Sequence[Any]
) -> dict[str, Callable[[], object]]:
    """RETURNS (dict): One update and the prediction of one batch, by name."""
    size = load_config(CONFIG)["recipe"]["batch_size"]
    batch = fresh_examples(nlp, train[:size])
    optimizer = nlp.create_optimizer()
    optimizer.step_schedules()  # the rate of the first step is 0
    return {
        "update": lambda: nlp.update(batch, sgd=optimizer),
        "prediction": lambda: list(nlp.pipe(copy_docs(nlp, docs[:64]))),
    }


def count_waits(
    run: Run, name: str, nlp: Language, train: Sequence[Example], docs: Sequence[Any]
) -> None:
    """Count the operations for which the host waits, by line."""
    for step, action in steps(nlp, train, docs).items():
        if not run.has_time(f"host waits, {step}, {name}", 10):
            continue
        action()
        waits = count_cuda_waits(action) if run.on_gpu else count_cpu_waits(action)
        lines = [f"\n    {count:4d} {line}" for line, count in waits.most_common()]
        run.report(
            f"host waits, {step}, {name}",
            dict(waits),
            f"{sum(waits.values())} per batch{''.join(lines)}",
        )


def count_cpu_waits(action: Callable[[], object]) -> Counter[str]:
    """RETURNS (Counter): Operations that would wait on a GPU, by line."""
    with count_host_waits() as counted:
        action()
    copies = {f"copy to the device, {k}": n for k, n in counted.copies.items()}
    return counted.waits + Counter(copies)


def count_cuda_waits(action: Callable[[], object]) -> Counter[str]:
    """RETURNS (Counter): Operations of PyTorch that waited, by line. The operations of
    CuPy are in the profile only."""
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            action()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits: Counter[str] = Counter()
    for warning in caught:
        if "synchroniz" in str(warning.message):
            path = "/".join(Path(warning.filename).parts[-3:])
            waits[f"{path}:{warning.lineno}"] += 1
    return waits


def profile_operators(
    run: Run, name: str, nlp: Language, train: Sequence[Example], docs: Sequence[Any]
) -> None:
    """List the operators that take the most time, and the calls of CUDA."""
    activities = [ProfilerActivity.CPU]
    if run.on_gpu:
        activities.append(ProfilerActivity.CUDA)
    kind = "self_device_time_total" if run.on_gpu else "self_cpu_time_total"
    for step, action in steps(nlp, train, docs).items():
        if not run.has_time(f"profile, {step}, {name}", 10):
            continue
        action()
        run.synchronize()
        with profile(activities=activities) as recorded:
            action()
            run.synchronize()
        events = list(recorded.key_averages())
        total = sum(getattr(event, kind) for event in events) or 1
        top = sorted(events, key=lambda event: -getattr(event, kind))[:N_OPERATORS]
        calls = {e.key: e.count for e in events if e.key in CUDA_CALLS}
        lines = [
            f"\n    {getattr(event, kind) / total:5.1%} {event.count:6d} {event.key}"
            for event in top
        ]
        run.report(
            f"profile, {step}, {name}",
            {"calls": calls, "top": [[e.key, getattr(e, kind), e.count] for e in top]},
            f"{total / 1000:.1f} ms in operators; calls of CUDA: {calls}; share of the "
            f"time, calls, operator{''.join(lines)}",
        )


if __name__ == "__main__":
    main()
