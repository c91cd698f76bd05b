"""The formats of annotated text: one reader, or reader and writer, per file."""

from .registry import FORMATS, Format, find_format, guess_format

__all__ = ["FORMATS", "Format", "find_format", "guess_format"]
