import pytest
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.inspection import Finding, Settings, collect_findings, inspect_split

from ..conftest import make_example

SETTINGS = Settings()


def sentence(words, entities=(), relations=()):
    return {"words": words.split(), "entities": entities, "relations": relations}


PEOPLE = [(0, 1, "PER"), (2, 3, "PER")]
ADA = sentence("Ada left Oslo .", [(0, 1, "PER"), (2, 3, "LOC")], [(0, 1, "left")])
MIA = sentence("Mia likes Lima .", [(0, 1, "PER"), (2, 3, "LOC")], [(0, 1, "likes")])
MET = sentence("Ada met Mia .", PEOPLE, [(0, 1, "met")])
RAIN = sentence("Rain fell .")


def findings(nlp, settings=SETTINGS, others=(), **splits):
    """Key -> finding for splits of sentences or Examples."""
    result = {
        name: inspect_split(
            [make_example(nlp, s) if isinstance(s, dict) else s for s in split],
            settings,
            name=name,
        )
        for name, split in splits.items()
    }
    return {
        finding.key: finding for finding in collect_findings(result, settings, others)
    }


def numbered(text, count, entities, relations):
    """Distinct sentences."""
    return [sentence(f"{text} {i}", entities, relations) for i in range(count)]


def good_corpus(count=50):
    """A corpus without problems: enough examples per label, and unrelated pairs."""
    types = [(0, 1, "PER"), (2, 3, "LOC")]
    return [
        *numbered("Ada left Oslo", count, types, [(0, 1, "left")]),
        *numbered("Ada saw Oslo", count, types, []),
    ]


def test_good_corpus_has_no_findings(nlp):
    assert findings(nlp, train=good_corpus(), dev=[RAIN, ADA]) == {}


def test_errors_come_first_and_advice_last(nlp):
    others = [Finding("advice", "own", "")]
    result = findings(nlp, others=others, train=[ADA, ADA], dev=[MIA])
    levels = [finding.level for finding in result.values()]
    assert sorted(levels, key=["error", "warning", "advice"].index) == levels
    assert {"error", "warning", "advice"} == set(levels)
    assert "own" in result


# labels -------------------------------------------------------------------------------


def corpus_with_labels(entities=(), relations=()):
    """Sentences with these numbers of entity and relation labels."""
    entities, relations = dict(entities), dict(relations)
    return [
        *(
            sentence("Ada left Oslo", [(0, 1, label)])
            for label, count in entities.items()
            for _ in range(count)
        ),
        *(
            sentence("Ada left Oslo", [(0, 1, "A"), (2, 3, "B")], [(0, 1, label)])
            for label, count in relations.items()
            for _ in range(count)
        ),
    ]


@pytest.mark.parametrize(
    ("rare", "other"),
    [
        ("opinion", "Opinion"),
        ("main dish", "Main_Dish"),
        ("work_at", "works_at"),
        ("Locaton", "Location"),
    ],
)
def test_rare_label_that_resembles_another_one_is_a_warning(nlp, rare, other):
    train = corpus_with_labels({rare: 1, other: 26}, {rare: 2, other: 3})
    result = findings(nlp, train=train)
    for kind, counts in (("entity", (1, 26)), ("relation", (2, 3))):
        finding = result[f"similar-{kind}-labels"]
        assert finding.level == "warning"
        assert f"{rare} ({counts[0]}) and {other} ({counts[1]})" in finding.message


def test_similar_labels_are_found_across_the_splits(nlp):
    train = corpus_with_labels({"Opinion": 20})
    result = findings(nlp, train=train, dev=corpus_with_labels({"opinion": 1}))
    assert "opinion (1) and Opinion (20)" in result["similar-entity-labels"].message


