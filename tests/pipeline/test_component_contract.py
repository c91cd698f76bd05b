"""The behavior of the component, tested with each of the five models, and with the
settings that are not from the papers."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.training import Example

from spacy_jre import register_extension
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import STORY, make_example
from .helpers import (
    ENTITY_LABELS,
    MODELS,
    RECIPE,
    RECIPES,
    RELATION_LABELS,
    empty_examples,
    learn,
    logits,
    make_nlp,
    model_config,
    overfit,
    prediction_of,
    predictions_of,
    story_examples,
)

TEXTS = [" ".join(sentence["words"]) for sentence in STORY]
# read in other processes. The other recipes have the same nodes
SAVED = [*MODELS, f"SINET{RECIPE}"]
# empty Docs, whitespace, unknown characters
UNUSUAL = [
    [""],
    ["", ""],
    ["Oslo"],
    ["", "Ada Quint cooks for Hotel Lima", ""],
    ["   "],
    ["\n"],
    ["😀 Ada", "", "\t"],
    ["مرحبا بالعالم"],
]


@pytest.fixture(scope="module", params=MODELS + RECIPES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def config(name, tiny_bert, wide_bert):
    return model_config(name, tiny_bert, wide_bert)


@pytest.fixture(scope="module")
def trained_pipelines(tiny_bert, wide_bert, tmp_path_factory):
    """A directory with a trained pipeline of each model, and the pipelines by name."""
    register_extension()
    folder = tmp_path_factory.mktemp("trained")
    trained = {}
    for name in MODELS + RECIPES:
        trained[name] = overfit(name, tiny_bert, wide_bert)
        trained[name].to_disk(folder / name)
    return folder, trained


@pytest.fixture
def trained(name, trained_pipelines):
    return trained_pipelines[1][name]


@pytest.fixture
def untrained(config):
    return make_nlp(config)[0]


# labels and initialization ------------------------------------------------------------


def test_prediction_before_initialization_raises(nlp, config):
    nlp.add_pipe("jre", config=config)
    with pytest.raises(ValueError, match="J301"):
        nlp("Ada Quint cooks")


def test_update_before_initialization_raises(nlp, config):
    nlp.add_pipe("jre", config=config)
    with pytest.raises(ValueError, match="J301"):
        nlp.update(story_examples(nlp))


def test_labels_come_from_the_data_in_alphabetical_order(untrained):
    pipe = untrained.get_pipe("jre")
    assert pipe.label_data["entities"] == ENTITY_LABELS
    assert pipe.label_data["relations"] == RELATION_LABELS
    assert pipe.labels == (*ENTITY_LABELS, *RELATION_LABELS)


def test_given_labels_keep_their_order(nlp, config):
    pipe = nlp.add_pipe("jre", config=config)
    labels = {
        "entities": ["PER", "ORG", "LOC", "X"],
        "relations": RELATION_LABELS[::-1],
    }
    pipe.initialize(lambda: story_examples(nlp), labels=labels)
    assert labels.items() <= pipe.label_data.items()


def test_label_cannot_be_added_after_initialization(untrained):
    pipe = untrained.get_pipe("jre")
    with pytest.raises(ValueError, match="J501"):
        pipe.add_label("new", kind="relation")
    assert pipe.add_label("spouse", kind="relation") == 0


# training and prediction --------------------------------------------------------------


def test_overfits_five_sentences(trained):
    scores = trained.evaluate(story_examples(trained))
    assert scores["ents_f"] == 1.0
    assert scores["rel_f"] == 1.0
    assert scores["rel_strict_f"] == 1.0


def test_prediction_sets_ents_span_group_and_relations(trained):
    doc = trained(TEXTS[0])
    group = doc.spans["jre"]
    scores = dict(zip([s.text for s in group], group.attrs["scores"], strict=True))
    assert scores.keys() == {"Ada Quint", "Hotel Lima", "Lima", "Oslo"}  # nested
    best = max(("Hotel Lima", "Lima"), key=scores.get)
    assert [e.text for e in doc.ents] == ["Ada Quint", best, "Oslo"]
    triples = {r.as_triple() for r in doc._.relations}
    assert ("Ada Quint", "works_for", "Hotel Lima") in triples
    assert all(0.0 < r.score <= 1.0 for r in doc._.relations)


def test_relation_arguments_are_in_the_span_group(trained):
    n_relations = 0
    for doc in trained.pipe(TEXTS):
        group = {(s.start_char, s.end_char, s.label_) for s in doc.spans["jre"]}
        for relation in doc._.relations:
            n_relations += 1
            for role in ("head", "tail"):
                argument = relation[role]
                key = (argument["start"], argument["end"], argument["label"])
                assert key in group
    assert n_relations


def test_pipe_equals_call_for_all_batch_sizes(trained):
    single = [prediction_of(trained(text)) for text in TEXTS]
    assert predictions_of(trained) == single
    assert predictions_of(trained, batch_size=2) == single


def test_max_span_width_limits_predictions(trained):
    pipe = trained.get_pipe("jre")
    width = pipe.cfg["max_span_width"]
    pipe.cfg["max_span_width"] = 1
    try:
        doc = trained(TEXTS[0])
    finally:
        pipe.cfg["max_span_width"] = width
    assert all(len(span) == 1 for span in doc.spans["jre"])


def test_same_seed_gives_the_same_weights(config):
    weights = []
    for _ in range(2):
        nlp, examples = make_nlp(config)
        learn(nlp, examples, 2)
        weights.append(nlp.to_bytes(exclude=["vocab"]))
    assert weights[0] == weights[1]


def test_frozen_component_that_annotates_keeps_its_weights(untrained):
    weights = untrained.to_bytes(exclude=["vocab"])
    untrained.update(
        story_examples(untrained),
        sgd=create_adamw_v1(0.1),
        exclude=["jre"],
        annotates=["jre"],
    )
    assert untrained.to_bytes(exclude=["vocab"]) == weights


def test_unannotated_doc_has_no_loss_and_is_counted(untrained):
    doc = untrained.make_doc(TEXTS[0])
    with pytest.warns(UserWarning, match=r"J903.*1 Doc"):
        losses = untrained.update([Example(doc, untrained.make_doc(doc.text))])
    assert losses["jre"] == 0.0


def test_example_with_other_predicted_tokens_is_trained_on(untrained):
    example = make_example(untrained, STORY[0])
    text = example.reference.text
    example = Example(untrained.make_doc(text.replace(" ", "  ")), example.reference)
    assert untrained.update([example], sgd=create_adamw_v1(0.001))["jre"] > 0.0


@pytest.mark.parametrize(
    "sentence",
    [
        {**STORY[0], "entities": STORY[0]["entities"][:1], "relations": []},
        {**STORY[0], "relations": []},
        {**STORY[0], "entities": [], "relations": []},
    ],
    ids=["one entity", "no relation", "no entity"],
)
def test_sentence_without_relations_is_trained_on(untrained, sentence):
    losses = untrained.update(
        [make_example(untrained, sentence)], sgd=create_adamw_v1(0.001)
    )
    assert 0.0 < losses["jre"] < math.inf
    assert all(np.isfinite(rows).all() for rows in logits(untrained))


@pytest.mark.parametrize(
    ("annotation", "label"),
    [
        ({"relations": [(0, 1, "hates")]}, "hates"),
        ({"entities": [(0, 1, "GOD")] * 4}, "GOD"),
    ],
    ids=["relation", "entity"],
)
def test_error_for_an_unknown_label_in_training_names_the_label(
    untrained, annotation, label
):
    example = make_example(untrained, {**STORY[0], **annotation})
    with pytest.raises(ValueError, match=rf"J504.*{label}"):
        untrained.update([example])


@pytest.mark.parametrize("texts", UNUSUAL)
def test_prediction_accepts_unusual_texts(untrained, texts):
    docs = list(untrained.pipe(texts))
    assert [doc.text for doc in docs] == texts
    for doc in docs:
        if not len(doc):
            assert doc._.relations == ()
            assert len(doc.spans["jre"]) == 0
            assert doc.ents == ()


@pytest.mark.parametrize("texts", UNUSUAL)
def test_update_accepts_unusual_texts(untrained, texts):
    batch = empty_examples(untrained, texts)
    losses = untrained.update(batch, sgd=untrained.create_optimizer())
    assert losses["jre"] >= 0.0


# saving and other processes -----------------------------------------------------------


def test_pipeline_predicts_the_same_after_loading_from_disk(name, trained_pipelines):
    folder, trained = trained_pipelines
    assert predictions_of(spacy.load(folder / name)) == predictions_of(trained[name])


def test_new_process_predicts_the_same_without_importing_spacy_jre(trained_pipelines):
    folder, trained = trained_pipelines
    code = (
        "import spacy, sys\n"
        f"for name in {SAVED!r}:\n"
        f"    nlp = spacy.load({str(folder)!r} + '/' + name)\n"
        f"    for doc in nlp.pipe({TEXTS!r}):\n"
        "        print(name, [(str(s), s.label_) for s in doc.spans['jre']],\n"
        "            [(*r.as_triple(), round(r.score, 4)) for r in doc._.relations])\n"
    )
    process = _run([sys.executable, "-W", "error", "-c", code])
    assert process.stderr == ""
    expected = []
    for name in SAVED:
        for doc in trained[name].pipe(TEXTS):
            spans = [(str(s), s.label_) for s in doc.spans["jre"]]
            rows = [(*r.as_triple(), round(r.score, 4)) for r in doc._.relations]
            expected.append(f"{name} {spans} {rows}")
    assert process.stdout.splitlines() == expected


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_processes_predict_the_same(trained_pipelines, tmp_path, method):
    # one thread, as in the README: forked processes cannot use torch's threads.
    # With spawn, each process imports for seconds, so only one model is tested
    models = SAVED if method == "fork" else SAVED[-1:]
    script = tmp_path / "two.py"
    script.write_text(
        "import multiprocessing, spacy, torch\n"
        "torch.set_num_threads(1)\n"
        "def rows(doc):\n"
        "    return [r.as_triple() for r in doc._.relations]\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({method!r})\n"
        f"    texts = {TEXTS!r} * 3\n"
        f"    for name in {models!r}:\n"
        f"        nlp = spacy.load({str(trained_pipelines[0])!r} + '/' + name)\n"
        "        alone = [rows(doc) for doc in nlp.pipe(texts)]\n"
        "        both = nlp.pipe(texts, n_process=2, batch_size=4)\n"
        "        assert [rows(doc) for doc in both] == alone\n"
        "        assert any(alone)\n"
        "        print(name)\n"
    )
    # the tests set this variable
    env = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    output = _run([sys.executable, str(script)], env)
    assert output.stdout.splitlines() == list(models), output.stderr
    # no warning about tokenizers that were used before the fork
    assert "tokenizers" not in output.stderr


def _run(
    command: list[str], env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)
