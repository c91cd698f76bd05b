"""`spacy jre train`: config, options and dataset.json."""

import errno
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli.package import generate_readme
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Config

from spacy_jre.annotations import has_relations
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.cli import train as module
from spacy_jre.cli.convert import Settings, convert_path
from spacy_jre.cli.train import (
    TOK2VEC_BLOCK,
    choose_encoder,
    choose_language,
    run_training,
)
from spacy_jre.corpora.reader import Corpus
from spacy_jre.training import loop
from spacy_jre.training.checkpoint import read_progress
from spacy_jre.training.folders import recover_folder
from spacy_jre.trust import trusted_names

from ..conftest import ROOT, STORY, make_example, write_json
from ..training.helpers import hash_weights
from .helpers import assert_plain_error, output_of, run

TRANSFORMER_CONFIG = ROOT / "configs" / "spert.cfg"
TOK2VEC_CONFIG = ROOT / "configs" / "test" / "spert.cfg"
PATHS = {"paths.train": "x", "paths.dev": "x"}
SPLITS = {
    "train": "[Ada|PER 1] sings for [Lima|ORG 2].\n> 1 works_for 2\n",
    "dev": "[Bo|PER] left.\n",
    "test": "[Mia|PER] fell.\n",
}


def load(path):
    return load_config(path, interpolate=False)


def slot(config):
    return config["components"]["jre"]["model"]["tok2vec"]


# encoder


@pytest.mark.parametrize("name", ["spert", "sinet", "stsn", "iser"])
def test_tok2vec_selects_spacys_tok2vec(name):
    config = load(ROOT / "configs" / f"{name}.cfg")
    choose_encoder(config, "tok2vec")
    assert slot(config) == TOK2VEC_BLOCK
    assert slot(config)["@architectures"] == "spacy.HashEmbedCNN.v2"


def test_tok2vec_uses_the_rate_of_the_recipe():
    config = load(TRANSFORMER_CONFIG)
    config["recipe"]["tok2vec_rate"] = 0.003
    choose_encoder(config, "tok2vec")
    schedule = config["training"]["optimizer"]["learn_rate"]
    assert schedule["initial_rate"] == 0.003


def test_tok2vec_only_changes_encoder_and_rate():
    before, config = load(TRANSFORMER_CONFIG), load(TRANSFORMER_CONFIG)
    choose_encoder(config, "tok2vec")
    before["components"]["jre"]["model"]["tok2vec"] = TOK2VEC_BLOCK
    rate = before["recipe"]["tok2vec_rate"]
    before["training"]["optimizer"]["learn_rate"]["initial_rate"] = rate
    assert config == before


def test_encoder_block_is_a_copy():
    config = load(TRANSFORMER_CONFIG)
    choose_encoder(config, "tok2vec")
    slot(config)["width"] = 8
    assert TOK2VEC_BLOCK["width"] == 96


def test_config_with_tok2vec_can_be_loaded(tmp_path):
    config = load(TRANSFORMER_CONFIG)
    choose_encoder(config, "tok2vec")
    config.to_disk(tmp_path / "config.cfg")
    written = load_config(tmp_path / "config.cfg", overrides=PATHS)
    nlp = load_model_from_config(written, auto_fill=True)
    assert nlp.pipe_names == ["sentencizer", "jre"]


def test_config_without_a_rate_for_tok2vec_fails():
    config = load(TOK2VEC_CONFIG)
    with pytest.raises(ValueError, match=r"\[J710\].*tok2vec_rate.*\[recipe\]"):
        choose_encoder(config, "tok2vec")


def test_another_transformer_only_changes_the_name():
    before, config = load(TRANSFORMER_CONFIG), load(TRANSFORMER_CONFIG)
    before["components"]["jre"]["model"]["tok2vec"]["max_batch_pieces"] = 77
    slot(config)["max_batch_pieces"] = 77
    choose_encoder(config, "bert-base-cased")
    before["components"]["jre"]["model"]["tok2vec"]["name"] = "bert-base-cased"
    assert config == before


@pytest.mark.parametrize("name", ["spert", "sinet", "stsn", "iser"])
def test_transformer_replaces_a_tok2vec(name):
    config = load(ROOT / "configs" / "test" / f"{name}.cfg")
    choose_encoder(config, "bert-base-cased")
    assert slot(config) == {
        "@architectures": "spacy-jre.TransformerEncoder.v1",
        "name": "bert-base-cased",
    }


