"""Round trips of pipelines: uninitialized, initialized, trained, moved."""

import copy
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin

from ..conftest import STORY
from .helpers import (
    MODELS,
    RECIPE,
    RECIPES,
    learn,
    logits,
    make_nlp,
    model_config,
    predictions_of,
    same,
    tok2vec_config,
    transformer_config,
)

TEXTS = [" ".join(sentence["words"]) for sentence in STORY]


@pytest.fixture(params=[*MODELS, *RECIPES, "Tok2Vec"])
def config(request, tiny_bert, wide_bert):
    if request.param == "Tok2Vec":
        return tok2vec_config()
    return model_config(request.param, tiny_bert, wide_bert)


@pytest.fixture(scope="module")
def saved(tiny_bert, tmp_path_factory):
    """A trained pipeline on disk, and its predictions."""
    from spacy_jre import register_extension

    register_extension()
    nlp, examples = make_nlp(transformer_config(tiny_bert, "SINET"), threshold=0.1)
    learn(nlp, examples, 60)
    folder = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(folder)
    predictions = predictions_of(nlp)
    assert any(relations for *_, relations in predictions)
    return folder, predictions


def test_uninitialized_pipeline_can_be_saved_and_loaded(config, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config=config)
    nlp.to_disk(tmp_path / "fresh")
    loaded = spacy.load(tmp_path / "fresh")
    with pytest.raises(ValueError, match="J301"):
        loaded("Oslo")
    again = spacy.blank("en").from_config(loaded.config)
    assert again.pipe_names == ["jre"]


def test_initialized_pipeline_is_equal_after_loading(config, tmp_path):
    nlp, _ = make_nlp(config)
    nlp.to_disk(tmp_path / "model")
    assert same(logits(spacy.load(tmp_path / "model")), logits(nlp))


def test_trained_pipeline_is_equal_after_loading_from_bytes(config):
    nlp, examples = make_nlp(config)
    before = logits(nlp)
    learn(nlp, examples, 1, rate=1e-4)
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert same(logits(loaded), logits(nlp))
    assert not same(logits(loaded), before)
    assert loaded.get_pipe("jre").label_data == nlp.get_pipe("jre").label_data


def test_loaded_pipeline_can_be_trained(config):
    nlp, examples = make_nlp(config)
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    before = logits(loaded)
    learn(loaded, examples, 1, rate=1e-4)
    assert not same(logits(loaded), before)


def _pickled(pipe):
    return pickle.loads(pickle.dumps(pipe))


@pytest.mark.parametrize("make_copy", [copy.deepcopy, _pickled])
def test_copy_of_a_component_has_its_own_weights(config, make_copy):
    nlp, examples = make_nlp(config)
    pipe = nlp.get_pipe("jre")
    docs = [example.predicted for example in examples]
    before = pipe.model.predict((docs, 3)).entity_logits
    copied = make_copy(pipe)
    learn(nlp, examples, 1)
    unchanged = copied.model.predict((docs, 3)).entity_logits
    np.testing.assert_allclose(unchanged, before, atol=1e-5)
    after = pipe.model.predict((docs, 3)).entity_logits
    assert not np.allclose(after, before, atol=1e-5)


def test_unpickled_pipeline_predicts_the_same_in_a_new_process(tiny_bert, tmp_path):
    # after a prediction, transformers 5 has hooks in the module, and a new process does
    # not know which outputs they record
    nlp, examples = make_nlp(model_config(f"SINET{RECIPE}", tiny_bert, ""))
    learn(nlp, examples, 40)
    expected = [[(e.text, e.label_) for e in nlp(text).ents] for text in TEXTS]
    assert any(expected)
    path = tmp_path / "nlp.pickle"
    path.write_bytes(pickle.dumps(nlp))
    code = (
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "nlp = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        f"for text in {TEXTS!r}:\n"
        "    print([(e.text, e.label_) for e in nlp(text).ents])\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert process.stdout.splitlines() == [str(ents) for ents in expected], (
        process.stderr
    )


def test_weights_on_disk_are_safetensors_without_pickle(saved):
    data = (saved[0] / "jre" / "model").read_bytes()
    assert data.count(b"__metadata__") == 2  # encoder and network
    for marker in (b"PK\x03\x04", b"pickle", b"cposix", b"torch._utils"):
        assert marker not in data


def test_loading_does_not_need_the_directory_of_the_encoder(saved, tiny_bert):
    folder, predictions = saved
    config = (folder / "config.cfg").read_text()
    moved = folder.parent / "moved"
    if not moved.exists():
        shutil.copytree(folder, moved)
    (moved / "config.cfg").write_text(config.replace(tiny_bert, "/no/such/folder"))
    assert tiny_bert.encode() not in (moved / "jre" / "model").read_bytes()
    assert predictions_of(spacy.load(moved)) == predictions


def test_docbin_keeps_the_predictions(saved):
    nlp = spacy.load(saved[0])
    docs = list(nlp.pipe(TEXTS))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    loaded = list(DocBin().from_bytes(data).get_docs(nlp.vocab))
    assert [d._.relations for d in loaded] == [d._.relations for d in docs]


def test_loaded_pipeline_is_saved_to_equal_files(saved, tmp_path):
    nlp = spacy.load(saved[0])
    nlp.to_disk(tmp_path / "again")
    for name in ("model", "cfg"):
        first = (saved[0] / "jre" / name).read_bytes()
        assert (tmp_path / "again" / "jre" / name).read_bytes() == first


def test_unpickled_pipeline_registers_the_extension():
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config={"attr": "links"})
    data = pickle.dumps(nlp)
    Doc.remove_extension("links")  # as in a new process
    pickle.loads(data)
    assert Doc.has_extension("links")
    Doc.remove_extension("links")
