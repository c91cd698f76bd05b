"""Choose sentences that show much of the annotation, and write them down."""

from dataclasses import dataclass, field
from typing import NamedTuple

from ..annotations import EntityRecord, Record, RelationRecord
from ..corpora.formats.inline import write_inline
from .passage import Passage, Sentence, overlapping_pairs

# sentences that are chosen
COUNT = 3
# samples are easiest to read around this length, in tokens
GOOD_LENGTH = 20
# what a sample shows beside relation labels
OVERLAP = "overlapping entities"


class Sample(NamedTuple):
    """A sentence: how far from a good length it is, its Doc, its annotation."""

    distance: int
    name: str
    record: Record


@dataclass
class Samples:
    """The best sentences for each set of relation labels, with overlapping entities
    and without."""

    best: dict[frozenset[str], list[Sample]] = field(default_factory=dict)

    def add(self, passage: Passage) -> None:
        for sentence in passage.sentences:
            if not sentence.entities:
                continue
            shown = frozenset(label for _, _, label in sentence.relations)
            if overlapping_pairs(sentence.entities):
                shown |= {OVERLAP}
            distance = abs(sentence.end - sentence.start - GOOD_LENGTH)
            kept = self.best.setdefault(shown, [])
            if len(kept) < COUNT or distance < kept[-1].distance:
                record = _make_record(sentence, passage.name)
                kept.append(Sample(distance, passage.name, record))
                kept.sort(key=lambda sample: sample.distance)
                del kept[COUNT:]


def choose_samples(samples: Samples) -> list[Sample]:
    """The sentences that show most labels not yet shown, one after the other.

    RETURNS (list[Sample]): Three, or all there are; always the same ones.
    """
    left = {shown: list(kept) for shown, kept in samples.best.items()}
    known: set[str] = set()
    chosen: list[Sample] = []
    while left and len(chosen) < COUNT:
        best = min(left, key=lambda shown: _rank(shown, left[shown][0], known))
        chosen.append(left[best].pop(0))
        known |= best
        if not left[best]:
            del left[best]
    return chosen


def _rank(shown: frozenset[str], sample: Sample, known: set[str]) -> tuple:
    return (-len(shown - known), -len(shown), sample.distance, sorted(shown))


def render_sample(record: Record) -> str:
    """The inline markup of a sentence, or a list where brackets cannot say it."""
    try:
        return write_inline(record)
    except ValueError:
        texts = [record.text[e.start : e.end] for e in record.entities]
        lines = [record.text]
        for entity, text in zip(record.entities, texts, strict=True):
            lines.append(f"  {entity.start}..{entity.end} {entity.label}: {text}")
        for relation in record.relations:
            head, tail = texts[relation.head], texts[relation.tail]
            lines.append(f"> {head} | {relation.label} | {tail}")
        return "\n".join(lines)


def _make_record(sentence: Sentence, source: str) -> Record:
    first = sentence.first
    entities = sorted(sentence.entities)
    number = {key: index for index, key in enumerate(entities)}
    return Record(
        # as long as it was: offsets stay
        text="".join(" " if sign.isspace() else sign for sign in sentence.text),
        entities=tuple(
            EntityRecord(key[0] - first, key[1] - first, key[2] or "?")
            for key in entities
        ),
        relations=tuple(
            RelationRecord(number[head], number[tail], label)
            for head, tail, label in sentence.relations
        ),
        source=source,
    )