def test_pipeline_with_a_replaced_tok2vec_runs(tmp_path, tiny_bert):
    config = load(TOK2VEC_CONFIG)
    choose_encoder(config, tiny_bert)
    config.to_disk(tmp_path / "config.cfg")
    written = load_config(tmp_path / "config.cfg", overrides=PATHS)
    nlp = load_model_from_config(written, auto_fill=True)
    nlp.initialize(lambda: [make_example(nlp, STORY[0])])
    assert has_relations(nlp("Ada sang in Oslo."))


# language


FILLED = {"lang": "en", "tokenizer": {"@tokenizers": "spacy.Tokenizer.v1"}}


def test_another_language_sets_its_tokenizer(tmp_path):
    config = load_config(TOK2VEC_CONFIG, overrides=PATHS)
    filled = load_model_from_config(config, auto_fill=True).config
    assert filled["nlp"]["tokenizer"] == FILLED["tokenizer"]
    choose_language(filled, "zh")
    nlp = load_model_from_config(filled, auto_fill=True)
    assert nlp.lang == "zh"
    assert [token.text for token in nlp.make_doc("华法林")] == ["华", "法", "林"]


def test_same_language_keeps_its_tokenizer():
    config = Config({"nlp": dict(FILLED), "initialize": {"tokenizer": {"a": 1}}})
    choose_language(config, "en")
    assert config == {"nlp": FILLED, "initialize": {"tokenizer": {"a": 1}}}


def test_custom_tokenizer_is_kept():
    own = {"@tokenizers": "acme.Tokenizer.v1"}
    config = Config({"nlp": {"lang": "en", "tokenizer": own}})
    choose_language(config, "zh")
    assert config == {"nlp": {"lang": "zh", "tokenizer": own}}


# LAI-Net


LAINET_CONFIG = ROOT / "configs" / "lainet.cfg"


def test_transformer_of_lainet_only_changes_the_name():
    before, config = load(LAINET_CONFIG), load(LAINET_CONFIG)
    choose_encoder(config, "bert-base-uncased")
    before["components"]["jre"]["model"]["tok2vec"]["name"] = "bert-base-uncased"
    assert config == before


def test_lainet_with_tok2vec_fails():
    with pytest.raises(
        ValueError, match=r"J710.*LAI-Net always requires a transformer"
    ):
        choose_encoder(load(LAINET_CONFIG), "tok2vec")


def test_cold_start_is_a_share_of_all_updates(train):
    # one sentence, 20 epochs with one step each, of which 15 / 80 are cold
    config = train(LAINET_CONFIG, epochs=20, encoder="x").config
    assert config["training"]["max_steps"] == 20
    assert config["components"]["jre"]["model"]["cold_start"] == 4


def test_cold_start_is_not_set_for_other_models(train):
    assert "cold_start" not in train().config["components"]["jre"]["model"]


def test_command_trains_lainet(corpus, tmp_path, wide_bert):
    result = run(
        *("train", ROOT / "configs" / "test" / "lainet.cfg"),
        *("--output", tmp_path / "out", "--encoder", wide_bert),
        *("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy"),
        *("--epochs", 2, "--lang", "en"),
    )
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert has_relations(nlp("Ada sang in Oslo."))
    module = get_module(nlp.get_pipe("jre").model.get_ref("network"))
    # spaCy runs one more step
    assert int(module.network.updates) == 3


# settings of the training


@pytest.fixture
def corpus(tmp_path):
    """A folder with converted data, without a ``dataset.json``."""
    source = tmp_path / "source"
    source.mkdir()
    for split, markup in SPLITS.items():
        (source / f"{split}.txt").write_text(markup, encoding="utf8")
    convert_path(source, tmp_path / "corpus", Settings(lang="xx"))
    (tmp_path / "corpus" / "dataset.json").unlink()
    return tmp_path / "corpus"


# meta.json as written by spaCy
META = {"name": "pipeline", "version": "0.0.0", "description": "", "license": ""}
LABELS = {
    "entity_labels": ["ORG", "PER"],
    "relation_labels": ["spouse", "works_for"],
    "symmetric": ["spouse"],
}


class Trained:
    """The arguments of spaCy's training."""

    config: Config
    overrides: dict
    options: dict


