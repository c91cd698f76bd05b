from dataclasses import replace

import pytest
import spacy

from spacy_jre.annotations import EntityRecord, Record
from spacy_jre.corpora.dataset import Dataset, read_dataset
from spacy_jre.inspection.validate import Limits, mask_entities, validate_corpus

from ..conftest import ROOT

LIMITS = Limits(
    min_sentences=3,
    min_tokens=4,
    max_tokens=15,
    long_tokens=10,
    min_long=0.3,
    min_without_relation=0.5,
    min_unrelated=0.5,
    ngram=3,
    max_ngram_share=0.35,
    min_distinct=1.0,
)
COOK = "[Ada Quint|Peop 1] cooks for [Hotel Lima|Org 2].\n> 1 Work_For 2\n"
FERRY = "[Nils Dahl|Peop] met nobody from [Fjordline|Org], which lost its last ferry.\n"
# the markup shows the format
RAIN = "[Rain|Org] fell all week.\n"
LEAVES = "[Bo Roe|Peop 1] quit [Lima Line|Org 2].\n> 1 Work_For 2\n"


def make_dataset(folder, *, train=COOK, dev=FERRY, test=RAIN):
    for name, markup in (("train", train), ("dev", dev), ("test", test)):
        (folder / f"{name}.txt").write_text(markup, encoding="utf8")
    joins = {"Work_For": ["Peop", "Org"]}
    return Dataset(folder, entities=["Peop", "Org"], relations=joins)


def validate(folder, nlp, limits=LIMITS, **splits):
    return validate_corpus(make_dataset(folder, **splits), nlp, limits)


def test_masking_replaces_entities_with_labels():
    record = Record(
        "Ada Quint met Mia.", (EntityRecord(0, 9, "Peop"), EntityRecord(14, 17, "Peop"))
    )
    assert mask_entities(record) == "<peop> met <peop>."


@pytest.mark.parametrize("inner", [(0, 5, "Loc"), (6, 10, "Loc"), (2, 4, "Loc")])
def test_masking_replaces_the_outermost_of_nested_entities(inner):
    entities = (EntityRecord(*inner), EntityRecord(0, 10, "Org"))
    assert mask_entities(Record("Hotel Lima sang", entities)) == "<org> sang"


def test_masking_only_lowercases_a_text_without_entities():
    assert mask_entities(Record("Rain FELL")) == "rain fell"


def test_good_corpus_has_no_problems(tmp_path, nlp):
    assert validate(tmp_path, nlp).problems == []


def test_figures_equal_manual_counts(tmp_path, nlp):
    figures = validate(tmp_path, nlp).figures
    assert figures.pop("commonest 3 words")
    assert figures == {
        "sentences": {"train": 1, "dev": 1, "test": 1},
        "distinct sentences": 3,
        "entities": {"Peop": 2, "Org": 3},
        "relations": {"Work_For": 1},
        "tokens, shortest": 5,
        "tokens, median": 7,
        "tokens, longest": 13,
        "above 10 tokens": 0.333,
        "without a relation": 0.667,
        "with nested entities": 0,
        "with a repeated entity text": 0.0,
        "with an entity in several relations": 0.0,
        "distinct with entities as labels": 1.0,
        "type-compatible ordered pairs": 2,
        "of them unrelated": 0.5,
        "share with these 3 words": 0.333,
    }


def test_nested_entities_are_counted(tmp_path, nlp):
    report = validate(tmp_path, nlp, test="[Rain [Lima|Org]|Org] fell all week.\n")
    assert report.figures["with nested entities"] == 1


def test_sentences_that_repeat_the_text_of_an_entity_are_counted(tmp_path, nlp):
    report = validate(tmp_path, nlp, test="[Rain|Org] fell, Rain all week.\n")
    assert report.figures["with a repeated entity text"] == 0.333


@pytest.mark.parametrize(
    ("relations", "share"),
    [("> 1 Work_For 2\n> 3 Work_For 2\n", 0.333), ("> 1 Work_For 2\n", 0.0)],
)
def test_sentences_that_use_an_entity_in_several_relations_are_counted(
    tmp_path, nlp, relations, share
):
    markup = "[Ada|Peop 1] cooks for [Lima|Org 2], and so does [Bo|Peop 3].\n"
    figures = validate(tmp_path, nlp, train=markup + relations).figures
    assert figures["with an entity in several relations"] == share


