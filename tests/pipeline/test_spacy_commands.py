"""spaCy's commands with pipelines of the package."""

import json

import numpy as np
import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.cli.apply import apply
from spacy.cli.benchmark_speed import benchmark
from spacy.cli.debug_config import debug_config
from spacy.cli.evaluate import evaluate
from spacy.cli.find_threshold import find_threshold
from spacy.cli.init_config import fill_config, init_config
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.training import Corpus as StockCorpus
from spacy.training.initialize import init_nlp
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_jre import register_extension
from spacy_jre.annotations import build_doc
from spacy_jre.cli.train import run_training
from spacy_jre.corpora.reader import Corpus

from ..conftest import ROOT, STORY, make_record
from .helpers import learn, make_nlp, tok2vec_config

CONFIG = ROOT / "configs" / "test" / "spert.cfg"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The story as a .spacy file."""
    register_extension()
    nlp = spacy.blank("en")
    docs = [build_doc(make_record(sentence), nlp) for sentence in STORY]
    path = tmp_path_factory.mktemp("corpus") / "story.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pipeline that is trained on a part of the story."""
    register_extension()
    nlp, examples = make_nlp(tok2vec_config())
    learn(nlp, examples[:4], 25, rate=0.01)
    folder = tmp_path_factory.mktemp("model") / "model"
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def overrides(corpus):
    return {
        "paths.train": str(corpus),
        "paths.dev": str(corpus),
        "training.max_epochs": 3,
        "training.eval_frequency": 2,
        "training.batcher.size": 2,
    }


def test_evaluate_writes_the_scores_of_the_pipeline(model, corpus, tmp_path):
    evaluate(str(model), corpus, output=tmp_path / "scores.json")
    written = srsly.read_json(tmp_path / "scores.json")
    nlp = spacy.load(model)
    scores = nlp.evaluate(list(Corpus(corpus)(nlp)))
    assert written["rel_f"] > 0
    for key in ("ents", "rel", "rel_strict"):
        for measure in ("p", "r", "f", "macro_f"):
            name = f"{key}_{measure}"
            assert written[name] == pytest.approx(scores[name], abs=1e-6)
        assert written[f"{key}_per_type"].keys() == scores[f"{key}_per_type"].keys()


def test_corpus_of_spacy_keeps_the_tokens(corpus, nlp):
    for example, sentence in zip(StockCorpus(corpus)(nlp), STORY, strict=True):
        assert [t.text for t in example.predicted] == sentence["words"]


def test_find_threshold_equals_evaluation_at_each_threshold(model, corpus, capsys):
    best, score, scores = find_threshold(
        str(model), corpus, "jre", "threshold", "rel_f", n_trials=6
    )
    printed = capsys.readouterr().out
    nlp = spacy.load(model)
    examples = list(StockCorpus(corpus)(nlp))
    expected = {}
    for threshold in np.linspace(0, 1, 6):
        nlp.get_pipe("jre").cfg["threshold"] = threshold
        expected[threshold] = nlp.evaluate(examples)["rel_f"]
    assert scores == pytest.approx(expected)
    assert len(set(expected.values())) > 2  # the threshold changes the scores
    assert score == pytest.approx(max(expected.values()))
    assert expected[best] == pytest.approx(max(expected.values()))
    assert f"{best:.2f}".rstrip("0") in printed


def test_apply_writes_docs_with_relations(model, tmp_path):
    texts = [" ".join(sentence["words"]) for sentence in STORY]
    source = tmp_path / "texts.jsonl"
    srsly.write_jsonl(source, [{"text": text} for text in texts])
    output = tmp_path / "predicted.spacy"
    apply(source, output, str(model), "text", 2, 1)
    nlp = spacy.load(model)
    written = list(DocBin().from_disk(output).get_docs(nlp.vocab))
    expected = list(nlp.pipe(texts))
    assert [d.text for d in written] == texts
    assert any(d._.relations for d in written)
    for first, second in zip(written, expected, strict=True):
        assert [r.as_triple() for r in first._.relations] == [
            r.as_triple() for r in second._.relations
        ]


def test_benchmark_measures_every_batch(model, corpus):
    nlp = spacy.load(model)
    docs = [eg.predicted for eg in StockCorpus(corpus)(nlp)]
    speeds = benchmark(nlp, docs, n_batches=2, batch_size=2, shuffle=True)
    assert len(speeds) == 2


def test_train_shows_the_scores_and_saves_a_pipeline(overrides, tmp_path, capsys):
    train(CONFIG, tmp_path, overrides=overrides)
    table = capsys.readouterr().out
    for column in ("LOSS JRE", "ENTS_F", "REL_F", "REL_STRICT_F", "SCORE"):
        assert column in table
    nlp = spacy.load(tmp_path / "model-last")
    assert nlp.meta["performance"]["rel_strict_f"] is not None
    assert "rel_per_type" in nlp.meta["performance"]


def test_training_is_evaluated_after_the_last_update(corpus, tmp_path, capsys):
    # five sentences, batch size 2: three steps per epoch, two epochs
    run_training(CONFIG, tmp_path, corpus, corpus, epochs=2, batch_size=2, lang="en")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    steps = [int(r[1]) for r in rows if len(r) == 7 and r[0].isdigit()]
    assert steps == [0, 3, 6]


def test_labels_file_gives_the_same_labels_in_the_same_order(overrides, tmp_path):
    runner = CliRunner()
    arguments = ["init", "labels", str(CONFIG), str(tmp_path / "labels")]
    for key, value in overrides.items():
        arguments += [f"--{key}", str(value)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    labels = srsly.read_json(tmp_path / "labels" / "jre.json")
    from_data = init_nlp(load_config(CONFIG, overrides=overrides))
    assert labels == from_data.get_pipe("jre").label_data

    # the order in the file is the order of the columns
    labels = {kind: names[::-1] for kind, names in labels.items()}
    srsly.write_json(tmp_path / "reversed.json", labels)
    config = load_config(CONFIG, overrides=overrides)
    config["initialize"] = {
        "components": {
            "jre": {
                "labels": {
                    "@readers": "spacy.read_labels.v1",
                    "path": str(tmp_path / "reversed.json"),
                }
            }
        }
    }
    assert init_nlp(config).get_pipe("jre").label_data == labels


def test_fill_config_completes_a_config(tmp_path, capsys):
    _, filled = fill_config(tmp_path / "full.cfg", CONFIG)
    assert filled["components"]["jre"]["model"]["width_embedding"] == 25
    assert filled["components"]["jre"]["scorer"]["@scorers"]
    assert load_config(tmp_path / "full.cfg")["training"]["dropout"] == 0.1


def test_debug_config_accepts_the_filled_config(overrides, tmp_path, capsys):
    fill_config(tmp_path / "full.cfg", CONFIG)
    debug_config(tmp_path / "full.cfg", overrides=overrides, show_funcs=True)
    assert "spacy-jre.Corpus.v1" in capsys.readouterr().out


def test_init_config_includes_the_component():
    config = init_config(lang="en", pipeline=["jre"])
    assert config["components"]["jre"]["factory"] == "jre"
    assert config["training"]["score_weights"]["rel_strict_f"] > 0


def test_scores_are_equal_after_a_round_trip_through_json(model, corpus):
    nlp = spacy.load(model)
    scores = nlp.evaluate(list(Corpus(corpus)(nlp)))
    assert scores["rel_f"] > 0
    assert json.loads(json.dumps(scores)) == scores