@pytest.fixture
def train(corpus, tmp_path, monkeypatch):
    """Call ``run_training`` with spaCy's training replaced."""
    trained = Trained()

    def fake(path, output, *, use_gpu, overrides, complete, keep_last, **options):
        # like spaCy, which fails for invalid overrides
        trained.config = load_config(path, overrides=overrides, interpolate=True)
        trained.overrides = overrides
        trained.options = {"keep_last": keep_last, **options}
        for name in ("model-best", "model-last"):
            (output / name).mkdir()
            trained.config.to_disk(output / name / "config.cfg")
            write_json(output / name / "meta.json", dict(META))
            (output / name / "jre").mkdir()
            write_json(output / name / "jre" / "cfg", LABELS)
            complete(output / name)

    def call(config=TRANSFORMER_CONFIG, **settings):
        data = (corpus / "train.spacy", corpus / "dev.spacy")
        run_training(config, tmp_path / "out", *data, **settings)
        return trained

    monkeypatch.setattr(module, "train", fake)
    return call


@registry.readers("test_doubled_corpus")
def create_doubled_corpus(path: Path):
    """A reader that yields each Doc twice."""
    reader = Corpus(path)
    return lambda nlp: (example for example in reader(nlp) for _ in range(2))


ABOUT = {
    "lang": "xx",
    "encoder": "somewhere",
    "settings": {"components.jre.symmetric": ["spouse"]},
}


def test_dataset_sets_language_encoder_and_settings(train, corpus):
    write_json(corpus / "dataset.json", ABOUT)
    config = train().config
    assert config["nlp"]["lang"] == "xx"
    assert slot(config)["name"] == "somewhere"
    assert config["components"]["jre"]["symmetric"] == ["spouse"]


def test_command_line_overrides_the_dataset(train, corpus):
    write_json(corpus / "dataset.json", ABOUT)
    config = train(lang="de", encoder="elsewhere", symmetric=["knows"]).config
    assert config["nlp"]["lang"] == "de"
    assert slot(config)["name"] == "elsewhere"
    assert config["components"]["jre"]["symmetric"] == ["knows"]


ANNOTATIONS = {"PER": "a person", "works_for": "works for"}


def test_network_of_a_dataset_is_used_by_an_architecture_that_has_it(train, corpus):
    write_json(corpus / "dataset.json", {"network": {"annotations": ANNOTATIONS}})
    model = train(ROOT / "configs" / "paper" / "lainet.cfg").config["components"]["jre"]
    assert model["model"]["annotations"] == ANNOTATIONS


@pytest.mark.parametrize("name", ["spert", "sinet", "stsn", "iser"])
def test_network_of_a_dataset_has_no_effect_on_other_architectures(train, corpus, name):
    write_json(corpus / "dataset.json", {"network": {"annotations": ANNOTATIONS}})
    path = ROOT / "configs" / "paper" / f"{name}.cfg"
    model = train(path).config["components"]["jre"]["model"]
    assert model == load(path)["components"]["jre"]["model"]


def test_recipe_chooses_the_config(corpus, tmp_path, monkeypatch):
    chosen = []
    monkeypatch.setattr(
        module, "run_training", lambda config, *_, **__: chosen.append(config)
    )
    data = ("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy")
    configs = ROOT / "configs"
    for recipe in ("recommended", "paper"):
        options = ("--recipe", recipe, "--output", tmp_path / "out")
        result = run("train", configs / "sinet.cfg", *data, *options)
        assert result.exit_code == 0, result.output
    assert chosen == [configs / "sinet.cfg", configs / "paper" / "sinet.cfg"]


@pytest.mark.parametrize(
    ("config", "recipe", "code", "part"),
    [
        ("configs/sinet.cfg", "papers", "J755", "recommended, paper"),
        ("configs/test/sinet.cfg", "paper", "J601", "configs/test/paper/sinet.cfg"),
    ],
)
def test_recipe_without_a_config_fails(corpus, tmp_path, config, recipe, code, part):
    data = ("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy")
    options = ("--recipe", recipe, "--output", tmp_path / "out")
    assert_plain_error(run("train", ROOT / config, *data, *options), code, part)


def test_config_is_used_without_a_dataset(train):
    config = train().config
    assert config["nlp"]["lang"] == "en"
    assert slot(config) == slot(load(TRANSFORMER_CONFIG))
    assert "symmetric" not in config["components"]["jre"]


