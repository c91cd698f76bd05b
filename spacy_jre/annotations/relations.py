"""Relations on a Doc: the stored values, and the objects that users access.

``doc.user_data`` stores plain values only, under the key ``jre:<attr>``, because other
values fail in ``to_bytes``, ``DocBin``, ``Doc.copy`` or ``nlp.pipe(n_process=2)``::

    {"entities":  [[start, end, label, score], ...] or None,
     "relations": [[head start, head end, head label,
                    tail start, tail end, tail label, label, score], ...],
     "text": checksum of the text}

Entities are None if only relations were set. The entities are then those of
``doc.spans["jre"]`` or ``doc.ents``. Offsets are characters, end exclusive, because
only these stay valid after retokenization. Spans are created on access. The checksum
shows that the data was copied to a Doc with another text, where the offsets are wrong.
"""

import math
import numbers
import zlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from spacy.tokens import Doc, Span, SpanGroup

from ..errors import Errors, JREError
from .span_groups import EntityGroup

DEFAULT_ATTR = "relations"
SPANS_KEY = "jre"


class StoredEntity(NamedTuple):
    """A stored entity. Offsets are characters, end exclusive."""

    start: int
    end: int
    label: str
    score: float


class StoredRelation(NamedTuple):
    """A stored relation. Offsets are characters, end exclusive."""

    head_start: int
    head_end: int
    head_label: str
    tail_start: int
    tail_end: int
    tail_label: str
    label: str
    score: float


Row = TypeVar("Row", StoredEntity, StoredRelation)


class Relation(dict[str, Any]):
    """A relation of a Doc, with ``head`` and ``tail`` (Span), ``label`` and ``score``.

    It is a dict of plain values, ``{"head": {"start", "end", "label"}, "tail": {...},
    "label", "score"}``, so that ``Doc.to_json(underscore=["relations"])`` and
    ``Doc.from_json`` keep it.
    """

    __slots__ = ("_doc",)

    def __init__(self, values: dict[str, Any], doc: Doc | None = None):
        super().__init__(values)
        self._doc = doc

    @classmethod
    def from_stored(cls, stored: StoredRelation, doc: Doc) -> "Relation":
        return cls(
            {
                "head": _argument(*stored[:3]),
                "tail": _argument(*stored[3:6]),
                "label": stored.label,
                "score": stored.score,
            },
            doc,
        )

    @property
    def head(self) -> Span:
        """The first argument.

        RAISES (ValueError): J106 if the Doc is not available.
        """
        return self._span("head")

    @property
    def tail(self) -> Span:
        """The second argument.

        RAISES (ValueError): J106 if the Doc is not available.
        """
        return self._span("tail")

    @property
    def label(self) -> str:
        return str(self["label"])

    @property
    def score(self) -> float:
        return float(self["score"])

    def as_triple(self) -> tuple[str, str, str]:
        """RETURNS (tuple): The text of the head, the label and the text of the tail."""
        return (self.head.text, self.label, self.tail.text)

    def _span(self, role: str) -> Span:
        if self._doc is None:
            raise JREError(Errors.J106)
        argument = self[role]
        return expanded_span(
            self._doc, argument["start"], argument["end"], argument["label"]
        )

    def __repr__(self) -> str:
        if self._doc is None:
            return f"Relation({dict.__repr__(self)})"
        head, label, tail = self.as_triple()
        return f"Relation({head!r}, {label!r}, {tail!r}, score={self.score:.2f})"

    def __reduce__(self) -> tuple[Any, ...]:
        # without the Doc, to keep pickled relations small
        return (Relation, (dict(self),))