def test_most_common_words_are_reported(tmp_path, nlp):
    report = validate(tmp_path, nlp, test="He cooks for Hotel [guests|Org].\n")
    assert report.figures["commonest 3 words"] == "cooks for hotel"


def test_repeated_words_in_one_sentence_count_once(tmp_path, nlp):
    report = validate(tmp_path, nlp, test="[La|Org] la la la la.\n")
    assert report.figures["share with these 3 words"] == 0.333


@pytest.mark.parametrize(("long_tokens", "share"), [(12, 0.333), (13, 0.0)])
def test_long_sentence_has_more_tokens_than_the_limit(
    tmp_path, nlp, long_tokens, share
):
    limits = replace(LIMITS, long_tokens=long_tokens)
    figures = validate(tmp_path, nlp, limits).figures
    assert figures[f"above {long_tokens} tokens"] == share


@pytest.mark.parametrize(
    ("splits", "limits", "problem"),
    [
        pytest.param(
            {"test": "[Rain|Sky] fell all week.\n"},
            {},
            "test.txt, line 1: unknown entity label 'Sky'",
            id="entity label",
        ),
        pytest.param(
            {"train": COOK + "> 1 Feeds 2\n"},
            {},
            "train.txt, line 1: unknown relation label 'Feeds'",
            id="relation label",
        ),
        pytest.param(
            {"train": COOK + "> 2 Work_For 1\n"},
            {},
            "line 1: Work_For must be between Peop and Org, not Org and Peop",
            id="argument types",
        ),
        pytest.param(
            {"train": COOK + "> 1 Work_For 2\n"},
            {},
            "train.txt, line 1: Work_For is a duplicate",
            id="duplicate relation",
        ),
        pytest.param(
            {"test": "# a comment\nR[ain|Org] fell all week.\n"},
            {},
            "test.txt, line 2: Org 'ain' at 1..4 does not align with tokens",
            id="misaligned",
        ),
        pytest.param(
            {"test": "[Rain|Org] fell.\n"},
            {},
            "test.txt, line 1: 3 tokens, not 4 to 15",
            id="too short",
        ),
        pytest.param(
            {"test": "[Rain|Org] fell " + "again and " * 7 + "again.\n"},
            {"ngram": 20},
            "test.txt, line 1: 18 tokens, not 4 to 15",
            id="too long",
        ),
        pytest.param(
            {"test": "[Bo Quint|Peop] slept all week.\n"},
            {},
            "the person 'quint' occurs in",
            id="person in two splits",
        ),
        pytest.param(
            {}, {"min_sentences": 4}, "distinct sentences: 3, at least 4", id="size"
        ),
        pytest.param(
            {"dev": "[Nils Dahl|Peop] met nobody from [Fjordline|Org].\n"},
            {},
            "above 10 tokens: 0.0, at least 0.3",
            id="few long sentences",
        ),
        pytest.param(
            {"test": LEAVES},
            {"min_unrelated": 0.3},
            "without a relation: 0.333, at least 0.5",
            id="few sentences without a relation",
        ),
        pytest.param(
            {"test": LEAVES},
            {"min_without_relation": 0.3},
            "of them unrelated: 0.333, at least 0.5",
            id="few unrelated pairs",
        ),
        pytest.param(
            {"test": "He cooks for Hotel [guests|Org].\n"},
            {},
            "share with these 3 words: 0.667, at most 0.35",
            id="common words",
        ),
        pytest.param(
            {"test": "[Bo Roe|Peop] cooks for [Lima Line|Org].\n"},
            {},
            "distinct with entities as labels: 0.667, at least 1",
            id="duplicate pattern",
        ),
        pytest.param(
            {},
            {"min_repeated": 0.1},
            "with a repeated entity text: 0.0, at least 0.1",
            id="few repeated forms",
        ),
    ],
)
def test_check_reports_only_its_problem(tmp_path, nlp, splits, limits, problem):
    (result,) = validate(tmp_path, nlp, replace(LIMITS, **limits), **splits).problems
    assert problem in result
    assert str(tmp_path) in result


