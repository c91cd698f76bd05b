from pathlib import Path

import pytest

from spacy_jre.annotations import EntityRecord, Record
from spacy_jre.corpora.formats.words import read_words, token_spans, word_span
from spacy_jre.corpora.rows import RowError
from spacy_jre.corpora.sources import Location

LOCATION = Location(Path("story.json"), "line 3")


@pytest.mark.parametrize(
    ("offsets", "span"), [((0, 3), (0, 1)), ((4, 8), (1, 2)), ((0, 8), (0, 2))]
)
def test_token_spans_are_end_exclusive(offsets, span):
    record = Record("Ada sang", (EntityRecord(*offsets, "X"),), words=("Ada", "sang"))
    assert token_spans(record) == [span]


@pytest.mark.parametrize("offsets", [(0, 2), (1, 3), (3, 8), (0, 4), (4, 5)])
def test_token_spans_reject_entity_that_does_not_align_with_words(offsets):
    entities = EntityRecord(0, 3, "PER"), EntityRecord(*offsets, "PER")
    record = Record("Ada sang", entities, words=("Ada", "sang"), source="line 3")
    with pytest.raises(ValueError, match=r"J614.*line 3: entity 1"):
        token_spans(record)


@pytest.mark.parametrize("word", ["", 3, None, ["a"]])
def test_read_words_rejects_word_that_is_not_a_non_empty_string(word):
    with pytest.raises(ValueError, match=r"J605.*line 3: field 'tokens' has "):
        read_words(LOCATION, "tokens", ["Ada", word])


@pytest.mark.parametrize(("end", "inclusive"), [(2, False), (1, True)])
def test_word_span_has_the_characters_of_the_words(end, inclusive):
    offsets = [(0, 3), (4, 9), (10, 15)]
    assert word_span(LOCATION, offsets, 0, end, inclusive=inclusive) == (0, 9)


@pytest.mark.parametrize(
    ("start", "end", "inclusive"),
    [(-1, 1, False), (1, 1, False), (0, 3, True), (2, 1, True), (0, 4, False)],
)
def test_words_that_do_not_exist_raise_with_the_number_of_words(start, end, inclusive):
    with pytest.raises(RowError, match=f"J605.*is {start}..{end}, outside the 3 tok"):
        word_span(LOCATION, [(0, 3), (4, 9), (10, 15)], start, end, inclusive=inclusive)
