"""The JSON of SpERT and SINET: a list of tokenised sentences.

::

    [{"tokens": [...], "entities": [{"type", "start", "end"}, ...],
      "relations": [{"type", "head", "tail"}, ...], "orig_id": ...}, ...]

Entity offsets are tokens, end exclusive; head and tail are positions in entities.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..annotations import EntityRecord, Record, RelationRecord
from ..annotations.records import word_offsets
from ..errors import Errors


def read_spert_json(path: Path) -> Iterator[Record]:
    """
    path (Path): The file.
    YIELDS (Record): One per sentence; ``meta`` keeps what else it holds.
    RAISES (ValueError): J601, J602, J604 for the file, J605 with sentence number and
        field, J107-J109 for annotation out of range.
    """
    if not path.is_file():
        raise ValueError(Errors.J601.format(path=path))
    data = path.read_bytes()
    try:
        sentences = json.loads(data.decode("utf8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            Errors.J604.format(path=path, line=line, error=error)
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(
            Errors.J604.format(path=path, line=error.lineno, error=error.msg)
        ) from error
    if not isinstance(sentences, list):
        raise ValueError(_wrong(path, "top level", "-", "must be a list of sentences"))
    if not sentences:
        raise ValueError(Errors.J602.format(path=path))
    for number, sentence in enumerate(sentences):
        yield _read_sentence(path, f"sentence {number}", sentence)


def _read_sentence(path: Path, where: str, sentence: Any) -> Record:
    if not isinstance(sentence, dict):
        raise ValueError(_wrong(path, where, "-", "must be an object"))
    words = _field(path, where, sentence, "tokens", list)
    for word in words:
        if not isinstance(word, str) or not word:
            raise ValueError(
                _wrong(path, where, "tokens", f"holds {word!r}, no string with letters")
            )
    offsets = word_offsets(tuple(words))
    entities = []
    for index, entity in enumerate(_field(path, where, sentence, "entities", list)):
        place = f"{where}, entity {index}"
        start = _field(path, place, entity, "start", int)
        end = _field(path, place, entity, "end", int)
        if not 0 <= start < end <= len(words):
            raise ValueError(
                _wrong(
                    path,
                    place,
                    "start/end",
                    f"is {start}..{end}, outside the {len(words)} tokens "
                    "(end exclusive)",
                )
            )
        label = _field(path, place, entity, "type", str)
        entities.append(EntityRecord(offsets[start][0], offsets[end - 1][1], label))
    relations = []
    for index, relation in enumerate(_field(path, where, sentence, "relations", list)):
        place = f"{where}, relation {index}"
        relations.append(
            RelationRecord(
                _field(path, place, relation, "head", int),
                _field(path, place, relation, "tail", int),
                _field(path, place, relation, "type", str),
            )
        )
    known = ("tokens", "entities", "relations")
    return Record(
        text=" ".join(words),
        entities=tuple(entities),
        relations=tuple(relations),
        words=tuple(words),
        source=f"{path}, {where}",
        meta={key: value for key, value in sentence.items() if key not in known},
    )


def _field(path: Path, where: str, value: Any, name: str, kind: type) -> Any:
    if not isinstance(value, dict):
        raise ValueError(_wrong(path, where, name, "is missing: this is no object"))
    if name not in value:
        raise ValueError(_wrong(path, where, name, "is missing"))
    found = value[name]
    if not isinstance(found, kind) or isinstance(found, bool):
        raise ValueError(
            _wrong(path, where, name, f"must be of type {kind.__name__}, is {found!r}")
        )
    return found


def _wrong(path: Path, where: str, field: str, problem: str) -> str:
    return Errors.J605.format(path=path, where=where, field=field, problem=problem)
