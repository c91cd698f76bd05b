"""Build a Doc from a record: the one place where annotation meets tokens."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..errors import Errors
from .records import Record
from .relations import (
    DEFAULT_ATTR,
    StoredEntity,
    StoredRelation,
    write_annotations,
)

Alignment = Literal["strict", "contract", "expand"]


@dataclass
class AlignmentReport:
    """What building Docs kept and what it lost. Filled by ``build_doc``.

    entities, relations (int): Read from the records.
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
    """
    if alignment not in get_args(Alignment):
        raise ValueError(Errors.J110.format(source=record.source, value=alignment))
    report = AlignmentReport() if report is None else report
    if record.words is None:
        doc = nlp.make_doc(record.text)
    else:
        doc = Doc(nlp.vocab, words=list(record.words))
    _set_sentences(doc, record)
    report.docs += 1
    report.entities += len(record.entities)
    report.relations += len(record.relations)

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
    write_annotations(
        doc, [StoredEntity(*key, 1.0) for key in entities], relations, attr
    )
    doc.ents = without_overlaps(list(entities.values()))
    report.not_in_ents += len(entities) - len(doc.ents)
    if record.meta:
        doc.user_data["jre:meta"] = dict(record.meta)
    return doc


def without_overlaps(spans: list[Span]) -> list[Span]:
    """Keep each span that overlaps none kept before it; longer ones come first."""
    kept: list[Span] = []
    taken: set[int] = set()
    for span in sorted(spans, key=lambda s: (-len(s), s.start, s.label_)):
        tokens = range(span.start, span.end)
        if taken.isdisjoint(tokens):
            kept.append(span)
            taken.update(tokens)
    return sorted(kept, key=lambda s: s.start)


def _set_sentences(doc: Doc, record: Record) -> None:
    """One sentence, or those of the record; every token gets a value."""
    starts = {0} if record.sentences is None else {s for s, _ in record.sentences}
    for token in doc:
        # a sentence that starts inside a token starts with that token
        inside = range(token.idx, token.idx + max(len(token), 1))
        token.is_sent_start = token.i == 0 or not starts.isdisjoint(inside)
