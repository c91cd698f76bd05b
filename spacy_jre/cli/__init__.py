"""`python -m spacy jre ...`: parsing only; the work is in plain functions.

Imported by every `python -m spacy` command, so nothing heavy is imported here.
"""

from .app import jre_cli

__all__ = ["jre_cli"]
