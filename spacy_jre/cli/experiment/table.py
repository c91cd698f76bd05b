"""Markdown tables of the results of an experiment."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wasabi import MarkdownRenderer

from ...errors import Errors, JREError
from .plan import Experiment, PaperScores, PlannedRun
from .scores import KINDS, summarize

# headings and where the values are
COLUMNS = (
    ("Ent", "last", "ents"),
    ("Rel", "last", "rel"),
    ("Rel+", "last", "rel_strict"),
    ("Rel+, best epoch", "best", "rel_strict"),
)
AVERAGES = {"micro": "f", "macro": "macro_f"}
LEGEND = (
    "F1 of the last epoch: entities (Ent), relations by boundaries and label (Rel), "
    'and also by entity types (Rel+). "Rel+, best epoch" is that of the epoch '
    "with the best Rel+ on dev. Mean ± sample standard deviation of n runs."
)
LEGEND_OF_BEST = (
    '"Best {k} of {n} seeds": mean Ent / Rel / Rel+ of the best runs, chosen by Rel+ '
    "on the scored data, per fold. It is too optimistic, and only for comparison with "
    "a paper that reports it."
)
LEGEND_OF_PAPER = (
    '"Paper": Ent / Rel / Rel+ as published, not measured by us. The last column '
    "names the table of the paper."
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
    best, seeds = experiment.best_of, len(experiment.seeds)
    if best:
        md.add(LEGEND_OF_BEST.format(k=best, n=seeds))
    if any(row.paper for row in experiment.rows.values()):
        md.add(LEGEND_OF_PAPER)
    for dataset, entry in experiment.datasets.items():
        groups = group_runs(run for run in runs if run.dataset == dataset)
        if not groups:
            continue
        figure = AVERAGES[entry.average]
        sampled = entry.samples != [None]
        papers = {
            (model, row): experiment.rows[row].paper_scores(model, dataset)
            for model, row, *_ in groups
        }
        has_paper = any(papers.values())
        header = ["Model", "Settings", *(["Sentences"] if sampled else [])]
        header += [name for name, *_ in COLUMNS]
        header += [f"Best {best} of {seeds} seeds"] if best else []
        header += ["n", "CPU min"]
        header += ["Paper", "Source"] if has_paper else []
        rows = []
        for (model, row, _, sample), group in groups.items():
            found = [results[r.fingerprint] for r in group if r.fingerprint in results]
            size = ["all" if sample is None else str(sample)] if sampled else []
            cells = [_escape(model), _escape(row), *size, *_cells(found, figure)]
            if best:
                whole = len(found) == len(group)
                cells.append(_best_cell(found, best, figure) if whole else "-")
            cells += [_count(found, group), _minutes(found)]
            if has_paper:
                cells += _paper_cells(papers[model, row])
            rows.append(cells)
        macro = ", macro F1" if entry.average == "macro" else ""
        md.add(f"{dataset}, scored on {entry.score}{macro}:")
        md.add(md.table(rows, header))
    return md.text


def group_runs(
    runs: Iterable[PlannedRun],
) -> dict[tuple[str, str, str, int | None], list[PlannedRun]]:
    """RETURNS (dict): The runs by model, row, dataset and sample, in order. The runs of
    a group differ in fold and seed."""
    groups: dict[tuple[str, str, str, int | None], list[PlannedRun]] = {}
    for run in runs:
        key = (run.model, run.row, run.dataset, run.sample)
        groups.setdefault(key, []).append(run)
    return groups


def summarize_groups(
    runs: Sequence[PlannedRun], results: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Average the scores of each group of runs, also for each label.

    results (Mapping): Results by fingerprint. Groups without any are left out.
    RETURNS (list[dict]): Model, row, dataset and sample, and the ``summarize``d scores
        of the "last" and the "best" epoch.
    """
    summary = []
    for key, group in group_runs(runs).items():
        found = [results[r.fingerprint] for r in group if r.fingerprint in results]
        if found:
            names = dict(zip(("model", "row", "dataset", "sample"), key, strict=True))
            averages = {
                part: summarize([result[part] for result in found])
                for part in ("last", "best")
            }
            summary.append({**names, **averages})
    return summary


def _cells(results: Sequence[Mapping[str, Any]], figure: str) -> list[str]:
    return [
        mean_and_deviation(_scores([r[part] for r in results], f"{kind}_{figure}"))
        for _, part, kind in COLUMNS
    ]


def _scores(runs: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """RETURNS (list[float]): A score of each run, in percent. Empty if the runs are of
    a version that did not compute it."""
    if any(name not in run for run in runs):
        return []
    return [100 * run[name] for run in runs]


def _best_cell(results: Sequence[Mapping[str, Any]], count: int, figure: str) -> str:
    folds: dict[int, list[Mapping[str, Any]]] = {}
    for result in results:
        folds.setdefault(result["fold"], []).append(result["last"])
        if f"rel_strict_{figure}" not in result["last"]:
            return "-"
    chosen = [
        scores
        for fold in folds.values()
        for scores in sorted(fold, key=lambda s: -s[f"rel_strict_{figure}"])[:count]
    ]
    means = (statistics.fmean(s[f"{kind}_{figure}"] for s in chosen) for kind in KINDS)
    return " / ".join(f"{100 * mean:.1f}" for mean in means)


def _paper_cells(scores: PaperScores | None) -> list[str]:
    if scores is None:
        return ["", ""]
    values = (getattr(scores, f"{kind}_f") for kind in KINDS)
    cell = " / ".join("-" if value is None else f"{value:g}" for value in values)
    return [cell, _escape(scores.note)]


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
