"""Entities that another component or an annotator has set on a Doc."""

from spacy.tokens import Doc

from ..errors import Errors, JREError

# start and end token in the Doc, end exclusive, and label
GivenEntity = tuple[int, int, str]

PREDICT = "predict"
DOC_ENTS = "doc.ents"
SPANS = "spans:"


def is_source(value: object) -> bool:
    """Check whether a value names where given entities are: "doc.ents" or
    "spans:<key>"."""
    return value == DOC_ENTS or (
        isinstance(value, str) and value.startswith(SPANS) and value != SPANS
    )


def group_of(source: str) -> str | None:
    """RETURNS (str | None): The name of the span group of a source, if it is one."""
    return source.removeprefix(SPANS) if source.startswith(SPANS) else None


def given_entities(doc: Doc, source: str) -> list[GivenEntity] | None:
    """Read the entities that are set on a Doc.

    doc (Doc): The Doc.
    source (str): "doc.ents" or "spans:<key>".
    RETURNS (list[GivenEntity] | None): The entities, each once. None if nothing is set
        there, which differs from a Doc that is annotated without entities.
    RAISES (ValueError): J532 for a span group with outdated tokens.
    """
    key = group_of(source)
    if key is None:
        if not doc.has_annotation("ENT_IOB"):
            return None
        spans = list(doc.ents)
    else:
        if key not in doc.spans:
            return None
        try:
            spans = list(doc.spans[key])
        except IndexError as error:  # E035
            raise JREError(Errors.J532.format(key=key)) from error
    rows = ((span.start, span.end, span.label_) for span in spans)
    return list(dict.fromkeys(rows))
