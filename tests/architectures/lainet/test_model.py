"""LAI-Net as a thinc model: initialization, serialization and errors."""

import copy

import numpy as np
import pytest
import srsly
import torch
from torch.testing import assert_close

from spacy_jre.architectures.header import read_header
from spacy_jre.types import Labels, LossValue, Windows

from ...conftest import STORY, needs_spacy_transformers
from .helpers import (
    LABELS,
    NO_DROPOUT,
    WIDTH,
    all_scores,
    build_model,
    inside,
    learn,
    make_model,
    scores_by_tokens,
    story_gold,
)
from .naive import Naive

TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 1,
    "embed_size": 100,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}


def updates_of(model) -> int:
    return int(inside(model).network.updates)


# the parts of the model ---------------------------------------------------------------


def test_encoder_returns_windows_of_docs_with_tokens(model, docs):
    read, _ = model.get_ref("encoder").begin_update(docs)
    assert isinstance(read.windows, Windows)
    assert read.windows.doc.tolist() == [0, 1, 3, 4, 5]
    assert len(read.has_units) == read.windows.n_tokens


def test_encoder_ignores_gradient(model, docs):
    _, backprop = model.get_ref("encoder").begin_update(docs)
    assert backprop(None) == docs


def test_network_returns_loss_as_plain_numbers(model, docs):
    loss = learn(model, docs, story_gold()).loss
    assert isinstance(loss, LossValue)
    assert isinstance(loss.value, float)
    assert loss.n_multi_label == 0


def test_backprop_of_scores_raises_error(model, docs):
    _, backprop = model((docs, WIDTH), True)
    with pytest.raises(NotImplementedError, match="J315"):
        backprop(None)


def test_scores_are_probabilities_in_single_precision(model, docs):
    scores = model.predict((docs, WIDTH))
    assert scores.relation_scores.dtype == np.float32
    assert ((scores.relation_scores >= 0.0) & (scores.relation_scores <= 1.0)).all()


def test_maximum_span_width_is_an_input(model, docs):
    widths = {
        width: int(np.ptp(model.predict((docs, width)).spans, axis=1).max())
        for width in (1, 3)
    }
    assert widths == {1: 1, 3: 3}


def test_half_precision_is_close_and_trains(wide_bert, docs):
    full = build_model(wide_bert, filter=False)
    half = build_model(wide_bert, filter=False, encoder={"mixed_precision": True})
    first, second = all_scores(full, docs)[0], all_scores(half, docs)[0]
    assert second.dtype == np.float32
    assert not np.array_equal(first, second)
    assert np.abs(first - second).mean() < 0.2
    assert np.isfinite(learn(half, docs, story_gold()).loss.value)
    grads = [p.grad for p in inside(half).parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in grads)


# saving and loading -------------------------------------------------------------------


