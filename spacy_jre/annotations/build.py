"""Build a Doc from a record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from spacy.attrs import SENT_START
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..errors import Errors, JREError
from .records import EntityRecord, LeftOut, Record
from .relations import (
    DEFAULT_ATTR,
    StoredEntity,
    StoredRelation,
    write_annotations,
)

# fields of the record that the Doc cannot store, for writing it back to its format
RECORD_KEY = "jre:record"

Alignment = Literal["strict", "contract", "expand"]

# causes of losses
MISALIGNED = "the entity does not align with the tokens"
MERGED = "the entity gets the tokens and the label of another entity"
LOST_ARGUMENT = "an argument does not align with the tokens"
SELF_RELATION = "the relation would join an entity with itself"
MERGED_RELATION = "the relation gets the arguments and the label of another relation"


@dataclass
class AlignmentReport:
    """Counts of the annotation that was kept and lost. Filled by ``build_doc``.

    entities, relations (int): Number of entities and relations in the records.
    left_out (list[LeftOut]): Annotation that the readers left out of the records.
    lost (list[LeftOut]): Entities and relations of the records that are not in the
        Docs, except for duplicates: an entity that does not align with the tokens, or
        that the alignment makes equal to another one; a relation that lost an
        argument, or that the alignment makes equal to another one or makes join an
        entity with itself.
    duplicates (int): Number of duplicate relations; each relation is kept once.
    duplicate_entities (int): Number of entities with the offsets and the label of an
        earlier entity of the record.
    widened, narrowed (int): Number of entities with boundaries that the alignment
        moved outwards ("expand") or inwards ("contract").
    trimmed (int): Number of entities from which whitespace at the edges was removed.
    not_in_ents (int): Number of entities that are in ``doc.spans["jre"]`` but not in
        ``doc.ents``, because they overlap another entity.
    """

    docs: int = 0
    entities: int = 0
    relations: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    lost: list[LeftOut] = field(default_factory=list)
    duplicates: int = 0
    duplicate_entities: int = 0
    widened: int = 0
    narrowed: int = 0
    trimmed: int = 0
    not_in_ents: int = 0

    def add_record(self, record: Record) -> None:
        """Count a record. ``build_doc`` calls this."""
        self.docs += 1
        self.entities += len(record.entities)
        self.relations += len(record.relations)
        self.trimmed += record.trimmed
        self.left_out += record.left_out

    def lose(self, kind: str, reason: str, cause: str) -> None:
        self.lost.append(LeftOut(kind, reason, cause=cause))


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
    report.add_record(record)
    spans = _align(doc, record, alignment, report)
    # the first entity of the record with these tokens and this label
    entities: dict[Key, Span] = {}
    scores: dict[Key, float] = {}  # the highest one of equal entities
    for span, entity in zip(spans, record.entities, strict=True):
        if span is not None:
            key = _key(span)
            entities.setdefault(key, span)
            scores[key] = max(scores.get(key, entity.score), entity.score)
    relations = _join(record, spans, report)
    kept_spans = list(entities.values())
    stored_entities = [StoredEntity(*key, score) for key, score in scores.items()]
    stored_relations = [
        StoredRelation(*head, *tail, label, score)
        for (head, tail, label), score in relations.items()
    ]
    write_annotations(doc, stored_entities, stored_relations, attr, spans=kept_spans)
    # filter_spans prefers the longest span; sorting decides between equal spans
    ents = filter_spans(sorted(kept_spans, key=lambda span: span.label_))
    doc.set_ents(ents)
    report.not_in_ents += len(kept_spans) - len(ents)
    _keep_record(doc, record, len(entities), len(relations))
    return doc


Key = tuple[int, int, str]
Triple = tuple[Key, Key, str]


def _key(entity: Span) -> Key:
    return entity.start_char, entity.end_char, entity.label_


def _align(
    doc: Doc, record: Record, alignment: Alignment, report: AlignmentReport
) -> list[Span | None]:
    """The Span of each entity of the record. None if it does not align."""
    spans: list[Span | None] = []
    # the entities of the record that become the same entity of the Doc
    sources: dict[Key, dict[EntityRecord, None]] = {}
    for entity in record.entities:
        start, end, label = entity.start, entity.end, entity.label
        span = doc.char_span(start, end, label=label, alignment_mode=alignment)
        about = f"{record.source}: {label} {record.text[start:end]!r} at {start}..{end}"
        if span is None or len(span) == 0:
            report.lose("entity", f"{about} does not align with tokens", MISALIGNED)
            spans.append(None)
            continue
        spans.append(span)
        if span.start_char < start or span.end_char > end:
            report.widened += 1
        elif (span.start_char, span.end_char) != (start, end):
            report.narrowed += 1
        merged = sources.setdefault(_key(span), {})
        if entity in merged:
            report.duplicate_entities += 1
        elif merged:
            first = next(iter(merged))
            reason = (
                f"{about} becomes {span.text!r}, like the entity at "
                f"{first.start}..{first.end}"
            )
            report.lose("entity", reason, MERGED)
        merged[entity] = None
    return spans


def _join(
    record: Record, spans: Sequence[Span | None], report: AlignmentReport
) -> dict[Triple, float]:
    """The relations between the Spans of the entities, without duplicates, and their
    scores. Of equal relations, the highest score is kept."""
    relations: dict[Triple, float] = {}
    known: set[tuple[EntityRecord, EntityRecord, str]] = set()
    for relation in record.relations:
        head, tail = spans[relation.head], spans[relation.tail]
        ends = record.entities[relation.head], record.entities[relation.tail]
        about = (
            f"{record.source}: {relation.label} between entities {relation.head} and "
            f"{relation.tail}"
        )
        if head is None or tail is None:
            reason = f"{about}, one of which does not align"
            report.lose("relation", reason, LOST_ARGUMENT)
            continue
        one_span = (head.start, head.end) == (tail.start, tail.end)
        offsets = [(entity.start, entity.end) for entity in ends]
        if one_span and offsets[0] != offsets[1]:
            reason = f"{about}, which both become {head.text!r}"
            report.lose("relation", reason, SELF_RELATION)
            continue
        triple = (_key(head), _key(tail), relation.label)
        if (*ends, relation.label) in known:
            report.duplicates += 1
        elif triple in relations:
            reason = f"{about} becomes equal to an earlier relation"
            report.lose("relation", reason, MERGED_RELATION)
        known.add((*ends, relation.label))
        relations[triple] = max(relations.get(triple, 0.0), relation.score)
    return relations


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
