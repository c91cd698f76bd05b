"""Build a Doc from a record."""

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

# fields of the record that the Doc cannot store, for writing it back to its format
RECORD_KEY = "jre:record"

Alignment = Literal["strict", "contract", "expand"]


@dataclass
class AlignmentReport:
    """Counts of the annotation that was kept and lost. Filled by ``build_doc``.

    entities, relations (int): Number of entities and relations in the records.
    left_out (list[LeftOut]): Annotation that the readers left out of the records.
    misaligned (list[str]): One line per entity that does not align with the tokens,
        with its text and offsets.
    lost_relations (list[str]): One line per relation that lost an argument.
    duplicates (int): Number of duplicate relations; each relation is kept once.
    not_in_ents (int): Number of entities that are in ``doc.spans["jre"]`` but not in
        ``doc.ents``, because they overlap another entity.
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

    record (Record): The annotated text. If it has words, they become the tokens of
        the Doc, with unknown spaces, so that spaCy's own commands keep them. If not,
        the text is tokenized with the tokenizer of `nlp`.
    nlp (Language): The pipeline with the tokenizer and the vocab.
    alignment (str): What to do with an entity that does not align with token
        boundaries: skip it ("strict"), or move its boundaries inwards ("contract") or
        outwards ("expand").
    report (AlignmentReport): Report that the counts are added to.
    RETURNS (Doc): ``doc.spans["jre"]`` has all entities; ``doc.ents`` has those that
        do not overlap a longer or earlier one.
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
                f"{entity.start}..{entity.end} does not align with tokens"
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
                f"{relation.head} and {relation.tail}, one of which does not align"
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
    kept_spans = list(entities.values())
    stored_entities = [StoredEntity(*key, 1.0) for key in entities]
    write_annotations(doc, stored_entities, relations, attr, spans=kept_spans)
    # filter_spans prefers the longest span; sorting decides between equal spans
    ents = filter_spans(sorted(kept_spans, key=lambda span: span.label_))
    doc.set_ents(ents)
    report.not_in_ents += len(kept_spans) - len(ents)
    _keep_record(doc, record, len(entities), len(relations))
    return doc


class TextTooLongError(JREError):
    """J115: the text is longer than ``nlp.max_length``."""


def tokenize(text: str, nlp: Language, source: str) -> Doc:
    """RETURNS (Doc): The tokenized text.
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
        # the Doc stores duplicates once; keep all rows of the file
        kept["entities"] = [[e.start, e.end, e.label] for e in record.entities]
        kept["relations"] = [[r.head, r.tail, r.label] for r in record.relations]
    if kept:
        doc.user_data[RECORD_KEY] = kept


def _set_sentences(doc: Doc, record: Record) -> None:
    """Set the sentence boundaries of the record, or one sentence. Every token gets a
    value."""
    values = np.full(len(doc), -1, dtype=np.int64)
    values[:1] = 1
    if record.sentences is not None:
        starts = {start for start, _ in record.sentences}
        for token in doc:
            # a sentence that starts inside a token starts at that token
            inside = range(token.idx, token.idx + max(len(token), 1))
            if not starts.isdisjoint(inside):
                values[token.i] = 1
    # setting is_sent_start per token checks the whole Doc each time
    doc.from_array([SENT_START], values.astype(np.uint64))  # type: ignore[arg-type]
