"""Cypher, the files of neo4j-admin, networkx and GraphML."""

import csv
import re

import pytest
from hypothesis import example, given

from spacy_jre.errors import JREError
from spacy_jre.export import (
    Mention,
    collect_graph,
    iter_triples,
    to_networkx,
)
from spacy_jre.export.cypher import quote_name, quote_string

from .helpers import TEXTS, require, story_docs, triple, triples, write
from .test_tables import in_folder


def read_string(literal: str) -> str:
    """Read a string literal as Neo4j 5 does: all escape sequences in one pass."""
    assert literal[0] == literal[-1] == "'"
    body = literal[1:-1]
    assert not re.search(r"(?<!\\)(\\\\)*'", body)

    def character(match):
        return chr(int(match[1], 16)) if match[1] else match[2]

    return re.sub(r"\\(?:u([0-9A-F]{4})|(.))", character, body)


def preprocess(query: str) -> str:
    """Replace \\uXXXX everywhere, as Neo4j 4 does before it reads a query."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda m: chr(int(m[1], 16)), query)


@given(TEXTS)
@example("\\u0027")
@example("\\\n")
def test_string_literal_has_the_text(text):
    literal = quote_string(text)
    assert read_string(literal) == text
    assert len(literal.splitlines()) == 1


@given(TEXTS)
@example("\\u0027 + 'x")
def test_string_literal_does_not_end_early_in_neo4j_4(text):
    literal = preprocess(quote_string(text))
    assert not re.search(r"(?<!\\)(\\\\)*'", literal[1:-1])
    unescaped = re.sub(r"\\(.)", r"\1", literal[1:-1], flags=re.DOTALL)
    assert unescaped == text


@given(TEXTS)
@example("a`) DETACH DELETE n //")
@example("\\u0060) DETACH DELETE n //")
def test_name_does_not_end_early(text):
    for name in (quote_name(text), preprocess(quote_name(text))):
        assert name[0] == name[-1] == "`"
        assert "`" not in name[1:-1].replace("``", "")


def test_cypher_has_one_statement_per_node_and_edge(nlp, tmp_path):
    written = write(iter_triples(story_docs(nlp)), tmp_path / "out", "cypher")
    lines = (tmp_path / "out").read_text(encoding="utf8").splitlines()
    kinds = [line.split()[0] for line in lines]
    assert kinds == ["CREATE"] + ["MERGE"] * 9 + ["MATCH"] * 8
    assert all(line.endswith(";") for line in lines)
    assert (written.mentions, written.nodes) == (11, 9)


def test_cypher_has_the_properties_of_the_relation(tmp_path):
    write([triple(sentence="It's")], tmp_path / "out", "cypher")
    line = (tmp_path / "out").read_text(encoding="utf8").splitlines()[-1]
    assert line.startswith(
        "MATCH (a:Entity {id: 'PER:ada quint'}), (b:Entity {id: 'LOC:oslo'}) "
        "MERGE (a)-[r:`lives_in` {id: 'd:0:0-9:PER:9-13:LOC:lives_in'}]->(b) "
        "SET r.score = 0.25, r.document = 'd', r.doc = 0, r.head = 'Ada Quint',"
    )
    assert "r.sentence = 'It\\'s'" in line
    assert "tail_score" not in line  # it is not known


def read_csv(path):
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.reader(file))


@in_folder
@given(triples())
def test_neo4j_files_keep_any_text(tmp_path, triples):
    if any(";" in m.label for t in triples for m in (t.head, t.tail)):
        return
    write(triples, tmp_path / "out", "neo4j")
    header, *nodes = read_csv(tmp_path / "out" / "nodes.csv")
    assert header == ["id:ID", "name", "mentions:long", ":LABEL"]
    graph = collect_graph(triples)
    assert [row[0] for row in nodes] == list(graph.nodes)
    assert [row[1] for row in nodes] == [node.name for node in graph.nodes.values()]
    header, *rows = read_csv(tmp_path / "out" / "relationships.csv")
    assert header[:5] == [":START_ID", ":END_ID", ":TYPE", "id", "score:double"]
    assert [row[2] for row in rows] == [t.relation for t in triples]
    assert {row[0] for row in rows} | {row[1] for row in rows} == set(graph.nodes)


def test_neo4j_files_have_both_labels_of_a_node(tmp_path):
    write([triple()], tmp_path / "out", "neo4j")
    rows = read_csv(tmp_path / "out" / "nodes.csv")
    assert rows[1] == ["PER:ada quint", "Ada Quint", "1", "Entity;PER"]


def test_label_with_a_semicolon_raises_for_neo4j(tmp_path):
    head = Mention("Ada", "A;B", 0, 3)
    with pytest.raises(JREError, match=r"J777.*'A;B'"):
        write([triple(head)], tmp_path / "out", "neo4j")
    assert not list(tmp_path.iterdir())


def test_networkx_graph_has_nodes_and_edges(nlp):
    require("networkx")
    graph = to_networkx(story_docs(nlp))
    assert graph.is_multigraph()
    assert graph.is_directed()
    assert (len(graph), graph.number_of_edges()) == (9, 8)
    assert graph.nodes["ORG:fjordline"] == {
        "name": "Fjordline",
        "label": "ORG",
        "mentions": 2,
    }
    (edge,) = graph.get_edge_data("PER:ada quint", "ORG:hotel lima").values()
    assert (edge["relation"], edge["score"], edge["document"]) == ("works_for", 1, "0")
    assert edge["sentence"] == "Ada Quint cooks for Hotel Lima in Oslo ."


def test_networkx_nodes_can_be_mentions(nlp):
    require("networkx")
    assert len(to_networkx(story_docs(nlp), nodes="mention")) == 11
    with pytest.raises(JREError, match="J202"):
        to_networkx([], nodes="names")


def test_graphml_is_the_graph(nlp, tmp_path):
    networkx = require("networkx")
    write(iter_triples(story_docs(nlp)), tmp_path / "out", "graphml")
    read = networkx.read_graphml(tmp_path / "out", force_multigraph=True)
    graph = to_networkx(story_docs(nlp))
    assert dict(read.nodes(data=True)) == dict(graph.nodes(data=True))
    edges = list(graph.edges(keys=True, data=True))
    for head, tail, key, data in read.edges(keys=True, data=True):
        data.pop("id", None)
        assert (head, tail, key, data) in edges
    assert read.number_of_edges() == len(edges)


@in_folder
@given(triples())
def test_graphml_of_any_text_can_be_read(tmp_path, triples):
    networkx = require("networkx")
    write(triples, tmp_path / "out", "graphml")
    graph = networkx.read_graphml(tmp_path / "out", force_multigraph=True)
    assert graph.number_of_edges() == len(triples)


def test_characters_that_xml_lacks_are_replaced_and_counted(tmp_path):
    networkx = require("networkx")
    written = write([triple("A\x00da")], tmp_path / "out", "graphml")
    graph = networkx.read_graphml(tmp_path / "out")
    assert "A\ufffdda" in [name for _, name in graph.nodes(data="name")]
    assert "were replaced" in written.notes[0]
