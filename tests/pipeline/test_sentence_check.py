"""The warning about Docs of several sentences without boundaries."""

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre import register_extension
from spacy_jre.pipeline.sentence_check import has_several_sentences

from ..conftest import STORY, make_example
from .helpers import make_nlp, story_examples

ONE = "Ada Quint cooks for Hotel Lima in Oslo."
TWO = f"{ONE} Rain fell on Oslo all week."


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    register_extension()
    nlp, _ = make_nlp()
    folder = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def loaded(saved):
    return spacy.load(saved)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("Oslo", False),
        (ONE, False),
        (f"{ONE}\n", False),
        ("Dr. Quint cooks in St. Ives", False),
        ("He said: Stop!", False),
        (TWO, True),
        ("Is it true? Yes", True),
    ],
)
def test_sentences_are_found_by_punctuation(nlp, text, expected):
    doc = nlp.make_doc(text)
    assert has_several_sentences(doc) is expected
    assert not doc.has_annotation("SENT_START") or len(doc) < 2  # not changed


def test_chinese_sentences_are_found():
    assert has_several_sentences(spacy.blank("zh").make_doc("他在奥斯陆。她在这里。"))


def test_text_without_boundaries_gives_one_warning(loaded):
    with pytest.warns(UserWarning, match=r'J912.*1 of 1.*sentencizer", before="jre"'):
        loaded(TWO)
    loaded(TWO)  # warnings are errors here


def test_warning_names_the_component(nlp):
    nlp.add_pipe("jre", name="facts")
    nlp.initialize(lambda: story_examples(nlp))
    with pytest.warns(UserWarning, match=r'before="facts"'):
        nlp(TWO)


def test_doc_with_boundaries_gives_no_warning(loaded):
    doc = loaded.make_doc(TWO)
    for token in doc:
        token.is_sent_start = token.i == 0
    loaded(doc)
    loaded.add_pipe("sentencizer", before="jre")
    loaded(TWO)


def test_some_sentences_that_look_like_two_give_no_warning(loaded):
    list(loaded.pipe([ONE] * 19 + [TWO]))
    with pytest.warns(UserWarning, match=r"J912.*3 of 22"):
        list(loaded.pipe([TWO, TWO]))


def test_one_text_of_four_sentences_gives_a_warning(loaded):
    list(loaded.pipe([ONE] * 40 + [f"{TWO} {ONE}"]))
    with pytest.warns(UserWarning, match=r"J912.*2 of 42"):
        list(loaded.pipe([f"{TWO} {TWO}"]))


def test_training_and_evaluation_with_boundaries_give_no_warning():
    # a sentence that looks like two, with the boundaries that the corpus reader sets
    nlp, _ = make_nlp()
    words = ["Stop", "!", "cried", "Ada", "."]
    reference = Doc(nlp.vocab, words=words)
    reference.ents = []
    reference._.relations = []
    starts = [True, *[False] * 4]
    example = Example(Doc(nlp.vocab, words=words, sent_starts=starts), reference)
    nlp.update([example])
    nlp.evaluate([example])
    # training reads the windows that it gets
    nlp.update([Example(Doc(nlp.vocab, words=words), reference)])


def test_pipeline_that_is_trained_on_texts_gives_no_warning(nlp, tmp_path):
    texts = [
        {**sentence, "words": [*sentence["words"], *STORY[2]["words"]]}
        for sentence in STORY
    ]
    references = [make_example(nlp, text).reference for text in texts]
    examples = [
        Example(Doc(nlp.vocab, words=text["words"]), reference)
        for text, reference in zip(texts, references, strict=True)
    ]
    nlp.add_pipe("jre")
    nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path / "model")
    spacy.load(tmp_path / "model")(TWO)
