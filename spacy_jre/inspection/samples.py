"""Select sentences that show as much of the annotation as possible."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..annotations import EntityRecord, Record, RelationRecord, overlapping_pairs
from ..corpora.formats.inline import render_inline
from .passage import Passage, Sentence

# number of selected sentences
COUNT = 3
# preferred number of tokens of a sample
GOOD_LENGTH = 20
# shown by a sample in addition to relation labels
OVERLAP = "overlapping entities"


class Sample(NamedTuple):
    """A sentence: distance from the preferred length, name of the Doc, annotation."""

    distance: int
    name: str
    record: Record


@dataclass
class Samples:
    """The best sentences for each set of relation labels, with and without overlapping
    entities."""

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
    """Select the sentences that show the most labels.

    Greedy and deterministic: each step selects the sentence with the most labels that
    are not shown yet.

    samples (Samples): The candidates.
    RETURNS (list[Sample]): At most three sentences.
    """
    remaining = {shown: list(kept) for shown, kept in samples.best.items()}
    known: set[str] = set()
    chosen: list[Sample] = []
    while remaining and len(chosen) < COUNT:
        best = min(
            remaining, key=lambda shown: _rank(shown, remaining[shown][0], known)
        )
        chosen.append(remaining[best].pop(0))
        known |= best
        if not remaining[best]:
            del remaining[best]
    return chosen


def _rank(shown: frozenset[str], sample: Sample, known: set[str]) -> tuple[Any, ...]:
    return (-len(shown - known), -len(shown), sample.distance, sorted(shown))


def render_sample(record: Record) -> str:
    """The inline markup of a sentence, or a list if the markup does not support it."""
    try:
        return render_inline(record)
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
    first = sentence.start_char
    entities = sorted(sentence.entities)
    number = {key: index for index, key in enumerate(entities)}
    return Record(
        # replaces line breaks and keeps the offsets
        text="".join(" " if c.isspace() else c for c in sentence.text),
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
