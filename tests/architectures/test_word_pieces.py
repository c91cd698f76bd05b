import copy
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from transformers import AutoTokenizer

from spacy_jre.architectures import word_pieces
from spacy_jre.architectures.word_pieces import split_words


@pytest.fixture(scope="module")
def saved(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


class Counting:
    """A tokenizer that counts the words that it splits."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.n_words = 0

    @property
    def vocab_size(self):
        return self.tokenizer.vocab_size

    @property
    def added_tokens_decoder(self):
        return self.tokenizer.added_tokens_decoder

    def __call__(self, words, **settings):
        self.n_words += len(words)
        return self.tokenizer(words, **settings)


@pytest.fixture
def tokenizer(saved):
    return Counting(copy.deepcopy(saved))


def pieces_of(tokenizer, word):
    return tokenizer.tokenizer(word, add_special_tokens=False)["input_ids"]


def test_words_are_split_as_by_the_tokenizer(tokenizer):
    words = ["Oslo", "Fjordline", "ferry", " ", "?"]
    for _ in range(2):
        expected = {word: pieces_of(tokenizer, word) for word in words}
        assert split_words(tokenizer, words) == expected


def test_known_word_is_not_split_again(tokenizer):
    split_words(tokenizer, ["Oslo", "ferry"])
    split_words(tokenizer, ["ferry", "Bergen"])
    assert tokenizer.n_words == 3


def test_known_words_do_not_build_the_vocabulary_again(tokenizer, monkeypatch):
    def fail(*args):
        raise AssertionError("the vocabulary is built")

    monkeypatch.setattr(type(tokenizer.tokenizer), "__len__", fail)
    monkeypatch.setattr(type(tokenizer.tokenizer), "get_vocab", fail)
    split_words(tokenizer, ["Oslo"])
    split_words(tokenizer, ["Oslo"])
    assert tokenizer.n_words == 1


def test_another_tokenizer_does_not_use_the_known_words(tokenizer, saved):
    split_words(tokenizer, ["Oslo"])
    cased = Counting(copy.deepcopy(saved))
    cased.tokenizer.backend_tokenizer.normalizer.lowercase = False
    assert split_words(cased, ["Oslo"]) == {"Oslo": pieces_of(cased, "Oslo")}
    assert split_words(cased, ["Oslo"]) != split_words(tokenizer, ["Oslo"])


def test_tokenizer_with_a_new_piece_splits_the_words_again(tokenizer):
    before = split_words(tokenizer, ["Fjordline"])
    tokenizer.tokenizer.add_tokens(["fjordline"])
    after = split_words(tokenizer, ["Fjordline"])
    assert after == {"Fjordline": pieces_of(tokenizer, "Fjordline")}
    assert after != before


def test_number_of_known_words_is_limited(tokenizer, monkeypatch):
    monkeypatch.setattr(word_pieces, "MAX_WORDS", 5)
    for number in range(4):
        words = [f"a{number}{x}" for x in "bcd"]
        assert list(split_words(tokenizer, words)) == words
        assert len(word_pieces._known[tokenizer].pieces) <= 5
    split_words(tokenizer, [f"b{x}" for x in range(20)])
    assert len(word_pieces._known[tokenizer].pieces) <= 5


def test_long_words_are_not_kept(tokenizer):
    word = "a" * (word_pieces.MAX_CHARACTERS + 1)
    assert split_words(tokenizer, [word])[word]
    assert not word_pieces._known[tokenizer].pieces


def test_known_words_are_deleted_with_the_tokenizer(tokenizer):
    split_words(tokenizer, ["Oslo"])
    gc.collect()
    count = len(word_pieces._known)
    copied = Counting(tokenizer.tokenizer)
    split_words(copied, ["Oslo"])
    assert len(word_pieces._known) == count + 1
    del copied
    gc.collect()
    assert len(word_pieces._known) == count


def test_tokenizer_is_pickled_without_the_known_words(saved):
    tokenizer = copy.deepcopy(saved)
    before = len(pickle.dumps(tokenizer))
    split_words(tokenizer, [f"word{number}" for number in range(100)])
    assert len(pickle.dumps(tokenizer)) == before


def test_threads_get_the_same_pieces(tokenizer, monkeypatch):
    monkeypatch.setattr(word_pieces, "MAX_WORDS", 7)
    words = [f"{x}{y}" for x in "abcdef" for y in "ghijk"]
    expected = {word: pieces_of(tokenizer, word) for word in words}

    def run(number):
        part = words[number % 10 :: 3]
        return split_words(tokenizer, part) == {word: expected[word] for word in part}

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(200)))
