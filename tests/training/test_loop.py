"""The training loop: same as spaCy's, interrupted and resumed."""

import io
import json
import math
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train

from spacy_jre.annotations import (
    stored_entities,
    stored_relations,
    write_annotations,
)
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.errors import JREError
from spacy_jre.training.checkpoint import (
    Progress,
    mark_finished,
    read_progress,
    save_state,
)
from spacy_jre.training.loop import TrainingStopped
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import STORY
from .helpers import (
    at_update,
    crash,
    hash_weights,
    init_small,
    press_ctrl_c,
    small_config,
    train_small,
    write_corpus,
)

# the state of thinc's Adam, and a batch size that changes with each batch
OTHER = {
    "training__optimizer": {
        "@optimizers": "Adam.v1",
        "learn_rate": 0.001,
        "use_averages": True,
    },
    "training__batcher__size": {
        "@schedules": "compounding.v1",
        "start": 1,
        "stop": 3,
        "compound": 1.3,
    },
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "story.spacy")


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory) -> Path:
    """The output of a training without interruption. It has a file with the table."""
    output = tmp_path_factory.mktemp("whole")
    table = train_small(init_small(corpus), output)
    (output / "table").write_text(table, encoding="utf8")
    return output


def assert_equal_weights(first: Path, second: Path) -> None:
    for name in ("model-best", "model-last"):
        assert hash_weights(first / name) == hash_weights(second / name)


def rows_of(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.split()[0].isdigit()]


def test_result_is_that_of_spacys_loop(corpus, whole, tmp_path):
    stdout = io.StringIO()
    spacy_train(init_small(corpus), tmp_path, stdout=stdout, stderr=io.StringIO())
    rows = rows_of((whole / "table").read_text(encoding="utf8"))
    assert rows == rows_of(stdout.getvalue())
    assert_equal_weights(whole, tmp_path)
    for name in ("model-best", "model-last"):
        first, second = (path / name / "meta.json" for path in (whole, tmp_path))
        assert first.read_bytes() == second.read_bytes()


def test_pipeline_is_described_as_by_spacys_loop(corpus, tmp_path):
    settings = {
        "training__max_steps": 1,
        "training__annotating_components": ["sentencizer"],
    }
    ours = train_small(init_small(corpus, **settings), tmp_path / "ours")
    stdout = io.StringIO()
    nlp = init_small(corpus, **settings)
    spacy_train(nlp, tmp_path, stdout=stdout, stderr=io.StringIO())
    header = stdout.getvalue().partition("---")[0]
    assert "sentencizer" in header.partition("annotations on update")[2]
    assert ours.partition("---")[0] == header


def train_in_three_parts(corpus, output, model="spert", **settings) -> None:
    """Press Ctrl-C after step 1 and after step 4, in the middle of an epoch."""
    for step, update, resume in ((1, 1, False), (4, 2, True)):
        nlp = at_update(init_small(corpus, model, **settings), update, press_ctrl_c)
        with pytest.raises(TrainingStopped, match=f"Stopped after step {step}"):
            train_small(nlp, output, resume=resume)
        random.random()
        torch.rand(1)
    train_small(init_small(corpus, model, **settings), output, resume=True)


def test_training_resumes_after_ctrl_c_with_the_same_weights(corpus, whole, tmp_path):
    train_in_three_parts(corpus, tmp_path)
    assert_equal_weights(whole, tmp_path)


def init_with_ner(corpus):
    """A pipeline with spaCy's ner, whose updates draw from Python's generator."""
    config = small_config(corpus)
    config["nlp"]["pipeline"] = ["sentencizer", "ner", "jre"]
    config["components"]["ner"] = {"factory": "ner"}
    return init_nlp(config)


