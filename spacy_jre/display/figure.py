"""What all pictures share: matplotlib, fonts, and the file.

matplotlib is an optional dependency (the extra `plots`), so it is imported when a
picture is drawn.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import Errors, JREError

FORMATS = (".svg", ".png")
FONT = "DejaVu Sans"  # comes with matplotlib
# draw every character as a box, or have only colored bitmaps
UNUSABLE = ("Last Resort", "Color Emoji")
PIXELS_PER_INCH = 144
MAX_PIXELS = 20_000
MAX_CHARACTERS = 20
MAX_LEGEND_CHARACTERS = 40


def check_format(path: Path) -> None:
    """RAISES (ValueError): J795 without matplotlib, J796 if the format is not SVG or
    PNG."""
    if find_spec("matplotlib") is None:
        raise JREError(Errors.J795)
    if path.suffix.lower() not in FORMATS:
        raise JREError(Errors.J796.format(path=path, known=" or ".join(FORMATS)))


@contextmanager
def drawing(path: Path, texts: Iterable[str]) -> Iterator[None]:
    """Set the fonts and the style of a picture. Draw and save it in this context.

    An SVG contains its text as text, so a browser uses its own fonts for characters
    that no font of this machine has.

    path (Path): The file of the picture.
    texts (Iterable[str]): All texts of the picture.
    RAISES (ValueError): J797 if no font has a character of a PNG, and those of
        ``check_format``.
    """
    check_format(path)
    import matplotlib

    families, missing = find_fonts(frozenset("".join(texts)))
    is_png = path.suffix.lower() == ".png"
    if missing and is_png:
        characters = "".join(sorted(missing))
        shown = clean(characters)
        raise JREError(Errors.J797.format(path=path, characters=shown))
    style: Any = {
        "font.family": [*families, "sans-serif"],
        "font.size": 9.0,
        "axes.titlesize": 10.0,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",
        # the same picture gets the same file
        "svg.hashsalt": "spacy-jre",
        # a text can contain dollar signs
        "text.parse_math": False,
        "axes.unicode_minus": False,
    }
    # it reports fonts that have no bold face
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with matplotlib.rc_context(style), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            yield
    finally:
        logger.setLevel(level)


def save(figure: Any, path: Path) -> None:
    """Write a picture, cropped to its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    longest = max(figure.get_size_inches())
    figure.savefig(
        path,
        dpi=min(PIXELS_PER_INCH, MAX_PIXELS / longest),
        bbox_inches="tight",
        pad_inches=0.15,
        metadata={"Date": None} if path.suffix.lower() == ".svg" else None,
    )


@lru_cache(maxsize=16)
def find_fonts(characters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """Find installed fonts for characters.

    characters (frozenset[str]): The characters.
    RETURNS (tuple[list[str], frozenset[str]]): The names of the fonts, in the order of
        their use, and the characters that no font has.
    """
    from matplotlib.font_manager import findfont, fontManager

    missing = {c for c in characters if c.isprintable() and not c.isspace()}
    names = [FONT]
    missing -= _characters_of(findfont(FONT))
    if missing:
        installed = {
            font.name: _characters_of(font.fname) & missing
            for font in fontManager.ttflist
            if not any(word in font.name for word in UNUSABLE)
        }
        while missing and any(installed.values()):
            best = max(sorted(installed), key=lambda name: len(installed[name]))
            names.append(best)
            missing -= installed[best]
            installed = {name: has & missing for name, has in installed.items()}
    return names, frozenset(missing)


@cache
def _characters_of(file: str) -> frozenset[str]:
    from matplotlib.font_manager import get_font

    try:
        charmap = get_font(file).get_charmap()
    except (OSError, RuntimeError):  # a font that matplotlib cannot use
        return frozenset()
    return frozenset(map(chr, charmap))


def clean(text: str) -> str:
    """RETURNS (str): A text for a label: on one line, shortened if it is long."""
    if len(text) > MAX_CHARACTERS:
        text = f"{text[: MAX_CHARACTERS - 1]}…"
    return _replace_invisible(text)


def legend_texts(texts: Sequence[str]) -> list[str]:
    """Get the texts of a legend. Long ones are shortened in the middle, but only as far
    as different texts remain different.

    texts (Sequence[str]): The texts.
    RETURNS (list[str]): The texts on one line, in the same order.
    """
    limit = MAX_LEGEND_CHARACTERS
    longest = max(map(len, texts), default=0)
    shown = [_shorten_middle(text, limit) for text in texts]
    while len(set(shown)) < len(set(texts)) and limit < longest:
        limit *= 2
        shown = [_shorten_middle(text, limit) for text in texts]
    # matplotlib leaves out texts that start with an underscore
    return [f" {text}" if text.startswith("_") else text for text in shown]


def _shorten_middle(text: str, limit: int) -> str:
    if len(text) > limit:
        first = limit // 2
        text = f"{text[:first]}…{text[first + 1 - limit :]}"
    return _replace_invisible(text)


def _replace_invisible(text: str) -> str:
    return "".join(c if c.isprintable() else "␣" if c.isspace() else "�" for c in text)