@pytest.mark.parametrize(
    "labels",
    [
        {"opinion": 10, "Opinion": 20},  # both are frequent
        {"Grade1": 1, "Grade2": 20},
        {"LOC": 1, "LOG": 20},  # short
        {"founder": 1, "founding": 20},
        {"C": 1, "C++": 20},
        {"born_in": 1, "died_in": 2},
    ],
)
def test_distinct_labels_are_no_finding(nlp, labels):
    result = findings(nlp, train=corpus_with_labels(labels, labels))
    assert not [key for key in result if key.startswith("similar-")]


def test_dev_label_missing_in_train_is_an_error_with_maximum_recall(nlp):
    finding = findings(nlp, train=[ADA], dev=[MIA, ADA])["unseen-relation-labels"]
    assert finding.level == "error"
    for part in ("dev", "likes", "1 of 2", "50.00%"):
        assert part in finding.message


def test_test_entity_label_missing_in_train_is_an_error(nlp):
    result = findings(nlp, train=[MET], dev=[MET], test=[ADA])
    assert result["unseen-entity-labels"].level == "error"
    assert "test has entity labels" in result["unseen-entity-labels"].message


def test_train_label_missing_in_dev_is_advice(nlp):
    finding = findings(nlp, train=[ADA, MET], dev=[ADA])["undeveloped-relation-labels"]
    assert finding.level == "advice"
    assert "met" in finding.message


def test_train_label_missing_in_test_is_not_reported(nlp):
    result = findings(nlp, train=[ADA, MET], dev=[ADA, MET], test=[ADA])
    assert "undeveloped-relation-labels" not in result


@pytest.mark.parametrize("train", [[RAIN], [sentence("Ada left", [(0, 1, "PER")])]])
def test_train_without_relations_is_an_error(nlp, train):
    finding = findings(nlp, train=train)["no-relation-labels"]
    assert finding.level == "error"
    assert "J502" in finding.message


def test_train_label_missing_in_the_config_is_an_error(nlp):
    settings = Settings(entity_labels=("PER", "LOC"), relation_labels=("met",))
    result = findings(nlp, settings, train=[ADA])
    assert result["refused-relation-labels"].level == "error"
    assert "left" in result["refused-relation-labels"].message
    assert "refused-entity-labels" not in result


def test_dev_labels_in_the_config_are_known(nlp):
    settings = Settings(entity_labels=("PER", "LOC"), relation_labels=("left", "met"))
    result = findings(nlp, settings, train=[ADA], dev=[MET])
    assert "unseen-relation-labels" not in result
    assert "met (0)" in result["few-relation-examples"].message


@pytest.mark.parametrize("setting", ["symmetric", "label_thresholds"])
def test_setting_with_unknown_label_is_an_error(nlp, setting):
    settings = Settings(**{setting: ("left", "spouse")})
    finding = findings(nlp, settings, train=[ADA])[
        f"unknown-{setting.replace('_', '-')}"
    ]
    assert finding.level == "error"
    assert "relation labels: spouse." in finding.message
    assert "Labels: left." in finding.message


@pytest.mark.parametrize(
    ("count", "key", "level"),
    [
        (9, "few-relation-examples", "warning"),
        (10, "some-relation-examples", "advice"),
        (49, "some-relation-examples", "advice"),
        (50, None, None),
    ],
)
def test_label_with_few_examples_is_reported_with_its_count(nlp, count, key, level):
    result = findings(nlp, train=good_corpus(count))
    reported = [name for name in result if name.endswith("-relation-examples")]
    assert reported == ([key] if key else [])
    if key:
        assert result[key].level == level
        assert f"left ({count})" in result[key].message


# annotation that cannot be learned ----------------------------------------------------


def split_doc(nlp):
    """Two sentences with a relation between Ada and Oslo."""
    words = "Ada sang . Oslo slept ."
    entities = [(0, 1, "PER"), (3, 4, "LOC")]
    example = make_example(nlp, sentence(words, entities, [(0, 1, "left")]))
    for doc in (example.predicted, example.reference):
        doc[3].is_sent_start = True
    return example