def test_pipeline_with_spacys_ner_resumes_with_the_same_weights(corpus, tmp_path):
    # the order of the second and the third epoch depends on the updates of the first
    train_small(init_with_ner(corpus), tmp_path / "whole")
    nlp = at_update(init_with_ner(corpus), 7, press_ctrl_c)
    with pytest.raises(TrainingStopped, match="Stopped after step 7"):
        train_small(nlp, tmp_path / "parts")
    train_small(init_with_ner(corpus), tmp_path / "parts", resume=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "parts")
    folders = (tmp_path / name / "model-last" / "ner" for name in ("whole", "parts"))
    first, second = ((folder / "model").read_bytes() for folder in folders)
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sinet", "stsn", "iser", "lainet"])
def test_each_model_resumes_with_the_same_weights(corpus, tmp_path, wide_bert, model):
    settings = {}
    if model == "lainet":
        settings["components__jre__model__tok2vec__name"] = wide_bert
    train_small(init_small(corpus, model, **settings), tmp_path / "whole")
    train_in_three_parts(corpus, tmp_path / "parts", model, **settings)
    assert_equal_weights(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sinet", "stsn", "iser"])
def test_transformer_resumes_with_the_same_weights(corpus, tmp_path, tiny_bert, model):
    settings = {
        "components__jre__model__tok2vec": {
            "@architectures": "spacy-jre.TransformerEncoder.v1",
            "name": tiny_bert,
        },
    }
    if model == "sinet":
        settings["components__jre__model__n_heads"] = 4
    train_small(init_small(corpus, model, **settings), tmp_path / "whole")
    train_in_three_parts(corpus, tmp_path / "parts", model, **settings)
    assert_equal_weights(tmp_path / "whole", tmp_path / "parts")


def test_training_resumes_after_a_crash_with_the_same_weights(corpus, whole, crashed):
    assert read_progress(crashed).step == 3
    output = crashed.with_name("resumed")
    shutil.copytree(crashed, output)
    train_small(init_small(corpus), output, resume=True)
    assert_equal_weights(whole, output)


def test_other_optimizers_and_batch_sizes_are_resumed(corpus, tmp_path):
    train_small(init_small(corpus, **OTHER), tmp_path / "whole")
    nlp = at_update(init_small(corpus, **OTHER), 5, crash)
    with pytest.raises(RuntimeError, match="crash"):
        train_small(nlp, tmp_path / "parts")
    train_small(init_small(corpus, **OTHER), tmp_path / "parts", resume=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "parts")


@pytest.fixture(scope="module")
def crashed(corpus, tmp_path_factory) -> Path:
    """The output of a training that crashed after step 3."""
    output = tmp_path_factory.mktemp("crashed") / "out"
    with pytest.raises(RuntimeError, match="crash"):
        train_small(at_update(init_small(corpus), 4, crash), output)
    return output


@pytest.fixture
def output(crashed, tmp_path) -> Path:
    return shutil.copytree(crashed, tmp_path / "out")


def test_crash_keeps_the_pipelines_of_the_last_evaluation(output):
    for name in ("model-best", "model-last"):
        assert spacy.load(output / name)("Ada sang in Oslo.")


def test_other_settings_cannot_be_resumed(corpus, output):
    nlp = init_small(corpus, training__dropout=0.5)
    with pytest.raises(JREError, match=r"J421.*dropout was 0.3 and is 0.5"):
        train_small(nlp, output, resume=True)


def test_logger_can_be_changed_when_resuming(corpus, output):
    nlp = init_small(corpus, training__logger__progress_bar="train")
    train_small(nlp, output, resume=True)
    assert read_progress(output).finished


def test_other_texts_cannot_be_resumed(tmp_path, output, nlp):
    docs = list(DocBin().from_disk(write_corpus(tmp_path / "a")).get_docs(nlp.vocab))
    other = DocBin(docs=docs[::-1], store_user_data=True)
    other.to_disk(tmp_path / "other.spacy")
    with pytest.raises(JREError, match=r"J425.*step 3"):
        train_small(init_small(tmp_path / "other.spacy"), output, resume=True)


@pytest.mark.parametrize("part", ["entity", "relation"])
def test_other_annotation_cannot_be_resumed(tmp_path, output, nlp, part):
    docs = list(DocBin().from_disk(write_corpus(tmp_path / "a")).get_docs(nlp.vocab))
    entities = stored_entities(docs[0])
    relations = stored_relations(docs[0])
    if part == "entity":
        entities[0] = entities[0]._replace(label="ORG")
    else:
        relations.pop()
    write_annotations(docs[0], entities, relations)
    other = DocBin(docs=docs, store_user_data=True)
    other.to_disk(tmp_path / "other.spacy")
    with pytest.raises(JREError, match=r"J425.*step 3.*entities, relations"):
        train_small(init_small(tmp_path / "other.spacy"), output, resume=True)


def test_damaged_random_state_is_reported(corpus, output):
    path = output / "training-state" / "state.json"
    state = json.loads(path.read_text(encoding="utf8"))
    state["epochs"][0][1]["python"] = 1
    path.write_text(json.dumps(state), encoding="utf8")
    with pytest.raises(JREError, match=r"J423.*state\.json"):
        train_small(init_small(corpus), output, resume=True)


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
def test_damaged_state_is_reported(corpus, output, name):
    (output / "training-state" / name).write_text("{}")
    with pytest.raises(JREError, match=f"J423.*{name}"):
        train_small(init_small(corpus), output, resume=True)


def test_state_with_a_parameter_of_no_component_is_not_saved(corpus, tmp_path):
    nlp = init_small(corpus)
    optimizer = create_adamw_v1(0.001)
    optimizer(("other", "W"), np.ones(2, "float32"), np.ones(2, "float32"))
    with pytest.raises(JREError, match=r"J424.*\('other', 'W'\)"):
        save_state(tmp_path, nlp, optimizer, Progress(), {})
    assert not (tmp_path / "training-state").exists()


def test_state_is_found_after_a_kill_while_it_was_replaced(output):
    state = output / "training-state"
    shutil.copytree(state, output / ".training-state.new")
    state.rename(output / ".training-state.old")
    assert read_progress(output).step == 3


def test_progress_is_read_while_another_process_replaces_the_state(output):
    new = output / ".training-state.new"
    new.mkdir()
    (new / "tensors.safetensors").touch()
    assert read_progress(output).step == 3
    assert [path.name for path in new.iterdir()] == ["tensors.safetensors"]


def test_losses_of_spacys_parser_are_saved(corpus, tmp_path):
    # np.float32, which json does not write
    progress = Progress(losses={"ner": np.float32(1.5)})
    save_state(tmp_path, init_small(corpus), create_adamw_v1(0.001), progress, {})
    assert read_progress(tmp_path).losses == {"ner": 1.5}
    mark_finished(tmp_path, init_small(corpus), progress)
    assert read_progress(tmp_path).losses == {"ner": 1.5}


def test_new_training_discards_the_state(corpus, output):
    with pytest.raises(RuntimeError, match="crash"):
        train_small(at_update(init_small(corpus), 0, crash), output)
    assert read_progress(output) is None
    assert spacy.load(output / "model-best")


def test_folders_can_be_symbolic_links(corpus, whole, tmp_path):
    names = ("model-best", "model-last", "training-state")
    for name in names:
        (tmp_path / "disk" / name).mkdir(parents=True)
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="crash"):
            train_small(at_update(init_small(corpus), 7, crash), tmp_path)
    # at the first step, the state of the earlier training is discarded
    with pytest.raises(RuntimeError, match="crash"):
        train_small(at_update(init_small(corpus), 0, crash), tmp_path)
    assert read_progress(tmp_path) is None
    train_small(init_small(corpus), tmp_path)
    assert_equal_weights(whole, tmp_path)
    assert all((tmp_path / name).is_symlink() for name in names)
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == list(names)


