"""What every trainable component owes its users, for each of the five models."""

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
# nothing to read, nothing to learn
ODD = [
    [""],
    ["", ""],
    ["Oslo"],
    ["", "Ada Quint cooks for Hotel Lima", ""],
    ["   "],
    ["\n"],
    ["😀 Ada", "", "\t"],
    ["مرحبا بالعالم"],
]


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def config(name, tiny_bert, wide_bert):
    return model_config(name, tiny_bert, wide_bert)


@pytest.fixture(scope="module")
def shelf(tiny_bert, wide_bert, tmp_path_factory):
    """A trained pipeline of each model, on disk too."""
    register_extension()
    folder = tmp_path_factory.mktemp("shelf")
    trained = {}
    for name in MODELS:
        trained[name] = overfit(name, tiny_bert, wide_bert)
        trained[name].to_disk(folder / name)
    return folder, trained


@pytest.fixture
def trained(name, shelf):
    return shelf[1][name]


@pytest.fixture
def untrained(config):
    return make_nlp(config)[0]


# before it knows its labels -----------------------------------------------------------


def test_uninitialized_component_says_so_when_it_predicts(nlp, config):
    nlp.add_pipe("jre", config=config)
    with pytest.raises(ValueError, match="J301"):
        nlp("Ada Quint cooks")


def test_uninitialized_component_says_so_when_it_learns(nlp, config):
    nlp.add_pipe("jre", config=config)
    with pytest.raises(ValueError, match="J301"):
        nlp.update(story_examples(nlp))


def test_labels_come_from_the_data_in_alphabetical_order(untrained):
    data = untrained.get_pipe("jre").label_data
    assert data["entities"] == ENTITY_LABELS
    assert data["relations"] == RELATION_LABELS


def test_labels_given_keep_their_order(nlp, config):
    pipe = nlp.add_pipe("jre", config=config)
    labels = {
        "entities": ["PER", "ORG", "LOC", "X"],
        "relations": RELATION_LABELS[::-1],
    }
    pipe.initialize(lambda: story_examples(nlp), labels=labels)
    assert labels.items() <= pipe.label_data.items()


def test_label_cannot_be_added_after_initialization(untrained):
    with pytest.raises(ValueError, match="J501"):
        untrained.get_pipe("jre").add_label("new", kind="relation")


# what it learns -----------------------------------------------------------------------


def test_overfits_five_sentences(trained):
    scores = trained.evaluate(story_examples(trained))
    assert scores["ents_f"] == 1.0
    assert scores["rel_f"] == 1.0
    assert scores["rel_strict_f"] == 1.0


def test_annotations_are_set_together(trained):
    doc = trained(TEXTS[0])
    group = doc.spans["jre"]
    scores = dict(zip([s.text for s in group], group.attrs["scores"], strict=True))
    assert scores.keys() == {"Ada Quint", "Hotel Lima", "Lima", "Oslo"}  # nested
    best = max(("Hotel Lima", "Lima"), key=scores.get)
    assert [e.text for e in doc.ents] == ["Ada Quint", best, "Oslo"]
    triples = {r.as_triple() for r in doc._.relations}
    assert ("Ada Quint", "works_for", "Hotel Lima") in triples
    assert all(0.0 < r.score <= 1.0 for r in doc._.relations)


def test_relation_arguments_are_entities_of_the_group(trained):
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


def test_pipe_equals_call_whatever_the_batch(trained):
    single = [prediction_of(trained(text)) for text in TEXTS]
    assert predictions_of(trained) == single
    assert predictions_of(trained, batch_size=2) == single


def test_width_limit_holds_for_predictions(trained):
    pipe = trained.get_pipe("jre")
    width = pipe.cfg["max_span_width"]
    pipe.cfg["max_span_width"] = 1
    try:
        doc = trained(TEXTS[0])
    finally:
        pipe.cfg["max_span_width"] = width
    assert all(len(span) == 1 for span in doc.spans["jre"])


def test_same_seed_gives_the_same_weights(config):
    found = []
    for _ in range(2):
        nlp, examples = make_nlp(config)
        learn(nlp, examples, 2)
        found.append(nlp.to_bytes(exclude=["vocab"]))
    assert found[0] == found[1]


def test_frozen_component_annotates_and_learns_nothing(untrained):
    weights = untrained.to_bytes(exclude=["vocab"])
    untrained.update(
        story_examples(untrained),
        sgd=create_adamw_v1(0.1),
        exclude=["jre"],
        annotates=["jre"],
    )
    assert untrained.to_bytes(exclude=["vocab"]) == weights


