"""Triples of Docs in the formats of tables, graphs and graph databases."""

from .formats import FORMATS, Format, choose_format, find_format, write_triples
from .graph import TripleGraph, collect_graph, node_id, normalize_name
from .network import to_networkx
from .options import NAMESPACE, ExportOptions, Written, read_label_map
from .tables import COLUMNS, as_row
from .triples import Mention, Triple, doc_triples, document_id, iter_triples

__all__ = [
    "COLUMNS",
    "FORMATS",
    "NAMESPACE",
    "ExportOptions",
    "Format",
    "Mention",
    "Triple",
    "TripleGraph",
    "Written",
    "as_row",
    "choose_format",
    "collect_graph",
    "doc_triples",
    "document_id",
    "find_format",
    "iter_triples",
    "node_id",
    "normalize_name",
    "read_label_map",
    "to_networkx",
    "write_triples",
]
