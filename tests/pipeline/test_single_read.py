import pytest

from spacy_jre.pipeline.single_read import SingleRead

from .helpers import ENTITY_LABELS, RELATION_LABELS, story_examples, tok2vec_config


class Source:
    """Counts the calls and the Examples that were read."""

    def __init__(self, examples):
        self.examples = examples
        self.n_calls = self.n_read = 0

    def __call__(self):
        self.n_calls += 1
        for example in self.examples:
            self.n_read += 1
            yield example


def test_every_call_returns_all_examples_of_one_read(examples):
    source = Source(examples)
    read = SingleRead(source, "x")
    first = read()
    assert next(first) is examples[0]
    assert list(read()) == examples
    assert list(first) == examples[1:]
    assert list(read()) == examples
    assert (source.n_calls, source.n_read) == (1, len(examples))


def test_no_more_examples_are_read_than_required(examples):
    source = Source(examples)
    read = SingleRead(source, "x")
    assert source.n_read == 0
    next(read())
    next(read())
    assert source.n_read == 1


@pytest.mark.parametrize("get_examples", [None, [], lambda: None, lambda: []])
def test_function_without_examples_raises_the_error_of_spacy(get_examples):
    with pytest.raises(TypeError, match=r"E930.*JRE\.initialize"):
        SingleRead(get_examples, "JRE.initialize")


def test_object_that_is_not_an_example_raises_the_error_of_spacy(examples):
    read = SingleRead(lambda: [*examples, "text"], "JRE.initialize")
    with pytest.raises(TypeError, match=r"E978.*JRE\.initialize"):
        list(read())


@pytest.mark.parametrize("name", ["SpERT", "STSN"])
def test_initialization_reads_the_data_once(nlp, name):
    source = Source(story_examples(nlp))
    nlp.add_pipe("jre", config=tok2vec_config(name)).initialize(source)
    assert (source.n_calls, source.n_read) == (1, len(source.examples))


def test_initialization_with_labels_reads_ten_examples(nlp):
    source = Source(story_examples(nlp) * 4)
    labels = {"entities": ENTITY_LABELS, "relations": RELATION_LABELS}
    pipe = nlp.add_pipe("jre", config=tok2vec_config())
    pipe.initialize(source, labels=labels)
    assert (source.n_calls, source.n_read) == (1, 10)