def test_doc_without_annotation_teaches_nothing_and_is_counted(untrained):
    doc = untrained.make_doc(TEXTS[0])
    with pytest.warns(UserWarning, match=r"J903.*1 Doc"):
        losses = untrained.update([Example(doc, untrained.make_doc(doc.text))])
    assert losses["jre"] == 0.0


def test_other_tokens_than_the_golds_teach_all_the_same(untrained):
    example = make_example(untrained, STORY[0])
    text = example.reference.text
    with_own = Example(untrained.make_doc(text.replace(" ", "  ")), example.reference)
    assert untrained.update([with_own], sgd=create_adamw_v1(0.001))["jre"] > 0.0


@pytest.mark.parametrize(
    "sentence",
    [
        {**STORY[0], "entities": STORY[0]["entities"][:1], "relations": []},
        {**STORY[0], "relations": []},
        {**STORY[0], "entities": [], "relations": []},
    ],
    ids=["one entity", "no relation", "nothing"],
)
def test_sentence_of_little_is_learnt_from(untrained, sentence):
    losses = untrained.update(
        [make_example(untrained, sentence)], sgd=create_adamw_v1(0.001)
    )
    assert 0.0 < losses["jre"] < math.inf
    assert all(np.isfinite(rows).all() for rows in logits(untrained))


def test_unknown_label_in_training_names_itself(untrained):
    example = make_example(untrained, {**STORY[0], "relations": [(0, 1, "hates")]})
    with pytest.raises(ValueError, match=r"J504.*hates"):
        untrained.update([example])


@pytest.mark.parametrize("texts", ODD)
def test_odd_texts_are_read_without_a_crash(untrained, texts):
    docs = list(untrained.pipe(texts))
    assert [doc.text for doc in docs] == texts
    for doc in docs:
        if not len(doc):
            assert doc._.relations == ()
            assert len(doc.spans["jre"]) == 0
            assert doc.ents == ()


@pytest.mark.parametrize("texts", ODD)
def test_odd_texts_are_learnt_from_without_a_crash(untrained, texts):
    batch = empty_examples(untrained, texts)
    losses = untrained.update(batch, sgd=untrained.create_optimizer())
    assert losses["jre"] >= 0.0


# elsewhere ----------------------------------------------------------------------------


def test_trained_pipeline_comes_back_from_disk(name, shelf):
    folder, trained = shelf
    assert predictions_of(spacy.load(folder / name)) == predictions_of(trained[name])


def test_new_process_reads_the_same_without_an_import_of_ours(shelf):
    folder, trained = shelf
    code = (
        "import spacy, sys\n"
        f"for name in {MODELS!r}:\n"
        f"    nlp = spacy.load({str(folder)!r} + '/' + name)\n"
        f"    for doc in nlp.pipe({TEXTS!r}):\n"
        "        print(name, [(str(s), s.label_) for s in doc.spans['jre']],\n"
        "            [(*r.as_triple(), round(r.score, 4)) for r in doc._.relations])\n"
    )
    found = _run([sys.executable, "-W", "error", "-c", code])
    assert found.stderr == ""
    wanted = []
    for name in MODELS:
        for doc in trained[name].pipe(TEXTS):
            spans = [(str(s), s.label_) for s in doc.spans["jre"]]
            rows = [(*r.as_triple(), round(r.score, 4)) for r in doc._.relations]
            wanted.append(f"{name} {spans} {rows}")
    assert found.stdout.splitlines() == wanted


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_processes_read_the_same(shelf, tmp_path, method):
    # torch's threads and fork do not go together: one thread, as the README says.
    # Started anew, a process takes seconds to import: one model stands for all there
    models = MODELS if method == "fork" else MODELS[:1]
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
        f"        nlp = spacy.load({str(shelf[0])!r} + '/' + name)\n"
        "        alone = [rows(doc) for doc in nlp.pipe(texts)]\n"
        "        both = nlp.pipe(texts, n_process=2, batch_size=4)\n"
        "        assert [rows(doc) for doc in both] == alone\n"
        "        assert any(alone)\n"
        "        print(name)\n"
    )
    # which the tests set
    env = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    output = _run([sys.executable, str(script)], env)
    assert output.stdout.splitlines() == list(models), output.stderr
    # no warning of tokenizers that were used before the fork
    assert "tokenizers" not in output.stderr


def _run(
    command: list[str], env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)
