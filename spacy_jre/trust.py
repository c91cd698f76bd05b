"""Allow encoders to run custom Python code. Only the user can allow an encoder.

Some encoders contain custom Python code. It can't be enabled in a config, a saved
pipeline or a dataset.json. The user has to allow the encoder by name, in their own
process::

    with spacy_jre.trust_remote_code("org/model"):
        nlp = spacy.load("en_my_pipeline")

or with ``spacy jre train --trust-remote-code org/model``, or with the environment
variable ``SPACY_JRE_TRUST_REMOTE_CODE=org/model`` (a comma-separated list of names).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

VARIABLE = "SPACY_JRE_TRUST_REMOTE_CODE"

# a new thread has an empty context: it only trusts the names in the variable
_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())


@contextmanager
def trust_remote_code(*names: str) -> Iterator[None]:
    """Allow encoders to run custom Python code inside a ``with`` block.

    names (str): Hub names or folders, as in the setting ``name`` of
        spacy-jre.TransformerEncoder.v1.
    """
    token = _trusted.set((*_trusted.get(), *names))
    try:
        yield
    finally:
        _trusted.reset(token)


def trusted_names() -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): The encoders that may run custom code."""
    given = os.environ.get(VARIABLE, "").split(",")
    names = (*_trusted.get(), *(name.strip() for name in given if name.strip()))
    # find_trusted_classes counts the names, so each name must occur once
    return tuple(dict.fromkeys(names))
