"""A graph of triples: its nodes are entities, its edges are relations."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from .triples import Mention, Triple

# what becomes a node: entities with the same name and label, or each mention
Nodes = Literal["name", "mention"]


def normalize_name(text: str) -> str:
    """Normalize the name of an entity: Unicode NFKC, case, whitespace.

    text (str): The name.
    RETURNS (str): The normalized name. Entities with the same normalized name and the
        same label are one node.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    # folding the case can undo the normalization
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def node_id(triple: Triple, mention: Mention, nodes: Nodes = "name") -> str:
    """Get the id of the node of an argument. It is the same in all formats and runs.

    triple (Triple): The triple.
    mention (Mention): Its head or its tail.
    nodes (str): "name": one node for all entities with the same label and normalized
        name. "mention": one node for each mention.
    RETURNS (str): The id, such as "PER:ada quint", or "text.txt:0:0-9:PER" for a
        mention (document id, number of the Doc, offsets, label).
    """
    label = _escape(mention.label)
    if nodes == "name":
        return f"{label}:{normalize_name(mention.text)}"
    place = f"{_escape(triple.document)}:{triple.doc}"
    return f"{place}:{mention.start}-{mention.end}:{label}"


def edge_id(triple: Triple) -> str:
    """RETURNS (str): The id of the edge: document id, number of the Doc, offsets and
    label of the head and the tail, and label of the relation."""
    head, tail = triple.head, triple.tail
    parts = (
        triple.document,
        triple.doc,
        f"{head.start}-{head.end}",
        head.label,
        f"{tail.start}-{tail.end}",
        tail.label,
        triple.relation,
    )
    return ":".join(_escape(str(part)) for part in parts)


def _escape(text: str) -> str:
    """Escape the separator of ids, so that different parts have different ids."""
    return text.replace("%", "%25").replace(":", "%3A")


@dataclass
class Node:
    """A node of the graph.

    id (str): See ``node_id``.
    label (str): The entity label.
    forms (Counter[str]): The texts of its mentions, and how often they occur.
    """

    id: str
    label: str
    forms: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """The most frequent text of its mentions."""
        return self.forms.most_common(1)[0][0]

    @property
    def mentions(self) -> int:
        return self.forms.total()


@dataclass(frozen=True)
class Edge:
    """An edge of the graph: a relation in a Doc.

    head, tail (str): The ids of the nodes.
    triple (Triple): The relation.
    """

    head: str
    tail: str
    triple: Triple


@dataclass
class TripleGraph:
    """The nodes and edges of triples.

    nodes (dict[str, Node]): The nodes by id.
    edges (dict[str, Edge]): The edges by id. A relation that a Doc has twice is one
        edge.
    mentions (int): Number of mentions of all nodes.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)

    @property
    def mentions(self) -> int:
        return sum(node.mentions for node in self.nodes.values())


def collect_graph(triples: Iterable[Triple], nodes: Nodes = "name") -> TripleGraph:
    """Collect the graph of triples. Keeps all of them in memory.

    triples (Iterable[Triple]): The triples.
    nodes (str): What becomes a node, see ``node_id``.
    RETURNS (TripleGraph): The graph.
    """
    graph = TripleGraph()
    # mentions of the current Doc, because an entity can have several relations
    doc = -1
    seen: set[tuple[int, int, str]] = set()
    for triple in triples:
        if triple.doc != doc:
            doc, seen = triple.doc, set()
        ends = []
        for mention in (triple.head, triple.tail):
            key = node_id(triple, mention, nodes)
            node = graph.nodes.setdefault(key, Node(key, mention.label))
            place = (mention.start, mention.end, mention.label)
            if place not in seen:
                seen.add(place)
                node.forms[mention.text] += 1
            ends.append(key)
        graph.edges[edge_id(triple)] = Edge(ends[0], ends[1], triple)
    return graph


def edge_properties(triple: Triple) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The properties of an edge: score and source. Values
    that are not known are left out."""
    head, tail = triple.head, triple.tail
    properties = {
        "score": triple.score,
        "document": triple.document,
        "doc": triple.doc,
        "head": head.text,
        "head_start": head.start,
        "head_end": head.end,
        "head_score": head.score,
        "tail": tail.text,
        "tail_start": tail.start,
        "tail_end": tail.end,
        "tail_score": tail.score,
        "sentence": triple.sentence,
        "sentence_start": triple.sentence_start,
        "sentence_end": triple.sentence_end,
    }
    return {name: value for name, value in properties.items() if value is not None}
