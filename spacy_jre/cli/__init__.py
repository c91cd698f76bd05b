"""`python -m spacy jre ...`: command-line parsing. The work is in plain functions.

Every `python -m spacy` command imports this package, so it only has light imports.
"""

from .app import jre_cli

__all__ = ["jre_cli"]
