"""Docs with relations for the tests of the writers."""

import pytest
from hypothesis import strategies as st

from spacy_jre.export import ExportOptions, Mention, Triple, find_format, write_triples

from ..conftest import STORY, make_example

# quotes, escapes, separators, control characters, several scripts and long characters
NASTY = "a`'\"\\\\u0027u;:|,\t\n\r\x0b\x00\u2028é\u0301Ж山\U0001f600%{}[]<>&=+-@"


def story_docs(nlp):
    """The sentences of the story as Docs."""
    return [make_example(nlp, sentence).reference for sentence in STORY]


def require(module: str):
    """Import an optional dependency, or skip the test."""
    return pytest.importorskip(module, exc_type=ImportError)


def write(triples, path, name, **options):
    return write_triples(triples, path, find_format(name), ExportOptions(**options))


def triple(head="Ada Quint", tail="Oslo", relation="lives_in", **fields) -> Triple:
    """A triple with these arguments, which are texts or Mentions."""
    if isinstance(head, str):
        head = Mention(head, "PER", 0, len(head), 0.5)
    if isinstance(tail, str):
        tail = Mention(tail, "LOC", head.end, head.end + len(tail))
    values = {
        "document": "d",
        "doc": 0,
        "score": 0.25,
        "sentence": head.text + tail.text,
        "sentence_start": 0,
        "sentence_end": tail.end,
    }
    return Triple(head=head, relation=relation, tail=tail, **{**values, **fields})


SCORES = st.floats(0, 1)
# any text that a Doc can contain
TEXTS = st.text(
    st.one_of(st.sampled_from(NASTY), st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=12,
)


@st.composite
def triples(draw, texts=TEXTS) -> list[Triple]:
    """Triples with any texts, labels and ids, one per Doc."""
    rows = []
    for number in range(draw(st.integers(1, 3))):
        head, tail = draw(texts), draw(texts)
        row = triple(
            Mention(head, draw(texts), 0, len(head), draw(st.none() | SCORES)),
            Mention(tail, draw(texts), len(head), len(head) + len(tail)),
            draw(texts),
            document=draw(texts),
            doc=number,
            score=draw(SCORES),
        )
        rows.append(row)
    return rows
