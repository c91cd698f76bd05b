"""Sharing an encoder with other components."""

import numpy as np
import pytest
import spacy

from spacy_jre.architectures import shared

from ..conftest import STORY, make_example, needs_spacy_transformers
from .helpers import (
    RECIPE,
    RECIPES,
    TOK2VEC,
    empty_examples,
    learn,
    logits,
    network_settings,
    same,
    story_examples,
    transformer_config,
)

SHARED = {
    "@architectures": "spacy-jre.SpERT.v1",
    "tok2vec": {"@architectures": "spacy-jre.SharedTransformer.v1"},
}
STOCK = {
    "@architectures": "spacy-jre.SpERT.v1",
    "tok2vec": {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
        "upstream": "*",
    },
}
TOK2VEC_LISTENER = {
    "@architectures": "spacy-jre.SpERT.v1",
    "tok2vec": {
        "@architectures": "spacy.Tok2VecListener.v1",
        "width": 32,
        "upstream": "*",
    },
}
UPSTREAM = {"shared": "transformer", "stock": "transformer", "tok2vec": "tok2vec"}
MODELS = {"shared": SHARED, "stock": STOCK, "tok2vec": TOK2VEC_LISTENER}
TEXTS = [" ".join(s["words"]) for s in STORY]


def transformer(name: str, getter: str = "spacy-jre.sentence_windows.v1", **kwargs):
    return {
        "model": {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": name,
            "get_spans": {"@span_getters": getter, **kwargs},
        }
    }


