"""The ADE corpus V2 in its published format (Gurulingappa et al. 2012).

``DRUG-AE.rel`` and ``DRUG-DOSE.rel`` have one relation per line. The columns are
separated by ``|``: PubMed id, sentence, first argument, its start and end, drug, its
start and end. Offsets are relative to an abstract that the file does not contain. The
offsets of a sentence are all shifted by the start of the sentence, which the reader
infers from the texts of the arguments. ``ADE-NEG.txt`` has one ``id NEG sentence`` per
line. Its drugs are not annotated.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ..sources import (
    Location,
    OnSkip,
    each_item,
    each_record,
    read_lines,
    refuse,
    short_repr,
)
from .surface import find_all

COLUMNS = ("PubMed id", "sentence", "argument", "start", "end", "drug", "start", "end")


def read_ade(
    path: Path, *, skip: OnSkip = refuse, label: str = "Adverse-Effect"
) -> Iterator[Record]:
    """
    path (Path): ``DRUG-AE.rel``.
    skip (Callable): Called for each skipped line.
    label (str): Label of the first argument and of the relation, as in SpERT.
    YIELDS (Record): One per sentence of an abstract, with the entities sorted by
        offset. ``document`` is the PubMed id.
    RAISES (ValueError): J601, J602 for the file. With `refuse`: J604, J605 with line
        and column.
    """
    # each line has two entities and a relation
    lines = each_item(read_lines(path, skip), _read_line, skip, lambda item: (2, 1))
    groups = groupby(lines, key=lambda line: (line.document, line.sentence))
    parse = partial(_read_sentence, label, skip)
    return each_record((list(group) for _, group in groups), parse, skip)


def read_ade_dose(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """Read ``DRUG-DOSE.rel``. See ``read_ade``."""
    return read_ade(path, skip=skip, label="Dose")


def read_ade_negatives(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """Read ``ADE-NEG.txt``: sentences without an adverse effect, without entities.

    RAISES (ValueError): See ``read_ade``.
    """
    return each_record(read_lines(path, skip), _read_negative, skip)


def _read_negative(item: tuple[Location, str]) -> Record:
    location, line = item
    document, _, rest = line.partition(" ")
    mark, _, sentence = rest.partition(" ")
    if mark != "NEG":
        raise location.error("mark", f"is {short_repr(mark)}, not NEG")
    if not document.isdecimal():
        raise location.error("PubMed id", f"is {short_repr(document)}, not a number")
    return Record(text=sentence, document=document, source=str(location))


@dataclass(frozen=True)
class _Argument:
    text: str
    start: int  # in the abstract


@dataclass(frozen=True)
class _Line:
    location: Location
    document: str
    sentence: str
    arguments: tuple[_Argument, _Argument]


def _read_line(item: tuple[Location, str]) -> _Line:
    location, line = item
    columns = line.split("|")
    if len(columns) != len(COLUMNS):
        raise location.error("columns", f"are {len(columns)}, not {len(COLUMNS)}")
    if not columns[0].isdecimal():
        raise location.error("PubMed id", f"is {short_repr(columns[0])}, not a number")
    arguments = []
    for first in (2, 5):
        text = columns[first]
        here = location.at(COLUMNS[first])
        start = here.number("start", columns[first + 1])
        end = here.number("end", columns[first + 2])
        # in two lines of the corpus, the offsets include spaces around the text
        form = text.strip()
        if not form or form not in columns[1]:
            problem = f"{short_repr(text)} does not occur in the sentence"
            raise location.error(COLUMNS[first], problem)
        if end - start not in (len(text), len(form)):
            problem = f"is {end}: {short_repr(text)} from {start} ends elsewhere"
            raise here.error("end", problem)
        includes_spaces = end - start == len(text)
        leading = len(text) - len(text.lstrip()) if includes_spaces else 0
        arguments.append(_Argument(form, start + leading))
    return _Line(location, columns[0], columns[1], (arguments[0], arguments[1]))


def _read_sentence(label: str, skip: OnSkip, lines: list[_Line]) -> Record | None:
    first = lines[0]
    votes = Counter(shift for line in lines for shift in _find_shifts(line))
    best = [shift for shift, count in votes.items() if count == max(votes.values())]
    good = [line for line in lines if best[:1] and best[0] in _find_shifts(line)]
    if len(best) != 1:
        good = []
    kept = {argument for line in good for argument in line.arguments}
    for line in lines:
        if line in good:
            continue
        number = sum(count == len(lines) for count in votes.values())
        problem = (
            f"matches the sentence with {number} shifts, expected one: the offsets of "
            f"its {len(lines)} line(s) do not match the texts"
        )
        if good:
            problem = "does not match the offsets of the other lines of the sentence"
        reason = str(line.location.error("start", problem))
        lost = {*line.arguments} - kept
        kept |= lost
        skip(LeftOut("record", reason, True, "", len(lost), 1))
    if not good:
        return None
    shift = best[0]
    spans: dict[tuple[int, int, str], None] = {}
    pairs = []
    for line in good:
        keys = [
            (argument.start - shift, argument.start - shift + len(argument.text), kind)
            for argument, kind in zip(line.arguments, (label, "Drug"), strict=True)
        ]
        spans.update(dict.fromkeys(keys))
        pairs.append(keys)
    order = {key: index for index, key in enumerate(sorted(spans))}
    return Record(
        text=first.sentence,
        entities=tuple(EntityRecord(*key) for key in order),
        relations=tuple(
            RelationRecord(order[head], order[tail], label) for head, tail in pairs
        ),
        document=first.document,
        source=str(first.location),
    )


def _find_shifts(line: _Line) -> set[int]:
    """Possible offsets of the sentence in its abstract."""
    return set.intersection(
        *(
            {argument.start - i for i in find_all(line.sentence, argument.text)}
            for argument in line.arguments
        )
    )
