from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.shaping import with_sentences, with_words


def sentence_texts(nlp, how, text, *entities, words=None):
    """The texts of the sentences. None if there is only one sentence."""
    record = Record(text, tuple(EntityRecord(*e, "X") for e in entities), words=words)
    result = with_sentences(record, how, nlp)
    assert replace(result, sentences=None) == record
    return result.sentences and [text[start:end] for start, end in result.sentences]


# sentences


def test_record_is_unchanged(nlp):
    assert sentence_texts(nlp, "record", "One.\nTwo.") is None


@pytest.mark.parametrize("how", ["record", "line", "rules"])
def test_record_with_sentences_is_unchanged(nlp, how):
    record = Record("One. Two.\nThree.", sentences=((0, 9), (10, 16)))
    assert with_sentences(record, how, nlp) is record


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One\nTwo", ["One", "Two"]),
        ("One\r\nTwo\r\n", ["One", "Two"]),
        ("One\rTwo", ["One", "Two"]),
        ("\n\nOne\n \n\t\nTwo\n\n", ["One", "Two"]),
        (" One \n Two. Three", [" One ", " Two. Three"]),
        ("One", None),
        ("\nOne. Two.\n", None),
        ("", None),
        (" \n ", None),
    ],
)
def test_lines_become_sentences(nlp, text, sentences):
    assert sentence_texts(nlp, "line", text) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("One.\n\nTwo.", ["One.", "Two."]),
        ("One\nTwo", None),
        ("One.\n\n", None),
        ("One", None),
        ("", None),
        (" ", None),
        ("一个。 两个。", ["一个。", "两个。"]),
    ],
)
def test_punctuation_ends_sentences(nlp, text, sentences):
    result = sentence_texts(nlp, "rules", text)
    assert (result and [sentence.strip() for sentence in result]) == sentences


@pytest.mark.parametrize(
    ("how", "text"), [("line", "One\nTwo\nSix\nTen"), ("rules", "One. Two. Six. Ten.")]
)
def test_boundary_inside_an_entity_is_ignored(nlp, how, text):
    one, two, six, ten = (text.index(form) for form in ("One", "Two", "Six", "Ten"))
    end = len(text)
    result = sentence_texts(nlp, how, text, (two, ten - 1))
    assert [text.index(sentence) for sentence in result] == [one, two, ten]
    result = sentence_texts(nlp, how, text, (one, two + 1), (two, six + 1))
    assert [text.index(sentence) for sentence in result] == [one, ten]
    assert sentence_texts(nlp, how, text, (one, end)) is None


def test_boundary_at_the_end_of_an_entity_is_kept(nlp):
    assert sentence_texts(nlp, "line", "Ada\nsang", (0, 3), (4, 8)) == ["Ada", "sang"]
    assert sentence_texts(nlp, "line", "Ada\nsang", (0, 4)) == ["Ada", "sang"]


def test_rules_do_not_split_words(nlp):
    # the tokenizer would create five tokens
    words = "See", "Lima.Oslo", "and", "Rome.", "Go", "."
    text = " ".join(words)
    assert sentence_texts(nlp, "rules", text, words=words) is None
    words = "Ada", "sang", ".", "Mia.Roe", "left"
    result = sentence_texts(nlp, "rules", " ".join(words), words=words)
    assert result == ["Ada sang .", "Mia.Roe left"]


def test_unknown_method_raises(nlp):
    with pytest.raises(ValueError, match=r"J202.*'model'"):
        with_sentences(Record("One"), "model", nlp)


# words


def test_words_are_separated_by_whitespace():
    record = with_words(Record("Ada left\tLima, Ohio.\n"))
    assert record.words == ("Ada", "left", "Lima,", "Ohio.")
    assert record.text == "Ada left Lima, Ohio."


def test_record_with_words_is_unchanged():
    record = Record("Ada  left", words=("Ada ", "left"))
    assert with_words(record) is record


@pytest.mark.parametrize(
    ("text", "form", "expected_start"),
    [
        pytest.param("Ada left", "left", 4, id="single spaces"),
        pytest.param("Ada   left", "left", 4, id="several spaces"),
        pytest.param("Ada \t\n left", "left", 4, id="tab and newline"),
        pytest.param("  Ada left", "Ada", 0, id="leading spaces"),
        pytest.param("\n\nAda  left", "left", 4, id="leading newlines"),
        pytest.param("Ada\u3000left", "left", 4, id="ideographic space"),
        pytest.param("Ada  left\r\n", "left", 4, id="line ending"),
        pytest.param("in  (Lima),", "Lima", 4, id="punctuation inside a word"),
        pytest.param("a  non-Lima", "Lima", 6, id="part of a word"),
        pytest.param("a\n\nb  🙂x", "x", 5, id="character outside the basic plane"),
    ],
)
def test_offsets_are_adjusted(text, form, expected_start):
    start = text.index(form)
    entity = EntityRecord(start, start + len(form), "X")
    (adjusted,) = with_words(Record(text, (entity,))).entities
    expected = EntityRecord(expected_start, expected_start + len(form), "X")
    assert adjusted == expected


@pytest.mark.parametrize(
    ("text", "offsets", "expected"),
    [
        pytest.param("a  Ada  b", (1, 6), (2, 5), id="before"),
        pytest.param("a  Ada  b", (3, 8), (2, 5), id="after"),
        pytest.param("  Ada  ", (0, 7), (0, 3), id="at both ends of the text"),
        pytest.param("a Ada b", (1, 6), (2, 5), id="single spaces"),
        pytest.param("Ada  \n Quint", (0, 12), (0, 9), id="inside"),
    ],
)
def test_whitespace_at_entity_boundaries_is_removed(text, offsets, expected):
    record = with_words(Record(text, (EntityRecord(*offsets, "X"),)))
    assert [(e.start, e.end) for e in record.entities] == [expected]


@pytest.mark.parametrize(
    ("text", "offsets"),
    [("a  b", (1, 3)), ("a b", (1, 2)), ("a ", (1, 2)), (" ", (0, 1))],
)
def test_whitespace_entity_raises(text, offsets):
    with pytest.raises(ValueError, match=r"J107.*line 3: entity 0"):
        with_words(Record(text, (EntityRecord(*offsets, "X"),), source="line 3"))


def test_other_fields_are_unchanged():
    record = Record(
        "Ada  left",
        (EntityRecord(0, 3, "PER"), EntityRecord(5, 9, "Verb")),
        (RelationRecord(0, 1, "r"),),
        document="D1",
        meta={"id": 3},
    )
    expected = replace(
        record,
        text="Ada left",
        words=("Ada", "left"),
        entities=(EntityRecord(0, 3, "PER"), EntityRecord(4, 8, "Verb")),
    )
    assert with_words(record) == expected


def test_sentence_offsets_are_adjusted_without_whitespace():
    text = " Ada  sang. \n\n \nMia left. "
    record = Record(text, sentences=((0, 12), (12, 15), (16, 26)))
    assert with_words(record).sentences == ((0, 9), (10, 19))


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_whitespace_record_has_no_words(text):
    assert with_words(Record(text)) == Record("", words=())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_any_entity_keeps_its_characters(data):
    text = data.draw(st.text("ab. \n\té北", min_size=1, max_size=15))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    if not text[start:end].strip():
        return
    record = with_words(Record(text, (EntityRecord(start, end, "X"),)))
    (entity,) = record.entities
    assert record.text == " ".join(text.split())
    assert record.text[entity.start : entity.end] == " ".join(text[start:end].split())
    # identifies the offset: it has the same characters before it
    before = "".join(text[:start].split())
    assert "".join(record.text[: entity.start].split()) == before
