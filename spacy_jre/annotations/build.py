"""Build a Doc from a record: the one place where annotation meets tokens."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from spacy.attrs import SENT_START
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..errors import Errors, JREError
from .records import LeftOut, Record
from .relations import (
    DEFAULT_ATTR,
    StoredEntity,
    StoredRelation,
    write_annotations,
)

# what a record says beyond the annotation; for writing the Doc back to its format
RECORD_KEY = "jre:record"

Alignment = Literal["strict", "contract", "expand"]


@dataclass
class AlignmentReport:
    """What building Docs kept and what it lost. Filled by ``build_doc``.

    entities, relations (int): Read from the records.
    left_out (list[LeftOut]): What the readers left out of the records.
    misaligned (list[str]): One line per entity that fits no tokens, with its text
        and offsets.
    lost_relations (list[str]): One line per relation that lost an argument.
    duplicates (int): Relations that stood twice in a record; kept once.
    not_in_ents (int): Entities that ``doc.ents`` cannot hold, because they overlap
        another one; ``doc.spans["jre"]`` has them.
    """

    docs: int = 0
    entities: int = 0
    relations: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    misaligned: list[str] = field(default_factory=list)
    lost_relations: list[str] = field(default_factory=list)
    duplicates: int = 0
    not_in_ents: int = 0


def build_doc(
    record: Record,
    nlp: Language,
    *,
    alignment: Alignment = "strict",
    report: AlignmentReport | None = None,
    attr: str = DEFAULT_ATTR,
) -> Doc:
    """Build a Doc with entities, scored span group, relations and sentence starts.

    record (Record): The annotated text. With words, the Doc has these tokens and
        unknown spaces, so that spaCy's own commands keep them; else the tokenizer
        of `nlp` is asked.
    nlp (Language): Gives the tokenizer and the vocab.
    alignment (str): What to do with an entity that does not end at token
        boundaries: leave it out (strict), or move its ends inwards or outwards.
    report (AlignmentReport): Counts are added to it.
    RETURNS (Doc): ``doc.ents`` has the entities that do not overlap an earlier,
        longer one; ``doc.spans["jre"]`` has all of them.
    RAISES (ValueError): J110 for `alignment`, J115 for a text that is too long.
    """
    if alignment not in get_args(Alignment):
        raise JREError(Errors.J110.format(source=record.source, value=alignment))
    report = AlignmentReport() if report is None else report
    if record.words is None:
        doc = tokenize(record.text, nlp, record.source)
    else:
        doc = Doc(nlp.vocab, words=list(record.words))
    _set_sentences(doc, record)
    report.docs += 1
    report.entities += len(record.entities)
    report.relations += len(record.relations)
    report.left_out += record.left_out

    spans: list[Span | None] = []
    for entity in record.entities:
        span = doc.char_span(
            entity.start, entity.end, label=entity.label, alignment_mode=alignment
        )
        if span is None or len(span) == 0:
            report.misaligned.append(
                f"{record.source}: {entity.label} "
                f"{record.text[entity.start : entity.end]!r} at "
                f"{entity.start}..{entity.end} fits no tokens"
            )
            span = None
        spans.append(span)
    entities = {
        (span.start_char, span.end_char, span.label_): span
        for span in spans
        if span is not None
    }
    relations: dict[StoredRelation, None] = {}
    for relation in record.relations:
        head, tail = spans[relation.head], spans[relation.tail]
        if head is None or tail is None:
            report.lost_relations.append(
                f"{record.source}: {relation.label} between entities "
                f"{relation.head} and {relation.tail}, of which one fits no tokens"
            )
            continue
        stored = StoredRelation(
            head.start_char,
            head.end_char,
            head.label_,
            tail.start_char,
            tail.end_char,
            tail.label_,
            relation.label,
            1.0,
        )
        report.duplicates += stored in relations
        relations[stored] = None
    found = list(entities.values())
    stored_entities = [StoredEntity(*key, 1.0) for key in entities]
    write_annotations(doc, stored_entities, relations, attr, spans=found)
    # the longest first; of equal ones the first label
    kept = filter_spans(sorted(found, key=lambda span: span.label_))
    doc.set_ents(kept)
    report.not_in_ents += len(found) - len(kept)
    _keep_record(doc, record, len(entities), len(relations))
    return doc


class TextTooLongError(JREError):
    """J115: a text that is longer than ``nlp.max_length``."""


def tokenize(text: str, nlp: Language, source: str) -> Doc:
    """RETURNS (Doc): The tokens of a text.
    RAISES (TextTooLongError): J115."""
    if len(text) > nlp.max_length:
        length, limit = len(text), nlp.max_length
        message = Errors.J115.format(source=source, length=length, limit=limit)
        raise TextTooLongError(message)
    return nlp.make_doc(text)


def _keep_record(doc: Doc, record: Record, n_entities: int, n_relations: int) -> None:
    kept: dict[str, Any] = {}
    if record.meta:
        kept["meta"] = dict(record.meta)
    if record.document is not None:
        kept["document"] = record.document
    if (n_entities, n_relations) != (len(record.entities), len(record.relations)):
        # what stands twice in the file stands once on the Doc
        kept["entities"] = [[e.start, e.end, e.label] for e in record.entities]
        kept["relations"] = [[r.head, r.tail, r.label] for r in record.relations]
    if kept:
        doc.user_data[RECORD_KEY] = kept


def _set_sentences(doc: Doc, record: Record) -> None:
    """One sentence, or those of the record; every token gets a value."""
    values = np.full(len(doc), -1, dtype=np.int64)
    values[:1] = 1
    if record.sentences is not None:
        starts = {start for start, _ in record.sentences}
        for token in doc:
            # a sentence that starts inside a token starts with that token
            inside = range(token.idx, token.idx + max(len(token), 1))
            if not starts.isdisjoint(inside):
                values[token.i] = 1
    # token by token, spaCy would look through the whole Doc each time
    doc.from_array([SENT_START], values.astype(np.uint64))  # type: ignore[arg-type]
