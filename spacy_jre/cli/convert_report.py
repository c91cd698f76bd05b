"""Report what a conversion left out: counts by kind and cause, with examples."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import srsly

from ..annotations import LeftOut
from ..corpora.rows import BROKEN_ROW
from .convert import Conversion, Run
from .printable import printable

# groups with examples, further groups with a count only, and examples of each group
GROUPS, COUNTS, EXAMPLES = 6, 5, 3
# characters of an example, without the path of the source
WIDTH = 200
# kinds of what is changed, but not left out
NOTES = ("label", "note", "offsets", "spelling", "tag", "type")
# causes of errors that have none, by their codes
CAUSES = {
    "J601": "the file does not exist",
    "J604": "the JSON is not valid",
    "J605": BROKEN_ROW,
    "J606": "the line or its markup is not valid",
    "J612": "the export is incomplete or not supported",
    "J617": "the file is a symbolic link to another folder",
    "J618": "the archive can't be read",
    "J619": "the file has a document type declaration",
    "J621": "the Doc can't be read",
    "J622": "the line is too long",
    "J623": "the name of a feature is not valid",
    "J641": "the text is not in the export",
    "J642": "the text is not in the export",
    "J652": "the file is not valid WebAnno TSV 3",
    "J665": "the gzip file is damaged",
    "J666": "the gzip file unpacks to too much data",
    "J667": "the file is not UTF-8",
    "J668": "the line is not UTF-8",
    "J669": "the document has the annotations of several projects",
    "J675": "the file is not valid XML",
}
_CODE = re.compile(r"\[(J[0-9]{3})\]")


@dataclass
class Group:
    """Content that was left out for the same reason.

    kind, cause (str): See ``LeftOut``.
    count (int): The number of items.
    entities, relations (int): The entities and relations of skipped records.
    examples (list[str]): The first reasons.
    """

    kind: str
    cause: str
    count: int = 0
    entities: int = 0
    relations: int = 0
    examples: list[str] = field(default_factory=list)

    def title(self) -> str:
        if self.kind in NOTES:
            times = f" ({self.count} times)" if self.count > 1 else ""
            return f"Note: {self.cause}{times}"
        text = f"{_count(self.count, self.kind)} left out"
        if self.cause:
            text += f": {self.cause}"
        if self.entities or self.relations:
            entities = _count(self.entities, "entity")
            relations = _count(self.relations, "relation")
            text += f" (with {entities} and {relations})"
        return text


def _count(count: int, kind: str) -> str:
    if count == 1:
        return f"1 {kind}"
    return f"{count} {kind[:-1]}ies" if kind.endswith("y") else f"{count} {kind}s"


def cause_of(left_out: LeftOut) -> str:
    """The cause, or else that of the error code of the reason. Empty if there is
    none."""
    match = _CODE.search(left_out.reason)
    code = match[1] if match else ""
    return left_out.cause or CAUSES.get(code, code)


def group_losses(conversions: Sequence[Conversion]) -> list[Group]:
    """RETURNS (list[Group]): Records first, then entities, relations and others. The
    largest groups of each kind first."""
    groups: dict[tuple[str, str], Group] = {}
    for conversion in conversions:
        for left_out in conversion.all_lost:
            key = (left_out.kind, cause_of(left_out))
            group = groups.setdefault(key, Group(*key))
            group.count += 1
            group.entities += left_out.entities
            group.relations += left_out.relations
            if len(group.examples) < EXAMPLES:
                group.examples.append(_shorten(conversion, left_out))
    order = ("record", "entity", "relation")
    return sorted(
        groups.values(),
        key=lambda group: (
            order.index(group.kind) if group.kind in order else len(order),
            -group.count,
        ),
    )


def report_lines(run: Run, *, to_file: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Describe what the conversion left out, and what can be improved. The length is
    limited.

    run (Run): The conversion.
    to_file (bool): Whether everything is also written to a file.
    YIELDS (tuple[str, list[str]]): A warning, and its examples.
    """
    groups = group_losses(run.conversions)
    shown = groups[: GROUPS + COUNTS]
    for number, group in enumerate(shown):
        lines = group.examples if number < GROUPS else []
        if lines and group.count > len(lines):
            lines = [*lines, f"... and {group.count - len(lines)} more"]
        yield printable(group.title()), lines
    if len(groups) > len(shown):
        rest = groups[len(shown) :]
        total = sum(group.count for group in rest)
        yield f"{len(rest)} other causes: {_count(total, 'item')} left out", []
    if not to_file and any(group.count > EXAMPLES for group in groups):
        yield "To write all of them to a file: --report FILE", []
    labels = run.labels
    if labels.dropped_entities or labels.dropped_relations:
        with_entities = labels.dropped_with_entities
        yield (
            f"Dropped: {_count(labels.dropped_entities, 'entity')} and "
            f"{_count(labels.dropped_relations, 'relation')}"
            + f" ({with_entities} with one of its arguments)"
            * bool(with_entities),
            [],
        )
    for label, count in labels.negatives().items():
        yield (
            printable(
                f"The label {label!r} ({count}) seems to mean that there is no "
                f'relation or entity. To leave it out: --drop "{label}"'
            ),
            [],
        )
    for conversion in run.conversions:
        if conversion.has_no_relations() and not labels.dropped_relations:
            yield (
                f"{conversion.target}: no relations in any record. If the source has "
                "relations, they are missing from the export: see docs/data.md.",
                [],
            )


def _shorten(conversion: Conversion, left_out: LeftOut) -> str:
    line = printable(left_out.reason)
    source = _source(conversion, left_out)
    width = WIDTH + len(source) * (source in line)
    return line if len(line) <= width else f"{line[: width - 3]}..."


def write_report(run: Run, path: Path) -> int:
    """Write everything that was left out as JSON lines.

    path (Path): The file.
    RETURNS (int): The number of lines.
    """
    rows = [
        {
            "kind": left_out.kind,
            "cause": cause_of(left_out),
            "reason": left_out.reason,
            "source": _source(conversion, left_out),
        }
        for conversion in run.conversions
        for left_out in conversion.all_lost
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_jsonl(path, rows)
    return len(rows)


def _source(conversion: Conversion, left_out: LeftOut) -> str:
    """The source that the reason names, or else all sources of the target."""
    sources = [str(source) for source in conversion.sources]
    named = [source for source in sources if source in left_out.reason]
    return max(named, key=len) if named else ", ".join(sources)