@pytest.mark.parametrize("name", ["paths.train", "system.seed", "training.max_steps"])
def test_dataset_can_only_set_the_component(train, corpus, name):
    write_json(corpus / "dataset.json", {"settings": {name: 9}})
    with pytest.raises(ValueError, match=rf"J633.*'settings'.*{name}"):
        train()


def test_option_sets_the_trusted_encoders(corpus, tmp_path, monkeypatch):
    names = []

    def keep(*args, **kwargs):
        names.extend(trusted_names())

    monkeypatch.setattr(module, "run_training", keep)
    run(
        *("train", TOK2VEC_CONFIG, "--output", tmp_path / "out"),
        *("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy"),
        *("--trust-remote-code", "org/a", "--trust-remote-code", "b"),
    )
    assert names == ["org/a", "b"]
    assert trusted_names() == ()


def test_tok2vec_of_a_dataset_uses_the_rate_of_the_recipe(train, corpus):
    write_json(corpus / "dataset.json", {"encoder": "tok2vec"})
    config = train().config
    schedule = config["training"]["optimizer"]["learn_rate"]
    assert slot(config) == TOK2VEC_BLOCK
    assert schedule["initial_rate"] == config["recipe"]["tok2vec_rate"]


def test_invalid_dataset_json_fails(corpus, tmp_path):
    write_json(corpus / "dataset.json", {"lang": 3})
    result = run(
        *("train", TOK2VEC_CONFIG, "--output", tmp_path / "out"),
        *("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy"),
    )
    assert_plain_error(result, "J633", str(corpus / "dataset.json"), "'lang'")


def test_missing_rate_for_tok2vec_is_reported(corpus, tmp_path):
    result = run(
        *("train", TOK2VEC_CONFIG, "--output", tmp_path / "out"),
        *("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy"),
        *("--encoder", "tok2vec"),
    )
    assert_plain_error(result, "J710", "--encoder selects", "[recipe]", "tok2vec_rate")
    assert not (tmp_path / "out").exists()


def test_lainet_with_tok2vec_of_the_dataset_names_the_dataset(corpus, tmp_path):
    write_json(corpus / "dataset.json", {"encoder": "tok2vec"})
    result = run(
        *("train", LAINET_CONFIG, "--output", tmp_path / "out"),
        *("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy"),
    )
    assert_plain_error(result, "J710", "dataset.json of the data", "--vars.encoder")


# epoch of model-best


@pytest.mark.parametrize(
    ("about", "keeps_last"),
    [({"keep": "last"}, True), ({"keep": "best"}, False), ({}, False), (None, False)],
)
def test_keep_selects_the_epoch_of_model_best(train, corpus, about, keeps_last):
    if about is not None:
        write_json(corpus / "dataset.json", about)
    assert train().options["keep_last"] == keeps_last


def test_both_pipelines_name_the_dataset(train, corpus, tmp_path):
    write_json(corpus / "dataset.json", {"keep": "last"})
    train(dataset="story")
    for name in ("model-best", "model-last"):
        meta = srsly.read_json(tmp_path / "out" / name / "meta.json")
        assert meta["sources"] == [{"name": "story"}]
        assert "trained on story" in meta["description"]


def read_meta(tmp_path):
    return srsly.read_json(tmp_path / "out" / "model-best" / "meta.json")


def test_pipeline_has_default_name_and_version(train, tmp_path):
    train()
    meta = read_meta(tmp_path)
    assert (meta["name"], meta["version"]) == ("jre", "0.1.0")
    assert meta["description"].startswith("Joint entity and relation extraction with")


def test_custom_name_and_version_are_kept(train, tmp_path, monkeypatch):
    monkeypatch.setitem(META, "name", "mine")
    monkeypatch.setitem(META, "version", "2.3.1")
    train()
    meta = read_meta(tmp_path)
    assert (meta["name"], meta["version"]) == ("mine", "2.3.1")


def test_model_card_lists_entity_and_relation_labels_separately(train, tmp_path):
    train()
    card = generate_readme({"lang": "en", "spacy_version": "", **read_meta(tmp_path)})
    assert "| Entities | `ORG`, `PER` |" in card
    assert "| Relations | `spouse`, `works_for` |" in card
    assert "| Symmetric relations | `spouse` |" in card


# overrides


