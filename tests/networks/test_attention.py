"""The attention weights that the networks return for a picture."""

import pytest
import torch

from spacy_jre.layers.span_context import SpanContext
from spacy_jre.networks.iser import ISER
from spacy_jre.networks.sinet import SINET

from .helpers import as_rows, build, make_layout, training_batch, with_layout

# units per token of one window; the third token has none
SIZES = ((1, 3, 0, 2, 1, 1),)
TOKENS = tuple(((token, token + 1),) for token in (0, 1, 3, 4, 5))
SPANS = [(0, 1), (4, 6), (1, 2)]
PAIRS = [(0, 1), (0, 2), (2, 1)]

ALL = [
    ("sinet", {}),
    ("sinet", {"n_layers": 2, "pooling": "max"}),
    ("sinet", {"interaction": "ctam_re", "n_layers": 2}),
    ("stsn", {"n_heads": 2, "n_layers": 2}),
    ("stsn", {"n_heads": 2, "interaction": "ner_to_re"}),
    ("iser", {"n_heads": 2, "local_context": "attention"}),
    ("iser", {"n_heads": 2, "fusion": False, "pooling": "max"}),
]
NONE = [
    ("spert", {}),
    ("sinet", {"interaction": "none"}),
    ("sinet", {"interaction": "tap"}),
    ("stsn", {"n_layers": 0}),
    ("iser", {"fusion": False, "global_context": "gru"}),
]


def maps_of(network, pairs=PAIRS, spans=SPANS):
    batch = training_batch(SIZES)
    layout = make_layout(SIZES, spans=as_rows(spans), pairs=as_rows(pairs))
    with torch.inference_mode():
        return network.attention_maps(*batch._replace(layout=layout))


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_weights_of_each_row_sum_to_one(name, settings):
    for found in maps_of(build(name, **settings)).values():
        sums = found.weights.sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_weights_have_a_row_and_a_column_for_each_label(name, settings):
    found = maps_of(build(name, **settings))
    assert found
    for one in found.values():
        assert one.weights.shape[1:] == (len(one.rows), len(one.columns))
        assert one.columns[: len(TOKENS)] == TOKENS


@pytest.mark.parametrize(("name", "settings"), NONE)
def test_network_without_attention_has_no_maps(name, settings):
    assert maps_of(build(name, **settings)) == {}


@pytest.mark.parametrize(
    ("interaction", "rows"),
    [
        ("ctam_ner", ("entity agent",)),
        ("ctam_re", ("relation agent",)),
        ("full", ("entity agent", "relation agent")),
    ],
)
def test_sinet_has_a_row_for_each_updated_sentence_vector(interaction, rows):
    (found,) = maps_of(build("sinet", interaction=interaction)).values()
    assert found.rows == rows
    assert found.columns == (*TOKENS, "agent")


def test_rows_of_sinet_are_the_weights_of_its_views():
    network = build("sinet")
    assert isinstance(network, SINET)
    batch = training_batch(SIZES)
    tasks, layout = network.inputs(*batch)
    ((entity, relation),) = network.compute_views(tasks, layout).weights
    (found,) = maps_of(network).values()
    # the tokens 0, 4 and 5 have one unit: 0, 6 and 7
    for row, weights in enumerate((entity[0], relation[0])):
        expected = weights[:, [0, 6, 7, 8]]
        torch.testing.assert_close(found.weights[:, row][:, [0, 3, 4, 5]], expected)
        torch.testing.assert_close(found.weights[:, row, 1], weights[:, 1:4].sum(1))


def test_stsn_has_a_map_for_each_unit_of_each_layer():
    found = maps_of(build("stsn", n_heads=2, n_layers=2))
    assert list(found) == [
        f"layer {layer}: {name}"
        for layer in (1, 2)
        for name in (
            "labels to entities and relations",
            "entities to labels",
            "relations to labels",
        )
    ]


def test_iser_without_relations_has_no_context_between_arguments():
    network = build("iser", n_heads=2, local_context="attention")
    found = maps_of(network, pairs=[])
    assert list(found) == [
        "relation query to entity key",
        "entity query to relation key",
        "context of each entity",
    ]


def test_entity_gets_no_weight_in_its_own_context():
    found = maps_of(build("iser", n_heads=2))["context of each entity"]
    assert found.rows == tuple((span,) for span in SPANS)
    # columns: tokens 0, 1, 3, 4, 5
    own = [[0], [3, 4], [1]]
    for row, columns in enumerate(own):
        others = [column for column in range(5) if column not in columns]
        assert (found.weights[:, row, columns] == 0).all()
        assert (found.weights[:, row, others] > 0).all()


def test_context_of_an_entity_of_the_whole_window_is_left_out():
    network = build("iser", n_heads=2)
    found = maps_of(network, spans=[(0, 6), (0, 1)], pairs=[])
    assert found["context of each entity"].rows == (((0, 1),),)


def test_only_tokens_between_the_arguments_get_a_weight():
    network = build("iser", n_heads=2, local_context="attention")
    found = maps_of(network)["context between the arguments"]
    # the arguments of the second pair are adjacent
    assert found.rows == (((0, 1), (4, 6)), ((1, 2), (4, 6)))
    between = found.weights.sum(0) > 0
    assert between.tolist() == [
        [False, True, True, False, False],
        [False, False, True, False, False],
    ]


def test_context_of_an_entity_is_the_mean_over_the_other_units():
    network = build("iser", n_heads=2)
    assert isinstance(network, ISER)
    assert isinstance(network.context, SpanContext)
    batch = with_layout(training_batch(SIZES), spans=as_rows(SPANS))
    tasks, layout = network.inputs(*batch)
    rows = network.compute_views(tasks, layout).entity
    attention = network.context.attention
    # span (4, 6) has the units 6 and 7
    query, key = (
        part.unflatten(1, (2, -1)).transpose(0, 1)[:, :6]
        for part in (attention.query(rows), attention.key(rows))
    )
    weights = (query @ key.transpose(1, 2) * attention.scale).softmax(-1).mean(1)
    found = maps_of(network)["context of each entity"].weights[:, 1]
    torch.testing.assert_close(found[:, 0], weights[:, 0])
    torch.testing.assert_close(found[:, 2], weights[:, 4:6].sum(1))
