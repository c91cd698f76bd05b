"""What is different about a component with LAI-Net; the rest is in the other files."""

import subprocess
import sys

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import warmup_linear

from spacy_jre.architectures.torch_node import get_module
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import STORY, make_example
from .helpers import (
    empty_examples,
    lainet_config,
    learn,
    make_nlp,
    reading,
    readings,
    story_examples,
    tok2vec_config,
)

NO_DROPOUT = {"dropout": 0.0, "graph_dropout": 0.0}
TEXTS = [" ".join(sentence["words"]) for sentence in STORY]


def overfit(name, steps=200, **network):
    config = lainet_config(name, cold_start=30, **NO_DROPOUT, **network)
    config["model"]["tok2vec"]["transformer_config"] = {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    nlp, examples = make_nlp(
        config, threshold=0.0, max_span_width=3, symmetric=["spouse"]
    )
    rates = warmup_linear(0.003, steps // 10, steps)
    optimizer = create_adamw_v1(rates, bias_correction=True)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
        optimizer.step_schedules()
    return nlp


@pytest.fixture(scope="module")
def trained(wide_bert):
    from spacy_jre import register_extension

    register_extension()
    return overfit(wide_bert)


@pytest.fixture
def untrained(wide_bert):
    return make_nlp(lainet_config(wide_bert))


def strict_scores(nlp):
    scores = nlp.evaluate(story_examples(nlp))
    return scores["ents_f"], scores["rel_f"], scores["rel_strict_f"]


def test_overfits_five_sentences(trained):
    assert strict_scores(trained) == (1.0, 1.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        {"shared_encoder": True},
        {"annotate": False},
        {"agreement": "mean", "mask": "visible"},
        {"filter": False, "text_sees_markers": False, "markers_see": "pair"},
    ],
    ids=str,
)
def test_overfits_with_other_settings(wide_bert, network):
    nlp = overfit(wide_bert, 300, **network)
    assert strict_scores(nlp) == (1.0, 1.0, 1.0)


def test_annotations_are_set_together(trained):
    doc = trained(TEXTS[0])
    assert {s.text for s in doc.spans["jre"]} == {
        *["Ada Quint", "Hotel Lima", "Lima", "Oslo"]
    }
    triples = [r.as_triple() for r in doc._.relations]
    assert ("Ada Quint", "works_for", "Hotel Lima") in triples
    assert all(0.0 < r.score <= 1.0 for r in doc._.relations)


def test_symmetric_relation_is_stored_once_and_in_text_order(trained):
    spouses = [
        r.as_triple() for r in trained(TEXTS[3])._.relations if r.label == "spouse"
    ]
    assert spouses == [("Mia Roe", "spouse", "Ola Lie")]


def test_pipe_equals_call_whatever_the_batch(trained):
    single = [reading(trained(text)) for text in TEXTS]
    assert readings(trained) == single
    assert readings(trained, batch_size=2) == single


def test_threshold_takes_relations_away_and_zero_invents_none(trained):
    pipe = trained.get_pipe("jre")
    every = [len(doc._.relations) for doc in trained.pipe(TEXTS)]
    wanted = [len(sentence["relations"]) for sentence in STORY]
    assert every == wanted
    pipe.cfg["threshold"] = 1.0
    try:
        assert not any(doc._.relations for doc in trained.pipe(TEXTS))
    finally:
        pipe.cfg["threshold"] = 0.0


def test_new_process_reads_the_same(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    code = (
        "import spacy\n"
        f"nlp = spacy.load({str(tmp_path / 'model')!r})\n"
        f"for doc in nlp.pipe({TEXTS!r}):\n"
        "    print([(str(s), s.label_) for s in doc.spans['jre']])\n"
        "    print([(*r.as_triple(), round(r.score, 4)) for r in doc._.relations])\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stderr == ""
    wanted = []
    for doc in trained.pipe(TEXTS):
        wanted.append(str([(str(s), s.label_) for s in doc.spans["jre"]]))
        rows = [(*r.as_triple(), round(r.score, 4)) for r in doc._.relations]
        wanted.append(str(rows))
    assert found.stdout.splitlines() == wanted
    assert "works_for" in found.stdout


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    "method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)]
)
def test_two_processes_read_the_same(trained, tmp_path, method):
    trained.to_disk(tmp_path / "model")
    script = tmp_path / "two.py"
    script.write_text(
        "import multiprocessing, spacy, torch\n"
        "torch.set_num_threads(1)\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({method!r})\n"
        f"    nlp = spacy.load({str(tmp_path / 'model')!r})\n"
        f"    texts = {TEXTS!r} * 2\n"
        "    rows = lambda doc: [r.as_triple() for r in doc._.relations]\n"
        "    alone = [rows(doc) for doc in nlp.pipe(texts)]\n"
        "    both = nlp.pipe(texts, n_process=2, batch_size=4)\n"
        "    assert [rows(doc) for doc in both] == alone\n"
        "    assert any(alone)\n"
        "    print('same')\n"
    )
    output = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=240
    )
    assert output.stdout == "same\n", output.stderr


# learning -----------------------------------------------------------------------------


def module_of(nlp):
    return get_module(nlp.get_pipe("jre").model.get_ref("network"))


def test_update_changes_both_transformers_and_the_network(untrained):
    nlp, examples = untrained
    before = {n: p.detach().clone() for n, p in module_of(nlp).named_parameters()}
    losses = nlp.update(examples, sgd=create_adamw_v1(0.001))
    assert losses["jre"] > 0.0
    same = {
        n for n, p in module_of(nlp).named_parameters() if torch.equal(p, before[n])
    }
    assert {name for name in same if "pooler" not in name} == set()


def test_rates_find_the_transformers_by_name(untrained):
    nlp, examples = untrained
    before = {n: p.detach().clone() for n, p in module_of(nlp).named_parameters()}
    nlp.update(examples, sgd=create_adamw_v1(0.001, rates={"^encoder": 0.0}))
    for name, parameter in module_of(nlp).named_parameters():
        still = torch.equal(parameter, before[name])
        assert still == name.startswith("encoder"), name


def test_gradients_of_several_updates_add_up(wide_bert):
    nlp, examples = make_nlp(lainet_config(wide_bert))
    nlp.update(examples[:2], sgd=False)
    parameter = module_of(nlp).network.entity.represent.weight
    first = parameter.grad.clone()
    nlp.update(examples[2:], sgd=False)
    assert not torch.equal(parameter.grad, first)
    nlp.get_pipe("jre").finish_update(create_adamw_v1(0.001))
    assert parameter.grad is None


def test_updates_are_counted_and_saved(untrained, tmp_path):
    nlp, examples = untrained
    for _ in range(3):
        nlp.update(examples, sgd=create_adamw_v1(0.001))
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert loaded.get_pipe("jre").model.attrs["updates"] == 3
    loaded.update(story_examples(loaded), sgd=create_adamw_v1(0.001))
    assert loaded.get_pipe("jre").model.attrs["updates"] == 4


def test_frozen_component_annotates_and_learns_nothing(untrained):
    nlp, examples = untrained
    weights = nlp.to_bytes(exclude=["vocab"])
    nlp.update(examples, sgd=create_adamw_v1(0.1), exclude=["jre"], annotates=["jre"])
    assert nlp.to_bytes(exclude=["vocab"]) == weights


def test_docs_without_tokens_teach_nothing_and_count_nothing(untrained):
    nlp, _ = untrained
    losses = nlp.update(empty_examples(nlp, ["", ""]), sgd=create_adamw_v1(0.001))
    assert losses["jre"] == 0.0
    assert nlp.get_pipe("jre").model.attrs["updates"] == 0


def test_doc_without_annotation_teaches_nothing_and_is_counted(untrained):
    nlp, _ = untrained
    doc = nlp.make_doc(TEXTS[0])
    with pytest.warns(UserWarning, match=r"J903.*1 Doc"):
        losses = nlp.update([Example(doc, nlp.make_doc(doc.text))])
    assert losses["jre"] == 0.0


def test_entities_without_relations_teach_entities_alone(untrained):
    nlp, _ = untrained
    reference = nlp.make_doc(TEXTS[0])
    reference.ents = [reference.char_span(0, 9, label="PER")]
    nlp.update([Example(nlp.make_doc(TEXTS[0]), reference)], sgd=False)
    taught = {n for n, p in module_of(nlp).named_parameters() if p.grad is not None}
    assert any(name.startswith("network.entity") for name in taught)
    assert not any(n.startswith(("network.relation", "encoder.1")) for n in taught)


def test_pair_of_two_labels_is_counted(untrained):
    nlp, _ = untrained
    sentence = {**STORY[0], "relations": [(0, 1, "works_for"), (0, 1, "based_in")]}
    with pytest.warns(UserWarning, match=r"J910.*1 pair"):
        nlp.update([make_example(nlp, sentence)])


def test_first_evaluation_stays_within_bounds(untrained):
    nlp, _ = untrained
    doc = Doc(nlp.vocab, words=["Oslo", "Lima", "for", "all"] * 8)
    doc = nlp.get_pipe("jre")(doc)
    arguments = {
        (r[role]["start"], r[role]["end"])
        for r in doc._.relations
        for role in ("head", "tail")
    }
    assert len(arguments) <= len(doc)


# settings -----------------------------------------------------------------------------


def test_annotations_are_settings_of_the_model(wide_bert):
    config = lainet_config(wide_bert, annotations={"PER": "a person"})
    nlp, _ = make_nlp(config)
    tokenizer = module_of(nlp).tokenizer
    form = module_of(nlp).forms[0]
    assert tokenizer.decode(form.annotations[2]) == "a person"
    config = lainet_config(wide_bert, annotations={"PERSON": "a person"})
    with pytest.raises(ValueError, match=r"J314.*PERSON"):
        make_nlp(config)


def test_symmetric_labels_have_no_twin(wide_bert):
    directed, _ = make_nlp(lainet_config(wide_bert))
    undirected, _ = make_nlp(lainet_config(wide_bert), symmetric=["spouse"])
    columns = [
        module_of(nlp).network.relation.classify.out_features
        for nlp in (directed, undirected)
    ]
    assert columns == [1 + 4 + 4, 1 + 4 + 3]


def test_label_added_by_hand_is_annotated(wide_bert):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("jre", config=lainet_config(wide_bert))
    pipe.add_label("GreatHotel", kind="entity")
    examples = story_examples(nlp)
    nlp.initialize(lambda: examples)
    form = module_of(nlp).forms[0]
    assert len(form.annotations) == 4
    assert module_of(nlp).tokenizer.decode(form.annotations[0]) == "great hotel"


def test_width_limit_holds_for_predictions(trained):
    pipe = trained.get_pipe("jre")
    pipe.cfg["max_span_width"] = 1
    try:
        doc = trained(TEXTS[0])
    finally:
        pipe.cfg["max_span_width"] = 3
    assert all(len(span) == 1 for span in doc.spans["jre"])


def test_tok2vec_is_refused_when_the_component_is_made(nlp):
    with pytest.raises(ValueError, match="J311"):
        nlp.add_pipe("jre", config=tok2vec_config("LAINet"))


def test_same_seed_gives_the_same_weights(wide_bert):
    found = []
    for _ in range(2):
        spacy.util.fix_random_seed(0)
        nlp, examples = make_nlp(lainet_config(wide_bert))
        learn(nlp, examples, 2)
        found.append(nlp.to_bytes(exclude=["vocab"]))
    assert found[0] == found[1]


def test_scores_of_entities_are_probabilities(trained):
    for doc in trained.pipe(TEXTS):
        scores = np.asarray(doc.spans["jre"].attrs["scores"])
        assert ((scores > 0.25) & (scores <= 1.0)).all()