def test_both_locations_of_a_shared_person_are_reported(tmp_path, nlp):
    markup = "[Dr. Quint, Jr.|Peop] slept all week.\n"
    (result,) = validate(tmp_path, nlp, test=markup).problems
    assert f"{tmp_path / 'test.txt'}, line 1" in result
    assert f"{tmp_path / 'train.txt'}, line 1" in result


def test_person_can_occur_twice_in_one_split(tmp_path, nlp):
    train = COOK + "\n[Ada Quint|Peop] sings for [Hotel Lima|Org].\n"
    limits = replace(LIMITS, min_long=0.2, max_ngram_share=0.5)
    assert validate(tmp_path, nlp, limits, train=train).problems == []


def test_each_copy_of_a_sentence_is_a_problem(tmp_path, nlp):
    limits = replace(LIMITS, min_long=0.2, min_distinct=0.7, max_ngram_share=0.5)
    loud = "[RAIN|Org] FELL ALL WEEK.\n"
    report = validate(tmp_path, nlp, limits, train=f"{COOK}\n{loud}")
    assert report.problems == [
        f"{tmp_path / 'train.txt'}, line 4: the sentence occurs more than once",
        f"{tmp_path / 'test.txt'}, line 1: the sentence occurs more than once",
    ]


@pytest.mark.parametrize("name", ["min_long", "max_ngram_share"])
def test_share_equal_to_its_limit_is_accepted(tmp_path, nlp, name):
    # one of three sentences is long, and no three words occur in two sentences
    assert validate(tmp_path, nlp, replace(LIMITS, **{name: 1 / 3})).problems == []


def test_share_just_below_its_limit_is_a_problem(tmp_path, nlp):
    # greater than one third
    (result,) = validate(tmp_path, nlp, replace(LIMITS, min_long=0.3334)).problems
    assert "above 10 tokens" in result


def test_whitespace_person_raises(tmp_path, nlp):
    with pytest.raises(ValueError, match=r"J605.*test\.txt, line 1, entity 0.*white"):
        validate(tmp_path, nlp, test="Rain[ |Peop]fell all week.\n")


@pytest.mark.parametrize(
    ("markup", "code"),
    [
        ("", "J602"),
        ("# no sentence: [Ada|Org]\n", "J602"),
        (f"[Rain fell\n\n{RAIN}", "J606"),
    ],
    ids=["no format", "empty", "broken"],
)
def test_unreadable_split_raises(tmp_path, nlp, markup, code):
    with pytest.raises(ValueError, match=rf"{code}.*dev\.txt"):
        validate(tmp_path, nlp, dev=markup)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_missing_split_raises(tmp_path, nlp, split):
    dataset = make_dataset(tmp_path)
    (tmp_path / f"{split}.txt").unlink()
    with pytest.raises(ValueError, match=rf"J716.* has no {split}\.\*\."):
        validate_corpus(dataset, nlp, LIMITS)


def test_folder_without_splits_raises(tmp_path, nlp):
    joins = {"Work_For": ["Peop", "Org"]}
    with pytest.raises(ValueError, match=r"J716.* has no train\.\*, dev\.\* and "):
        validate_corpus(Dataset(tmp_path, relations=joins), nlp, LIMITS)


def test_dataset_without_argument_labels_raises(tmp_path, nlp):
    dataset = replace(make_dataset(tmp_path), relations=["Work_For"])
    with pytest.raises(ValueError, match=r"J633.*dataset\.json.*'relations'"):
        validate_corpus(dataset, nlp, LIMITS)


@pytest.fixture(scope="module")
def shipped():
    """The report of each shipped corpus."""
    reports = {}
    for name in ("newswire", "ddi_zh"):
        dataset = read_dataset(ROOT / "assets" / name / "dataset.json")
        limits = Limits(**dataset.limits)
        reports[name] = validate_corpus(dataset, spacy.blank(dataset.lang), limits)
    return reports


@pytest.mark.parametrize("name", ["newswire", "ddi_zh"])
def test_shipped_corpus_passes_every_check(shipped, name):
    assert shipped[name].problems == []


@pytest.mark.parametrize(("name", "least"), [("newswire", 600), ("ddi_zh", 300)])
def test_shipped_corpus_has_enough_distinct_sentences(shipped, name, least):
    assert shipped[name].figures["distinct sentences"] >= least
