"""The ADE corpus V2 as it was published (Gurulingappa et al. 2012).

``DRUG-AE.rel`` and ``DRUG-DOSE.rel`` have a relation a line, between bars: PubMed id,
sentence, first argument, its start and end, drug, its start and end. Offsets count from
the start of an abstract that the file does not hold: a sentence is shifted by one
number, and exactly one fits all its offsets. ``ADE-NEG.txt`` has ``id NEG sentence``
a line; the drugs in it are not annotated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ..sources import OnSkip, Place, each_record, read_lines, refuse, shorten

COLUMNS = ("PubMed id", "sentence", "argument", "start", "end", "drug", "start", "end")


def read_ade(
    path: Path, *, skip: OnSkip = refuse, label: str = "Adverse-Effect"
) -> Iterator[Record]:
    """
    path (Path): ``DRUG-AE.rel``.
    skip (Callable): Told of every line that is left out.
    label (str): Of the first argument and of the relation, as SpERT names them.
    YIELDS (Record): One per sentence of an abstract, entities by place; ``document``
        is the PubMed id.
    RAISES (ValueError): J601, J602 for the file. By `refuse`: J604, J605 with line and
        column.
    """
    lines = each_record(read_lines(path, skip), _read_line, skip)
    groups = groupby(lines, key=lambda line: (line.document, line.sentence))
    parse = partial(_read_sentence, label, skip)
    return each_record((list(group) for _, group in groups), parse, skip)


def read_ade_dose(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """``DRUG-DOSE.rel``: see ``read_ade``."""
    return read_ade(path, skip=skip, label="Dose")


def read_ade_negatives(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """``ADE-NEG.txt``: sentences without an adverse effect, without entities.

    RAISES (ValueError): See ``read_ade``.
    """
    return each_record(read_lines(path, skip), _read_negative, skip)


def _read_negative(item: tuple[Place, str]) -> Record:
    place, line = item
    document, _, rest = line.partition(" ")
    mark, _, sentence = rest.partition(" ")
    if mark != "NEG":
        raise place.wrong("mark", f"is {shorten(mark)}, not NEG")
    if not document.isdecimal():
        raise place.wrong("PubMed id", f"is {shorten(document)}, no number")
    return Record(text=sentence, document=document, source=str(place))


@dataclass(frozen=True)
class _Argument:
    text: str
    start: int  # in the abstract


@dataclass(frozen=True)
class _Line:
    place: Place
    document: str
    sentence: str
    arguments: tuple[_Argument, _Argument]


def _read_line(item: tuple[Place, str]) -> _Line:
    place, line = item
    columns = line.split("|")
    if len(columns) != len(COLUMNS):
        raise place.wrong("columns", f"are {len(columns)}, not {len(COLUMNS)}")
    if not columns[0].isdecimal():
        raise place.wrong("PubMed id", f"is {shorten(columns[0])}, no number")
    arguments = []
    for first in (2, 5):
        text = columns[first]
        here = place.at(COLUMNS[first])
        start = here.number("start", columns[first + 1])
        end = here.number("end", columns[first + 2])
        # two lines of the corpus have blanks around the text, and count them
        form = text.strip()
        if not form or form not in columns[1]:
            problem = f"{shorten(text)} does not stand in the sentence"
            raise place.wrong(COLUMNS[first], problem)
        if end - start not in (len(text), len(form)):
            problem = f"is {end}: {shorten(text)} from {start} on does not end there"
            raise here.wrong("end", problem)
        counted = end - start == len(text)
        before = len(text) - len(text.lstrip()) if counted else 0
        arguments.append(_Argument(form, start + before))
    return _Line(place, columns[0], columns[1], (arguments[0], arguments[1]))


def _read_sentence(label: str, skip: OnSkip, lines: list[_Line]) -> Record | None:
    first = lines[0]
    shifts = _find_shifts(lines)
    if len(shifts) != 1:
        for line in lines:
            problem = (
                f"fits the sentence with {len(shifts)} shifts, expected one: the "
                f"offsets of its {len(lines)} line(s) do not agree with the texts"
            )
            reason = str(line.place.wrong("start", problem))
            skip(LeftOut("record", reason, broken=True))
        return None
    shift = shifts.pop()
    places: dict[tuple[int, int, str], None] = {}
    pairs = []
    for line in lines:
        keys = [
            (argument.start - shift, argument.start - shift + len(argument.text), kind)
            for argument, kind in zip(line.arguments, (label, "Drug"), strict=True)
        ]
        places.update(dict.fromkeys(keys))
        pairs.append(keys)
    order = {key: index for index, key in enumerate(sorted(places))}
    return Record(
        text=first.sentence,
        entities=tuple(EntityRecord(*key) for key in order),
        relations=tuple(
            RelationRecord(order[head], order[tail], label) for head, tail in pairs
        ),
        document=first.document,
        source=str(first.place),
    )


def _find_shifts(lines: list[_Line]) -> set[int]:
    """Where the sentence can start in its abstract."""
    arguments = {argument for line in lines for argument in line.arguments}
    sentence = lines[0].sentence
    return set.intersection(
        *({a.start - at for at in find_all(sentence, a.text)} for a in arguments)
    )


def find_all(text: str, form: str) -> Iterator[int]:
    """Where a form stands in a text, also where it overlaps itself."""
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + 1)
