"""Add sentence boundaries or words to records of formats that lack them."""

import re
from dataclasses import replace
from typing import Literal, get_args

from spacy.language import Language
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc

from ..annotations import Record, tokenize
from ..errors import Errors, JREError

Sentences = Literal["record", "line", "rules"]


def with_sentences(record: Record, how: Sentences, nlp: Language) -> Record:
    """Set sentence boundaries for a record that has none.

    record (Record): The record.
    how (str): "record": no boundaries. "line": at line breaks. "rules": at
        sentence-final punctuation, with spaCy's sentencizer. Boundaries inside entities
        are ignored.
    nlp (Language): The pipeline with the tokenizer for "rules".
    RETURNS (Record): The record with sentences.
    RAISES (ValueError): J202 for another value of `how`, J115 for a text that is too
        long for the tokenizer.
    """
    if how not in get_args(Sentences):
        allowed = ", ".join(get_args(Sentences))
        raise JREError(Errors.J202.format(name="sentences", allowed=allowed, value=how))
    if how == "record" or record.sentences is not None:
        return record
    if how == "line":
        sentences = [m.span() for m in re.finditer(r"[^\r\n]*\S[^\r\n]*", record.text)]
    else:
        if record.words is None:
            doc = tokenize(record.text, nlp, record.source)
        else:
            doc = Doc(nlp.vocab, words=list(record.words))
        doc = Sentencizer()(doc)
        sentences = [
            (s.start_char, s.end_char) for s in doc.sents if not s.text.isspace()
        ]
    merged: list[tuple[int, int]] = []
    for start, end in sentences:
        if merged and any(e.start < start < e.end for e in record.entities):
            start = merged.pop()[0]
        merged.append((start, end))
    return replace(record, sentences=tuple(merged) if len(merged) > 1 else None)


def with_words(record: Record) -> Record:
    """Split the text of a record without words on whitespace.

    record (Record): The record. If it has words, it is returned unchanged.
    RETURNS (Record): The record with words, its text with single spaces, and adjusted
        offsets.
    """
    if record.words is not None:
        return record
    new_offsets: dict[int, int] = {}
    words = []
    length = 0
    for match in re.finditer(r"\S+", record.text):
        words.append(match[0])
        new_offsets.update(
            zip(range(*match.span()), range(length, length + len(match[0])))
        )
        length += len(match[0]) + 1

    def move(start: int, end: int) -> tuple[int, int]:
        inside = [new_offsets[i] for i in range(start, end) if i in new_offsets]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)

    entities = []
    for entity in record.entities:
        start, end = move(entity.start, entity.end)
        entities.append(replace(entity, start=start, end=end))
    sentences = None
    if record.sentences is not None:
        bounds = [move(*sentence) for sentence in record.sentences]
        sentences = tuple(bound for bound in bounds if bound[0] < bound[1])
    return replace(
        record,
        text=" ".join(words),
        words=tuple(words),
        entities=tuple(entities),
        sentences=sentences,
    )
