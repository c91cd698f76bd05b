from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.shaping import with_sentences, with_words


def divided(nlp, how, text, *entities, words=None):
    """The texts of the sentences; None where there is one."""
    record = Record(text, tuple(EntityRecord(*e, "X") for e in entities), words=words)
    found = with_sentences(record, how, nlp)
    assert replace(found, sentences=None) == record
    return found.sentences and [text[start:end] for start, end in found.sentences]


# sentences


def test_record_stays_as_it_is(nlp):
    assert divided(nlp, "record", "One.\nTwo.") is None


@pytest.mark.parametrize("how", ["record", "line", "rules"])
def test_record_with_sentences_stays_as_it_is(nlp, how):
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
def test_lines_are_sentences(nlp, text, sentences):
    assert divided(nlp, "line", text) == sentences


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
def test_signs_end_sentences(nlp, text, sentences):
    found = divided(nlp, "rules", text)
    assert (found and [sentence.strip() for sentence in found]) == sentences


@pytest.mark.parametrize(
    ("how", "text"), [("line", "One\nTwo\nSix\nTen"), ("rules", "One. Two. Six. Ten.")]
)
def test_boundary_inside_an_entity_is_none(nlp, how, text):
    one, two, six, ten = (text.index(form) for form in ("One", "Two", "Six", "Ten"))
    end = len(text)
    found = divided(nlp, how, text, (two, ten - 1))
    assert [text.index(sentence) for sentence in found] == [one, two, ten]
    found = divided(nlp, how, text, (one, two + 1), (two, six + 1))
    assert [text.index(sentence) for sentence in found] == [one, ten]
    assert divided(nlp, how, text, (one, end)) is None


def test_boundary_at_the_end_of_an_entity_is_one(nlp):
    assert divided(nlp, "line", "Ada\nsang", (0, 3), (4, 8)) == ["Ada", "sang"]
    assert divided(nlp, "line", "Ada\nsang", (0, 4)) == ["Ada", "sang"]


def test_words_are_not_divided_by_rules(nlp):
    # the tokenizer would find five tokens
    words = "See", "Lima.Oslo", "and", "Rome.", "Go", "."
    text = " ".join(words)
    assert divided(nlp, "rules", text, words=words) is None
    words = "Ada", "sang", ".", "Mia.Roe", "left"
    found = divided(nlp, "rules", " ".join(words), words=words)
    assert found == ["Ada sang .", "Mia.Roe left"]


def test_unknown_way_is_refused(nlp):
    with pytest.raises(ValueError, match=r"J202.*'model'"):
        with_sentences(Record("One"), "model", nlp)


# words


def test_words_are_what_stands_between_blanks():
    record = with_words(Record("Ada left\tLima, Ohio.\n"))
    assert record.words == ("Ada", "left", "Lima,", "Ohio.")
    assert record.text == "Ada left Lima, Ohio."


def test_record_with_words_stays_as_it_is():
    record = Record("Ada  left", words=("Ada ", "left"))
    assert with_words(record) is record


@pytest.mark.parametrize(
    ("text", "form", "start"),
    [
        pytest.param("Ada left", "left", 4, id="single blanks"),
        pytest.param("Ada   left", "left", 4, id="run of blanks"),
        pytest.param("Ada \t\n left", "left", 4, id="tab and newline"),
        pytest.param("  Ada left", "Ada", 0, id="leading blanks"),
        pytest.param("\n\nAda  left", "left", 4, id="leading newlines"),
        pytest.param("Ada\u3000left", "left", 4, id="wide blank"),
        pytest.param("Ada  left\r\n", "left", 4, id="line end"),
        pytest.param("in  (Lima),", "Lima", 4, id="punctuation inside a word"),
        pytest.param("a  non-Lima", "Lima", 6, id="part of a word"),
        pytest.param("a\n\nb  🙂x", "x", 5, id="signs outside the basic plane"),
    ],
)
def test_offsets_move_along(text, form, start):
    at = text.index(form)
    entity = EntityRecord(at, at + len(form), "X")
    (moved,) = with_words(Record(text, (entity,))).entities
    assert moved == EntityRecord(start, start + len(form), "X")


@pytest.mark.parametrize(
    ("text", "place", "moved"),
    [
        pytest.param("a  Ada  b", (1, 6), (2, 5), id="before"),
        pytest.param("a  Ada  b", (3, 8), (2, 5), id="behind"),
        pytest.param("  Ada  ", (0, 7), (0, 3), id="at both ends of the text"),
        pytest.param("a Ada b", (1, 6), (2, 5), id="single blanks"),
        pytest.param("Ada  \n Quint", (0, 12), (0, 9), id="inside"),
    ],
)
def test_blanks_at_the_ends_of_an_entity_are_left_out(text, place, moved):
    record = with_words(Record(text, (EntityRecord(*place, "X"),)))
    assert [(e.start, e.end) for e in record.entities] == [moved]


@pytest.mark.parametrize(
    ("text", "place"),
    [("a  b", (1, 3)), ("a b", (1, 2)), ("a ", (1, 2)), (" ", (0, 1))],
)
def test_entity_of_blanks_is_refused(text, place):
    with pytest.raises(ValueError, match=r"J107.*line 3: entity 0"):
        with_words(Record(text, (EntityRecord(*place, "X"),), source="line 3"))


def test_everything_else_of_the_record_stays():
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


def test_sentences_move_along_without_their_blanks():
    text = " Ada  sang. \n\n \nMia left. "
    record = Record(text, sentences=((0, 12), (12, 15), (16, 26)))
    assert with_words(record).sentences == ((0, 9), (10, 19))


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_blank_record_has_no_words(text):
    assert with_words(Record(text)) == Record("", words=())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_any_entity_keeps_its_letters(data):
    text = data.draw(st.text("ab. \n\té北", min_size=1, max_size=15))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    if not text[start:end].strip():
        return
    record = with_words(Record(text, (EntityRecord(start, end, "X"),)))
    (entity,) = record.entities
    assert record.text == " ".join(text.split())
    assert record.text[entity.start : entity.end] == " ".join(text[start:end].split())
    # no other place has the same letters before it
    before = "".join(text[:start].split())
    assert "".join(record.text[: entity.start].split()) == before
