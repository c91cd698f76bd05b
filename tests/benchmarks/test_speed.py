import json
import math

import pytest
import spacy

from spacy_jre.cli.convert import Settings, convert_path

from ..conftest import STORY
from ..pipeline.helpers import learn, make_nlp, model_config, tok2vec_config
from .helpers import load

TEXTS = [" ".join(sentence["words"]) for sentence in STORY]
SETTINGS = ["--rounds", "2", "--batch-size", "2"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("speed") / "texts.txt"
    path.write_text("\n\n".join(TEXTS), encoding="utf8")
    return str(path)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, tiny_bert, wide_bert):
    nlp, examples = make_nlp(model_config("SINET", tiny_bert, wide_bert))
    learn(nlp, examples, 20)
    path = tmp_path_factory.mktemp("speed") / "pipeline"
    nlp.to_disk(path)
    return str(path)


def run(*arguments):
    return load("speed").main([*map(str, arguments), *SETTINGS])


@pytest.fixture(scope="module")
def results(pipeline, texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("speed") / "results.json"
    run("--model", pipeline, "--texts", texts, "--output", path)
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", ["bare encoder", "nlp.pipe", "update"])
def test_variant_has_the_times_of_each_round(results, name):
    seconds = results[name]["seconds"]
    for kind in ("wall", "cpu"):
        assert len(seconds[kind]) == 2
        assert all(0 < value < math.inf for value in seconds[kind])


def test_speed_is_sentences_by_seconds(results):
    seconds = sorted(results["update"]["seconds"]["cpu"])
    expected = (2 / seconds[0] + 2 / seconds[1]) / 2
    assert results["update"]["sentences_per_cpu_second"] == pytest.approx(expected)


def test_ratio_is_that_of_the_rounds(results):
    pipe, bare = (results[name] for name in ("nlp.pipe", "bare encoder"))
    pairs = zip(pipe["seconds"]["cpu"], bare["seconds"]["cpu"])
    expected = [a / b for a, b in pairs]
    assert pipe["ratios"]["bare encoder"] == pytest.approx(expected)


def test_update_of_fewer_sentences_has_no_ratio(results):
    assert results["update"]["ratios"] == {}


def test_pipeline_without_a_transformer_is_measured_without_the_bare_encoder(
    texts, tmp_path
):
    make_nlp(tok2vec_config())[0].to_disk(tmp_path)
    results = run("--model", tmp_path, "--texts", texts)
    assert "nlp.pipe" in results
    assert results["skipped"]["bare encoder"].startswith("the component has no")


def test_pipeline_is_trained_from_a_config(tmp_path, tiny_bert, capsys):
    source, path = tmp_path / "train.txt", tmp_path / "train.spacy"
    source.write_text("[Ada|PER 1] cooks in [Oslo|LOC 2].\n> 1 lives_in 2\n")
    convert_path(source, path, Settings())
    config = tmp_path / "model.cfg"
    text = f"""
    [paths]
    train = null
    dev = null
    [nlp]
    lang = "en"
    pipeline = ["jre"]
    [components]
    [components.jre]
    factory = "jre"
    [components.jre.model]
    @architectures = "spacy-jre.SpERT.v1"
    [components.jre.model.tok2vec]
    @architectures = "spacy-jre.TransformerEncoder.v1"
    name = "{tiny_bert}"
    """
    config.write_text("\n".join(line.strip() for line in text.splitlines()))
    results = run("--model", config, "--texts", path, "--updates", "2")
    assert results["update"]["sentences_per_second"] > 0
    assert "ratio to bare encoder" in capsys.readouterr().out


def test_files_without_sentences_are_an_error(pipeline, tmp_path, capsys):
    path = tmp_path / "empty.txt"
    path.write_text("\n")
    with pytest.raises(SystemExit):
        run("--model", pipeline, "--texts", path)
    assert "no sentences" in capsys.readouterr().err


def test_pipeline_without_the_component_is_an_error(texts, tmp_path):
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(SystemExit, match='no component "jre"'):
        run("--model", tmp_path, "--texts", texts)


def test_bare_encoder_is_the_transformer_alone(tiny_bert, wide_bert, monkeypatch):
    nlp, examples = make_nlp(model_config("SINET+recipe", tiny_bert, wide_bert))
    measure = load("measure")
    encoder = measure.find_encoder(nlp.get_pipe("jre"))
    called = []
    monkeypatch.setattr(type(encoder), "forward", lambda *args: called.append("extras"))
    encoder.encoder.register_forward_hook(lambda *args: called.append("transformer"))
    measure.BareEncoder(encoder, [example.reference for example in examples])()
    assert called == ["transformer"]


def test_variants_are_measured_in_turn():
    calls = []
    variants = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = load("measure").interleave(variants, 2, prepare=lambda: calls.append("-"))
    assert "".join(calls) == "-a-b" * 3  # one round more, to warm up
    assert len(times["a"].wall) == len(times["a"].cpu) == 2
