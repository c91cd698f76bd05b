"""The JSON format of PubAnnotation.

::

    {"text": ..., "denotations": [{"id": "T1", "span": {"begin": 0, "end": 8},
        "obj": "Protein"}, ...],
     "relations": [{"id": "R1", "subj": "T1", "pred": "regulates", "obj": "T2"}, ...],
     "modifications": [{"id": "M1", "pred": "Negation", "obj": "R1"}, ...]}

Offsets are characters, end exclusive. The subject is the head and the object is the
tail. A denotation with a list of spans is discontinuous. Records have no modifications
and attributes. ``meta`` keeps them. The names of old files (``catanns``, ``relanns``)
are supported. Source: https://www.pubannotation.org/docs/annotation-format/
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import Rows
from ..sources import (
    Discontinuous,
    Location,
    OnSkip,
    count_rows,
    each_record,
    inner_suffix,
    read_json,
    refuse,
    walk_files,
)
from .biomedical import DISCONTINUOUS, join_pieces

_IDS = (int, str)


class _Names(NamedTuple):
    """Names of the fields."""

    entities: str = "denotations"
    label: str = "obj"
    relations: str = "relations"
    head: str = "subj"
    tail: str = "obj"
    relation_label: str = "pred"


_OLD = _Names("catanns", "category", "relanns", "subject", "object", "type")


def read_pubannotation(
    path: Path, *, skip: OnSkip = refuse, discontinuous: Discontinuous = "skip"
) -> Iterator[Record]:
    """
    path (Path): A file with an object, a list, or one object per line; or a folder of
        such files.
    skip (Callable): Called for each skipped document.
    discontinuous (str): How to read a discontinuous entity: "skip" leaves it out,
        "cover" reads the span from its first to its last character.
    YIELDS (Record): One per document. ``document`` is its source and id. ``meta`` keeps
        the other fields. ``left_out`` has the broken rows, modifications and
        attributes.
    RAISES (ValueError): J601, J602, J604, J617, J665-J668 for the path. With `refuse`:
        J605 with document and field, J669 for several tracks.
    """
    return each_record(
        _values(path, skip), partial(_read_document, discontinuous), skip, _count
    )


def is_pubannotation(value: dict[str, Any]) -> bool:
    return isinstance(value.get("text"), str) and bool(
        {"denotations", "catanns", "tracks"} & value.keys()
    )


def _values(path: Path, skip: OnSkip) -> Iterator[tuple[Location, Any]]:
    if not path.is_dir():
        yield from read_json(path, skip)
        return
    files = [file for file in walk_files(path, skip) if inner_suffix(file) == ".json"]
    if not files:
        raise JREError(Errors.J602.format(path=path))
    for file in files:
        try:
            yield from read_json(file, skip)
        except JREError as error:
            skip(LeftOut("record", str(error), broken=True))


def _names(value: Any) -> _Names:
    old = isinstance(value, dict) and "denotations" not in value and "catanns" in value
    return _OLD if old else _Names()


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    value = _flat(item[1])
    names = _names(value)
    return count_rows(value, names.entities, names.relations)


def _flat(value: Any) -> Any:
    """The document with the annotation of its track, if there is only one."""
    tracks = value.get("tracks") if isinstance(value, dict) else None
    if isinstance(tracks, list) and len(tracks) == 1 and isinstance(tracks[0], dict):
        return {**{k: v for k, v in value.items() if k != "tracks"}, **tracks[0]}
    return value


def _read_document(discontinuous: Discontinuous, item: tuple[Location, Any]) -> Record:
    location, value = item
    value = _flat(value)
    rows = Rows(location.get(value, "text", str))
    if "tracks" in value:
        tracks = location.get(value, "tracks", list)
        projects = ", ".join(
            str(t.get("project")) for t in tracks if isinstance(t, dict)
        )
        raise JREError(Errors.J669.format(path=location, projects=projects))
    names = _names(value)
    entities = location.get_rows(value, names.entities, required=False)
    for here, row in location.each("denotation", entities):
        with rows.row("entity", key=_id_of(row)):
            label = here.get(row, names.label, str)
            pieces = join_pieces(here, rows.text, _read_pieces(here, row))
            # no relation can refer to an entity without an id
            key = here.where if _id_of(row) is None else _id_of(row)
            if len(pieces) > 1 and discontinuous == "skip":
                reason = f"{here}: the {label} has gaps"
                rows.leave_out("entity", reason, DISCONTINUOUS, key=key)
            else:
                start, end = pieces[0][0], pieces[-1][1]
                rows.add_entity(here, start, end, label, key)
    relations = location.get_rows(value, names.relations, required=False)
    for here, row in location.each("relation", relations):
        with rows.row("relation"):
            head, tail = (here.get(row, n, _IDS) for n in (names.head, names.tail))
            label = here.get(row, names.relation_label, str)
            rows.add_relation(here, head, tail, label)
    unsupported = (("modification", "modifications"), ("attribute", "attributes"))
    for kind, name in unsupported:
        others = location.get_rows(value, name, required=False)
        for here, _ in location.each(kind, others):
            reason = f"{here}: records have no {name}"
            rows.left_out.append(LeftOut(kind, reason, cause=f"records have no {name}"))
    return Record(
        **rows.fields(),
        document=_document(value),
        source=str(location),
        meta=location.rest(value, "text", names.entities, names.relations),
    )


def _id_of(row: Any) -> int | str | None:
    key = row.get("id") if isinstance(row, dict) else None
    return key if isinstance(key, _IDS) and not isinstance(key, bool) else None


def _read_pieces(here: Location, row: dict[str, Any]) -> list[tuple[int, int]]:
    span = here.get(row, "span", (dict, list))
    pieces = []
    for piece in [span] if isinstance(span, dict) else span:
        start, end = (here.get(piece, name, int) for name in ("begin", "end"))
        pieces.append((start, end))
    if not pieces:
        raise here.error("span", "is empty")
    return pieces


def _document(value: dict[str, Any]) -> str | None:
    """The name of the document, such as "PubMed:12345"."""
    parts = [value.get(name) for name in ("sourcedb", "sourceid")]
    if all(isinstance(part, _IDS) for part in parts):
        return ":".join(map(str, parts))
    target = value.get("target")
    return target if isinstance(target, str) else None
