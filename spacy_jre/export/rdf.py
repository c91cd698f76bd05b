"""RDF: Turtle and JSON-LD.

A relation is a triple of the graph. In addition, each relation of a Doc is a
``rdf:Statement`` with its score and its source, and its arguments are strings of the
document in the vocabulary NIF::

    <entity> rdf:type <label>; rdfs:label "name"
    <entity> <relation> <entity>
    [] rdf:type rdf:Statement; rdf:subject, rdf:predicate, rdf:object;
       prov:wasDerivedFrom <document>; jre:score; jre:sentence; jre:doc;
       jre:sentenceStart, jre:sentenceEnd; jre:head, jre:tail <mention>
    <mention> rdf:type nif:OffsetBasedString; nif:referenceContext <document>;
       nif:beginIndex, nif:endIndex; nif:anchorOf "text";
       itsrdf:taIdentRef <entity>; itsrdf:taConfidence score
"""

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .graph import collect_graph
from .options import ExportOptions, Written, require
from .triples import Mention, Triple

VOCABULARY = "urn:spacy-jre:vocab:"
PROV = "http://www.w3.org/ns/prov#"
NIF = "http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#"
ITS = "http://www.w3.org/2005/11/its/rdf#"
# a document id that is already an IRI
_IRI = re.compile(r"https?://[^\x00-\x20<>\"{}|\\^`]+")


class Iris:
    """Makes the IRIs of labels, entities and documents."""

    def __init__(self, options: ExportOptions):
        self._options = options

    def of_label(self, label: str, kind: str) -> str:
        """RETURNS (str): The IRI of a label in the label map, or else in the namespace.
        `kind` is "label" or "relation"."""
        return self._options.iris.get(label) or self._made(kind, label)

    def of_node(self, key: str) -> str:
        return self._made("entity", key, safe=":")

    def of_document(self, document: str) -> str:
        if _IRI.fullmatch(document):
            return document
        return self._made("document", document)

    def _made(self, kind: str, name: str, safe: str = "") -> str:
        base = self._options.namespace
        separator = ":" if base.startswith("urn:") else "/"
        return f"{base}{kind}{separator}{quote(name, safe=safe)}"


def _write_rdf(
    triples: Iterable[Triple], path: Path, options: ExportOptions, *, format: str
) -> Written:
    """RAISES (ValueError): J775 without rdflib."""
    rdflib = require("rdflib", "rdf", "RDF")
    collected = collect_graph(triples, options.nodes)
    graph = rdflib.Graph(bind_namespaces="none")
    builder = _Builder(rdflib, graph, Iris(options))
    for node in collected.nodes.values():
        builder.add_entity(node.id, node.label, node.name)
    for edge in collected.edges.values():
        builder.add_statement(edge.head, edge.tail, edge.triple)
    more = {"auto_compact": True} if format == "json-ld" else {}
    # (serialize() would read the path as a URL)
    path.write_bytes(graph.serialize(format=format, encoding="utf-8", **more))
    return Written.of(collected)


write_turtle = partial(_write_rdf, format="turtle")
write_jsonld = partial(_write_rdf, format="json-ld")


class _Builder:
    """Adds entities and statements to a graph of rdflib."""

    def __init__(self, rdflib: Any, graph: Any, iris: Iris):
        self._graph = graph
        self._iris = iris
        self._ref, self._literal = rdflib.URIRef, rdflib.Literal
        self._blank = rdflib.BNode
        self._rdf, self._rdfs = rdflib.RDF, rdflib.RDFS
        self._jre = rdflib.Namespace(VOCABULARY)
        self._prov, self._nif = rdflib.Namespace(PROV), rdflib.Namespace(NIF)
        self._its = rdflib.Namespace(ITS)
        self._mentions: dict[tuple[int, int, int, str], Any] = {}
        self._statements = 0
        for prefix, namespace in (
            ("rdf", self._rdf),
            ("rdfs", self._rdfs),
            ("xsd", rdflib.XSD),
            ("jre", self._jre),
            ("prov", self._prov),
            ("nif", self._nif),
            ("itsrdf", self._its),
        ):
            graph.bind(prefix, namespace)

    def add_entity(self, key: str, label: str, name: str) -> None:
        entity = self._ref(self._iris.of_node(key))
        kind = self._ref(self._iris.of_label(label, "label"))
        self._graph.add((entity, self._rdf.type, kind))
        self._graph.add((entity, self._rdfs.label, self._literal(name)))

    def add_statement(self, head: str, tail: str, triple: Triple) -> None:
        document = self._ref(self._iris.of_document(triple.document))
        ends = [self._ref(self._iris.of_node(key)) for key in (head, tail)]
        predicate = self._ref(self._iris.of_label(triple.relation, "relation"))
        self._graph.add((ends[0], predicate, ends[1]))
        self._graph.add((document, self._rdf.type, self._nif.Context))
        # names of blank nodes are the same in each run
        statement = self._blank(f"s{self._statements}")
        self._statements += 1
        literals = {
            self._jre.score: _rounded(triple.score),
            self._jre.doc: triple.doc,
            self._jre.sentence: triple.sentence,
            self._jre.sentenceStart: triple.sentence_start,
            self._jre.sentenceEnd: triple.sentence_end,
        }
        mentions = [
            self._add_mention(document, end, triple, mention)
            for end, mention in zip(ends, (triple.head, triple.tail), strict=True)
        ]
        for name, value in (
            (self._rdf.type, self._rdf.Statement),
            (self._rdf.subject, ends[0]),
            (self._rdf.predicate, predicate),
            (self._rdf.object, ends[1]),
            (self._prov.wasDerivedFrom, document),
            (self._jre.head, mentions[0]),
            (self._jre.tail, mentions[1]),
            *((name, self._literal(value)) for name, value in literals.items()),
        ):
            self._graph.add((statement, name, value))

    def _add_mention(
        self, document: Any, entity: Any, triple: Triple, mention: Mention
    ) -> Any:
        key = (triple.doc, mention.start, mention.end, mention.label)
        if key in self._mentions:
            return self._mentions[key]
        node = self._mentions[key] = self._blank(f"m{len(self._mentions)}")
        values = [
            (self._rdf.type, self._nif.OffsetBasedString),
            (self._nif.referenceContext, document),
            (self._nif.beginIndex, self._literal(mention.start)),
            (self._nif.endIndex, self._literal(mention.end)),
            (self._nif.anchorOf, self._literal(mention.text)),
            (self._its.taIdentRef, entity),
        ]
        if mention.score is not None:
            score = self._literal(_rounded(mention.score))
            values.append((self._its.taConfidence, score))
        for name, value in values:
            self._graph.add((node, name, value))
        return node


def _rounded(score: float) -> float:
    """RETURNS (float): The score with seven digits, which all formats of rdflib keep.
    Turtle has no more of them."""
    return float(f"{score:.6e}")