def test_relation_across_sentences_is_a_warning_with_its_share(nlp):
    result = findings(nlp, train=[split_doc(nlp), ADA])
    finding = result["relations-across-sentences"]
    assert finding.level == "warning"
    assert "train 1 of 2 (50.00%)" in finding.message
    assert finding.examples == ("train[0] 'Ada' and 'Oslo'",)
    assert "nothing-to-learn" not in result


def test_train_without_learnable_relations_is_an_error(nlp):
    result = findings(nlp, train=[split_doc(nlp), split_doc(nlp)])
    assert result["nothing-to-learn"].level == "error"


def test_relation_between_an_entity_and_itself_is_a_warning(nlp):
    itself = sentence("Ada sang", [(0, 1, "PER")], [(0, 0, "likes")])
    assert findings(nlp, train=[ADA, itself])["self-relations"].level == "warning"


def test_unannotated_doc_is_a_warning_with_its_count(nlp):
    unannotated = Doc(nlp.vocab, words=["Rain", "fell"])
    examples = [Example(Doc(nlp.vocab, words=["Rain", "fell"]), unannotated)] * 2
    finding = findings(nlp, train=[ADA], dev=[ADA, ADA, *examples])["unannotated-docs"]
    assert finding.level == "warning"
    assert "dev 2 of 4 (50.00%)" in finding.message
    assert "train" not in finding.message


def test_doc_with_only_entity_annotation_is_advice(nlp):
    doc = Doc(nlp.vocab, words=["Ada", "sang"], ents=["B-PER", "O"])
    example = Example(Doc(nlp.vocab, words=["Ada", "sang"]), doc)
    assert findings(nlp, train=[ADA, example])["entities-only-docs"].level == "advice"


@pytest.mark.parametrize(
    ("split", "level", "stops"), [("train", "error", True), ("dev", "warning", False)]
)
def test_argument_without_a_label_is_an_error_only_in_train(nlp, split, level, stops):
    doc = Doc(nlp.vocab, words=["Ada", "left", "Oslo"])
    doc._.relations = [(doc[0:1], doc[2:3], "left")]
    example = Example(Doc(nlp.vocab, words=["Ada", "left", "Oslo"]), doc)
    splits = {"train": [ADA], "dev": [ADA]}
    splits[split] = [*splits[split], example]
    finding = findings(nlp, **splits)["no-label"]
    assert finding.level == level
    assert ("J403" in finding.message) == stops


def test_overlaps_are_advice(nlp):
    hotel = sentence("Hotel Lima", [(0, 2, "ORG"), (1, 2, "LOC")])
    finding = findings(nlp, train=[ADA, hotel])["overlaps"]
    assert finding.level == "advice"
    assert "train 1 of 4 (25.00%)" in finding.message


@pytest.mark.parametrize(("narrow", "level"), [(99, "advice"), (98, "warning")])
def test_wide_entities_are_a_warning_above_one_percent(nlp, narrow, level):
    train = numbered("Ada sang", narrow, [(0, 1, "PER")], [])
    wide = sentence("Ada of Oslo sang", [(0, 3, "PER")])
    settings = Settings(max_span_width=2)
    finding = findings(nlp, settings, train=[*train, wide])["wide-entities"]
    assert finding.level == level
    assert "max_span_width = 2" in finding.message
    assert finding.examples == (f"train[{narrow}] 'Ada of Oslo'",)


def test_wide_arguments_are_a_warning(nlp):
    """One percent of the entities can be in half of the relations."""
    train = numbered("Ada sang", 200, [(0, 1, "PER")], [])
    relations = [(0, 1, "left")]
    wide = sentence("Ada of Oslo left Lima", [(0, 3, "PER"), (4, 5, "LOC")], relations)
    settings = Settings(max_span_width=2)
    finding = findings(nlp, settings, train=[*train, wide, ADA])["wide-entities"]
    assert finding.level == "warning"
    assert "train 99.51% and 50.00%" in finding.message