def test_finished_training_has_no_weights_in_its_state(corpus, tmp_path):
    train_small(init_small(corpus), tmp_path)
    names = [path.name for path in (tmp_path / "training-state").iterdir()]
    assert names == ["state.json"]
    state = json.loads((tmp_path / "training-state" / "state.json").read_text())
    assert state["progress"]["finished"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model-best",
        "model-last",
        "training-state",
    ]


def test_finished_training_is_not_continued(corpus, whole):
    before = hash_weights(whole / "model-last")
    table = train_small(init_small(corpus), whole, resume=True)
    assert "is finished: step 8" in " ".join(table.split())
    assert hash_weights(whole / "model-last") == before


def test_finished_training_with_other_settings_is_not_resumed(corpus, whole):
    nlp = init_small(corpus, training__max_steps=20)
    with pytest.raises(JREError, match=r"J421.*training\.max_steps was 8 and is 20"):
        train_small(nlp, whole, resume=True)


def test_state_is_not_saved_if_the_training_is_not_resumable(corpus, tmp_path):
    train_small(init_small(corpus), tmp_path, resumable=False)
    assert not (tmp_path / "training-state").exists()


def test_last_pipeline_can_be_kept(corpus, tmp_path):
    train_small(init_small(corpus), tmp_path, keep_last=True)
    best, last = (hash_weights(tmp_path / f"model-{n}") for n in ("best", "last"))
    assert best == last


# losses and scores that are not finite


def break_weights(nlp):
    module = get_module(nlp.get_pipe("jre").model.get_ref("network"))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(math.nan)


def test_loss_that_is_not_finite_ends_the_training(corpus, tmp_path):
    nlp = init_small(corpus)
    at_update(nlp, 4, lambda: break_weights(nlp))
    with pytest.raises(JREError, match="J426") as caught:
        train_small(nlp, tmp_path)
    message = str(caught.value)
    assert "step 4, epoch 1" in message
    assert "[J420] The loss of component 'jre' is nan" in message
    texts = [" ".join(sentence["words"][:3]) for sentence in STORY]
    assert sum(text in message for text in texts) == 2  # the batch size
    assert "The pipelines of step 3 in" in message
    assert math.isfinite(read_progress(tmp_path).results[-1][0])
    assert spacy.load(tmp_path / "model-last")


def test_scores_that_are_not_finite_end_the_training_before_saving(corpus, tmp_path):
    nlp = init_small(corpus)
    evaluate = nlp.evaluate

    def broken(examples):
        break_weights(nlp)
        return evaluate(examples)

    nlp.evaluate = broken
    with pytest.raises(JREError, match=r"J426.*step 0.*J430.*No pipeline was saved"):
        train_small(nlp, tmp_path)
    assert not (tmp_path / "model-last").exists()
