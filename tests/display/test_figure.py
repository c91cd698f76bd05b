"""Fonts and labels of pictures."""

import pytest

from spacy_jre.display import figure
from spacy_jre.display.figure import (
    check_format,
    clean,
    drawing,
    find_fonts,
    legend_texts,
)

from ..conftest import needs_matplotlib


@pytest.fixture
def few_fonts(monkeypatch):
    """Only the font of matplotlib has characters: those of ASCII."""
    ascii_characters = frozenset(map(chr, range(128)))

    def characters_of(file: str) -> frozenset[str]:
        return ascii_characters if file.endswith("DejaVuSans.ttf") else frozenset()

    monkeypatch.setattr(figure, "_characters_of", characters_of)
    find_fonts.cache_clear()
    yield
    find_fonts.cache_clear()


def test_missing_matplotlib_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(figure, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"J795.*spacy-jre\[plots\]"):
        check_format(tmp_path / "picture.svg")


@needs_matplotlib
def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"J796.*picture\.pdf must end with \.svg or"):
        check_format(tmp_path / "picture.pdf")


@needs_matplotlib
def test_font_of_matplotlib_has_latin_text():
    assert find_fonts(frozenset("Zürich…")) == (["DejaVu Sans"], frozenset())


@needs_matplotlib
def test_placeholder_font_is_not_used_for_unknown_characters():
    # Egyptian, Tangut and Linear A: no font has all of them, except the placeholder
    names, _ = find_fonts(frozenset("\U00013000\U00017000\U00010600"))
    assert not any("Last Resort" in name for name in names)


@needs_matplotlib
def test_png_with_characters_that_no_font_has_is_refused(few_fonts, tmp_path):
    path = tmp_path / "picture.png"
    with (
        pytest.raises(ValueError, match=r"J797.*characters 地注\..*fonts-noto-cjk"),
        drawing(path, ["注地"]),
    ):
        pass


@needs_matplotlib
def test_svg_with_characters_that_no_font_has_is_drawn(few_fonts, tmp_path):
    with drawing(tmp_path / "picture.svg", ["注地"]):
        pass


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("word", "word"),
        ("a\nb\tc", "a␣b␣c"),
        ("\ud800\x00", "\ufffd\ufffd"),
        ("w" * 5000, "w" * 19 + "…"),
        ("依诺肝素钠注射液", "依诺肝素钠注射液"),
    ],
)
def test_label_is_on_one_line_and_short(text, shown):
    assert clean(text) == shown


@pytest.mark.parametrize("end", ["1", "22", "x" * 50])
def test_different_texts_of_a_legend_remain_different(end):
    texts = ["a" * 60, "a" * 60 + end, "a" * 30 + end + "a" * 30]
    assert len(set(legend_texts(texts))) == 3


def test_long_text_of_a_legend_is_shortened_in_the_middle():
    (text,) = legend_texts(["start" + "-" * 100 + "end"])
    assert text.startswith("start-")
    assert text.endswith("-end")
    assert len(text) == 40