# sentences ----------------------------------------------------------------------------


def test_long_sentences_are_a_warning(nlp):
    result = findings(nlp, train=[ADA], dev=[sentence("rain " * 351)])
    assert result["long-sentences"].level == "warning"
    assert "train 4, dev 351" in result["long-sentences"].message
    assert "long-sentences" not in findings(nlp, train=[sentence("rain " * 350)])


def test_train_without_a_sentence_without_relation_is_advice(nlp):
    key = "no-sentence-without-relation"
    assert findings(nlp, train=[ADA])[key].level == "advice"
    assert key not in findings(nlp, train=[ADA, RAIN])


def test_mostly_related_pairs_are_advice(nlp):
    types = [(0, 1, "PER"), (2, 3, "LOC")]
    related = numbered("Ada left Oslo", 55, types, [(0, 1, "left")])
    unrelated = numbered("Ada saw Oslo", 7, types, [])
    result = findings(nlp, train=[*related, *unrelated[:6]])
    assert result["few-unrelated-pairs"].level == "advice"
    assert "55 of 61" in result["few-unrelated-pairs"].message
    result = findings(nlp, train=[*related, *unrelated])
    assert "few-unrelated-pairs" not in result


def test_leak_is_a_warning_with_its_share(nlp):
    result = findings(nlp, train=[ADA, MET], dev=[MIA], test=[ADA, RAIN])
    assert result["leak"].level == "warning"
    for part in ("1 of 2 sentences of test (50.00%)", "train", "1 relations"):
        assert part in result["leak"].message
    assert result["leak"].examples == ("test[0], train[0]: 'Ada left Oslo .'",)


def test_splits_without_a_common_text_have_no_leak(nlp):
    assert "leak" not in findings(nlp, train=[ADA], dev=[MIA], test=[RAIN])


def test_repeated_sentence_is_advice(nlp):
    result = findings(nlp, train=[ADA, MET, ADA, ADA])
    assert result["repeats"].level == "advice"
    assert result["repeats"].examples == ("train[0] 'Ada left Oslo .', 3 times",)
    assert "inconsistent-repeats" not in result


def test_repeated_sentence_with_other_annotation_is_a_warning(nlp):
    result = findings(nlp, train=[ADA, MET, ADA, {**ADA, "relations": []}])
    assert result["inconsistent-repeats"].level == "warning"
    assert result["inconsistent-repeats"].examples == (
        "train[0], train[3]: 'Ada left Oslo .'",
    )


# directions ---------------------------------------------------------------------------

BOTH = [(0, 1, "met"), (1, 0, "met")]


@pytest.mark.parametrize(
    ("both", "single", "reported"), [(3, 3, True), (3, 4, False), (2, 0, False)]
)
def test_relation_annotated_in_both_directions_is_a_warning(
    nlp, both, single, reported
):
    train = [
        *numbered("Ada met Mia", both, PEOPLE, BOTH),
        *numbered("Ada saw Mia", single, PEOPLE, [(1, 0, "met")]),
    ]
    result = findings(nlp, train=train)
    assert ("annotated-both-ways" in result) == reported
    if reported:
        assert result["annotated-both-ways"].level == "warning"
        assert "met (3 of 6 pairs)" in result["annotated-both-ways"].message


def test_relation_in_text_order_is_a_symmetric_candidate(nlp):
    ordered = numbered("Ada met Mia", 17, PEOPLE, [(0, 1, "met")])
    reverse = numbered("Ada saw Mia", 4, PEOPLE, [(1, 0, "met")])
    result = findings(nlp, train=[*ordered, *reverse[:3]])  # 85%
    assert result["symmetric-candidates"].level == "advice"
    assert "met (100% same label, 85% in order)" in (
        result["symmetric-candidates"].message
    )
    result = findings(nlp, train=[*ordered, *reverse])
    assert "symmetric-candidates" not in result


