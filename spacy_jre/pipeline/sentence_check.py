"""Find Docs that hold several sentences, but have no sentence boundaries."""

import warnings
from collections.abc import Sequence

from spacy.attrs import ORTH
from spacy.pipeline import Sentencizer
from spacy.strings import get_string_id
from spacy.tokens import Doc

from ..errors import Warnings

# Some sentences look like several ones, such as those with direct speech: 0 to 2% of
# the sentences of CoNLL04, SciERC and ADE. A higher share of all Docs is a mistake.
SHARE = 0.1
# No sentence of these corpora looks like more than three: one Doc of four is a mistake.
MANY = 4
# finds boundaries at punctuation, in all scripts; predict() does not change the Doc
RULES = Sentencizer()
# IDs of the tokens that can end a sentence
FINAL = frozenset(map(get_string_id, RULES.punct_chars))


def has_several_sentences(doc: Doc) -> bool:
    """Check whether a Doc without sentence boundaries holds several sentences.

    doc (Doc): The Doc.
    RETURNS (bool): False if the Doc has boundaries, even if it is one sentence.
    """
    return count_unmarked_sentences(doc) > 1


def count_unmarked_sentences(doc: Doc) -> int:
    """Count the sentences of a Doc without sentence boundaries, by spaCy's rules.

    doc (Doc): The Doc.
    RETURNS (int): The sentences that are not whitespace. 1 if the Doc has boundaries.
    """
    if len(doc) < 2 or doc.has_annotation("SENT_START"):
        return 1
    # most sentences have no such token before the last one: do not run the rules
    if FINAL.isdisjoint(doc.to_array(ORTH).tolist()[:-1]):
        return 1
    (is_start,) = RULES.predict([doc])
    if sum(is_start) < 2:
        return 1
    # whitespace after the last sentence is not a sentence
    starts = [i for i, starts in enumerate(is_start) if starts]
    ends = [*starts[1:], len(doc)]
    sentences = [doc[start:end] for start, end in zip(starts, ends, strict=True)]
    return sum(not sentence.text.isspace() for sentence in sentences)


class SentenceCheck:
    """Warns once about Docs without sentence boundaries that hold several sentences: if
    they are at least a tenth of the Docs without boundaries, or if one holds at least
    four sentences.

    name (str): Name of the component.
    """

    def __init__(self, name: str):
        self.name = name
        self._warned = False
        self._n_docs = 0
        self._n_several = 0

    def check(self, docs: Sequence[Doc]) -> None:
        """Check the Docs of a batch. Does nothing after the warning."""
        if self._warned:
            return
        without = [doc for doc in docs if not doc.has_annotation("SENT_START")]
        self._n_docs += len(without)
        counts = [count_unmarked_sentences(doc) for doc in without]
        self._n_several += sum(count > 1 for count in counts)
        is_share = self._n_several and self._n_several >= SHARE * self._n_docs
        if is_share or max(counts, default=0) >= MANY:
            self._warned = True
            warnings.warn(
                Warnings.J912.format(
                    count=self._n_several, total=self._n_docs, name=self.name
                ),
                stacklevel=4,
            )