RATE = "training.optimizer.learn_rate"


def test_override_replaces_config_dataset_and_computed_values(train, corpus):
    write_json(corpus / "dataset.json", ABOUT)
    given = {
        "components.jre.threshold": 0.6,
        "components.jre.symmetric": [],
        "training.max_steps": 7,
        f"{RATE}.initial_rate": 0.5,
        "training.optimizer.grad_clip": 2.0,
    }
    trained = train(overrides=given)
    config = trained.config
    assert config["components"]["jre"]["threshold"] == 0.6
    assert config["components"]["jre"]["symmetric"] == []
    assert config["training"]["max_steps"] == 7
    optimizer = config["training"]["optimizer"]
    assert optimizer["learn_rate"]["initial_rate"] == 0.5
    assert optimizer["grad_clip"] == 2.0
    # other values are still computed: one sentence, 20 epochs
    assert optimizer["learn_rate"]["total_steps"] == 20


def test_rate_override_replaces_the_rate_of_tok2vec(train):
    config = train(encoder="tok2vec", overrides={f"{RATE}.initial_rate": 0.5}).config
    assert config["training"]["optimizer"]["learn_rate"]["initial_rate"] == 0.5


def test_recipe_override_changes_the_computed_steps(train):
    given = {"recipe.epochs": 8, "recipe.warmup": 0.25}
    schedule = train(overrides=given).config["training"]["optimizer"]["learn_rate"]
    assert (schedule["total_steps"], schedule["warmup_steps"]) == (8, 2)


def test_batcher_size_override_changes_the_computed_steps(train, corpus, tmp_path):
    longer_corpus(tmp_path, corpus)
    given = {"training.batcher.size": 3}
    training = train(batch_size=1, epochs=5, overrides=given).config["training"]
    assert training["batcher"]["size"] == 3
    assert training["eval_frequency"] == 2
    assert training["optimizer"]["learn_rate"]["total_steps"] == 10


@pytest.mark.parametrize("given", ["recipe.epochs", "recipe.batch_size"])
def test_override_of_the_recipe_takes_precedence_over_the_option(train, given):
    config = train(epochs=5, batch_size=3, overrides={given: 7}).config
    expected = {"recipe.epochs": 5, "recipe.batch_size": 3, given: 7}
    # one sentence
    assert config["training"]["max_steps"] == expected["recipe.epochs"]
    assert config["training"]["batcher"]["size"] == expected["recipe.batch_size"]


def test_recipe_of_the_saved_config_has_the_values_that_were_used(train, tmp_path):
    given = {"training.batcher.size": 4, "recipe.batch_size": 2}
    recipe = train(epochs=5, overrides=given).config["recipe"]
    assert (recipe["epochs"], recipe["batch_size"]) == (5, 4)
    saved = load(tmp_path / "out" / "config.cfg")["recipe"]
    assert (saved["epochs"], saved["batch_size"]) == (5, 4)


@pytest.fixture
def own_config(tmp_path):
    """Write a config with a changed line."""

    def write(old, new):
        text = TRANSFORMER_CONFIG.read_text(encoding="utf8")
        assert text.count(old) == 1
        (tmp_path / "own.cfg").write_text(text.replace(old, new), encoding="utf8")
        return tmp_path / "own.cfg"

    return write


def test_seed_of_the_config_is_used(train, own_config):
    path = own_config("[system]\nseed = 0", "[system]\nseed = 42")
    config = train(path).config
    assert config["system"]["seed"] == config["training"]["seed"] == 42
    assert config["components"]["jre"]["seed"] == 42


@pytest.mark.parametrize("seed", [0, 3])
def test_seed_that_is_given_replaces_that_of_the_config(train, own_config, seed):
    path = own_config("[system]\nseed = 0", "[system]\nseed = 42")
    assert train(path, seed=seed).config["system"]["seed"] == seed


@pytest.mark.parametrize(
    ("arguments", "seed"), [((), None), (("--seed", 0), 0), (("--seed", 3), 3)]
)
def test_command_only_sets_a_seed_that_is_given(
    corpus, tmp_path, monkeypatch, arguments, seed
):
    seeds = []
    monkeypatch.setattr(
        module, "run_training", lambda *_, seed, **__: seeds.append(seed)
    )
    result = train_by_command(corpus, tmp_path, *arguments)
    assert result.exit_code == 0, result.output
    assert seeds == [seed]


