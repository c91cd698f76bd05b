"""The attention weights of a component for a Doc."""

import pytest
import torch
from spacy.tokens import Doc

from spacy_jre.architectures.cls_attention import cls_attention
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.pipeline.attention import ENCODER, attention_of

from ..conftest import STORY, transformer_config
from .helpers import (
    lainet_config,
    make_nlp,
    model_config,
    no_span_is_none,
    tok2vec_config,
)

WORDS = [word for sentence in STORY[:2] for word in sentence["words"]]


def make_doc(nlp, words=WORDS, starts=(0, 9)) -> Doc:
    return Doc(
        nlp.vocab, words=words, sent_starts=[i in starts for i in range(len(words))]
    )


@pytest.fixture(scope="module")
def sinet(tiny_bert):
    nlp, _ = make_nlp(transformer_config(tiny_bert, "SINET", n_heads=4))
    return nlp


@pytest.mark.parametrize("name", ["SINET", "STSN", "ISER"])
def test_each_sentence_has_the_maps_of_encoder_and_network(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert))
    _, windows = attention_of(nlp.get_pipe("jre"), make_doc(nlp))
    assert [(window.start, window.end) for window in windows] == [(0, 9), (9, 20)]
    for window in windows:
        assert next(iter(window.maps)) == ENCODER
        assert len(window.maps) >= 2
        tokens = [((i, i + 1),) for i in range(window.start, window.end)]
        for found in window.maps.values():
            of_text = [label for label in found.columns if not isinstance(label, str)]
            assert of_text == tokens


def test_rows_of_entities_and_relations_are_tokens_of_the_doc(tiny_bert):
    config = transformer_config(tiny_bert, "ISER", local_context="attention")
    nlp, _ = make_nlp(config, max_span_width=1, threshold=0.0)
    pipe = nlp.get_pipe("jre")
    with no_span_is_none(get_module(pipe.model.get_ref("network"))):
        prediction, windows = attention_of(pipe, make_doc(nlp))
    entities = {entity[:2] for entity in prediction.entities}
    rows = windows[1].maps["context of each entity"].rows
    assert {row[0] for row in rows} == {e for e in entities if e[0] >= 9}
    pairs = windows[1].maps["context between the arguments"].rows
    assert pairs
    assert {argument for pair in pairs for argument in pair} <= entities


def test_prediction_is_that_of_the_component(sinet):
    pipe = sinet.get_pipe("jre")
    prediction, _ = attention_of(pipe, make_doc(sinet))
    assert [prediction] == pipe.predict([make_doc(sinet)])


def test_doc_is_not_changed(sinet):
    doc = make_doc(sinet)
    attention_of(sinet.get_pipe("jre"), doc)
    assert "jre" not in doc.spans


def test_doc_without_tokens_has_no_maps(sinet):
    assert attention_of(sinet.get_pipe("jre"), Doc(sinet.vocab))[1] == []


def test_sentence_without_units_has_no_maps(sinet):
    doc = make_doc(sinet, ["Rain", " ", "fell"], starts=(0, 1, 2))
    _, windows = attention_of(sinet.get_pipe("jre"), doc)
    assert [(window.start, window.end) for window in windows] == [(0, 1), (2, 3)]


def test_tok2vec_has_only_the_maps_of_the_network():
    nlp, _ = make_nlp(tok2vec_config("SINET"))
    _, windows = attention_of(nlp.get_pipe("jre"), make_doc(nlp))
    assert [len(window.maps) for window in windows] == [1, 1]
    assert all(ENCODER not in window.maps for window in windows)


@pytest.mark.parametrize(
    ("architecture", "settings", "shown"),
    [
        ("SpERT", {}, "SpERT"),
        ("SINET", {"interaction": "tap"}, "SINET"),
        ("STSN", {"n_layers": 0}, "STSN"),
    ],
)
def test_network_without_attention_is_refused(architecture, settings, shown):
    nlp, _ = make_nlp(tok2vec_config(architecture, **settings))
    expected = rf"J330.* network {shown} of component 'jre'.*: ISER, SINET, STSN\."
    with pytest.raises(ValueError, match=expected):
        attention_of(nlp.get_pipe("jre"), make_doc(nlp))


def test_lainet_is_refused(wide_bert):
    nlp, _ = make_nlp(lainet_config(wide_bert))
    with pytest.raises(ValueError, match=r"J330.* network LAINet of"):
        attention_of(nlp.get_pipe("jre"), make_doc(nlp))


# the encoder --------------------------------------------------------------------------


def encoder_of(nlp):
    return nlp.get_pipe("jre").model.get_ref("encoder").layers[0]


def test_row_of_the_encoder_is_the_sum_over_the_pieces_of_each_token(sinet):
    node = encoder_of(sinet)
    module = get_module(node.layers[0])
    doc = make_doc(sinet)
    found = cls_attention(node, [doc])[1]
    pieces = [module.tokenizer(t.text, add_special_tokens=False).input_ids for t in doc]
    second = pieces[9:]
    flat = [piece for token in second for piece in token]
    ids = torch.tensor([[*module.prefix, *flat, *module.suffix]])
    with torch.inference_mode():
        row = module.encoder(ids, output_attentions=True).attentions[-1][0, :, 0]
    torch.testing.assert_close(found.weights[:, 0, -2], row[:, 0])  # [CLS]
    torch.testing.assert_close(found.weights[:, 0, -1], row[:, -1])  # [SEP]
    ends = torch.tensor([len(token) for token in second]).cumsum(0)
    expected = [part.sum(1) for part in row[:, 1:-1].tensor_split(ends[:-1], 1)]
    torch.testing.assert_close(found.weights[:, 0, :-2], torch.stack(expected, 1))


def test_context_of_a_window_is_in_the_column_of_other_units(tiny_bert):
    config = transformer_config(tiny_bert, "SINET", n_heads=4)
    config["model"]["tok2vec"]["context_pieces"] = 40
    nlp, _ = make_nlp(config)
    found = cls_attention(encoder_of(nlp), [make_doc(nlp)])
    plain, _ = make_nlp(transformer_config(tiny_bert, "SINET", n_heads=4))
    alone = cls_attention(encoder_of(plain), [make_doc(plain)])
    for one, other in zip(found, alone, strict=True):
        assert one.columns == other.columns
        sums = one.weights.sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums))
        assert (one.weights[..., -1] > other.weights[..., -1]).all()


def test_attention_implementation_of_the_transformer_is_restored(sinet):
    config = get_module(encoder_of(sinet).layers[0]).encoder.config
    before = config._attn_implementation
    cls_attention(encoder_of(sinet), [make_doc(sinet)])
    assert config._attn_implementation == before