def test_relation_between_two_labels_is_not_a_symmetric_candidate(nlp):
    assert "symmetric-candidates" not in findings(nlp, train=good_corpus(20))


def test_symmetric_relation_is_not_a_symmetric_candidate(nlp):
    train = numbered("Ada met Mia", 20, PEOPLE, [(0, 1, "met")])
    result = findings(nlp, Settings(symmetric=("met",)), train=train)
    assert not [key for key in result if "symmetric" in key or "both" in key]


def test_symmetric_relation_annotated_in_both_directions_is_a_warning(nlp):
    both = sentence("Ada met Mia", PEOPLE, BOTH)
    result = findings(nlp, Settings(symmetric=("met",)), train=[both, MET])
    assert result["symmetric-both-ways"].level == "warning"
    assert "1 of its 2 pairs" in result["symmetric-both-ways"].message
    assert "annotated-both-ways" not in result


def test_symmetric_relation_between_two_labels_is_a_warning(nlp):
    settings = Settings(symmetric=("left",))
    result = findings(nlp, settings, train=[ADA])
    assert result["symmetric-between-types"].level == "warning"
    same = sentence("Ada left Mia", PEOPLE, [(0, 1, "left")])
    assert "symmetric-between-types" not in findings(nlp, settings, train=[ADA, same])


# constraints and overlaps -------------------------------------------------------------

NESTED = sentence("Lima Hotel .", [(0, 2, "ORG"), (0, 1, "LOC")])
REVERSED = sentence("Lima Hotel .", [(0, 2, "LOC"), (1, 2, "ORG")])


def excluded(nlp, constraints, symmetric=(), **splits):
    settings = Settings(constraints=constraints, symmetric=symmetric)
    return findings(nlp, settings, **splits).get("excluded-relations")


def test_relations_outside_the_list_are_counted(nlp):
    rows = (("PER", "left", "LOC"),)
    finding = excluded(nlp, rows, train=[ADA, MIA])
    assert finding.level == "warning"
    for part in ("1 of 2 relations of train", "likes: PER -> LOC (1)", "50.00%"):
        assert part in finding.message


def test_relations_that_are_not_in_the_training_data_are_counted(nlp):
    other = sentence(
        "Lima left Ada .", [(0, 1, "LOC"), (2, 3, "PER")], [(0, 1, "left")]
    )
    finding = excluded(nlp, "infer", train=[ADA], dev=[ADA, other])
    assert "1 of 2 relations of dev: left: LOC -> PER (1)" in finding.message
    assert excluded(nlp, "none", train=[ADA], dev=[other]) is None
    assert excluded(nlp, "infer", ("left",), train=[ADA], dev=[other]) is None


def test_unknown_label_in_constraints_is_an_error(nlp):
    settings = Settings(constraints=(("PER", "left", "CAT"), ("PER", "ate", "LOC")))
    finding = findings(nlp, settings, train=[ADA])["unknown-constraints"]
    assert finding.level == "error"
    assert "unknown labels: CAT, ate" in finding.message
    assert "J511" in finding.message


@pytest.mark.parametrize(
    ("overlaps", "train", "expected"),
    [
        ("keep", ADA, False),
        ("best", ADA, True),
        ("best", NESTED, True),
        ("auto", ADA, True),
        ("auto", NESTED, False),
        # in the training data, only an ORG is in a LOC
        ("auto", REVERSED, True),
        ((("ORG", "LOC"),), ADA, False),
        ((("LOC", "ORG"),), NESTED, True),
    ],
)
def test_overlapping_entities_that_are_not_predicted_are_reported(
    nlp, overlaps, train, expected
):
    result = findings(nlp, Settings(overlaps=overlaps), train=[train], dev=[NESTED])
    assert ("removed-overlaps" in result) is expected