@pytest.mark.parametrize(
    ("name", "value"), [("patience", 5), ("max_epochs", 7), ("max_epochs", -1)]
)
def test_setting_without_effect_is_reported(train, own_config, capsys, name, value):
    old = {"patience": "patience = 0", "max_epochs": "max_epochs = 20"}[name]
    config = train(own_config(old, f"{name} = {value}"), epochs=4).config
    assert config["training"][name] == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "[J924]" in text
    assert f"{name} = {value} in [training] has no effect" in text
    assert "all epochs of [recipe] (4)" in text


def test_settings_with_an_effect_are_not_reported(train, capsys):
    train(epochs=4, overrides={"training.patience": 5})
    assert "J924" not in capsys.readouterr().out


def longer_corpus(tmp_path, corpus):
    """Write six sentences as one Doc each, of four to five tokens."""
    source = tmp_path / "longer"
    source.mkdir()
    for split, markup in SPLITS.items():
        text = "\n".join([markup] * 6)
        (source / f"{split}.txt").write_text(text, encoding="utf8")
    convert_path(source, corpus, Settings(lang="xx"))


def test_limit_of_the_reader_determines_the_steps(train, corpus, tmp_path):
    longer_corpus(tmp_path, corpus)
    given = {"corpora.train.limit": 4}
    training = train(batch_size=2, epochs=5, overrides=given).config["training"]
    assert (training["eval_frequency"], training["max_steps"]) == (2, 10)


def test_docs_that_the_reader_splits_determine_the_steps(train, corpus, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = nlp("Ada fell. Bo left. Mia sang.")
    doc._.relations = []
    doc.ents = []
    DocBin(docs=[doc], store_user_data=True).to_disk(corpus / "train.spacy")
    given = {"corpora.train.max_length": 5}
    training = train(batch_size=1, epochs=5, overrides=given).config["training"]
    assert (training["eval_frequency"], training["max_steps"]) == (3, 15)


def test_docs_of_another_reader_determine_the_steps(train, corpus, own_config):
    old = '[corpora.train]\n@readers = "spacy-jre.Corpus.v1"'
    path = own_config(old, '[corpora.train]\n@readers = "test_doubled_corpus"')
    training = train(path, batch_size=1, epochs=5).config["training"]
    assert (training["eval_frequency"], training["max_steps"]) == (2, 10)


def train_by_command(corpus, tmp_path, *arguments, config=TOK2VEC_CONFIG):
    return run(
        *("train", config, "--output", tmp_path / "out"),
        *("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy"),
        *arguments,
    )


def test_overrides_are_applied_to_the_trained_pipeline(corpus, tmp_path):
    arguments = ("--epochs", 1, "--components.jre.threshold", 0.625)
    result = train_by_command(corpus, tmp_path, *arguments)
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert nlp.get_pipe("jre").cfg["threshold"] == 0.625
    assert nlp.meta["version"] == "0.1.0"


def test_component_with_another_name_is_trained(corpus, tmp_path):
    config = load(TOK2VEC_CONFIG)
    config["nlp"]["pipeline"] = ["sentencizer", "places"]
    config["components"]["places"] = config["components"].pop("jre")
    config.to_disk(tmp_path / "places.cfg")
    path = tmp_path / "places.cfg"
    result = train_by_command(corpus, tmp_path, "--epochs", 1, config=path)
    assert result.exit_code == 0, result.output
    notes = spacy.load(tmp_path / "out" / "model-last").meta["notes"]
    assert "Entity and relation labels of `places`" in notes
    assert "`works_for`" in notes


def test_override_of_a_missing_section_is_reported(corpus, tmp_path):
    result = train_by_command(corpus, tmp_path, "--componentz.jre.threshold", 0.5)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert "componentz -> jre -> threshold" in result.output


# invalid values


def test_spacy_train_without_dev_data_names_the_path(corpus, capsys):
    overrides = {"paths.train": str(corpus / "train.spacy")}
    with pytest.raises(SystemExit):
        spacy_train(TOK2VEC_CONFIG, overrides=overrides)
    assert "dev -> path" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value"),
    [("--epochs", -3), ("--batch-size", -1), ("--threads", -1), ("--seed", -1)],
)
def test_value_below_zero_fails(corpus, tmp_path, option, value):
    result = train_by_command(corpus, tmp_path, option, value)
    assert_plain_error(result, "J736", f"{option} must be at least 0, not {value}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "a whole number of at least 1"),
        ("epochs", 2.5, "a whole number of at least 1"),
        ("epochs", "ten", "a whole number of at least 1"),
        ("batch_size", -1, "a whole number of at least 1"),
        ("warmup", 1.5, "a share from 0 to 1"),
        ("warmup", "slow", "a share from 0 to 1"),
        ("cold_start", -0.5, "a share from 0 to 1"),
    ],
)
def test_value_of_the_recipe_is_checked(corpus, tmp_path, name, value, expected):
    result = train_by_command(corpus, tmp_path, f"--recipe.{name}", value)
    parts = (str(TOK2VEC_CONFIG), f"{name} in [recipe] must be {expected}")
    assert_plain_error(result, "J731", *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["words", "padded"])
