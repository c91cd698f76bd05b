"""Graphs of networkx, and GraphML."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..annotations import DEFAULT_ATTR
from .graph import Nodes, TripleGraph, collect_graph, edge_properties
from .options import ExportOptions, Written, require
from .triples import ID_ATTR, Triple, iter_triples

# characters that XML cannot contain
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_networkx(
    docs: Iterable[Doc],
    *,
    attr: str = DEFAULT_ATTR,
    id_attr: str = ID_ATTR,
    nodes: Nodes = "name",
) -> Any:
    """Make a graph of networkx from the relations of Docs.

    docs (Iterable[Doc]): The Docs.
    attr (str): Name of the relation extension.
    id_attr (str): Name of the user data or extension attribute with the document id.
    nodes (str): "name": entities with the same label and normalized name are one node.
        "mention": each mention is a node.
    RETURNS (networkx.MultiDiGraph): The graph. Nodes have the attributes name, label
        and mentions. Edges have relation, score, document, offsets and sentence.
    RAISES (ValueError): J775 without networkx, and the errors of ``iter_triples``.
    """
    options = ExportOptions(nodes=nodes)
    triples = iter_triples(docs, attr=attr, id_attr=id_attr)
    return _make_graph(collect_graph(triples, options.nodes))


def _make_graph(triples: TripleGraph) -> Any:
    networkx = require("networkx", "graph", "A graph of networkx")
    graph = networkx.MultiDiGraph()
    for node in triples.nodes.values():
        graph.add_node(
            node.id, name=node.name, label=node.label, mentions=node.mentions
        )
    for key, edge in triples.edges.items():
        properties = edge_properties(edge.triple)
        graph.add_edge(
            edge.head, edge.tail, key, relation=edge.triple.relation, **properties
        )
    return graph


def write_graphml(
    triples: Iterable[Triple], path: Path, options: ExportOptions
) -> Written:
    """Write GraphML. Characters that XML cannot contain are replaced by U+FFFD.

    RAISES (ValueError): J775 without networkx.
    """
    networkx = require("networkx", "graph", "GraphML")
    collected = collect_graph(triples, options.nodes)
    graph = _make_graph(collected)
    count = 0

    def replaced(value: Any) -> Any:
        nonlocal count
        if not isinstance(value, str):
            return value
        value, n = _NOT_XML.subn("\ufffd", value)
        count += n
        return value

    for _, values in graph.nodes(data=True):
        values.update({name: replaced(value) for name, value in values.items()})
    for *_, values in graph.edges(data=True):
        values.update({name: replaced(value) for name, value in values.items()})
    clean = networkx.MultiDiGraph()
    clean.add_nodes_from((replaced(key), data) for key, data in graph.nodes(data=True))
    clean.add_edges_from(
        (replaced(head), replaced(tail), replaced(key), data)
        for head, tail, key, data in graph.edges(keys=True, data=True)
    )
    networkx.write_graphml(clean, path, named_key_ids=True)
    written = Written.of(collected)
    if count:
        written.notes.append(
            f"{count} character(s) that XML can't contain were replaced by U+FFFD"
        )
    return written