def _argument(start: int, end: int, label: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def expanded_span(doc: Doc, start: int, end: int, label: str = "") -> Span:
    """Create a Span of all tokens that overlap a character range.

    doc (Doc): The Doc.
    start, end (int): Character offsets, end exclusive.
    label (str): Label of the Span.
    RETURNS (Span): The Span.
    RAISES (ValueError): J103 for offsets outside the text.
    """
    span = doc.char_span(start, end, label=label, alignment_mode="expand")
    if span is None:
        raise JREError(
            Errors.J103.format(
                role="span", index=0, start=start, end=end, length=len(doc.text)
            )
        )
    return span


def storage_key(attr: str = DEFAULT_ATTR) -> str:
    return f"jre:{attr}"


def register_extension(attr: str = DEFAULT_ATTR) -> None:
    """Register ``doc._.<attr>``. Does nothing if it is already registered.

    attr (str): Name of the extension.
    RAISES (ValueError): J101 if another package registered that name.
    """
    if Doc.has_extension(attr):
        getter = Doc.get_extension(attr)[2]
        if getattr(getter, "func", None) is not get_relations:
            raise JREError(Errors.J101.format(attr=attr))
        return
    # partials of module-level functions can be unpickled in spawned processes
    Doc.set_extension(
        attr,
        getter=partial(get_relations, attr=attr),
        setter=partial(set_relations, attr=attr),
    )


def has_relations(doc: Doc, attr: str = DEFAULT_ATTR) -> bool:
    """Whether the Doc has relation annotation, even if it is empty."""
    return storage_key(attr) in doc.user_data


def stored_relations(doc: Doc, attr: str = DEFAULT_ATTR) -> list[StoredRelation]:
    """Get the stored relations, without creating Spans.

    RETURNS (list[StoredRelation]): The relations.
    RAISES (ValueError): J112 if the user data is malformed, J120 if it is that of
        another text.
    """
    data = _stored_data(doc, attr)
    return [] if data is None else _rows(doc, attr, data, "relations", StoredRelation)


def stored_entities(doc: Doc, attr: str = DEFAULT_ATTR) -> list[StoredEntity] | None:
    """Get the entities that are stored with the relations.

    RETURNS (list[StoredEntity] | None): The entities. None if no entities are stored.
    RAISES (ValueError): J112 if the user data is malformed, J120 if it is that of
        another text.
    """
    data = _stored_data(doc, attr)
    if data is None or data["entities"] is None:
        return None
    return _rows(doc, attr, data, "entities", StoredEntity)


def _stored_data(doc: Doc, attr: str) -> dict[str, Any] | None:
    key = storage_key(attr)
    if key not in doc.user_data:
        return None
    data = doc.user_data[key]
    if not isinstance(data, dict) or not {"entities", "relations"} <= data.keys():
        problem = "it is not a dict with entities and relations"
        raise JREError(Errors.J112.format(key=key, attr=attr, problem=problem))
    if _is_of_other_text(doc, data):
        raise JREError(Errors.J120.format(key=key, attr=attr))
    return data


def _is_of_other_text(doc: Doc, data: dict[str, Any]) -> bool:
    # (Docs that were saved by earlier versions have no checksum)
    return "text" in data and data["text"] != _checksum(doc)


def _checksum(doc: Doc) -> int:
    return zlib.crc32(doc.text.encode("utf8", errors="surrogatepass"))


def _rows(
    doc: Doc, attr: str, data: dict[str, Any], name: str, kind: type[Row]
) -> list[Row]:
    """Check and convert the rows of a table, which are lists or tuples."""
    rows, length = data[name], text_length(doc)
    problem = "" if isinstance(rows, (list, tuple)) else f"{name} is not a list"
    for index, values in enumerate(() if problem else rows):
        if not _is_row(values, len(kind._fields), length):
            columns = ", ".join(kind._fields)
            problem = (
                f"row {index} of {name} does not have the values {columns} for a text "
                f"of {length} characters"
            )
            break
    if problem:
        key = storage_key(attr)
        raise JREError(Errors.J112.format(key=key, attr=attr, problem=problem))
    return [kind(*values) for values in rows]


def _is_row(values: Any, columns: int, length: int) -> bool:
    if not isinstance(values, (list, tuple)) or len(values) != columns:
        return False
    # (start, end, label) of the entity, or of the head and the tail
    arguments = [values[i : i + 3] for i in range(0, columns - 2, 3)]
    return (
        all(
            isinstance(start, (int, numbers.Integral))
            and isinstance(end, (int, numbers.Integral))
            and isinstance(label, str)
            and 0 <= int(start) < int(end) <= length
            for start, end, label in arguments
        )
        and isinstance(values[-2], str)
        and isinstance(values[-1], (float, int, numbers.Real))
    )


def text_length(doc: Doc) -> int:
    """RETURNS (int): The length of ``doc.text``, without creating the string."""
    return doc[-1].idx + len(doc[-1].text_with_ws) if len(doc) else 0


def annotated_entities(
    doc: Doc, attr: str = DEFAULT_ATTR, spans_key: str = SPANS_KEY
) -> list[StoredEntity]:
    """Get the entities of a Doc: the stored entities, or else those of the span group,
    or else ``doc.ents``.

    doc (Doc): The Doc.
    attr (str): Name of the relation extension.
    spans_key (str): Name of the span group.
    RETURNS (list[StoredEntity]): The entities.
    RAISES (ValueError): J112, J113 if user data or the span group is malformed.
    """
    stored = stored_entities(doc, attr)
    if stored is not None:
        return stored
    spans: Iterable[Span] = doc.ents
    scores: Iterable[float] = [1.0] * len(doc.ents)
    if spans_key in doc.spans:
        group = doc.spans[spans_key]
        spans = group
        scores = group.attrs.get("scores", [1.0] * len(group))
        _check_group(doc, spans_key, group, scores)
    return [
        StoredEntity(span.start_char, span.end_char, span.label_, float(score))
        for span, score in zip(spans, scores, strict=True)
    ]


def _check_group(doc: Doc, spans_key: str, group: SpanGroup, scores: Any) -> None:
    """RAISES (ValueError): J113 for a group that does not fit the Doc."""
    length, problem = text_length(doc), ""
    strings: Any = doc.vocab.strings  # (the stub lacks integers)
    if not isinstance(scores, (list, tuple)) or len(scores) != len(group):
        problem = f"its attribute scores does not have {len(group)} numbers"
    elif not all(isinstance(score, (float, int, numbers.Real)) for score in scores):
        problem = "its attribute scores has values that are not numbers"
    for index, span in enumerate(group):
        # (token offsets of a group are outdated after retokenization)
        if not 0 <= span.start_char < span.end_char <= length:
            problem = f"span {index} is outside its {length} characters"
        elif span.label not in strings:
            problem = f"the label of span {index} is unknown"
    if problem:
        raise JREError(Errors.J113.format(key=spans_key, problem=problem))


def get_relations(doc: Doc, attr: str = DEFAULT_ATTR) -> tuple[Relation, ...]:
    """Getter of ``doc._.relations``."""
    return tuple(Relation.from_stored(r, doc) for r in stored_relations(doc, attr))


def set_relations(doc: Doc, value: Any, attr: str = DEFAULT_ATTR) -> None:
    """Setter of ``doc._.relations``.

    doc (Doc): The Doc.
    value (list | tuple): The relations. Each is a Relation, a dict of the same form, or
        a tuple (head Span, tail Span, label[, score]).
    attr (str): Name of the relation extension.
    RAISES (ValueError): J102-J105 for a malformed item. In this case, nothing is
        stored.
    """
    if not isinstance(value, (list, tuple)):
        raise JREError(Errors.J102.format(attr=attr, index=0, value=value))
    length = text_length(doc)
    relations = [
        _check_relation(doc, item, index, length, attr)
        for index, item in enumerate(value)
    ]
    data = doc.user_data.get(storage_key(attr))
    entities = None
    # the stored entities of another text are wrong here
    if not (isinstance(data, dict) and _is_of_other_text(doc, data)):
        entities = stored_entities(doc, attr)
    _store(doc, entities, relations, attr)


def write_annotations(
    doc: Doc,
    entities: Iterable[StoredEntity],
    relations: Iterable[StoredRelation],
    attr: str = DEFAULT_ATTR,
    spans: Sequence[Span] | None = None,
    spans_key: str = SPANS_KEY,
) -> None:
    """Store entities and relations, and rebuild the span group of the entities.

    spans (Sequence[Span] | None): The Spans of the entities, if already created.
    spans_key (str): Name of the span group.
    """
    entities = list(entities)
    _store(doc, entities, relations, attr)
    _set_group(doc, entities, spans, spans_key)


def _store(
    doc: Doc,
    entities: Iterable[StoredEntity] | None,
    relations: Iterable[StoredRelation],
    attr: str,
) -> None:
    doc.user_data[storage_key(attr)] = {
        "entities": None if entities is None else [list(e) for e in entities],
        "relations": [list(relation) for relation in relations],
        "text": _checksum(doc),
    }


def entity_group(
    doc: Doc, attr: str = DEFAULT_ATTR, spans_key: str = SPANS_KEY
) -> SpanGroup:
    """Rebuild the span group of the entities from their characters and scores.

    spaCy does not update span groups when tokens are merged or split. The groups that
    spacy-jre sets update themselves. Call this for a Doc that was loaded and then
    changed by ``merge_entities`` or retokenization.

    doc (Doc): The Doc.
    attr (str): Name of the relation extension.
    spans_key (str): Name of the span group, as in the settings of the component.
    RETURNS (SpanGroup): The group, which is also set on the Doc. ``attrs["scores"]``
        has one float per span.
    """
    entities = annotated_entities(doc, attr, spans_key)
    return _set_group(doc, entities, None, spans_key)


def _set_group(
    doc: Doc,
    entities: Sequence[StoredEntity],
    spans: Sequence[Span] | None,
    spans_key: str,
) -> SpanGroup:
    if spans is None:
        spans = [expanded_span(doc, e.start, e.end, e.label) for e in entities]
    scores = [entity.score for entity in entities]
    group = EntityGroup(
        doc, name=spans_key, attrs={"scores": scores}, spans=list(spans)
    )
    doc.spans[spans_key] = group
    return group


def _check_relation(
    doc: Doc, item: Any, index: int, length: int, attr: str
) -> StoredRelation:
    if isinstance(item, dict):
        if not {"head", "tail", "label"} <= item.keys():
            raise JREError(Errors.J102.format(attr=attr, index=index, value=item))
        head, tail = item["head"], item["tail"]
        label, score = item["label"], item.get("score", 1.0)
    elif isinstance(item, (list, tuple)) and len(item) in (3, 4):
        head, tail, label = item[:3]
        score = item[3] if len(item) == 4 else 1.0
    else:
        raise JREError(Errors.J102.format(attr=attr, index=index, value=item))
    if not isinstance(label, str) or not label:
        raise JREError(_field_error("label", index, "a non-empty string", label))
    if not isinstance(score, numbers.Real) or not math.isfinite(score):
        raise JREError(_field_error("score", index, "a finite number", score))
    return StoredRelation(
        *_check_argument(doc, head, "head", index, length),
        *_check_argument(doc, tail, "tail", index, length),
        label,
        float(score),
    )


def _check_argument(
    doc: Doc, value: Any, role: str, index: int, length: int
) -> tuple[int, int, str]:
    start: Any
    end: Any
    label: Any
    if isinstance(value, Span):
        if value.doc is not doc:
            raise JREError(Errors.J105.format(role=role, index=index))
        start, end, label = value.start_char, value.end_char, value.label_
    elif isinstance(value, dict):
        start, end, label = (value.get(k) for k in ("start", "end", "label"))
        label = "" if label is None else label
    else:
        expected = "a Span or a dict with start, end and label"
        raise JREError(_field_error(role, index, expected, value))
    for name, number in (("start", start), ("end", end)):
        if isinstance(number, bool) or not isinstance(number, numbers.Integral):
            field = f"{role} {name}"
            raise JREError(_field_error(field, index, "an integer", number))
    if not isinstance(label, str):
        raise JREError(_field_error(f"{role} label", index, "a string", label))
    start, end = int(start), int(end)  # numpy integers cannot be serialized
    if not 0 <= start < end <= length:
        raise JREError(
            Errors.J103.format(
                role=role, index=index, start=start, end=end, length=length
            )
        )
    return start, end, label


def _field_error(field: str, index: int, expected: str, value: Any) -> str:
    return Errors.J104.format(field=field, index=index, expected=expected, value=value)