def test_batcher_with_another_size_fails(corpus, tmp_path, name):
    batcher = f"spacy.batch_by_{name}.v1"
    result = train_by_command(corpus, tmp_path, "--training.batcher.@batchers", batcher)
    parts = ("[training.batcher]", f"not '{batcher}'", "spacy.batch_by_sequence.v1")
    assert_plain_error(result, "J731", *parts)
    assert not (tmp_path / "out").exists()


def test_recipe_without_epochs_fails(corpus, tmp_path):
    config = tmp_path / "own.cfg"
    config.write_text(TOK2VEC_CONFIG.read_text().replace("epochs = 3\n", "", 1))
    result = train_by_command(corpus, tmp_path, config=config)
    assert_plain_error(result, "J731", "epochs in [recipe]", "not None")


@pytest.mark.parametrize("spelling", ["Tok2Vec", "TOK2VEC"])
def test_other_spelling_of_tok2vec_fails(corpus, tmp_path, spelling):
    result = train_by_command(corpus, tmp_path, "--encoder", spelling)
    assert_plain_error(result, "J733", f"'{spelling}'", "use tok2vec")
    assert not (tmp_path / "out").exists()


# a language without spaces


@pytest.fixture(scope="module")
def chinese(tmp_path_factory) -> Path:
    """A pipeline trained for one epoch on a few sentences of ddi_zh."""
    folder = tmp_path_factory.mktemp("chinese")
    source = folder / "ddi"
    source.mkdir()
    included = ROOT / "assets" / "ddi_zh"
    shutil.copy(included / "dataset.json", source)
    for split in ("train", "dev", "test"):
        with (included / f"{split}.jsonl").open(encoding="utf8") as lines:
            few = "".join(itertools.islice(lines, 12))
        (source / f"{split}.jsonl").write_text(few, encoding="utf8")
    corpus = folder / "corpus"
    assert run("convert", source, corpus).exit_code == 0
    result = run(
        *("train", TRANSFORMER_CONFIG, "--output", folder / "out"),
        *("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy"),
        *("--epochs", 1, "--batch-size", 6),
    )
    assert result.exit_code == 0, result.output
    return folder / "out" / "model-best"


def test_chinese_pipeline_uses_characters_as_tokens(chinese):
    nlp = spacy.load(chinese)
    assert nlp.lang == "zh"
    assert [token.text for token in nlp.make_doc("华法林钠片")] == list("华法林钠片")


def test_chinese_pipeline_has_the_settings_of_the_dataset(chinese):
    nlp = spacy.load(chinese)
    about = srsly.read_json(ROOT / "assets" / "ddi_zh" / "dataset.json")
    assert nlp.config["components"]["jre"]["max_span_width"] == 12
    assert slot(nlp.config)["@architectures"] == "spacy.HashEmbedCNN.v2"
    labels = nlp.get_pipe("jre").label_data
    assert set(labels["entities"]) <= set(about["entities"])
    assert set(labels["relations"]) <= set(about["relations"])


def test_chinese_pipeline_annotates_a_text(chinese):
    nlp = spacy.load(chinese)
    doc = nlp("华法林钠片@阿司匹林的抗血小板作用与本品叠加。")
    assert has_relations(doc)
    assert doc.has_annotation("ENT_IOB")


# interruptions


