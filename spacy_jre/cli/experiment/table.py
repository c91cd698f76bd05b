"""Markdown tables of the results of an experiment."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wasabi import MarkdownRenderer

from ...errors import Errors, JREError
from .plan import Experiment, PlannedRun

# headings and where the values are
COLUMNS = (
    ("Ent", "last", "ents_f"),
    ("Rel", "last", "rel_f"),
    ("Rel+", "last", "rel_strict_f"),
    ("Rel+, best epoch", "best", "rel_strict_f"),
)
LEGEND = (
    "F1 of the last epoch: entities (Ent), relations by boundaries and label (Rel), "
    'and also by entity types (Rel+). "Rel+, best epoch" is that of the epoch '
    "with the best Rel+ on dev. Mean ± sample standard deviation of n runs."
)


def make_table(
    experiment: Experiment,
    runs: Sequence[PlannedRun],
    results: Mapping[str, Mapping[str, Any]],
) -> str:
    """Make the tables of an experiment, one per dataset.

    runs (Sequence[PlannedRun]): The runs of the experiment, in order.
    results (Mapping): Results by fingerprint. Runs without a result are counted in
        the column n, as in "2 of 3".
    RETURNS (str): Markdown.
    """
    md = MarkdownRenderer()
    md.add(f"**{experiment.title}**")
    if experiment.description:
        md.add(experiment.description.strip())
    md.add(LEGEND)
    for dataset, entry in experiment.datasets.items():
        of_dataset = [run for run in runs if run.dataset == dataset]
        if not of_dataset:
            continue
        groups: dict[tuple[Any, ...], list[PlannedRun]] = {}
        for run in of_dataset:
            groups.setdefault((run.model, run.row, run.sample), []).append(run)
        sampled = entry.samples != [None]
        header = ["Model", "Settings", *(["Sentences"] if sampled else [])]
        header += [name for name, *_ in COLUMNS] + ["n", "CPU min"]
        rows = []
        for (model, row, sample), group in groups.items():
            found = [results[r.fingerprint] for r in group if r.fingerprint in results]
            size = ["all" if sample is None else str(sample)] if sampled else []
            names = [_escape(model), _escape(row), *size]
            rows.append([*names, *_cells(found), _count(found, group), _minutes(found)])
        md.add(f"{dataset}, scored on {entry.score}:")
        md.add(md.table(rows, header))
    return md.text


def _cells(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        mean_and_deviation(100 * result[part][name] for result in results)
        for _, part, name in COLUMNS
    ]


def mean_and_deviation(values: Iterable[float]) -> str:
    """RETURNS (str): E.g. "71.3 ± 0.6". Without deviation for a single value."""
    values = list(values)
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def _count(found: Sequence[Any], group: Sequence[Any]) -> str:
    whole = len(found) == len(group)
    return str(len(found)) if whole else f"{len(found)} of {len(group)}"


def _minutes(results: Sequence[Mapping[str, Any]]) -> str:
    if not results:
        return "-"
    return f"{statistics.fmean(r['cpu_seconds'] for r in results) / 60:.1f}"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def insert_table(path: Path, name: str, table: str) -> None:
    """Write a table between two comments of a Markdown file.

    path (Path): The file. It is created if it does not exist.
    name (str): Name of the experiment.
    RAISES (ValueError): J753 if the file exists, but has no such comments.
    """
    start = f"<!-- experiment {name}: generated -->"
    end = f"<!-- end of experiment {name} -->"
    block = f"{start}\n\n{table.strip()}\n\n{end}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{block}\n", encoding="utf8")
        return
    text = path.read_text(encoding="utf8")
    before, found_start, rest = text.partition(start)
    _, found_end, after = rest.partition(end)
    if not found_start or not found_end:
        raise JREError(Errors.J753.format(path=path, start=start, end=end))
    path.write_text(f"{before}{block}{after}", encoding="utf8")
