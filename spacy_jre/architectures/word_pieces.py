"""The wordpieces of words, kept between the calls for a tokenizer."""

from collections.abc import Iterable
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

# Limits of the memory: number of words, and characters of a word. If there are more
# words, all of them are removed.
MAX_WORDS = 20_000
MAX_CHARACTERS = 50


class KnownWords:
    """The wordpieces of known words.

    A tokenizer object belongs to one pipeline. The words are not saved with it. Several
    threads can read and add words: a dict operation is atomic, and all threads add the
    same wordpieces for a word.

    n_pieces (tuple[int, int]): Number of wordpieces and of added tokens. A tokenizer
        with another vocabulary gets new words.
    pieces (dict[str, list[int]]): The wordpiece IDs of each word.
    """

    def __init__(self, n_pieces: tuple[int, int]):
        self.n_pieces = n_pieces
        self.pieces: dict[str, list[int]] = {}


_known: "WeakKeyDictionary[Any, KnownWords]" = WeakKeyDictionary()


def split_words(tokenizer: Any, words: Iterable[str]) -> dict[str, list[int]]:
    """Split words into wordpieces.

    tokenizer (PreTrainedTokenizerFast): The tokenizer.
    words (Iterable[str]): The words, each one once.
    RETURNS (dict[str, list[int]]): The wordpiece IDs of each word. Do not modify the
        lists.
    """
    known = _known.get(tokenizer)
    # len(tokenizer) builds the whole vocabulary in some versions: 3 ms in each call
    n_pieces = (tokenizer.vocab_size, len(tokenizer.added_tokens_decoder))
    if known is None or known.n_pieces != n_pieces:
        known = _known[tokenizer] = KnownWords(n_pieces)
    result: dict[str, list[int]] = {}
    new: list[str] = []
    for word in words:
        ids = known.pieces.get(word)
        if ids is None:
            new.append(word)
        else:
            result[word] = ids
    if not new:
        return result
    ids_of_new = tokenizer(
        [[word] for word in new],
        is_split_into_words=True,
        add_special_tokens=False,
        truncation=False,
        verbose=False,
    )["input_ids"]
    found = dict(zip(new, ids_of_new, strict=True))
    short = {w: ids for w, ids in found.items() if len(w) <= MAX_CHARACTERS}
    if len(known.pieces) + len(short) > MAX_WORDS:
        known.pieces = {}
    known.pieces.update(islice(short.items(), MAX_WORDS))
    return {**result, **found}
