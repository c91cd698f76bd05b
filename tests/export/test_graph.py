"""Nodes and edges of triples."""

import pytest

from spacy_jre.export import (
    Mention,
    collect_graph,
    iter_triples,
    node_id,
    normalize_name,
)

from .helpers import story_docs, triple


@pytest.mark.parametrize(
    "text",
    ["Ada  Quint", "ADA QUINT", "ada\nquint ", "\uff21da Quint", "Ada\u00a0Quint"],
)
def test_case_width_and_whitespace_of_a_name_are_ignored(text):
    assert normalize_name(text) == "ada quint"


def test_composed_and_decomposed_characters_are_the_same_name():
    assert normalize_name("Ume\u00e5") == normalize_name("Umea\u030a")


def test_normalizing_twice_changes_nothing():
    for character in map(chr, range(0x3000)):
        once = normalize_name(f"a{character}b")
        assert normalize_name(once) == once


def test_entities_with_the_same_name_and_label_are_one_node():
    graph = collect_graph([triple("Ada"), triple("ADA", doc=1)])
    assert sorted(graph.nodes) == ["LOC:oslo", "PER:ada"]
    assert (graph.mentions, len(graph.edges)) == (4, 2)


def test_entities_with_different_labels_are_different_nodes():
    other = Mention("Oslo", "ORG", 0, 4)
    graph = collect_graph([triple(), triple(tail=other, doc=1)])
    assert {"LOC:oslo", "ORG:oslo"} <= set(graph.nodes)


def test_each_mention_is_a_node_if_chosen():
    graph = collect_graph([triple("Ada"), triple("Ada", doc=1)], "mention")
    assert len(graph.nodes) == graph.mentions == 4


def test_mention_with_two_relations_is_counted_once():
    graph = collect_graph([triple(), triple(relation="left")])
    assert graph.nodes["PER:ada quint"].mentions == 1
    assert len(graph.edges) == 2


def test_name_is_the_most_frequent_form():
    forms = ("ADA", "Ada", "Ada")
    graph = collect_graph(triple(form, doc=n) for n, form in enumerate(forms))
    assert graph.nodes["PER:ada"].name == "Ada"


def test_separator_in_a_label_does_not_mix_up_nodes():
    first, second = Mention("b:c", "a", 0, 3), Mention("c", "a:b", 0, 1)
    ids = {node_id(triple(head=mention), mention) for mention in (first, second)}
    assert len(ids) == 2


def test_relation_that_a_doc_has_twice_is_one_edge():
    graph = collect_graph([triple(), triple()])
    assert len(graph.edges) == 1


def test_names_of_several_sentences_are_one_node(nlp):
    graph = collect_graph(iter_triples(story_docs(nlp)))
    # Bergen and Fjordline are in two sentences
    assert (graph.mentions, len(graph.nodes), len(graph.edges)) == (11, 9, 8)
