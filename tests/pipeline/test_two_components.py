"""Two components side by side in one pipeline, and entities of other components."""

import logging

import pytest
import spacy
from spacy.tokens import Doc

from spacy_jre import register_extension

from .helpers import learn, story_examples, tok2vec_config

TEXT = "Ada Quint cooks for Hotel Lima in Oslo ."


@pytest.fixture(scope="module")
def pair():
    """A pipeline with a trained and an untrained component."""
    register_extension()
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config=tok2vec_config())
    nlp.add_pipe(
        "jre",
        name="second",
        config={
            **tok2vec_config(),
            "attr": "triples",
            "spans_key": "second",
            "overwrite_ents": False,
            "threshold": 1.0,
        },
    )
    examples = story_examples(nlp)
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    nlp.initialize(lambda: examples)
    with nlp.select_pipes(disable="second"):
        learn(nlp, examples, 60, rate=0.01)
    return nlp


@pytest.fixture(autouse=True)
def _triples():
    register_extension("triples")


def test_second_component_keeps_the_predictions_of_the_first(pair):
    with pair.select_pipes(disable="second"):
        alone = pair(TEXT)
    both = pair(TEXT)
    for key in ("relations", "triples"):
        assert both.has_extension(key)
    assert [r.as_triple() for r in both._.relations] == [
        r.as_triple() for r in alone._.relations
    ]
    assert [str(s) for s in both.spans["jre"]] == [str(s) for s in alone.spans["jre"]]
    assert set(both.spans) == {"jre", "second"}
    assert alone._.relations != ()
    assert both._.triples == ()


def test_scores_of_two_components_are_apart(pair):
    examples = story_examples(pair)
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    scores = pair.evaluate(examples)
    assert scores["rel_strict_f"] == 1.0
    assert scores["triples_rel_strict_f"] == 0.0


@pytest.mark.parametrize(
    ("config", "setting"),
    [({"spans_key": "other"}, "attr"), ({"attr": "triples"}, "spans_key")],
)
def test_second_component_with_the_same_place_is_refused(nlp, config, setting):
    nlp.add_pipe("jre")
    with pytest.raises(ValueError, match=rf"J531.*'jre' and 'two'.*{setting} = "):
        nlp.add_pipe("jre", name="two", config=config)


def test_disabled_component_counts_as_second_component(nlp):
    nlp.add_pipe("jre")
    nlp.disable_pipe("jre")
    with pytest.raises(ValueError, match="J531"):
        nlp.add_pipe("jre", name="two")


def test_component_with_a_source_is_checked_at_initialization(nlp, examples):
    other = spacy.blank("en")
    other.add_pipe("jre", name="two")
    nlp.add_pipe("jre")
    nlp.add_pipe("two", source=other)
    with pytest.raises(ValueError, match="J531"):
        nlp.initialize(lambda: examples)


def test_component_can_be_replaced(nlp):
    nlp.add_pipe("jre")
    nlp.replace_pipe("jre", "jre", config={"threshold": 0.7})
    assert nlp.get_pipe("jre").cfg["threshold"] == 0.7


def test_empty_spans_key_is_refused(nlp):
    with pytest.raises(ValueError, match=r"J506.*spans_key"):
        nlp.add_pipe("jre", config={"spans_key": ""})


def test_component_without_score_weight_is_reported(nlp, examples, caplog):
    nlp.add_pipe("jre", config={"attr": "triples"})
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        nlp.initialize(lambda: examples)
    assert "J917" in caplog.text
    assert "triples_rel_strict_f = 1.0" in caplog.text


def test_component_with_score_weight_is_not_reported(nlp, examples, caplog):
    nlp.add_pipe("jre", config={"attr": "triples"})
    nlp.config["training"]["score_weights"] = {"triples_rel_f": 0.5}
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        nlp.initialize(lambda: examples)
    assert "J917" not in caplog.text


def test_saved_pair_predicts_the_same(pair, tmp_path):
    pair.to_disk(tmp_path / "pair")
    loaded = spacy.load(tmp_path / "pair")
    first, second = pair(TEXT), loaded(TEXT)
    assert set(second.spans) == {"jre", "second"}
    assert list(first._.relations) == list(second._.relations)


# doc.ents of other components ---------------------------------------------------------


def test_merge_keeps_earlier_entities_that_do_not_overlap(pair):
    pipe = pair.get_pipe("jre")
    doc = pair.make_doc(TEXT)
    doc.ents = [
        doc.char_span(0, 3, label="FIRST_NAME"),
        doc.char_span(10, 15, label="VERB"),
    ]
    pipe.cfg["overwrite_ents"] = "merge"
    try:
        pipe(doc)
    finally:
        pipe.cfg["overwrite_ents"] = True
    entities = [(e.text, e.label_) for e in doc.ents]
    assert ("cooks", "VERB") in entities
    assert ("Ada Quint", "PER") in entities
    assert "FIRST_NAME" not in dict(entities).values()


def test_other_value_of_overwrite_ents_is_refused(nlp):
    with pytest.raises(ValueError, match=r"overwrite_ents"):
        nlp.add_pipe("jre", config={"overwrite_ents": "sometimes"})


def test_entity_group_is_rebuilt_under_the_key_of_the_component(pair):
    from spacy_jre.annotations import entity_group

    doc = Doc(pair.vocab).from_bytes(pair(TEXT).to_bytes())
    group = entity_group(doc, "triples", "second")
    assert group.name == "second"
