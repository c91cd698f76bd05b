"""Train the missing runs of an experiment, and show the progress."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tqdm
from wasabi import msg

from ...errors import Errors, JREError
from .plan import Experiment, PlannedRun, check_runs
from .runs import (
    RESULTS,
    Results,
    convert_data,
    describe_machine,
    find_folders,
    run_all,
    time_left,
)

SHOWN = ("ents_f", "rel_f", "rel_strict_f")


def read_results(output: Path) -> Results:
    """Read the results of an output folder, and warn of incomplete lines."""
    results = Results(output / RESULTS)
    if results.incomplete:
        count = results.incomplete
        msg.warn(f"{results.path}: {count} incomplete line(s) were ignored")
    return results


def train_missing(
    path: Path,
    experiment: Experiment,
    runs: Sequence[PlannedRun],
    results: Results,
    *,
    part: str = "last",
    checksums: Path | None = None,
    **settings: Any,
) -> None:
    """Train and score the runs without a result.

    path (Path): The experiment file, for error messages.
    results (Results): The results. Updated in place and in their file.
    part (str): Show the scores of the "last" or the "best" epoch.
    checksums (Path | None): See ``spacy jre convert``.
    settings: Settings of ``run_all``.
    RAISES (ValueError): J754 if runs failed, and the errors of ``check_runs`` and
        ``convert_data``.
    """
    check_runs(path, list(runs))
    missing = [r for r in runs if r.fingerprint not in results.by_fingerprint]
    msg.info(f"{len(runs)} runs, {len(runs) - len(missing)} finished before")
    output = results.path.parent
    for line in find_not_kept(runs, results, **settings):
        msg.warn(line)
    convert_data(path, missing, output, experiment.max_loss, checksums=checksums)
    # runs with the same fingerprint are trained once
    pending = {run.fingerprint: run for run in reversed(missing)}
    count, failed = len(pending), 0
    jobs = settings.get("jobs", 1)
    machine = describe_machine(settings.get("gpu_id", -1))
    started: dict[str, float] = {}

    def describe_rest() -> str:
        now = time.monotonic()
        left = time_left(
            list(pending.values()),
            results.by_fingerprint.values(),
            jobs,
            spent={run: now - start for run, start in list(started.items())},
            machine=machine,
        )
        return describe_time(left)

    # only shown in a terminal
    form = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
    with tqdm.tqdm(total=count, disable=None, bar_format=form) as progress:
        progress.set_postfix_str(describe_rest())
        for run, result, log, reason in run_all(
            missing, output, results, started=started, **settings
        ):
            del pending[run.fingerprint]
            rest = describe_rest()
            progress.set_postfix_str(rest, refresh=False)
            progress.update()
            with progress.external_write_mode():
                if result is None:
                    failed += 1
                    cause = f"{reason}. See" if reason else "see"
                    msg.fail(f"{run.label}: {cause} {log}")
                else:
                    f1 = ", ".join(
                        f"{name} {100 * result[part][name]:.2f}" for name in SHOWN
                    )
                    msg.good(f"{run.label}: {f1} ({result['seconds']:.0f} s)")
                msg.text(f"{count - len(pending)} of {count}, {rest}")
    msg.good(f"{results.path}")
    if failed:
        raise JREError(Errors.J754.format(failed=failed, total=count))


def find_not_kept(
    runs: Sequence[PlannedRun],
    results: Results,
    *,
    keep_models: bool = False,
    keep_predictions: bool = False,
    **settings: Any,
) -> list[str]:
    """Find finished runs whose files should be kept, but were deleted.

    RETURNS (list[str]): Messages.
    """
    output = results.path.parent
    finished = {run.fingerprint for run in runs} & results.by_fingerprint.keys()
    messages = []
    for wanted, name, what in (
        (keep_models, "model-last", "pipelines"),
        (keep_predictions, "model-last.spacy", "predictions"),
    ):
        if not wanted:
            continue
        count = sum(
            not any((folder / name).exists() for folder in find_folders(run, output))
            for run in finished
        )
        if count:
            messages.append(
                f"{count} finished run(s) have no {what}. Finished runs are not "
                f"repeated. To get their {what}, use another output folder or delete "
                f"{output}"
            )
    return messages


def describe_time(seconds: float | None) -> str:
    """RETURNS (str): E.g. "about 2 h 05 min left"."""
    if seconds is None:
        return "time left unknown"
    if seconds < 60:
        return f"about {seconds:.0f} s left"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours:
        return f"about {hours} h {minutes:02} min left"
    return f"about {minutes} min left"
