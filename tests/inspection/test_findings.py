import pytest
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.inspection import Finding, Settings, inspect_split, judge

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
    """Key -> finding, of splits of sentences or Examples."""
    found = {
        name: inspect_split(
            [make_example(nlp, s) if isinstance(s, dict) else s for s in split],
            settings,
            name=name,
        )
        for name, split in splits.items()
    }
    return {finding.key: finding for finding in judge(found, settings, others)}


def numbered(text, count, entities, relations):
    """Sentences that no two are alike."""
    return [sentence(f"{text} {i}", entities, relations) for i in range(count)]


def plenty(count=50):
    """A corpus without fault: enough of each label, and pairs that are unrelated."""
    types = [(0, 1, "PER"), (2, 3, "LOC")]
    return [
        *numbered("Ada left Oslo", count, types, [(0, 1, "left")]),
        *numbered("Ada saw Oslo", count, types, []),
    ]


def test_corpus_without_fault_has_no_findings(nlp):
    assert findings(nlp, train=plenty(), dev=[RAIN, ADA]) == {}


def test_errors_come_first_and_advice_last(nlp):
    others = [Finding("advice", "own", "")]
    found = findings(nlp, others=others, train=[ADA, ADA], dev=[MIA])
    levels = [finding.level for finding in found.values()]
    assert sorted(levels, key=["error", "warning", "advice"].index) == levels
    assert {"error", "warning", "advice"} == set(levels)
    assert "own" in found


# labels -------------------------------------------------------------------------------


def test_label_of_dev_that_train_lacks_is_an_error_with_its_cost(nlp):
    finding = findings(nlp, train=[ADA], dev=[MIA, ADA])["unseen-relation-labels"]
    assert finding.level == "error"
    for part in ("dev", "likes", "1 of 2", "50.00%"):
        assert part in finding.message


def test_entity_label_of_test_that_train_lacks_is_an_error(nlp):
    found = findings(nlp, train=[MET], dev=[MET], test=[ADA])
    assert found["unseen-entity-labels"].level == "error"
    assert "test has entity labels" in found["unseen-entity-labels"].message


def test_label_of_train_that_dev_lacks_is_advice(nlp):
    finding = findings(nlp, train=[ADA, MET], dev=[ADA])["undeveloped-relation-labels"]
    assert finding.level == "advice"
    assert "met" in finding.message


def test_label_that_test_lacks_is_nothing_to_say(nlp):
    found = findings(nlp, train=[ADA, MET], dev=[ADA, MET], test=[ADA])
    assert "undeveloped-relation-labels" not in found


@pytest.mark.parametrize("train", [[RAIN], [sentence("Ada left", [(0, 1, "PER")])]])
def test_train_without_relations_is_an_error(nlp, train):
    finding = findings(nlp, train=train)["no-relation-labels"]
    assert finding.level == "error"
    assert "J502" in finding.message


def test_labels_of_the_config_that_lack_one_of_train_are_an_error(nlp):
    settings = Settings(entity_labels=("PER", "LOC"), relation_labels=("met",))
    found = findings(nlp, settings, train=[ADA])
    assert found["refused-relation-labels"].level == "error"
    assert "left" in found["refused-relation-labels"].message
    assert "refused-entity-labels" not in found


def test_labels_of_the_config_are_known_to_dev(nlp):
    settings = Settings(entity_labels=("PER", "LOC"), relation_labels=("left", "met"))
    found = findings(nlp, settings, train=[ADA], dev=[MET])
    assert "unseen-relation-labels" not in found
    assert "met (0)" in found["few-relation-examples"].message


@pytest.mark.parametrize("setting", ["symmetric", "label_thresholds"])
def test_setting_that_names_no_label_of_the_data_is_an_error(nlp, setting):
    settings = Settings(**{setting: ("left", "spouse")})
    finding = findings(nlp, settings, train=[ADA])[
        f"unknown-{setting.replace('_', '-')}"
    ]
    assert finding.level == "error"
    assert "relation label: spouse." in finding.message
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
def test_label_with_few_examples_is_told_by_how_few(nlp, count, key, level):
    found = findings(nlp, train=plenty(count))
    told = [name for name in found if name.endswith("-relation-examples")]
    assert told == ([key] if key else [])
    if key:
        assert found[key].level == level
        assert f"left ({count})" in found[key].message


