"""Pipelines are scored on the gold sentences of the data."""

import json

import pytest
import spacy
from spacy.cli.evaluate import evaluate as spacy_evaluate
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_jre.annotations import build_doc, register_extension
from spacy_jre.cli.evaluate import evaluate, predict, report_on, score_given_entities
from spacy_jre.cli.evaluate_print import print_evaluation
from spacy_jre.corpora.formats.docbin import RelationDocBin
from spacy_jre.corpora.reader import Corpus
from spacy_jre.pipeline.joint_extractor import JointRelationExtractor

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


def test_report_has_the_scores_of_nlp_evaluate(model, data):
    scores = evaluate(model, data)
    fields = report_on(model, data)[0].as_json()
    assert scores.keys() < fields.keys()
    for name in scores.keys() - {"speed"}:
        assert fields[name] == scores[name], name
    assert fields["speed"] > 0


def test_report_describes_all_docs(model, data):
    report, outcomes = report_on(model, data)
    assert report.n_docs == len(outcomes) == len(SENTENCES)
    assert report.bootstrap.documents == len(SENTENCES)
    kinds = [one.kind for document in outcomes for one in document.relations]
    assert kinds == ["hit"] * sum(len(one["relations"]) for one in SENTENCES)
    assert report.intervals["rel_strict"].summary["f"] == (1.0, 1.0)
    assert report.given_entities.scores["rel_strict_f"] == 1.0
    assert report.given_entities.n_skipped == 0


def test_each_doc_is_predicted_once(model, data, monkeypatch):
    counts = {"predict": [], "predict_given": []}
    for name, numbers in counts.items():
        original = getattr(JointRelationExtractor, name)

        def counting(self, docs, *args, original=original, numbers=numbers):
            docs = list(docs)
            numbers.append(len(docs))
            return original(self, docs, *args)

        monkeypatch.setattr(JointRelationExtractor, name, counting)
    report_on(model, data)
    assert {name: sum(numbers) for name, numbers in counts.items()} == {
        "predict": len(SENTENCES),
        "predict_given": len(SENTENCES),
    }


def test_later_components_get_the_relations_that_reach_the_thresholds(data):
    seen = []

    @Language.component("count_relations")
    def count_relations(doc):
        seen.extend(relation.score for relation in doc._.relations)
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config={**tok2vec_config(), "threshold": 0.3})
    examples = list(Corpus(data)(nlp))
    nlp.initialize(lambda: examples)
    learn(nlp, examples, 15, rate=0.01)
    nlp.add_pipe("count_relations")
    predicted = predict(nlp, "jre", examples, model="model")
    scored = [score for entry in predicted.table.values() for score in entry.scores]
    assert min(scored) < 0.3 <= max(scored)
    assert sorted(seen) == sorted(score for score in scored if score >= 0.3)
    assert predicted.lowest == 0.001
    # the settings of the component are restored
    assert nlp.get_pipe("jre").cfg["threshold"] == 0.3


# other components of the pipeline


@pytest.fixture(scope="module")
def with_ruler(nlp, tmp_path_factory):
    """A pipeline with an entity ruler after the component."""
    other = spacy.blank("en")
    other.add_pipe("jre", source=nlp)
    ruler = other.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "CITY", "pattern": "in"}])
    folder = tmp_path_factory.mktemp("model") / "ruler"
    other.to_disk(folder)
    return folder


def test_later_entity_ruler_does_not_change_the_scores_of_entities(with_ruler, data):
    report, _ = report_on(with_ruler, data)
    for scores in (report.scores, evaluate(with_ruler, data)):
        assert scores["ents_f"] == scores["ents_macro_f"] == 1.0
        assert scores["ents_per_type"].keys() == {"LOC", "ORG", "PER"}
    print_evaluation(report)


def test_component_without_a_scorer_is_scored(nlp, data, tmp_path):
    other = spacy.blank("en")
    other.add_pipe("jre", source=nlp)
    other.get_pipe_config("jre")["scorer"] = None
    other.to_disk(tmp_path / "model")
    assert "rel_f" not in spacy.load(tmp_path / "model").evaluate([])
    report, _ = report_on(tmp_path / "model", data)
    for scores in (report.scores, evaluate(tmp_path / "model", data)):
        assert scores["ents_f"] == scores["rel_strict_f"] == 1.0


def test_later_component_that_merges_tokens_keeps_the_scores(nlp, data, tmp_path):
    other = spacy.blank("en")
    other.add_pipe("jre", source=nlp)
    other.add_pipe("merge_entities")
    other.to_disk(tmp_path / "model")
    report, _ = report_on(tmp_path / "model", data)
    assert report.scores["rel_strict_f"] == 1.0
    assert report.given_entities.scores["rel_strict_f"] == 1.0
    assert report.given_entities.n_skipped == 0


def test_gold_entities_that_do_not_match_tokens_are_counted(nlp):
    reference = build_doc(make_record(STORY[0]), nlp)
    words = ["Ada", "Quint", "cooks", "for", "Hotel", "Lima", "in", "Oslo."]
    spaces = [True] * 7 + [False]
    example = Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)
    given = score_given_entities(nlp.get_pipe("jre"), [example], batch_size=2)
    # Oslo is a part of the last token, so the relation with it is missed
    assert given.n_skipped == 1
    assert given.scores["rel_strict_r"] <= 0.5


