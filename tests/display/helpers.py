"""Docs, outcomes and a parser for the tests of the visualizers."""

from html.parser import HTMLParser

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_jre.annotations import StoredEntity, StoredRelation, write_annotations
from spacy_jre.evaluation.outcomes import (
    DocumentOutcome,
    EntityOutcome,
    RelationOutcome,
    SpanRef,
)

WORDS = ["Ada", "Quint", "cooks", "for", "Hotel", "Lima", "in", "Oslo", "."]
ADA, HOTEL, LIMA, OSLO = (0, 2, "PER"), (4, 6, "ORG"), (5, 6, "LOC"), (7, 8, "LOC")


def make_doc(entities, relations=(), words=WORDS, starts=(0,)):
    """Make a Doc. Entities are (start, end, label), relations (head, tail, label)."""
    sent_starts = [i in starts for i in range(len(words))] if starts else None
    doc = Doc(Vocab(), words=words, sent_starts=sent_starts)

    def characters(start, end, label):
        span = doc[start:end]
        return (span.start_char, span.end_char, label)

    write_annotations(
        doc,
        [StoredEntity(*characters(*entity), 1.0) for entity in entities],
        [
            StoredRelation(
                *characters(*head), *characters(*tail), label, *(score or [1.0])
            )
            for head, tail, label, *score in relations
        ],
    )
    return doc


def make_sentences():
    """Make a Doc with three sentences and a relation across sentences."""
    words = [*("Ada", "left", "Oslo", "."), *("Rain", "fell", ".")]
    words += ["Mia", "loves", "Ola", "."]
    ada, oslo, mia, ola = (0, 1, "PER"), (2, 3, "LOC"), (7, 8, "PER"), (9, 10, "PER")
    relations = [(ada, oslo, "left"), (mia, ola, "loves"), (ada, mia, "spouse")]
    return make_doc([ada, oslo, mia, ola], relations, words, starts=(0, 4, 7))


VOID = {"meta", "link", "img", "input", "br"}


class Node:
    """An element: tag, attributes, and children (nodes and strings)."""

    def __init__(self, tag, attrs=()):
        self.tag = tag
        self.attrs = dict(attrs)
        self.children = []

    @property
    def text(self):
        parts = (c if isinstance(c, str) else c.text for c in self.children)
        return "".join(parts)

    @property
    def classes(self):
        return self.attrs.get("class", "").split()

    def walk(self):
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.walk()

    def find(self, tag=None, name=None, **attrs):
        """Get the elements with a tag, a class and attributes (data_x for data-x)."""
        wanted = {key.replace("_", "-"): value for key, value in attrs.items()}
        return [
            node
            for node in self.walk()
            if (tag is None or node.tag == tag)
            and (name is None or name in node.classes)
            and wanted.items() <= node.attrs.items()
        ]


class _Tree(HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack = [Node("")]

    def handle_starttag(self, tag, attrs):
        node = Node(tag, attrs)
        self.stack[-1].children.append(node)
        if tag not in VOID:
            self.stack.append(node)

    def handle_startendtag(self, tag, attrs):
        self.stack[-1].children.append(Node(tag, attrs))

    def handle_endtag(self, tag):
        assert self.stack[-1].tag == tag, f"</{tag}> closes <{self.stack[-1].tag}>"
        self.stack.pop()

    def handle_data(self, data):
        self.stack[-1].children.append(data)


def parse(html):
    """Parse HTML in which each element is closed."""
    tree = _Tree()
    tree.feed(html)
    tree.close()
    assert len(tree.stack) == 1, f"<{tree.stack[-1].tag}> is not closed"
    return tree.stack[0]


def make_outcome(text, entities=(), relations=(), doc_id=""):
    """Make a DocumentOutcome. Spans are (text, label), for their first occurrence.

    entities: (kind, cause, gold or None, predicted or None)
    relations: (kind, cause, label, head, tail, score)
    """

    def refer(span):
        if span is None:
            return None
        start = text.index(span[0])
        return SpanRef(start, start + len(span[0]), span[1])

    return DocumentOutcome(
        text,
        doc_id,
        [
            EntityOutcome(kind, cause, refer(gold), refer(predicted))
            for kind, cause, gold, predicted in entities
        ],
        [
            RelationOutcome(kind, cause, label, refer(head), refer(tail), score)
            for kind, cause, label, head, tail, score in relations
        ],
    )
