"""Custom code of an encoder runs only if the user trusts the encoder by name."""

import json
import sys
from pathlib import Path

import pytest
import spacy

from spacy_jre import register_extension, trust_remote_code
from spacy_jre.trust import VARIABLE, trusted_names

from ..conftest import save_tiny_bert, transformer_config
from ..pipeline.helpers import logits, make_nlp, same

CONFIGURATION = """
from transformers import BertConfig

class ScaledConfig(BertConfig):
    model_type = "scaled-bert"
"""
MODEL = """
from pathlib import Path
from transformers import BertModel
from .configuration_scaled import ScaledConfig

Path({marker!r}).write_text("ran")

class ScaledModel(BertModel):
    config_class = ScaledConfig

    def forward(self, *args, **kwargs):
        outputs = super().forward(*args, **kwargs)
        outputs.last_hidden_state = 2 * outputs.last_hidden_state
        return outputs
"""


@pytest.fixture(scope="module", autouse=True)
def modules_folder(tmp_path_factory):
    """Directory to which transformers copies the code of an encoder."""
    from transformers import dynamic_module_utils

    folder = str(tmp_path_factory.mktemp("modules"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", folder)
        patch.setattr(sys, "path", [*sys.path])
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder with custom code, which writes a marker file when it runs."""
    path = save_tiny_bert(tmp_path_factory.mktemp("code") / "scaled")
    (path / "configuration_scaled.py").write_text(CONFIGURATION)
    code = MODEL.format(marker=str(path / "marker"))
    (path / "modeling_scaled.py").write_text(code)
    config = json.loads((path / "config.json").read_text())
    config["model_type"] = "scaled-bert"
    config["auto_map"] = {
        "AutoConfig": "configuration_scaled.ScaledConfig",
        "AutoModel": "modeling_scaled.ScaledModel",
    }
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def saved(folder, tmp_path_factory):
    register_extension()
    with trust_remote_code(str(folder)):
        nlp, _ = make_nlp(transformer_config(str(folder)))
    path = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(path)
    wanted = logits(nlp)
    assert (folder / "marker").exists()
    (folder / "marker").unlink()
    return path, wanted


def test_encoder_with_code_raises_error_with_instructions(folder):
    with pytest.raises(ValueError, match=r"J318.*trust_remote_code\(NAME\)") as caught:
        make_nlp(transformer_config(str(folder)))
    assert f"{VARIABLE}=NAME" in str(caught.value)
    assert not (folder / "marker").exists()


def test_trust_in_another_encoder_does_not_apply(folder):
    with trust_remote_code("org/other"), pytest.raises(ValueError, match="J318"):
        make_nlp(transformer_config(str(folder)))
    assert not (folder / "marker").exists()


def test_saved_pipeline_does_not_run_the_code(saved, folder):
    with pytest.raises(ValueError, match="J318"):
        spacy.load(saved[0])
    assert not (folder / "marker").exists()


def test_saved_pipeline_runs_code_of_trusted_directory(saved, folder):
    with trust_remote_code(str(folder)):
        nlp = spacy.load(saved[0])
    assert same(logits(nlp), saved[1])


def test_environment_variable_adds_trusted_names(saved, folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"org/model, {folder}")
    assert same(logits(spacy.load(saved[0])), saved[1])


def test_encoder_that_is_trusted_twice_loads(saved, folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(folder))
    with trust_remote_code(str(folder), str(folder)):
        nlp = spacy.load(saved[0])
    assert same(logits(nlp), saved[1])


def test_header_does_not_choose_the_directory(saved, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    names = (str(folder), str(other))
    with trust_remote_code(*names), pytest.raises(ValueError, match="J318"):
        spacy.load(saved[0])


def test_trust_ends_after_the_context():
    with trust_remote_code("a"):
        with trust_remote_code("b", "c"):
            assert trusted_names() == ("a", "b", "c")
        assert trusted_names() == ("a",)
    assert trusted_names() == ()


def test_weights_of_trusted_encoder_do_not_contain_its_directory(saved, folder):
    assert str(folder).encode() not in (Path(saved[0]) / "jre" / "model").read_bytes()
