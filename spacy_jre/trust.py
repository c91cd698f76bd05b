"""Whose Python code may run: only that of encoders which the user names.

Some encoders on a hub, or in a folder, come with Python code of their own. No config,
saved pipeline or dataset.json can turn it on. The user does, in their own process, by
the name of the encoder::

    with spacy_jre.trust_remote_code("org/model"):
        nlp = spacy.load("en_my_pipeline")

or with ``spacy jre train --trust-remote-code org/model``, or with the environment
variable ``SPACY_JRE_TRUST_REMOTE_CODE=org/model`` (several names: separated by commas).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

VARIABLE = "SPACY_JRE_TRUST_REMOTE_CODE"

# a thread starts with an empty context, so it trusts nothing but the variable's names
_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


@contextmanager
def trust_remote_code(*names: str) -> Iterator[None]:
    """Let encoders run Python code of their own while the context is open.

    names (str): Hub names or folders, written as in the setting ``name`` of
        spacy-jre.TransformerEncoder.v1.
    """
    token = _trusted.set((*_trusted.get(), *names))
    try:
        yield
    finally:
        _trusted.reset(token)


def trusted_names() -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): The encoders whose code may run."""
    given = os.environ.get(VARIABLE, "").split(",")
    return (*_trusted.get(), *(name.strip() for name in given if name.strip()))
