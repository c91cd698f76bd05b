"""Docs for the tests of the visualizers."""

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_jre.annotations import StoredEntity, StoredRelation, write_annotations

WORDS = ["Ada", "Quint", "cooks", "for", "Hotel", "Lima", "in", "Oslo", "."]
ADA, HOTEL, LIMA, OSLO = (0, 2, "PER"), (4, 6, "ORG"), (5, 6, "LOC"), (7, 8, "LOC")


def make_doc(entities, relations=(), words=WORDS, starts=(0,)):
    """Make a Doc. Entities are (start, end, label), relations (head, tail, label)."""
    sent_starts = [i in starts for i in range(len(words))] if starts else None
    doc = Doc(Vocab(), words=words, sent_starts=sent_starts)

    def characters(start, end, label):
        span = doc[start:end]
        return (span.start_char, span.end_char, label)

    write_annotations(
        doc,
        [StoredEntity(*characters(*entity), 1.0) for entity in entities],
        [
            StoredRelation(
                *characters(*head), *characters(*tail), label, *(score or [1.0])
            )
            for head, tail, label, *score in relations
        ],
    )
    return doc


def make_sentences():
    """Make a Doc with three sentences and a relation across sentences."""
    words = [*("Ada", "left", "Oslo", "."), *("Rain", "fell", ".")]
    words += ["Mia", "loves", "Ola", "."]
    ada, oslo, mia, ola = (0, 1, "PER"), (2, 3, "LOC"), (7, 8, "PER"), (9, 10, "PER")
    relations = [(ada, oslo, "left"), (mia, ola, "loves"), (ada, mia, "spouse")]
    return make_doc([ada, oslo, mia, ola], relations, words, starts=(0, 4, 7))
