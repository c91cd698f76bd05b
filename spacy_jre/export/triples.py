"""Triples of Docs, with their offsets, scores and sources."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc

from ..annotations import DEFAULT_ATTR, stored_entities, stored_relations
from ..annotations.build import RECORD_KEY
from ..annotations.relations import text_length
from ..errors import Errors, JREError

# name of the user data or extension attribute with the id of a Doc
ID_ATTR = "doc_id"


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity in the text of a Doc.

    text (str): The text.
    label (str): The entity label.
    start, end (int): Character offsets in the Doc, end exclusive.
    score (float | None): The score of the entity. None if it is not stored.
    """

    text: str
    label: str
    start: int
    end: int
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Triple:
    """A relation of a Doc, as plain values.

    document (str): The id of the Doc, see ``document_id``.
    doc (int): The number of the Doc in the input, from 0.
    head, tail (Mention): The arguments.
    relation (str): The relation label.
    score (float): The score of the relation. 1.0 for annotated relations.
    sentence (str): The sentence. For arguments in different sentences, the text from
        the first to the last of them. The whole text if the Doc has no sentences.
    sentence_start, sentence_end (int): Character offsets of the sentence.
    """

    document: str
    doc: int
    head: Mention
    relation: str
    tail: Mention
    score: float
    sentence: str
    sentence_start: int
    sentence_end: int


def iter_triples(
    docs: Iterable[Doc], *, attr: str = DEFAULT_ATTR, id_attr: str = ID_ATTR
) -> Iterator[Triple]:
    """Get the relations of Docs as triples.

    docs (Iterable[Doc]): The Docs, which can be a stream.
    attr (str): Name of the relation extension.
    id_attr (str): Name of the user data or extension attribute with the document id.
    YIELDS (Triple): The triples, in the order of the Docs and their relations.
    RAISES (ValueError): J112, J120 for malformed relation data, J770 for an id that is
        not a string or an integer.
    """
    for number, doc in enumerate(docs):
        yield from doc_triples(doc, document_id(doc, number, id_attr), number, attr)


def doc_triples(
    doc: Doc, document: str, number: int, attr: str = DEFAULT_ATTR
) -> Iterator[Triple]:
    """Get the relations of a Doc as triples.

    doc (Doc): The Doc.
    document (str): The document id.
    number (int): The number of the Doc in the input.
    attr (str): Name of the relation extension.
    YIELDS (Triple): The triples.
    RAISES (ValueError): J112, J120 for malformed relation data.
    """
    relations = stored_relations(doc, attr)
    if not relations:
        return
    text = doc.text
    scores = {entity[:3]: entity.score for entity in stored_entities(doc, attr) or ()}
    sentences = _sentences(doc)
    starts = [start for start, _ in sentences]

    def mention(start: int, end: int, label: str) -> Mention:
        score = scores.get((start, end, label))
        return Mention(
            text[start:end],
            label,
            int(start),
            int(end),
            None if score is None else float(score),
        )

    for relation in relations:
        head, tail = mention(*relation[:3]), mention(*relation[3:6])
        first = bisect_right(starts, min(head.start, tail.start)) - 1
        last = bisect_right(starts, max(head.end, tail.end) - 1) - 1
        start, end = sentences[first][0], sentences[last][1]
        yield Triple(
            document=document,
            doc=number,
            head=head,
            relation=relation.label,
            tail=tail,
            score=float(relation.score),
            sentence=text[start:end],
            sentence_start=start,
            sentence_end=end,
        )


def _sentences(doc: Doc) -> list[tuple[int, int]]:
    """Character offsets of the sentences. The first one starts at 0."""
    if not doc.has_annotation("SENT_START"):
        return [(0, text_length(doc))]
    return [(sent.start_char, sent.end_char) for sent in doc.sents]


def document_id(doc: Doc, default: str | int, id_attr: str = ID_ATTR) -> str:
    """Get the id of a Doc.

    doc (Doc): The Doc.
    default (str | int): The id of a Doc without one, such as its number.
    id_attr (str): Name of the user data or extension attribute with the id.
    RETURNS (str): The value of ``doc.user_data[id_attr]``, or else of
        ``doc._.<id_attr>``, or else the name of the document in the data that was
        converted, or else the default.
    RAISES (ValueError): J770 for an id that is not a string or an integer.
    """
    value = doc.user_data.get(id_attr)
    if value is None and Doc.has_extension(id_attr):
        value = doc._.get(id_attr)
    if value is None:
        # an extension that is not registered in this process
        user_data: dict[Any, Any] = doc.user_data  # (the stub has only str keys)
        value = user_data.get(("._.", id_attr, None, None))
    if value is None:
        record = doc.user_data.get(RECORD_KEY)
        value = record.get("document") if isinstance(record, dict) else None
    if value is None:
        value = default
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise JREError(Errors.J770.format(default=default, name=id_attr, value=value))
    return str(value)