def test_weights_load_without_the_original_directory(wide_bert, docs):
    model = build_model(wide_bert)
    data = model.to_bytes()
    assert wide_bert.encode() not in data
    loaded = make_model("/no/such/folder").from_bytes(data)
    for one, other in zip(all_scores(loaded, docs), all_scores(model, docs)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_annotations_of_saved_weights_override_config(wide_bert, docs):
    model = build_model(wide_bert, annotations={"PER": "a person"})
    loaded = make_model(wide_bert).from_bytes(model.to_bytes())
    for one, other in zip(all_scores(loaded, docs), all_scores(model, docs)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_annotations_change_scores(wide_bert, docs):
    words = {"PER": "rain fell", "spouse": "married both"}
    first = all_scores(build_model(wide_bert, filter=False), docs)
    model = build_model(wide_bert, filter=False, annotations=words)
    second = all_scores(model, docs)
    assert not np.allclose(first[0], second[0], atol=1e-3)
    naive = Naive(model, words=words)
    actual, _ = scores_by_tokens(docs, model.predict((docs, WIDTH)))
    with torch.no_grad():
        wanted = naive.entities(STORY[0]["words"])
    for (start, end), logits in wanted.items():
        np.testing.assert_allclose(actual[0, start, end], logits.numpy(), atol=1e-5)


def test_header_has_label_counts_markers_and_annotations(model):
    data = model.get_ref("network").shims[0].to_bytes()
    fields = read_header(srsly.msgpack_loads(data)["state"]).fields
    assert fields["n_entity_labels"] == 3
    assert fields["n_relation_labels"] == 4
    assert fields["symmetric"] == [2]
    assert len(fields["markers"]) == 6
    assert [len(labels) for labels in fields["annotations"]] == [3, 4]


def test_updates_are_saved_and_reset_by_initialize(model, wide_bert, docs):
    learn(model, docs, story_gold())
    inside(model).count_update()
    loaded = make_model(wide_bert).from_bytes(model.to_bytes())
    assert updates_of(loaded) == 1
    loaded.initialize(X=docs, Y=LABELS)
    assert updates_of(loaded) == 0


def test_loaded_model_continues_cold_start(wide_bert, docs):
    model = build_model(wide_bert, cold_start=1, **NO_DROPOUT)
    assert inside(model).network.is_cold()
    learn(model, docs, story_gold())
    inside(model).count_update()
    loaded = make_model(wide_bert, cold_start=1).from_bytes(model.to_bytes())
    assert not inside(loaded).network.is_cold()


def test_copy_of_model_does_not_share_weights(model, docs):
    wanted = all_scores(model, docs)[0]
    copied = copy.deepcopy(model)
    for parameter in inside(model).parameters():
        parameter.data += 0.1
    np.testing.assert_allclose(all_scores(copied, docs)[0], wanted, atol=1e-6)


def test_second_initialize_keeps_transformers(wide_bert, docs):
    model = build_model(wide_bert)
    inside(model).encoder[1].embeddings.word_embeddings.weight.data[7] = 7.0
    loaded = make_model("/no/such/folder").from_bytes(model.to_bytes())
    loaded.initialize(X=docs, Y=Labels(("X",), ("y",)))
    module = inside(loaded)
    assert (module.encoder[1].embeddings.word_embeddings.weight[7] == 7.0).all()
    assert module.forms[0].markers == inside(model).forms[0].markers
    assert module.network.entity.classify.out_features == 2
    assert loaded.predict((docs, WIDTH)).entity_logits.shape[1] == 2


def test_initialize_without_labels_does_not_build_the_model(wide_bert, docs):
    model = make_model("/no/such/folder")
    model.initialize(X=docs)
    with pytest.raises(ValueError, match="J301"):
        model.predict((docs, WIDTH))


# transformers -------------------------------------------------------------------------


def test_two_encoders_have_equal_but_separate_weights(model):
    first, second = inside(model).encoder
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert_close(one, other, rtol=0, atol=0)
        assert one.data_ptr() != other.data_ptr()


def test_shared_encoder_is_saved_once(wide_bert):
    one = build_model(wide_bert, shared_encoder=True)
    assert len(inside(one).encoder) == 1
    assert len(one.to_bytes()) < 0.7 * len(build_model(wide_bert).to_bytes())


def test_parameters_have_prefixes_of_encoders_and_network(model):
    names = [name for name, _ in inside(model).named_parameters()]
    assert all(n.startswith(("encoder.0.", "encoder.1.", "network.")) for n in names)


# errors -------------------------------------------------------------------------------


def test_tok2vec_raises_error():
    with pytest.raises(ValueError, match=r"J311.*TransformerEncoder"):
        make_model("x", tok2vec=TOK2VEC)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            {"@architectures": "spacy-jre.SharedTransformer.v1"},
            marks=needs_spacy_transformers,
        ),
        {"@architectures": "spacy.Tok2VecListener.v1", "width": 8},
    ],
)
def test_listener_raises_error(block):
    with pytest.raises(ValueError, match=r"J311.*listen"):
        make_model("x", tok2vec=block)


def attends(attention: str) -> dict:
    return {"transformer_config": {"attn_implementation": attention}}


@pytest.mark.parametrize(
    "setting",
    [{"case_features": True}, {"mix_layers": "shared"}, {"context_pieces": 9}],
)
def test_setting_of_the_encoder_that_is_not_supported_raises_error(setting):
    with pytest.raises(ValueError, match=rf"J202.*{next(iter(setting))}.*LAI-Net"):
        make_model("x", encoder=setting)


@pytest.mark.parametrize("attention", ["flash_attention_2", "flex_attention"])
def test_attention_without_mask_support_raises_error(attention):
    with pytest.raises(ValueError, match=r"J202.*LAI-Net.*eager, sdpa.*" + attention):
        make_model("x", encoder=attends(attention))


def test_eager_and_sdpa_attention_give_equal_scores(wide_bert, docs):
    eager, sdpa = (
        all_scores(build_model(wide_bert, encoder=attends(attention)), docs)
        for attention in ("eager", "sdpa")
    )
    assert len(sdpa[1])
    for first, second in zip(eager, sdpa, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-4)


def test_max_candidates_out_of_range_raises_error():
    with pytest.raises(ValueError, match=r"J203.*max_candidates.*0"):
        make_model("x", max_candidates=0)


def test_cold_start_out_of_range_raises_error(wide_bert):
    with pytest.raises(ValueError, match=r"J203.*cold_start.*-1"):
        build_model(wide_bert, cold_start=-1)


def test_model_that_is_not_initialized_raises_error(wide_bert, docs):
    model = make_model(wide_bert)
    with pytest.raises(ValueError, match="J301"):
        model.predict((docs, WIDTH))
    with pytest.raises(ValueError, match="J301"):
        model.get_ref("encoder").begin_update(docs)