# what cannot be learnt ----------------------------------------------------------------


def split_doc(nlp):
    """Ada and Oslo in two sentences, related."""
    words = "Ada sang . Oslo slept ."
    entities = [(0, 1, "PER"), (3, 4, "LOC")]
    example = make_example(nlp, sentence(words, entities, [(0, 1, "left")]))
    for doc in (example.predicted, example.reference):
        doc[3].is_sent_start = True
    return example


def test_relation_across_sentences_is_a_warning_with_its_cost(nlp):
    found = findings(nlp, train=[split_doc(nlp), ADA])
    finding = found["relations-across-sentences"]
    assert finding.level == "warning"
    assert "train 1 of 2 (50.00%)" in finding.message
    assert finding.examples == ("train[0] 'Ada' and 'Oslo'",)
    assert "nothing-to-learn" not in found


def test_train_of_which_nothing_can_be_learnt_is_an_error(nlp):
    found = findings(nlp, train=[split_doc(nlp), split_doc(nlp)])
    assert found["nothing-to-learn"].level == "error"


def test_relation_of_an_entity_with_itself_is_a_warning(nlp):
    itself = sentence("Ada sang", [(0, 1, "PER")], [(0, 0, "likes")])
    assert findings(nlp, train=[ADA, itself])["self-relations"].level == "warning"


def test_doc_nobody_annotated_is_a_warning_with_its_count(nlp):
    blank = Doc(nlp.vocab, words=["Rain", "fell"])
    examples = [Example(Doc(nlp.vocab, words=["Rain", "fell"]), blank)] * 2
    finding = findings(nlp, train=[ADA], dev=[ADA, ADA, *examples])["unannotated-docs"]
    assert finding.level == "warning"
    assert "dev 2 of 4 (50.00%)" in finding.message
    assert "train" not in finding.message


def test_doc_annotated_with_entities_alone_is_advice(nlp):
    doc = Doc(nlp.vocab, words=["Ada", "sang"], ents=["B-PER", "O"])
    example = Example(Doc(nlp.vocab, words=["Ada", "sang"]), doc)
    assert findings(nlp, train=[ADA, example])["entities-only-docs"].level == "advice"


@pytest.mark.parametrize(
    ("split", "level", "stops"), [("train", "error", True), ("dev", "warning", False)]
)
def test_argument_without_a_label_is_an_error_in_train_alone(nlp, split, level, stops):
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
def test_wide_entities_are_a_warning_above_one_in_a_hundred(nlp, narrow, level):
    train = numbered("Ada sang", narrow, [(0, 1, "PER")], [])
    wide = sentence("Ada of Oslo sang", [(0, 3, "PER")])
    settings = Settings(max_span_width=2)
    finding = findings(nlp, settings, train=[*train, wide])["wide-entities"]
    assert finding.level == level
    assert "max_span_width = 2" in finding.message
    assert finding.examples == (f"train[{narrow}] 'Ada of Oslo'",)


def test_wide_arguments_are_a_warning_too(nlp):
    """A hundredth of the entities may be half of the relations."""
    train = numbered("Ada sang", 200, [(0, 1, "PER")], [])
    relations = [(0, 1, "left")]
    wide = sentence("Ada of Oslo left Lima", [(0, 3, "PER"), (4, 5, "LOC")], relations)
    settings = Settings(max_span_width=2)
    finding = findings(nlp, settings, train=[*train, wide, ADA])["wide-entities"]
    assert finding.level == "warning"
    assert "train 99.51% and 50.00%" in finding.message


# sentences ----------------------------------------------------------------------------


def test_long_sentences_are_a_warning(nlp):
    found = findings(nlp, train=[ADA], dev=[sentence("rain " * 351)])
    assert found["long-sentences"].level == "warning"
    assert "train 4, dev 351" in found["long-sentences"].message
    assert "long-sentences" not in findings(nlp, train=[sentence("rain " * 350)])


def test_train_without_a_sentence_without_relation_is_advice(nlp):
    key = "no-sentence-without-relation"
    assert findings(nlp, train=[ADA])[key].level == "advice"
    assert key not in findings(nlp, train=[ADA, RAIN])


