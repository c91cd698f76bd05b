"""Code that comes with an encoder runs where the user names the encoder, only there."""

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

class DoubledConfig(BertConfig):
    model_type = "doubled-bert"
"""
MODEL = """
from pathlib import Path
from transformers import BertModel
from .configuration_doubled import DoubledConfig

Path({marker!r}).write_text("ran")

class DoubledModel(BertModel):
    config_class = DoubledConfig

    def forward(self, *args, **kwargs):
        outputs = super().forward(*args, **kwargs)
        outputs.last_hidden_state = 2 * outputs.last_hidden_state
        return outputs
"""


@pytest.fixture(scope="module", autouse=True)
def modules_folder(tmp_path_factory):
    """Where transformers copies the code of an encoder to."""
    from transformers import dynamic_module_utils

    folder = str(tmp_path_factory.mktemp("modules"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", folder)
        patch.setattr(sys, "path", [*sys.path])
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder with code of its own, which leaves a marker where it runs."""
    path = save_tiny_bert(tmp_path_factory.mktemp("code") / "doubled")
    (path / "configuration_doubled.py").write_text(CONFIGURATION)
    code = MODEL.format(marker=str(path / "marker"))
    (path / "modeling_doubled.py").write_text(code)
    config = json.loads((path / "config.json").read_text())
    config["model_type"] = "doubled-bert"
    config["auto_map"] = {
        "AutoConfig": "configuration_doubled.DoubledConfig",
        "AutoModel": "modeling_doubled.DoubledModel",
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


def test_encoder_with_code_is_refused_and_the_error_says_how(folder):
    with pytest.raises(ValueError, match=r"J318.*trust_remote_code\(NAME\)") as caught:
        make_nlp(transformer_config(str(folder)))
    assert f"{VARIABLE}=NAME" in str(caught.value)
    assert not (folder / "marker").exists()


def test_trust_in_another_encoder_is_none_in_this_one(folder):
    with trust_remote_code("org/other"), pytest.raises(ValueError, match="J318"):
        make_nlp(transformer_config(str(folder)))
    assert not (folder / "marker").exists()


def test_saved_pipeline_does_not_run_the_code(saved, folder):
    with pytest.raises(ValueError, match="J318"):
        spacy.load(saved[0])
    assert not (folder / "marker").exists()


def test_saved_pipeline_runs_the_code_of_a_trusted_folder(saved, folder):
    with trust_remote_code(str(folder)):
        nlp = spacy.load(saved[0])
    assert same(logits(nlp), saved[1])


def test_variable_trusts_too(saved, folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"org/model, {folder}")
    assert same(logits(spacy.load(saved[0])), saved[1])


def test_header_does_not_choose_the_folder(saved, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    names = (str(folder), str(other))
    with trust_remote_code(*names), pytest.raises(ValueError, match="J318"):
        spacy.load(saved[0])


def test_trust_ends_with_the_context():
    with trust_remote_code("a"):
        with trust_remote_code("b", "c"):
            assert trusted_names() == ("a", "b", "c")
        assert trusted_names() == ("a",)
    assert trusted_names() == ()


def test_weights_of_a_trusted_encoder_are_without_its_folder(saved, folder):
    assert str(folder).encode() not in (Path(saved[0]) / "jre" / "model").read_bytes()