def test_labels_that_only_dev_has_are_reported(corpus, tmp_path):
    source = tmp_path / "source"
    markup = "[Bo|PER 1] left [Xa|MISC 2].\n> 1 left 2\n"
    (source / "dev.txt").write_text(markup, encoding="utf8")
    convert_path(source, corpus, Settings(lang="xx"))
    result = train_by_command(corpus, tmp_path, "--epochs", 1)
    assert result.exit_code == 0, result.output
    assert "[J923]" in result.output
    assert "never predicted: MISC, left." in output_of(result)


def test_output_that_is_a_file_fails_before_the_data_is_read(tmp_path):
    (tmp_path / "out").write_text("")
    result = train_by_command(tmp_path / "missing", tmp_path)
    assert_plain_error(result, "J785", str(tmp_path / "out"), "is a file")


def test_full_disk_is_reported_on_one_line(corpus, tmp_path, monkeypatch):
    def fill_disk(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Language, "to_disk", fill_disk)
    result = train_by_command(corpus, tmp_path, "--epochs", 1)
    assert_plain_error(result, "J422", "model-last", "No space left on device")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["config.cfg"]


def test_ctrl_c_saves_and_ends_with_130(corpus, tmp_path, monkeypatch):
    update, steps = Language.update, []

    def press(nlp, *args, **kwargs):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return update(nlp, *args, **kwargs)

    monkeypatch.setattr(Language, "update", press)
    result = train_by_command(corpus, tmp_path, "--epochs", 5)
    assert result.exit_code == 130
    assert "Stopped after step 2." in output_of(result)
    assert "--resume" in output_of(result)
    assert "Traceback" not in result.output
    for name in ("model-best", "model-last"):
        assert spacy.load(tmp_path / "out" / name).meta["name"] == "jre"

    result = train_by_command(corpus, tmp_path, "--epochs", 5, "--resume")
    assert result.exit_code == 0
    assert "Resuming after step 2" in result.output
    # steps 0 to 5
    assert len(steps) == 6
    result = train_by_command(corpus, tmp_path, "--epochs", 5, "--resume")
    assert "is finished: step 5" in output_of(result)
    assert len(steps) == 6


def test_ctrl_c_before_the_first_step_ends_with_130(corpus, tmp_path, monkeypatch):
    def press(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "init_nlp", press)
    result = train_by_command(corpus, tmp_path)
    assert result.exit_code == 130
    assert "Stopped without saving" in output_of(result)


def test_resume_without_a_state_starts_at_the_first_step(corpus, tmp_path):
    result = train_by_command(corpus, tmp_path, "--epochs", 1, "--resume")
    assert result.exit_code == 0
    assert "has no saved state" in output_of(result)
    assert spacy.load(tmp_path / "out" / "model-best")


@pytest.mark.parametrize("interrupted", [True, False])
def test_resume_with_other_settings_fails(corpus, tmp_path, monkeypatch, interrupted):
    if interrupted:
        monkeypatch.setattr(loop, "mark_finished", lambda *args: None)
    train_by_command(corpus, tmp_path, "--epochs", 1)
    result = train_by_command(corpus, tmp_path, "--epochs", 2, "--resume")
    assert_plain_error(result, "J421", "training.max_steps was 1 and is 2")


@pytest.mark.slow
def test_both_pipelines_load_after_each_of_20_kills(corpus, tmp_path):
    # one step per epoch: almost all of the time is spent in evaluating and saving
    def start(output, *arguments):
        data = ("--train", corpus / "train.spacy", "--dev", corpus / "dev.spacy")
        settings = ("--epochs", 300, "--threads", 1, "--components.jre.seed", 3)
        command = ("train", TOK2VEC_CONFIG, "--output", output, *data, *settings)
        return subprocess.Popen(
            [sys.executable, "-m", "spacy", "jre", *map(str, command), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    output, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    delays = random.Random(0)
    for _ in range(20):
        before = read_progress(output)
        process = start(output, "--resume")
        while read_progress(output) == before:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(delays.uniform(0, 0.5))
        process.kill()
        process.wait()
        for name in ("model-best", "model-last", "training-state"):
            recover_folder(output / name)
        for name in ("model-best", "model-last"):
            assert has_relations(spacy.load(output / name)("Ada sang in Oslo."))
    assert not read_progress(output).finished
    assert start(output, "--resume").wait() == 0
    assert start(undisturbed).wait() == 0
    for name in ("model-best", "model-last"):
        assert hash_weights(output / name) == hash_weights(undisturbed / name)
