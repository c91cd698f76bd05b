"""Property graphs: Cypher statements, and CSV files for neo4j-admin."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import Errors, JREError
from .graph import collect_graph, edge_properties
from .options import ExportOptions, Written
from .triples import Triple

# the label that all nodes have, in addition to the label of the entity
NODE_LABEL = "Entity"
# for MERGE, which otherwise compares each node with all others
CONSTRAINT = (
    f"CREATE CONSTRAINT spacy_jre_entity IF NOT EXISTS FOR (n:{NODE_LABEL}) "
    "REQUIRE n.id IS UNIQUE;"
)
NODES, RELATIONSHIPS = "nodes.csv", "relationships.csv"
# types of the properties, as neo4j-admin names them
_TYPES = {str: "", int: ":long", float: ":double"}
_PROPERTIES: dict[str, type] = {
    "id": str,
    "score": float,
    "document": str,
    "doc": int,
    "head": str,
    "head_start": int,
    "head_end": int,
    "head_score": float,
    "tail": str,
    "tail_start": int,
    "tail_end": int,
    "tail_score": float,
    "sentence": str,
    "sentence_start": int,
    "sentence_end": int,
}
# what is escaped in a string: quotes, backslashes, and all that can end a line. Neo4j 4
# replaces \uXXXX before it reads the escape sequences, so that u is escaped, too
_SPECIAL = re.compile("\\\\[uU]?|['\x00-\x1f\x7f-\x9f\u2028\u2029]")


def write_cypher(
    triples: Iterable[Triple], path: Path, options: ExportOptions
) -> Written:
    """Write Cypher statements, one per line. Running them again adds nothing."""
    graph = collect_graph(triples, options.nodes)
    with path.open("w", encoding="utf8", newline="\n") as file:
        file.write(CONSTRAINT + "\n")
        for node in graph.nodes.values():
            file.write(
                f"MERGE (n:{NODE_LABEL} {{id: {quote_string(node.id)}}}) "
                f"ON CREATE SET n.name = {quote_string(node.name)} "
                f"SET n:{quote_name(node.label)};\n"
            )
        for key, edge in graph.edges.items():
            properties = ", ".join(
                f"r.{name} = {_literal(value)}"
                for name, value in edge_properties(edge.triple).items()
            )
            file.write(
                f"MATCH (a:{NODE_LABEL} {{id: {quote_string(edge.head)}}}), "
                f"(b:{NODE_LABEL} {{id: {quote_string(edge.tail)}}}) "
                f"MERGE (a)-[r:{quote_name(edge.triple.relation)} "
                f"{{id: {quote_string(key)}}}]->(b) SET {properties};\n"
            )
    return Written.of(graph)


def quote_string(text: str) -> str:
    """RETURNS (str): The text as a string literal of Cypher, on one line."""
    return f"'{_SPECIAL.sub(_escape, text)}'"


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    if found in ("\\", "'"):
        return f"\\{found}"
    prefix = "\\\\" if found.startswith("\\") else ""
    return f"{prefix}\\u{ord(found[-1]):04X}"


def quote_name(name: str) -> str:
    """RETURNS (str): The name as a label or a relationship type of Cypher."""
    # Neo4j reads \uXXXX in names, so that it could be a backtick
    name = name.replace("\\", "\\u005C").replace("`", "``")
    return f"`{name}`".replace("\n", "\\u000A").replace("\r", "\\u000D")


def _literal(value: Any) -> str:
    return quote_string(value) if isinstance(value, str) else repr(value)


def write_neo4j(
    triples: Iterable[Triple], folder: Path, options: ExportOptions
) -> Written:
    """Write the CSV files of `neo4j-admin database import`.

    RAISES (ValueError): J777 for an entity label with a semicolon, which separates
        labels in these files.
    """
    graph = collect_graph(triples, options.nodes)
    for node in graph.nodes.values():
        if ";" in node.label:
            raise JREError(Errors.J777.format(label=node.label))
    with (folder / NODES).open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id:ID", "name", "mentions:long", ":LABEL"])
        for node in graph.nodes.values():
            labels = f"{NODE_LABEL};{node.label}"
            writer.writerow([node.id, node.name, node.mentions, labels])
    with (folder / RELATIONSHIPS).open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file)
        header = [f"{name}{_TYPES[kind]}" for name, kind in _PROPERTIES.items()]
        writer.writerow([":START_ID", ":END_ID", ":TYPE", *header])
        for key, edge in graph.edges.items():
            values = {"id": key, **edge_properties(edge.triple)}
            row = [values.get(name, "") for name in _PROPERTIES]
            writer.writerow([edge.head, edge.tail, edge.triple.relation, *row])
    note = (
        f"neo4j-admin database import full --nodes={NODES} "
        f"--relationships={RELATIONSHIPS} --multiline-fields=true"
    )
    return Written.of(graph, f"Import it with: {note}")
