"""`spacy jre attention` draws the attention of a saved pipeline."""

import pytest

from spacy_jre.display import figure

from ..conftest import needs_matplotlib, transformer_config
from ..pipeline.helpers import make_nlp, tok2vec_config
from .helpers import assert_plain_error, output_of, run

TEXT = "Ada Quint cooks for Hotel Lima in Oslo."


@pytest.fixture(scope="module")
def model(tiny_bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    nlp, _ = make_nlp(transformer_config(tiny_bert, "SINET", n_heads=4))
    nlp.to_disk(folder)
    return folder


@needs_matplotlib
@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_attention_of_a_text_is_drawn(model, tmp_path, suffix):
    path = tmp_path / "pictures" / f"attention.{suffix}"
    result = run("attention", model, TEXT, "--output", path)
    assert result.exit_code == 0, result.output
    assert "agents to units of the other task" in output_of(result)
    assert path.stat().st_size > 1000


@needs_matplotlib
def test_network_without_attention_is_refused(tmp_path):
    nlp, _ = make_nlp(tok2vec_config("SpERT"))
    nlp.to_disk(tmp_path / "model")
    path = tmp_path / "a.svg"
    result = run("attention", tmp_path / "model", TEXT, "--output", path)
    assert_plain_error(result, "J330", "SpERT", "ISER, SINET, STSN")


@needs_matplotlib
def test_text_without_tokens_is_refused(model, tmp_path):
    result = run("attention", model, "", "--output", tmp_path / "a.svg")
    assert_plain_error(result, "J331")


def test_missing_matplotlib_is_reported_before_the_pipeline_is_loaded(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(figure, "find_spec", lambda name: None)
    result = run("attention", tmp_path / "missing", TEXT)
    assert_plain_error(result, "J795")
