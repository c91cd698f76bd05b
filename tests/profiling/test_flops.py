"""Operations are counted as by hand."""

import pytest
import torch
from torch import nn

from spacy_jre.layers.label_attention import AttentionUnit
from spacy_jre.layers.padding import WindowPadding
from spacy_jre.profiling.flops import count_flops, counting

from ..conftest import transformer_config
from ..pipeline.helpers import make_nlp, story_examples

# tiny_bert: width, feed-forward width, layers
D, FF, LAYERS = 32, 64, 2


def encoder_flops(n_pieces: int) -> int:
    """A sequence of BERT. A multiply-add is two operations."""
    projections = 4 * n_pieces * D * D  # query, key, value, output
    attention = 2 * n_pieces * n_pieces * D  # scores, weighted sum
    feed_forward = 2 * n_pieces * D * FF
    pooler = D * D  # of [CLS]
    return 2 * (LAYERS * (projections + attention + feed_forward) + pooler)


def spert_network_flops(n_tokens: int, max_width: int, n_labels: int) -> int:
    """SpERT without entities: the projections of the spans of each width and of the
    width embedding, and the sentence vector."""
    widths = range(1, min(max_width, n_tokens) + 1)
    n_spans = sum(n_tokens - width + 1 for width in widths)
    return 2 * n_spans * D * (n_labels + 1)


@pytest.fixture(scope="module")
def spert(tiny_bert):
    nlp, _ = make_nlp(transformer_config(tiny_bert, "SpERT"), max_span_width=3)
    return nlp


@pytest.fixture
def docs(spert):
    return [example.predicted for example in story_examples(spert)][:2]


def n_pieces(nlp, doc) -> int:
    encoded = nlp.get_pipe("jre").model.get_ref("encoder").predict([doc])
    return int(encoded.unit_counts[0])


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_operations_of_the_encoder_are_those_by_hand(attention, tiny_bert):
    config = transformer_config(tiny_bert, "SpERT")
    config["model"]["tok2vec"]["transformer_config"] = {
        "attn_implementation": attention
    }
    nlp, examples = make_nlp(config)
    docs = [example.predicted for example in examples]
    # [CLS] and [SEP]
    expected = sum(encoder_flops(n_pieces(nlp, doc) + 2) for doc in docs)
    assert count_flops(nlp, nlp.get_pipe("jre"), docs)["encoder"] == expected


def test_operations_of_the_spans_are_those_by_hand(spert, docs, monkeypatch):
    pipe = spert.get_pipe("jre")
    with torch.no_grad():
        # no entities, so that there are no pairs
        pipe.model.get_ref("network").shims[0]._model.heads.entity.bias[0] += 100.0
    found = count_flops(spert, pipe, docs)["network"]
    spans = sum(spert_network_flops(len(doc), 3, 3) for doc in docs)
    heads = pipe.model.get_ref("network").shims[0]._model.heads
    # entity head: the rows of the width embedding and [CLS]; relation head: the same
    # rows for both arguments, whose projections do not depend on the pairs
    n_rows, size = heads.width_embedding.rows().shape
    of_entity = 2 * 4 * (n_rows * size + D)
    of_relation = 2 * 4 * (2 * n_rows * size)
    assert found == spans + len(docs) * (of_entity + of_relation)


def test_operations_are_zero_outside_of_encoder_and_network(spert, docs):
    found = count_flops(spert, spert.get_pipe("jre"), docs)
    assert {name for name, count in found.items() if count} == {"encoder", "network"}


def test_operations_do_not_depend_on_the_batch_size_except_for_padding(spert, docs):
    pipe = spert.get_pipe("jre")
    alone = count_flops(spert, pipe, docs)
    doubled = count_flops(spert, pipe, [docs[0], docs[0].copy()], 2)
    assert doubled["encoder"] == 2 * count_flops(spert, pipe, docs[:1])["encoder"]
    assert alone["encoder"] < count_flops(spert, pipe, docs, 2)["encoder"]


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_operations_of_a_recurrent_network_count(kind, gates):
    network = kind(6, 5, bidirectional=True)
    with torch.inference_mode(), counting(nn.ModuleList()) as read:
        network(torch.zeros(7, 1, 6))
        assert read() == 2 * 2 * 7 * gates * 5 * (6 + 5)


def test_operations_of_fused_attention_count():
    unit = AttentionUnit(8, n_heads=2, dropout=0.0).eval()
    padding = WindowPadding(torch.tensor([5]), 5, 5)
    rows = torch.zeros(5, 8)
    with torch.inference_mode(), counting(nn.ModuleList()) as read:
        unit(rows, rows, padding)
        # four projections, two products of attention, two layers
        assert read() == 2 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 8)


def test_attention_of_the_encoder_is_as_before_after_counting(spert, docs):
    transformer = spert.get_pipe("jre").model.get_ref("encoder").layers[0].layers[0]
    config = transformer.shims[0]._model.encoder.config
    before = config._attn_implementation
    count_flops(spert, spert.get_pipe("jre"), docs)
    assert config._attn_implementation == before != "eager"
