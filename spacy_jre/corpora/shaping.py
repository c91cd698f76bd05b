"""Give records the sentences or the words that their format does not know."""

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
    """Divide a record that has no sentences.

    how (str): "record": leave it as it is; "line": at line breaks; "rules": by the
        signs that end a sentence, as spaCy's sentencizer does. A boundary inside an
        entity is none.
    nlp (Language): Gives the tokenizer for the rules.
    RAISES (ValueError): J202 for another value, J115 for a text that is too long for
        the tokenizer, which the rules need.
    """
    if how not in get_args(Sentences):
        allowed = ", ".join(get_args(Sentences))
        raise JREError(Errors.J202.format(name="sentences", allowed=allowed, value=how))
    if how == "record" or record.sentences is not None:
        return record
    if how == "line":
        found = [m.span() for m in re.finditer(r"[^\r\n]*\S[^\r\n]*", record.text)]
    else:
        if record.words is None:
            doc = tokenize(record.text, nlp, record.source)
        else:
            doc = Doc(nlp.vocab, words=list(record.words))
        doc = Sentencizer()(doc)
        found = [(s.start_char, s.end_char) for s in doc.sents if not s.text.isspace()]
    joined: list[tuple[int, int]] = []
    for start, end in found:
        if joined and any(e.start < start < e.end for e in record.entities):
            start = joined.pop()[0]
        joined.append((start, end))
    return replace(record, sentences=tuple(joined) if len(joined) > 1 else None)


def with_words(record: Record) -> Record:
    """Take what stands between blanks as the words of a record that has none.

    RETURNS (Record): Its text has single blanks; the offsets are moved along.
    """
    if record.words is not None:
        return record
    moved: dict[int, int] = {}
    words = []
    length = 0
    for match in re.finditer(r"\S+", record.text):
        words.append(match[0])
        moved.update(zip(range(*match.span()), range(length, length + len(match[0]))))
        length += len(match[0]) + 1

    def move(start: int, end: int) -> tuple[int, int]:
        inside = [moved[at] for at in range(start, end) if at in moved]
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