def test_equal_pipelines_have_p_1(model, data):
    compared = report_on(model, data, compare=model)[0].compared_with
    assert compared.scores["rel_strict_f"] == 1.0
    assert len(compared.differences) == 6
    assert {one.p for one in compared.differences.values()} == {1.0}
    assert compared.per_type["rel_strict"]["works_for"].difference == 0.0


def test_command_compares_two_pipelines(model, data, tmp_path):
    other = spacy.blank("en")
    other.add_pipe("jre", config={**tok2vec_config(), "threshold": 0.99})
    examples = list(Corpus(data)(other))
    other.initialize(lambda: examples)
    other.to_disk(tmp_path / "other")
    path = tmp_path / "scores.json"
    options = ("--compare", tmp_path / "other", "--output", path, "--seed", 3)
    result = run("evaluate", model, data, *options)
    assert result.exit_code == 0, result.output
    fields = json.loads(path.read_text())
    assert fields["bootstrap"]["seed"] == 3
    difference = fields["compared_with"]["differences"]["rel_strict_f"]
    assert difference["f"] == difference["difference"] == 1.0
    rows = [line.split() for line in result.output.splitlines()]
    assert ["rel_strict", "micro", "100.00", "0.00", "+100.00"] in [
        row[:5] for row in rows
    ]


def test_command_shows_every_table(model, data):
    output = run("evaluate", model, data).output
    titles = [
        "Entities ", "Relations ", "Relations with entity types (strict)",
        "Strict relations between gold entities", "Errors: entities",
        "Errors: relations", "Entities by length", "Entities, nested or not",
        "Strict relations by distance of the arguments", "Confusion: entities",
        "Confusion: relations", "Strict relations over thresholds",
        "Calibration: entities", "Calibration: strict relations",
    ]  # fmt: skip
    for title in titles:
        assert f" {title}" in output, title
    assert "Comparison" not in output


@pytest.mark.parametrize("in_data", [True, False])
def test_other_pipeline_is_scored_on_the_same_gold_annotation(
    nlp, model, data, tmp_path, in_data
):
    """The settings `attr` of the pipelines differ."""
    register_extension("triples")
    try:
        docs = list(DocBin().from_disk(data).get_docs(nlp.vocab))
        if in_data:
            for doc in docs:
                doc._.triples = []
        both = tmp_path / "both.spacy"
        DocBin(docs=docs, store_user_data=True).to_disk(both)
        renamed = spacy.load(model)
        for settings in (renamed.get_pipe("jre").cfg, renamed.get_pipe_config("jre")):
            settings["attr"] = "triples"
        renamed.to_disk(tmp_path / "renamed")
        compared = report_on(model, both, compare=tmp_path / "renamed")[0].compared_with
        assert compared.scores["rel_strict_f"] == 1.0
        assert compared.differences["rel_strict_f"].difference == 0.0
    finally:
        Doc.remove_extension("triples")


def test_negative_seed_is_refused(model, data):
    result = run("evaluate", model, data, "--seed", -1)
    assert_plain_error(result, "J736", "--seed")


def test_other_pipeline_without_the_component_is_refused(model, data, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    result = run("evaluate", model, data, "--compare", tmp_path / "blank")
    assert_plain_error(result, "J740", "blank")


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


def test_chosen_component_is_scored_instead_of_the_last_one(nlp, data, tmp_path):
    register_extension("triples")
    try:
        second = {"attr": "triples", "spans_key": "triples", "threshold": 1.0}
        both = spacy.blank("en")
        both.add_pipe("jre", source=nlp)
        both.add_pipe("jre", name="second", config={**tok2vec_config(), **second})
        examples = list(Corpus(data)(both))
        for example in examples:
            example.reference._.triples = list(example.reference._.relations)
        both.get_pipe("second").initialize(lambda: examples, nlp=both)
        both.to_disk(tmp_path / "model")
        alone = spacy.blank("en")
        alone.add_pipe("jre", source=nlp)
        alone.to_disk(tmp_path / "alone")
        chosen, _ = report_on(tmp_path / "model", data, component="jre")
        expected, _ = report_on(tmp_path / "alone", data)
        assert chosen.scores["ents_f"] == expected.scores["ents_f"] > 0.5
        assert chosen.scores["rel_strict_f"] == expected.scores["rel_strict_f"] > 0.5
        # the second component did not run
        assert not [name for name in chosen.scores if name.startswith("triples_")]
        result = run("evaluate", tmp_path / "model", data, "--component", "third")
        assert_plain_error(result, "J740", "'third'", "jre, second")
    finally:
        Doc.remove_extension("triples")


def test_gold_entities_are_given_as_in_training(data, tmp_path):
    """The config of a pipeline that `spacy train` saves has the corpus readers."""
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config={**tok2vec_config(), "entities": "spans:gold"})
    examples = list(Corpus(data, gold_entities="spans:gold")(nlp))
    nlp.initialize(lambda: examples)
    learn(nlp, examples, 60, rate=0.01)
    reader = {"@readers": "spacy-jre.Corpus.v1", "path": None}
    nlp.config["corpora"]["dev"] = {**reader, "gold_entities": "spans:gold"}
    nlp.to_disk(tmp_path / "model")
    scores = evaluate(tmp_path / "model", data)
    assert scores["ents_f"] == scores["rel_strict_f"] == 1.0


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
