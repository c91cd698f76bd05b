"""Make Examples from entities and relations of the same words."""

from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_jre.annotations import StoredEntity, StoredRelation, write_annotations

WORDS = ["Ada", "Quint", "cooks", "for", "Hotel", "Lima", "in", "Oslo"]
ADA, HOTEL, LIMA, OSLO = (0, 2, "PER"), (4, 6, "ORG"), (5, 6, "LOC"), (7, 8, "LOC")


def annotate(doc, entities, relations=()):
    """Write entities (start, end, label) and relations (head, tail, label[, score])."""

    def characters(start, end, label):
        span = doc[start:end]
        return (span.start_char, span.end_char, label)

    rows = [
        (*characters(*head), *characters(*tail), label, score[0] if score else 1.0)
        for head, tail, label, *score in relations
    ]
    write_annotations(
        doc,
        [StoredEntity(*characters(*entity), 1.0) for entity in entities],
        [StoredRelation(*row) for row in rows],
    )
    return doc


def make_example(gold, predicted, words=WORDS):
    """Make an example from two pairs (entities, relations) for the same words."""
    vocab = Vocab()
    return Example(
        annotate(Doc(vocab, words=words), *predicted),
        annotate(Doc(vocab, words=words), *gold),
    )


def unannotated(example, *, ents=False):
    """Make an Example whose reference has no annotation, or an entity only."""
    reference = Doc(example.reference.vocab, words=WORDS)
    if ents:
        reference.set_ents([reference.char_span(0, 9, label="PER")])
    return Example(example.predicted, reference)
