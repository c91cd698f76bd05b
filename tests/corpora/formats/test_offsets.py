from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.corpora.formats.offsets import from_utf8, from_utf16


def test_character_outside_the_basic_plane_is_two_units():
    assert from_utf16("a😀b") == {0: 0, 1: 1, 3: 2, 4: 3}


def test_text_in_the_basic_plane_keeps_its_offsets():
    assert from_utf16("山é") == {0: 0, 1: 1, 2: 2}


def test_empty_text_has_the_offset_of_its_end():
    assert from_utf16("") == {0: 0}


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_offsets_equal_the_utf16_encoding(text):
    units = [len(text[:i].encode("utf-16-le")) // 2 for i in range(len(text) + 1)]
    assert from_utf16(text) == {unit: index for index, unit in enumerate(units)}


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_offsets_equal_the_utf8_encoding(text):
    units = [len(text[:i].encode("utf8")) for i in range(len(text) + 1)]
    assert from_utf8(text) == {unit: index for index, unit in enumerate(units)}
