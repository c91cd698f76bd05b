"""Annotation formats. Each module has a reader, and some have a writer."""

from .registry import FORMATS, Format, find_format, guess_format

__all__ = ["FORMATS", "Format", "find_format", "guess_format"]
