"""Turtle and JSON-LD, read with rdflib."""

import pytest
from hypothesis import given, settings

from spacy_jre.errors import JREError
from spacy_jre.export import NAMESPACE, iter_triples
from spacy_jre.export.rdf import ITS, NIF, PROV, VOCABULARY

from .helpers import require, story_docs, triple, triples, write
from .test_tables import in_folder

rdflib = require("rdflib")
compare = require("rdflib.compare")
# rdflib's own parser of JSON-LD
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
FORMATS = {"turtle": "turtle", "json-ld": "json-ld"}


def read(path, name):
    return rdflib.Graph().parse(path, format=FORMATS[name])


def entity(name, kind="entity"):
    return rdflib.URIRef(f"{NAMESPACE}{kind}:{name}")


def written(path, triples, **options):
    write(triples, path, "turtle", **options)
    return read(path, "turtle")


def value(graph, subject, namespace, name):
    (found,) = graph.objects(subject, rdflib.URIRef(namespace + name))
    return found.toPython() if isinstance(found, rdflib.Literal) else found


def test_turtle_and_json_ld_are_isomorphic(nlp, tmp_path):
    graphs = []
    for name in FORMATS:
        write(iter_triples(story_docs(nlp)), tmp_path / name, name)
        graphs.append(read(tmp_path / name, name))
    assert compare.isomorphic(*graphs)
    assert len(graphs[0]) > 8 * 10


@settings(in_folder, max_examples=15)
@given(triples())
def test_any_text_is_the_same_in_turtle_and_json_ld(tmp_path, triples):
    graphs = []
    for name in FORMATS:
        write(triples, tmp_path / "out", name)
        graphs.append(read(tmp_path / "out", name))
    anchors = {
        (str(text), graphs[0].value(node, rdflib.URIRef(NIF + "beginIndex")).toPython())
        for node, text in graphs[0].subject_objects(rdflib.URIRef(NIF + "anchorOf"))
    }
    mentions = [m for t in triples for m in (t.head, t.tail)]
    assert anchors == {(m.text, m.start) for m in mentions}
    assert compare.isomorphic(*graphs)


def test_relation_is_a_triple_of_entities(tmp_path):
    graph = written(tmp_path / "out", [triple()])
    ada, oslo = entity("PER:ada%20quint"), entity("LOC:oslo")
    assert (ada, entity("lives_in", "relation"), oslo) in graph
    assert value(graph, ada, str(rdflib.RDFS), "label") == "Ada Quint"
    assert (ada, rdflib.RDF.type, entity("PER", "label")) in graph


def test_statement_has_the_score_and_the_source(tmp_path):
    graph = written(tmp_path / "out", [triple(document="a b")])
    (statement,) = graph.subjects(rdflib.RDF.type, rdflib.RDF.Statement)
    assert value(graph, statement, str(rdflib.RDF), "subject") == entity(
        "PER:ada%20quint"
    )
    assert value(graph, statement, VOCABULARY, "score") == 0.25
    document = entity("a%20b", "document")
    assert value(graph, statement, PROV, "wasDerivedFrom") == document


def test_scores_have_seven_digits(tmp_path):
    for name in FORMATS:
        write([triple(score=0.99972039461)], tmp_path / "out", name)
        graph = read(tmp_path / "out", name)
        (score,) = graph.objects(None, rdflib.URIRef(f"{VOCABULARY}score"))
        assert score.toPython() == 0.9997204


def test_mention_has_offsets_text_and_confidence(tmp_path):
    graph = written(tmp_path / "out", [triple()])
    (statement,) = graph.subjects(rdflib.RDF.type, rdflib.RDF.Statement)
    head = value(graph, statement, VOCABULARY, "head")
    assert value(graph, head, NIF, "beginIndex") == 0
    assert value(graph, head, NIF, "endIndex") == 9
    assert value(graph, head, NIF, "anchorOf") == "Ada Quint"
    assert value(graph, head, NIF, "referenceContext") == entity("d", "document")
    assert value(graph, head, ITS, "taIdentRef") == entity("PER:ada%20quint")
    assert value(graph, head, ITS, "taConfidence") == 0.5
    tail = value(graph, statement, VOCABULARY, "tail")
    # its score is not known
    assert not list(graph.objects(tail, rdflib.URIRef(ITS + "taConfidence")))


def test_each_mention_of_an_entity_has_its_statement(tmp_path):
    graph = written(tmp_path / "out", [triple(), triple(doc=1, document="e")])
    assert len(list(graph.subjects(rdflib.RDF.type, rdflib.RDF.Statement))) == 2
    relation = entity("lives_in", "relation")
    assert len(list(graph.subject_objects(relation))) == 1


def test_labels_in_the_map_have_its_iris(tmp_path):
    iris = {"PER": "https://schema.org/Person", "lives_in": "urn:example:lives"}
    graph = written(tmp_path / "out", [triple()], iris=iris)
    ada = entity("PER:ada%20quint")
    assert (ada, rdflib.RDF.type, rdflib.URIRef("https://schema.org/Person")) in graph
    assert (ada, rdflib.URIRef("urn:example:lives"), entity("LOC:oslo")) in graph
    assert list(graph.subjects(rdflib.RDF.type, entity("LOC", "label")))


def test_namespace_can_be_chosen(tmp_path):
    graph = written(tmp_path / "out", [triple()], namespace="https://a.org/kg/")
    ada = rdflib.URIRef("https://a.org/kg/entity/PER:ada%20quint")
    assert graph.value(ada, rdflib.RDFS.label)
    assert not [s for s in graph.subjects() if str(s).startswith(NAMESPACE)]


def test_document_id_that_is_an_iri_is_used(tmp_path):
    graph = written(tmp_path / "out", [triple(document="https://a.org/1?x=2")])
    document = rdflib.URIRef("https://a.org/1?x=2")
    assert (None, rdflib.URIRef(PROV + "wasDerivedFrom"), document) in graph


def test_output_is_the_same_in_each_run(nlp, tmp_path):
    for name in ("a", "b"):
        write(iter_triples(story_docs(nlp)), tmp_path / name, "turtle")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("iri", ["schema:Person", "Person", "https://a b", "urn:", 3])
def test_label_with_an_invalid_iri_raises(tmp_path, iri):
    with pytest.raises(JREError, match=r"J772.*PER"):
        write([triple()], tmp_path / "out", "turtle", iris={"PER": iri})
