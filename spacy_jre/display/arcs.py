"""Convert relations to manual input for displaCy's style "dep".

::

    from spacy import displacy
    displacy.render(displacy_relations(doc), style="dep", manual=True)

displaCy escapes the words, but not the tags, arc labels, language and direction, so
they are escaped here. It can't draw an arc from a word to itself, so relations of an
entity with itself are only shown by ``render_page``.
"""

from collections.abc import Iterable
from html import escape
from typing import Any, Literal

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..annotations import (
    DEFAULT_ATTR,
    Relation,
    has_relations,
    read_gold,
    register_extension,
)
from ..annotations.relations import expanded_span, get_relations
from ..annotations.sentences import sentence_ranges
from ..errors import Errors, JREError

Range = tuple[int, int]


def displacy_relations(
    doc: Doc,
    *,
    by: Literal["sent", "doc"] = "sent",
    min_score: float = 0.0,
    labels: Iterable[str] | None = None,
    max_gap: int = 4,
    skip_empty: bool = False,
    scores: bool = False,
    attr: str = DEFAULT_ATTR,
) -> list[dict[str, Any]]:
    """Create one figure per sentence, or one figure for the whole Doc.

    Each entity is shown as one word, with its label as the tag. If entities overlap,
    the longest one is shown, and the arcs of the others are those of its word. An arc
    points from the head to the tail.

    doc (Doc): A Doc with relations.
    by (str): "sent" for one figure per sentence, "doc" for one figure. A Doc without
        sentence boundaries is one sentence.
    min_score (float): Minimum score of a relation.
    labels (Iterable[str]): Relation labels to show. None shows all.
    max_gap (int): Maximum number of words to show between two entities.
    skip_empty (bool): Whether to skip sentences without an arc.
    scores (bool): Whether to show the score after the label.
    attr (str): Name of the relation extension.
    RETURNS (list[dict]): Input for ``displacy.render(..., style="dep", manual=True)``.
    RAISES (ValueError): J704 if the Doc has no relation data, J202 for `by`.
    """
    if by not in ("sent", "doc"):
        raise JREError(Errors.J202.format(name="by", allowed="sent, doc", value=by))
    relations = chosen_relations(doc, min_score=min_score, labels=labels, attr=attr)
    entities = [
        expanded_span(doc, start, end, label)
        for start, end, label in read_gold(doc, attr=attr).entities
    ]
    whole = [(0, len(doc))] if len(doc) else []
    ranges = whole if by == "doc" else sentence_ranges(doc)
    direction = doc.vocab.writing_system.get("direction", "ltr")
    figures = []
    for start, end in ranges:
        inside = [span for span in entities if start <= span.start and span.end <= end]
        words, word_index = _words(doc, start, end, _outermost(inside), max_gap)
        arcs = _arcs(relations, (start, end), word_index, scores)
        if arcs or not skip_empty:
            figures.append(
                {
                    "words": words,
                    "arcs": arcs,
                    "settings": {
                        "lang": escape(doc.lang_),
                        "direction": escape(str(direction)),
                    },
                }
            )
    return figures


def chosen_relations(
    doc: Doc,
    *,
    min_score: float = 0.0,
    labels: Iterable[str] | None = None,
    attr: str = DEFAULT_ATTR,
) -> list[Relation]:
    """Get the relations of a Doc with a minimum score and one of the labels.

    RAISES (ValueError): J704 if the Doc has no relation data.
    """
    register_extension(attr)
    if not has_relations(doc, attr):
        raise JREError(Errors.J704.format(attr=attr))
    if isinstance(labels, str):
        labels = [labels]
    chosen = None if labels is None else set(labels)
    return [
        relation
        for relation in get_relations(doc, attr)
        if relation.score >= min_score and (chosen is None or relation.label in chosen)
    ]


def _outermost(spans: Iterable[Span]) -> dict[Range, str]:
    """Get the token ranges and labels of the longest non-overlapping entities."""
    kept = filter_spans(sorted(spans, key=lambda span: span.label_))
    return {(span.start, span.end): span.label_ for span in kept}


def _words(
    doc: Doc, start: int, end: int, entities: dict[Range, str], max_gap: int
) -> tuple[list[dict[str, str]], dict[int, int]]:
    """Get the words of a figure, and the word index of each token of an entity."""
    words: list[dict[str, str]] = []
    word_index: dict[int, int] = {}
    last = start
    for (first, stop), label in [*entities.items(), ((end, end), "")]:
        gap = [token.text for token in doc[last:first]]
        if len(gap) > max_gap:
            half = max_gap // 2
            gap = [*gap[: max_gap - half], "…", *gap[len(gap) - half :]]
        words += [{"text": text, "tag": ""} for text in gap]
        if stop > first:
            word_index.update(dict.fromkeys(range(first, stop), len(words)))
            words.append({"text": doc[first:stop].text, "tag": escape(label)})
        last = stop
    return words, word_index


def _arcs(
    relations: Iterable[Relation],
    bounds: Range,
    word_index: dict[int, int],
    scores: bool,
) -> list[dict[str, Any]]:
    arcs: list[dict[str, Any]] = []
    for relation in relations:
        head, tail = relation.head, relation.tail
        if not all(bounds[0] <= s.start and s.end <= bounds[1] for s in (head, tail)):
            continue
        first, second = _find_word(head, word_index), _find_word(tail, word_index)
        if first is None or second is None or first == second:
            continue
        label = relation.label
        if scores:
            label += f" {relation.score:.2f}"
        arc = {
            "start": min(first, second),
            "end": max(first, second),
            "label": escape(label),
            "dir": "right" if first < second else "left",
        }
        if arc not in arcs:
            arcs.append(arc)
    return arcs


def _find_word(span: Span, word_index: dict[int, int]) -> int | None:
    """RETURNS (int | None): The first word of an entity. If it partly overlaps another
    entity, its first token can be outside of all of these words."""
    found = (word_index[i] for i in range(span.start, span.end) if i in word_index)
    return next(found, None)
