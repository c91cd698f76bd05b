"""Pipelines are scored on the gold sentences of the data."""

import json

import pytest
import spacy
from spacy.cli.evaluate import evaluate as spacy_evaluate
from spacy.tokens import Doc

from spacy_jre.annotations import build_doc, register_extension
from spacy_jre.cli.evaluate import evaluate
from spacy_jre.corpora.formats.docbin import RelationDocBin
from spacy_jre.corpora.reader import Corpus

from ..conftest import STORY, make_record
from ..display.helpers import parse
from ..pipeline.helpers import learn, tok2vec_config
from .helpers import assert_plain_error, output_of, run

# one sentence of the data, two sentences by the rules
WITH_PERIOD = {
    "words": ["Ada", "Quint", "of", "Fjordline", "Ltd", ".", "Lives", "in", "Oslo"],
    "entities": [(0, 2, "PER"), (3, 5, "ORG"), (8, 9, "LOC")],
    "relations": [(0, 1, "works_for"), (0, 2, "lives_in")],
}
SENTENCES = [WITH_PERIOD, *STORY[1:]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    register_extension()
    path = tmp_path_factory.mktemp("data") / "data.spacy"
    docs = RelationDocBin()
    for sentence in SENTENCES:
        docs.add(build_doc(make_record(sentence), spacy.blank("en")))
    docs.to_disk(path)
    return path


@pytest.fixture(scope="module")
def nlp(data):
    """A pipeline with a sentencizer, overfitted to the data."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("jre", config=tok2vec_config())
    examples = list(Corpus(data)(nlp))
    nlp.initialize(lambda: examples)
    learn(nlp, examples, 60, rate=0.01)
    return nlp


@pytest.fixture(scope="module")
def model(nlp, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    nlp.to_disk(folder)
    return folder


def test_sentencizer_keeps_the_sentences_of_the_corpus_reader(nlp, data):
    sentencizer = nlp.get_pipe("sentencizer")
    for example in Corpus(data)(nlp):
        assert len(list(sentencizer(example.predicted).sents)) == 1
    # without boundaries, the rules split the first sentence
    doc = Doc(nlp.vocab, words=WITH_PERIOD["words"])
    assert len(list(sentencizer(doc).sents)) == 2


def test_no_relation_is_lost_in_a_sentence_with_a_period(model, data):
    assert evaluate(model, data)["rel_strict_r"] == 1.0
    # spaCy's command splits the sentence
    assert spacy_evaluate(str(model), data)["rel_strict_r"] < 1.0


def triples(doc):
    return [(r.head.text, r.label, r.tail.text) for r in doc._.relations]


def test_text_of_several_sentences_equals_its_sentences(nlp):
    texts = [make_record(sentence).text for sentence in STORY[1:]]
    found = [triple for doc in nlp.pipe(texts) for triple in triples(doc)]
    assert len(found) >= 5
    assert triples(nlp(" ".join(texts))) == found


def test_command_writes_all_scores(model, data, tmp_path):
    path = tmp_path / "new" / "scores.json"
    result = run("evaluate", model, data, "--output", path)
    assert result.exit_code == 0, result.output
    scores = json.loads(path.read_text())
    assert scores["rel_strict_f"] == 1.0
    assert scores["rel_strict_per_type"]["works_for"]["f"] == 1.0
    text = output_of(result)
    assert "works_for" in text
    assert "100.00" in text


def test_relations_of_the_extension_of_the_component_are_read(tmp_path):
    register_extension("links")
    try:
        blank = spacy.blank("en")
        docs = RelationDocBin()
        for sentence in STORY:
            doc = build_doc(make_record(sentence), blank, attr="links")
            docs.add(doc)
        path = tmp_path / "data.spacy"
        docs.to_disk(path)
        nlp = spacy.blank("en")
        nlp.add_pipe("jre", config={**tok2vec_config(), "attr": "links"})
        examples = list(Corpus(path, attr="links")(nlp))
        nlp.initialize(lambda: examples)
        nlp.to_disk(tmp_path / "model")
        assert evaluate(tmp_path / "model", path)["rel_f"] is not None
    finally:
        Doc.remove_extension("links")


def test_pipeline_without_the_component_is_refused(data, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    assert_plain_error(run("evaluate", tmp_path / "blank", data), "J740", "'jre'")


def test_command_writes_a_page_with_every_text(model, data, tmp_path):
    path = tmp_path / "new" / "page.html"
    result = run("evaluate", model, data, "--html", path)
    assert result.exit_code == 0, result.output
    page = parse(path.read_text(encoding="utf8"))
    assert page.find("h1")[0].text == f"{model} on data.spacy"
    assert len(page.find("section")) == len(SENTENCES)
    assert len(page.find("div", "text", lang="en")) == len(SENTENCES)
    assert "Entities" in [caption.text for caption in page.find("caption")]
    assert path.name in output_of(result)