def test_pairs_nearly_all_related_are_advice(nlp):
    types = [(0, 1, "PER"), (2, 3, "LOC")]
    related = numbered("Ada left Oslo", 55, types, [(0, 1, "left")])
    unrelated = numbered("Ada saw Oslo", 7, types, [])
    found = findings(nlp, train=[*related, *unrelated[:6]])
    assert found["few-unrelated-pairs"].level == "advice"
    assert "55 of 61" in found["few-unrelated-pairs"].message
    found = findings(nlp, train=[*related, *unrelated])
    assert "few-unrelated-pairs" not in found


def test_leak_is_a_warning_with_its_share(nlp):
    found = findings(nlp, train=[ADA, MET], dev=[MIA], test=[ADA, RAIN])
    assert found["leak"].level == "warning"
    for part in ("1 of 2 sentences of test (50.00%)", "train", "1 relations"):
        assert part in found["leak"].message
    assert found["leak"].examples == ("test[0], train[0]: 'Ada left Oslo .'",)


def test_splits_without_a_common_text_are_no_leak(nlp):
    assert "leak" not in findings(nlp, train=[ADA], dev=[MIA], test=[RAIN])


def test_repeated_sentence_is_advice(nlp):
    found = findings(nlp, train=[ADA, MET, ADA, ADA])
    assert found["repeats"].level == "advice"
    assert found["repeats"].examples == ("train[0] 'Ada left Oslo .', 3 times",)
    assert "inconsistent-repeats" not in found


def test_repeated_sentence_annotated_otherwise_is_a_warning(nlp):
    found = findings(nlp, train=[ADA, MET, ADA, {**ADA, "relations": []}])
    assert found["inconsistent-repeats"].level == "warning"
    assert found["inconsistent-repeats"].examples == (
        "train[0], train[3]: 'Ada left Oslo .'",
    )


# directions ---------------------------------------------------------------------------

BOTH = [(0, 1, "met"), (1, 0, "met")]


@pytest.mark.parametrize(
    ("both", "single", "told"), [(3, 3, True), (3, 4, False), (2, 0, False)]
)
def test_relation_annotated_both_ways_is_a_warning(nlp, both, single, told):
    train = [
        *numbered("Ada met Mia", both, PEOPLE, BOTH),
        *numbered("Ada saw Mia", single, PEOPLE, [(1, 0, "met")]),
    ]
    found = findings(nlp, train=train)
    assert ("annotated-both-ways" in found) == told
    if told:
        assert found["annotated-both-ways"].level == "warning"
        assert "met (3 of 6 pairs)" in found["annotated-both-ways"].message


def test_relation_in_the_order_of_the_text_may_be_symmetric(nlp):
    ordered = numbered("Ada met Mia", 17, PEOPLE, [(0, 1, "met")])
    reverse = numbered("Ada saw Mia", 4, PEOPLE, [(1, 0, "met")])
    found = findings(nlp, train=[*ordered, *reverse[:3]])  # 85%
    assert found["symmetric-candidates"].level == "advice"
    assert "met (100% one type, 85% in order)" in (
        found["symmetric-candidates"].message
    )
    found = findings(nlp, train=[*ordered, *reverse])
    assert "symmetric-candidates" not in found


def test_relation_between_two_types_is_no_candidate(nlp):
    assert "symmetric-candidates" not in findings(nlp, train=plenty(20))


def test_symmetric_relation_is_no_candidate(nlp):
    train = numbered("Ada met Mia", 20, PEOPLE, [(0, 1, "met")])
    found = findings(nlp, Settings(symmetric=("met",)), train=train)
    assert not [key for key in found if "symmetric" in key or "both" in key]


def test_symmetric_relation_annotated_both_ways_is_a_warning(nlp):
    both = sentence("Ada met Mia", PEOPLE, BOTH)
    found = findings(nlp, Settings(symmetric=("met",)), train=[both, MET])
    assert found["symmetric-both-ways"].level == "warning"
    assert "1 of its 2 pairs" in found["symmetric-both-ways"].message
    assert "annotated-both-ways" not in found


def test_symmetric_relation_between_two_types_is_a_warning(nlp):
    settings = Settings(symmetric=("left",))
    found = findings(nlp, settings, train=[ADA])
    assert found["symmetric-between-types"].level == "warning"
    same = sentence("Ada left Mia", PEOPLE, [(0, 1, "left")])
    assert "symmetric-between-types" not in findings(nlp, settings, train=[ADA, same])
