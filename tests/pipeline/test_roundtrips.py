"""What is saved is what is loaded: fresh, initialized, trained, elsewhere."""

import copy
import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin

from ..conftest import STORY
from .helpers import (
    NETWORKS,
    lainet_config,
    learn,
    logits,
    make_nlp,
    readings,
    same,
    tok2vec_config,
    transformer_config,
)

TEXTS = [" ".join(sentence["words"]) for sentence in STORY]


@pytest.fixture(params=[*NETWORKS, "LAINet", "Tok2Vec"])
def config(request, tiny_bert, wide_bert):
    if request.param == "Tok2Vec":
        return tok2vec_config()
    if request.param == "LAINet":
        return lainet_config(wide_bert)
    return transformer_config(tiny_bert, request.param)


@pytest.fixture(scope="module")
def saved(tiny_bert, tmp_path_factory):
    """A pipeline after some training, on disk, and what it reads."""
    from spacy_jre import register_extension

    register_extension()
    nlp, examples = make_nlp(transformer_config(tiny_bert, "SINET"), threshold=0.1)
    learn(nlp, examples, 60)
    folder = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(folder)
    read = readings(nlp)
    assert any(relations for *_, relations in read)
    return folder, read


def test_fresh_pipeline_comes_back_and_can_be_trained(config, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config=config)
    nlp.to_disk(tmp_path / "fresh")
    loaded = spacy.load(tmp_path / "fresh")
    with pytest.raises(ValueError, match="J301"):
        loaded("Oslo")
    again = spacy.blank("en").from_config(loaded.config)
    assert again.pipe_names == ["jre"]


def test_initialized_pipeline_comes_back(config, tmp_path):
    nlp, _ = make_nlp(config)
    nlp.to_disk(tmp_path / "model")
    assert same(logits(spacy.load(tmp_path / "model")), logits(nlp))


def test_trained_pipeline_comes_back_from_bytes(config):
    nlp, examples = make_nlp(config)
    before = logits(nlp)
    learn(nlp, examples, 1, rate=1e-4)
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert same(logits(loaded), logits(nlp))
    assert not same(logits(loaded), before)
    assert loaded.get_pipe("jre").label_data == nlp.get_pipe("jre").label_data


def test_loaded_pipeline_learns_on(config):
    nlp, examples = make_nlp(config)
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    before = logits(loaded)
    learn(loaded, examples, 1, rate=1e-4)
    assert not same(logits(loaded), before)


def _pickled(pipe):
    return pickle.loads(pickle.dumps(pipe))


@pytest.mark.parametrize("twin_of", [copy.deepcopy, _pickled])
def test_twin_of_a_component_has_weights_of_its_own(config, twin_of):
    nlp, examples = make_nlp(config)
    pipe = nlp.get_pipe("jre")
    docs = [example.predicted for example in examples]
    wanted = pipe.model.predict(docs).entity_logits
    twin = twin_of(pipe)
    learn(nlp, examples, 1)
    found = twin.model.predict(docs).entity_logits
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert not np.allclose(pipe.model.predict(docs).entity_logits, wanted, atol=1e-5)


def test_weights_on_disk_are_safetensors_without_pickle(saved):
    data = (saved[0] / "jre" / "model").read_bytes()
    assert data.count(b"__metadata__") == 2  # encoder and network
    for sign in (b"PK\x03\x04", b"pickle", b"cposix", b"torch._utils"):
        assert sign not in data


def test_folder_of_the_encoder_is_not_needed_and_not_in_the_weights(saved, tiny_bert):
    folder, read = saved
    config = (folder / "config.cfg").read_text()
    hidden = folder.parent / "elsewhere"
    if not hidden.exists():
        shutil.copytree(folder, hidden)
    (hidden / "config.cfg").write_text(config.replace(tiny_bert, "/no/such/folder"))
    assert tiny_bert.encode() not in (hidden / "jre" / "model").read_bytes()
    assert readings(spacy.load(hidden)) == read


def test_new_process_reads_the_same_without_an_import_of_ours(saved):
    folder, read = saved
    code = (
        "import spacy, json, sys\n"
        f"nlp = spacy.load({str(folder)!r})\n"
        f"docs = nlp.pipe({TEXTS!r})\n"
        "rows = [[(r['head']['start'], r['tail']['start'], r.label, round(r.score, 4))"
        " for r in d._.relations] for d in docs]\n"
        "print(json.dumps(rows))\n"
    )
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stderr == ""
    rows = [[tuple(row) for row in doc] for doc in json.loads(output.stdout)]
    assert rows == [relations for *_, relations in read]


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_two_processes_read_the_same(saved):
    # torch's threads and fork do not go together: one thread, as the README says
    code = (
        "import spacy, sys, torch\n"
        "torch.set_num_threads(1)\n"
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method(sys.argv[1])\n"
        f"    nlp = spacy.load({str(saved[0])!r})\n"
        f"    texts = {TEXTS!r} * 3\n"
        "    alone = [d.to_json(underscore=['relations']) for d in nlp.pipe(texts)]\n"
        "    both = [d.to_json(underscore=['relations'])\n"
        "            for d in nlp.pipe(texts, n_process=2, batch_size=4)]\n"
        "    strip = lambda j: (j['text'], j.get('ents'), [\n"
        "        (r['head'], r['label'], r['tail']) for r in j['_']['relations']])\n"
        "    assert [strip(j) for j in alone] == [strip(j) for j in both]\n"
        "    assert any(j['_']['relations'] for j in both)\n"
        "    print('same')\n"
    )
    script = saved[0].parent / "two.py"
    script.write_text(code)
    for method in ("fork", "spawn"):
        output = subprocess.run(
            [sys.executable, str(script), method],
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert output.stdout == "same\n", output.stderr


def test_predictions_survive_docbin(saved):
    nlp = spacy.load(saved[0])
    docs = list(nlp.pipe(TEXTS))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    again = list(DocBin().from_bytes(data).get_docs(nlp.vocab))
    assert [d._.relations for d in again] == [d._.relations for d in docs]


def test_equal_pipelines_are_equal_files(saved, tmp_path):
    nlp = spacy.load(saved[0])
    nlp.to_disk(tmp_path / "again")
    for name in ("model", "cfg"):
        first = (saved[0] / "jre" / name).read_bytes()
        assert (tmp_path / "again" / "jre" / name).read_bytes() == first