def make_shared(
    kind: str, tiny_bert: str, *others: str, network: dict | None = None, **settings
):
    """A pipeline with a shared encoder, initialized with the story."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    if kind == "tok2vec":
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    else:
        pytest.importorskip("spacy_transformers")
        nlp.add_pipe("transformer", config=transformer(tiny_bert))
    for other in others:
        listener = MODELS["tok2vec" if kind == "tok2vec" else "stock"]["tok2vec"]
        nlp.add_pipe(other, config={"model": {"tok2vec": listener}})
    model = MODELS[kind] | (network or {})
    nlp.add_pipe("jre", config={"model": model, **settings})
    examples = story_examples(nlp)
    nlp.initialize(lambda: examples)
    return nlp, examples


@pytest.fixture(params=list(MODELS))
def kind(request):
    return request.param


@pytest.mark.parametrize("kind", ["shared", "tok2vec"])
def test_component_with_shared_encoder_overfits(kind, tiny_bert):
    nlp, examples = make_shared(kind, tiny_bert)
    learn(nlp, examples, 120, rate=0.01 if kind == "tok2vec" else 0.003)
    scores = nlp.evaluate(story_examples(nlp))
    assert (scores["ents_f"], scores["rel_strict_f"]) == (1.0, 1.0)


def test_pipeline_with_shared_encoder_is_equal_after_loading(kind, tiny_bert, tmp_path):
    nlp, examples = make_shared(kind, tiny_bert)
    learn(nlp, examples, 1, rate=1e-4)
    nlp.to_disk(tmp_path / "model")
    assert same(logits(spacy.load(tmp_path / "model")), logits(nlp))


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("kind", ["shared", "tok2vec"])
def test_networks_with_the_recipe_learn_with_a_shared_encoder(
    kind, name, tiny_bert, tmp_path
):
    architecture = f"spacy-jre.{name.removesuffix(RECIPE)}.v1"
    network = {"@architectures": architecture, **network_settings(name)}
    nlp, examples = make_shared(kind, tiny_bert, network=network)
    first = learn(nlp, examples, 1, rate=0.003)
    assert learn(nlp, examples, 15, rate=0.003) < 0.8 * first
    nlp.to_disk(tmp_path / "model")
    assert same(logits(spacy.load(tmp_path / "model")), logits(nlp))


def test_pipeline_with_replaced_listener_is_equal_after_two_round_trips(
    kind, tiny_bert, tmp_path
):
    nlp, examples = make_shared(kind, tiny_bert)
    learn(nlp, examples, 1, rate=1e-4)
    expected = logits(nlp)
    nlp.replace_listeners(UPSTREAM[kind], "jre", ["model.tok2vec"])
    nlp.remove_pipe(UPSTREAM[kind])
    assert same(logits(nlp), expected)
    nlp.to_disk(tmp_path / "first")
    once = spacy.load(tmp_path / "first")
    assert same(logits(once), expected)
    once.to_disk(tmp_path / "second")
    twice = spacy.load(tmp_path / "second")
    assert same(logits(twice), expected)
    learn(twice, examples, 1, rate=1e-4)
    assert not same(logits(twice), expected)


def test_sourced_component_includes_its_encoder(kind, tiny_bert, tmp_path):
    nlp, _ = make_shared(kind, tiny_bert)
    nlp.to_disk(tmp_path / "source")
    config = {
        "nlp": {"lang": "en", "pipeline": ["jre"]},
        "components": {
            "jre": {
                "source": str(tmp_path / "source"),
                "replace_listeners": ["model.tok2vec"],
            }
        },
    }
    target = spacy.blank("en").from_config(config)
    assert same(logits(target), logits(nlp))
    target.to_disk(tmp_path / "target")
    assert same(logits(spacy.load(tmp_path / "target")), logits(nlp))


def test_shared_transformer_equals_the_inline_transformer(tiny_bert):
    """With the same weights, [CLS], wordpieces and windows are equal."""
    shared, examples = make_shared("shared", tiny_bert)
    inline = spacy.blank("en")
    inline.add_pipe("jre", config=transformer_config(tiny_bert))
    inline.initialize(lambda: examples)
    docs = [eg.predicted.copy() for eg in examples]
    shared.get_pipe("transformer").set_annotations(
        docs, shared.get_pipe("transformer").predict(docs)
    )
    first = shared.get_pipe("jre").model.get_ref("encoder").predict(docs)
    second = inline.get_pipe("jre").model.get_ref("encoder").predict(docs)
    np.testing.assert_allclose(first.units, second.units, atol=1e-5)
    np.testing.assert_allclose(first.sentence, second.sentence, atol=1e-5)
    np.testing.assert_array_equal(first.token_units, second.token_units)
    np.testing.assert_array_equal(first.unit_counts, second.unit_counts)
    for field in ("doc", "start", "end"):
        np.testing.assert_array_equal(
            getattr(first.windows, field), getattr(second.windows, field)
        )


def _encoder_gradient(nlp, examples) -> dict[str, np.ndarray]:
    """Gradients of the shared encoder after one batch, without an update."""
    model = nlp.get_pipe(nlp.pipe_names[0]).model
    for node in model.walk():
        for shim in node.shims:
            shim._model.zero_grad()
        for name in node.param_names:
            if node.has_grad(name):
                node.get_grad(name)[...] = 0
    # the parser splits sentences at random tokens
    spacy.util.fix_random_seed(0)
    nlp.update(examples, sgd=False)
    gradients = {}
    for number, node in enumerate(model.walk()):
        for shim in node.shims:
            for name, parameter in shim._model.named_parameters():
                if parameter.grad is not None:
                    gradients[f"{number}.{name}"] = parameter.grad.clone().numpy()
        for name in node.param_names:
            if node.has_grad(name):
                gradients[f"{number}.{name}"] = node.get_grad(name).copy()
    return gradients


@pytest.mark.parametrize("kind", ["shared", "tok2vec"])
def test_batch_without_candidates_does_not_change_the_gradients_of_ner(kind, tiny_bert):
    # without negatives, a batch without entities has no spans
    nlp, examples = make_shared(
        kind, tiny_bert, "ner", negative_spans=0, negative_pairs=0
    )
    learn(nlp, examples, 5)  # an untrained parser has no gradient
    batch = [make_example(nlp, {**STORY[2], "entities": [], "relations": []})]
    for _, pipe in nlp.pipeline:
        for node in pipe.model.walk():
            for shim in node.shims:
                for module in shim._model.modules():
                    if hasattr(module, "p"):
                        module.p = 0.0
    with nlp.select_pipes(disable=["jre"]):
        upstream = nlp.get_pipe(nlp.pipe_names[0])
        listener = next(
            iter(n for n in nlp.get_pipe("jre").model.walk() if "listener" in n.name)
        )
        upstream.remove_listener(listener, "jre")
        alone = _encoder_gradient(nlp, batch)
        upstream.add_listener(listener, "jre")
    together = _encoder_gradient(nlp, batch)
    assert alone
    assert any(np.abs(gradient).max() > 0 for gradient in alone.values())
    assert together.keys() == alone.keys()
    for name, gradient in alone.items():
        np.testing.assert_allclose(together[name], gradient, atol=1e-6)


def test_both_components_with_a_shared_encoder_have_a_loss(tiny_bert):
    nlp, examples = make_shared("shared", tiny_bert, "ner")
    losses = nlp.update(examples, sgd=nlp.create_optimizer())
    assert losses["ner"] > 0
    assert losses["jre"] > 0


def test_missing_upstream_is_an_error_in_prediction(kind, tiny_bert):
    nlp, _ = make_shared(kind, tiny_bert)
    nlp.remove_pipe(UPSTREAM[kind])
    with pytest.raises(ValueError, match=rf"J305.*1 of 1.*{UPSTREAM[kind]}"):
        nlp("Ada Quint cooks")


def test_missing_upstream_is_an_error_in_training(kind, tiny_bert):
    nlp, examples = make_shared(kind, tiny_bert)
    nlp.remove_pipe(UPSTREAM[kind])
    with pytest.raises(ValueError, match="J305"):
        nlp.update(examples)


@needs_spacy_transformers
@pytest.mark.parametrize("kind", ["shared", "stock"])
def test_missing_upstream_is_an_error_at_initialization(kind, nlp, examples):
    nlp.add_pipe("jre", config={"model": MODELS[kind]})
    with pytest.raises(ValueError, match="J306"):
        nlp.initialize(lambda: examples)


@pytest.mark.parametrize("texts", [[""], ["", ""], ["", TEXTS[0], ""], [" "]])
def test_prediction_and_update_accept_empty_docs(kind, tiny_bert, texts):
    nlp, _ = make_shared(kind, tiny_bert)
    assert [doc.text for doc in nlp.pipe(texts)] == texts
    nlp.update(empty_examples(nlp, texts), sgd=nlp.create_optimizer())


@needs_spacy_transformers
def test_error_for_overlapping_windows_names_sentence_windows(tiny_bert):
    nlp = spacy.blank("en")
    getter = "spacy-transformers.strided_spans.v1"
    nlp.add_pipe(
        "transformer", config=transformer(tiny_bert, getter, window=4, stride=2)
    )
    nlp.add_pipe("jre", config={"model": SHARED})
    examples = story_examples(nlp)
    nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match=r"J304.*sentence_windows"):
        nlp(TEXTS[0])


def test_tokens_truncated_by_the_upstream_component_are_counted(tiny_bert):
    nlp, _ = make_shared("shared", tiny_bert)
    doc = nlp.get_pipe("transformer")(nlp.make_doc("Oslo " * 150))
    # 64 positions minus two special tokens: 15 words of 4 pieces, and half a word
    with pytest.warns(UserWarning, match=r"J908.*134 token\(s\)"):
        nlp.get_pipe("jre")(doc)


def test_sentence_windows_contain_no_empty_spans(nlp):
    from spacy.tokens import Doc

    from spacy_jre.architectures.shared import create_sentence_windows_v1

    get_spans = create_sentence_windows_v1()
    one_sentence = nlp.make_doc("One two three")
    two_sentences = nlp.make_doc("One two three")
    for token in two_sentences:
        token.is_sent_start = token.i in (0, 2)
    spans = get_spans([Doc(nlp.vocab), one_sentence, two_sentences])
    assert [[s.text for s in doc] for doc in spans] == [
        [],
        ["One two three"],
        ["One two", "three"],
    ]


@needs_spacy_transformers
def test_spacy_transformers_does_not_rewrite_the_shared_transformer():
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config={"model": SHARED})
    node = nlp.get_pipe("jre").model.get_ref("encoder").layers[0]
    assert isinstance(node, shared.LISTENERS)
    name = nlp.get_pipe_config("jre")["model"]["tok2vec"]["@architectures"]
    assert "TransformerListener" not in name


def test_error_without_spacy_transformers_names_the_extra(nlp, monkeypatch):
    monkeypatch.setattr(shared, "LISTENERS", ())
    with pytest.raises(ValueError, match=r'J326.*pip install "spacy-jre\[shared\]"'):
        nlp.add_pipe("jre", config={"model": SHARED})


def test_component_can_be_trained_on_a_frozen_shared_transformer(tiny_bert):
    nlp, examples = make_shared("shared", tiny_bert)
    before = logits(nlp)
    optimizer = nlp.create_optimizer()
    with nlp.select_pipes(enable=["transformer", "jre"]):
        nlp.update(
            examples, sgd=optimizer, exclude=["transformer"], annotates=["transformer"]
        )
    assert not same(logits(nlp), before)
