"""The measurements of a pipeline on a corpus."""

import json

import pytest
from spacy.tokens import Doc

from spacy_jre.profiling import profile

from ..conftest import STORY, transformer_config
from ..pipeline.helpers import make_nlp, story_examples


@pytest.fixture(scope="module")
def nlp(tiny_bert):
    nlp, _ = make_nlp(transformer_config(tiny_bert, "SINET", n_heads=4))
    return nlp


@pytest.fixture(scope="module")
def found(nlp):
    docs = [example.predicted for example in story_examples(nlp)]
    empty = Doc(nlp.vocab)
    return profile(
        nlp, nlp.get_pipe("jre"), [*docs, empty], batch_sizes=(4, 1), rounds=1
    )


def test_docs_without_tokens_do_not_count(found):
    assert found.docs == found.sentences == len(STORY)
    assert found.tokens == sum(len(sentence["words"]) for sentence in STORY)


def test_batch_sizes_are_ascending(found):
    assert [one.batch_size for one in found.batches] == [1, 4]


def test_speed_is_the_size_of_the_data_by_the_time(found):
    for one in found.batches:
        assert one.docs_per_second * one.seconds == pytest.approx(found.docs)
        assert one.tokens_per_second * one.seconds == pytest.approx(found.tokens)
        assert one.sentences_per_second * one.seconds == pytest.approx(found.sentences)


def test_best_batch_size_is_the_fastest(found):
    times = {one.batch_size: one.seconds for one in found.batches}
    assert times[found.best] == min(times.values())


def test_time_is_divided_for_the_smallest_and_the_best_batch_size(found):
    assert set(found.seconds) == {1, found.best}
    for stages in found.seconds.values():
        assert stages["encoder"] > 0
        assert stages["network"] > 0


def test_report_is_json(found):
    assert json.loads(json.dumps(found.as_json()))["parameters"] == found.parameters


def test_data_is_not_changed(nlp):
    docs = [example.predicted for example in story_examples(nlp)]
    profile(nlp, nlp.get_pipe("jre"), docs, batch_sizes=(2,), rounds=1)
    assert not any("jre" in doc.spans for doc in docs)


def test_data_without_tokens_is_refused(nlp):
    with pytest.raises(ValueError, match="J332"):
        profile(nlp, nlp.get_pipe("jre"), [Doc(nlp.vocab)])
