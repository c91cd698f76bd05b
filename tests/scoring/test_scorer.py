import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_jre.annotations import StoredEntity, StoredRelation, write_annotations
from spacy_jre.scoring.scorer import (
    make_joint_scorer_v1,
    score_joint,
    with_plain_names,
)

from .helpers import ADA, HOTEL, LIMA, OSLO, WORDS, annotate, make_example, unannotated

MEASURES = ("p", "r", "f")


def close(value):
    return pytest.approx(value, abs=1e-9)


def prf(scores, name):
    return tuple(scores[f"{name}_{measure}"] for measure in MEASURES)


def prf_of(tp, fp, fn):
    p = tp / (tp + fp) if tp + fp else 0.0
    r = tp / (tp + fn) if tp + fn else 0.0
    return close((p, r, 2 * p * r / (p + r) if p + r else 0.0))


# entities


def test_perfect_prediction_scores_one():
    annotation = ([ADA, HOTEL, LIMA], [(ADA, HOTEL, "works_for")])
    scores = score_joint([make_example(annotation, annotation)])
    for name in ("ents", "rel", "rel_strict"):
        assert prf(scores, name) == close((1, 1, 1))
        assert scores[f"{name}_macro_f"] == close(1)


def test_entities_must_match_in_boundaries_and_label():
    predicted = [ADA, (4, 5, "ORG"), (7, 8, "ORG"), LIMA]
    scores = score_joint([make_example(([ADA, HOTEL, LIMA, OSLO],), (predicted,))])
    assert prf(scores, "ents") == prf_of(2, 2, 2)


def test_nested_entities_count_one_each():
    scores = score_joint([make_example(([HOTEL, LIMA],), ([LIMA],))])
    assert prf(scores, "ents") == prf_of(1, 0, 1)


def test_two_labels_on_one_span_count_one_each():
    gold = [(0, 2, "PER"), (0, 2, "ORG")]
    scores = score_joint([make_example((gold,), ([(0, 2, "PER")],))])
    assert prf(scores, "ents") == prf_of(1, 0, 1)


def test_entities_listed_twice_count_once():
    scores = score_joint([make_example(([ADA, ADA],), ([ADA, ADA, OSLO, OSLO],))])
    assert prf(scores, "ents") == prf_of(1, 1, 0)


def test_same_offsets_in_another_example_do_not_match():
    one = make_example(([ADA],), ([OSLO],))
    two = make_example(([OSLO],), ([ADA],))
    assert prf(score_joint([one, two]), "ents") == (0, 0, 0)


def test_doc_ents_are_gold_without_a_span_group():
    example = make_example(([],), ([ADA],))
    reference = Doc(example.reference.vocab, words=WORDS)
    reference.set_ents([reference.char_span(0, 9, label="PER")])
    scores = score_joint([Example(example.predicted, reference)])
    assert prf(scores, "ents") == close((1, 1, 1))


# relations

GOLD = ([ADA, HOTEL, OSLO], [(ADA, HOTEL, "works_for"), (HOTEL, OSLO, "based_in")])


def score_relations(relations, **settings):
    """Compare predicted relations and their arguments with GOLD."""
    entities = [argument for relation in relations for argument in relation[:2]]
    return score_joint([make_example(GOLD, (entities, relations))], **settings)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param((ADA, HOTEL, "based_in"), id="label"),
        pytest.param((HOTEL, ADA, "works_for"), id="direction"),
        pytest.param(((0, 1, "PER"), HOTEL, "works_for"), id="head boundary"),
        pytest.param((ADA, (4, 5, "ORG"), "works_for"), id="tail boundary"),
    ],
)
def test_wrong_relation_is_wrong_in_both_scores(wrong):
    scores = score_relations([wrong, (HOTEL, OSLO, "based_in")])
    assert prf(scores, "rel") == prf_of(1, 1, 1)
    assert prf(scores, "rel_strict") == prf_of(1, 1, 1)


@pytest.mark.parametrize(
    "mistyped",
    [
        ((0, 2, "ORG"), HOTEL, "works_for"),
        (ADA, (4, 6, "LOC"), "works_for"),
        ((0, 2, "LOC"), (4, 6, "PER"), "works_for"),
    ],
)
def test_wrong_entity_label_is_only_wrong_in_the_strict_score(mistyped):
    scores = score_relations([mistyped])
    assert prf(scores, "rel") == prf_of(1, 0, 1)
    assert prf(scores, "rel_strict") == prf_of(0, 1, 2)


def test_relation_predicted_with_two_entity_labels_counts_once_unless_strict():
    mistyped = ((0, 2, "ORG"), HOTEL, "works_for")
    scores = score_relations([(ADA, HOTEL, "works_for"), mistyped])
    assert prf(scores, "rel") == prf_of(1, 0, 1)
    assert prf(scores, "rel_strict") == prf_of(1, 1, 1)


def test_relations_listed_twice_count_once():
    scores = score_relations([(ADA, HOTEL, "works_for")] * 3)
    assert prf(scores, "rel") == prf_of(1, 0, 1)


def test_missing_prediction_is_a_false_negative():
    scores = score_relations([(ADA, HOTEL, "works_for")])
    assert scores["rel_per_type"]["based_in"] == {"p": 0, "r": 0, "f": 0}
    assert scores["rel_r"] == close(0.5)


def test_empty_prediction_scores_zero():
    scores = score_relations([])
    for name in ("ents", "rel", "rel_strict"):
        assert prf(scores, name) == (0, 0, 0)
        assert scores[f"{name}_macro_f"] == 0


def test_predictions_for_empty_gold_are_false_positives():
    example = make_example(([], []), ([ADA, HOTEL], [(ADA, HOTEL, "works_for")]))
    scores = score_joint([example])
    assert prf(scores, "rel") == (0, 0, 0)
    assert set(scores["rel_per_type"]) == {"works_for"}


def test_empty_gold_and_prediction_score_zero_without_labels():
    scores = score_joint([make_example(([], []), ([], []))])
    assert prf(scores, "rel") == (0, 0, 0)
    assert (scores["rel_macro_f"], scores["rel_per_type"]) == (0, {})


def test_relation_of_an_entity_with_itself_is_scored():
    gold = ([ADA], [(ADA, ADA, "same")])
    scores = score_joint([make_example(gold, gold)])
    assert prf(scores, "rel_strict") == close((1, 1, 1))


def test_argument_without_a_label_has_the_label_of_its_entity():
    example = make_example(GOLD, ([ADA, HOTEL],))
    doc = example.predicted
    doc._.relations = [(doc[0:2], doc[4:6], "works_for")]
    assert prf(score_joint([example]), "rel_strict") == prf_of(1, 0, 1)


# symmetric labels

SPOUSES = [(ADA, OSLO, "spouse"), (OSLO, ADA, "spouse")]


@pytest.mark.parametrize("gold", [SPOUSES[:1], SPOUSES[1:], SPOUSES])
@pytest.mark.parametrize("predicted", [SPOUSES[:1], SPOUSES[1:], SPOUSES])
def test_symmetric_relation_counts_once_in_any_order(gold, predicted):
    other = (ADA, HOTEL, "works_for")
    example = make_example(([], [*gold, other]), ([], predicted))
    scores = score_joint([example], symmetric=["spouse"])
    assert prf(scores, "rel") == prf_of(1, 0, 1)
    assert prf(scores, "rel_strict") == prf_of(1, 0, 1)


def test_directed_label_keeps_its_order():
    example = make_example(([], SPOUSES[:1]), ([], SPOUSES))
    scores = score_joint([example], symmetric=["works_for"])
    assert prf(scores, "rel") == prf_of(1, 1, 0)


def test_symmetric_relation_with_a_wrong_entity_label_is_wrong_in_the_strict_score():
    mistyped = [((7, 8, "PER"), ADA, "spouse")]
    example = make_example(([], SPOUSES[:1]), ([], mistyped))
    scores = score_joint([example], symmetric=["spouse"])
    assert prf(scores, "rel") == prf_of(1, 0, 0)
    assert prf(scores, "rel_strict") == prf_of(0, 1, 1)


def test_symmetric_relations_can_count_in_both_orders():
    gold = [*SPOUSES, (ADA, HOTEL, "works_for")]
    predicted = [SPOUSES[1], (HOTEL, OSLO, "spouse"), (HOTEL, ADA, "works_for")]
    example = make_example(([], gold), ([], predicted))
    once = score_joint([example], symmetric=["spouse"])
    twice = score_joint([example], symmetric=["spouse"], symmetric_twice=True)
    # correct: one spouse; false: a spouse and the works_for; missed: the works_for
    assert prf(once, "rel_strict") == prf_of(1, 2, 1)
    assert prf(twice, "rel_strict") == prf_of(2, 3, 1)
    assert prf(twice, "rel") == prf_of(2, 3, 1)
    assert twice["rel_per_type"]["spouse"] == once["rel_per_type"]["spouse"]


def test_symmetric_relation_of_an_entity_with_itself_counts_once():
    example = make_example(([], [(ADA, ADA, "spouse")]), ([], [(ADA, OSLO, "spouse")]))
    scores = score_joint([example], symmetric=["spouse"], symmetric_twice=True)
    assert prf(scores, "rel") == prf_of(0, 2, 1)


# rules of SpERT's evaluator, counted by hand


def test_counts_of_several_documents_with_all_rules():
    """Duplicates, an empty prediction, symmetric labels, labels that only occur in the
    gold annotation, nested entities and wrong entity labels."""
    wrong = (4, 6, "LOC")
    gold = [
        ([ADA, HOTEL, LIMA, OSLO], [(ADA, HOTEL, "works_for"), (OSLO, LIMA, "near")]),
        ([ADA, OSLO, (0, 1, "RARE")], [(ADA, OSLO, "spouse"), (ADA, OSLO, "unseen")]),
        ([ADA], []),
    ]
    predicted = [
        # ADA and the relation twice, HOTEL with a wrong label, LIMA near OSLO
        (
            [ADA, ADA, wrong, LIMA, OSLO],
            [
                (ADA, wrong, "works_for"),
                (ADA, wrong, "works_for"),
                (LIMA, OSLO, "near"),
            ],
        ),
        ([], []),
        ([ADA, OSLO], [(OSLO, ADA, "spouse")]),
    ]
    examples = [make_example(*pair) for pair in zip(gold, predicted, strict=True)]
    scores = score_joint(examples, symmetric=["near", "spouse"])
    # PER 2 0 1, ORG 0 0 1, LOC 2 2 1, RARE 0 0 1
    assert prf(scores, "ents") == prf_of(4, 2, 4)
    f1s = [2 * 2 / 5, 0, 2 * 2 / 7, 0]
    assert scores["ents_macro_f"] == close(sum(f1s) / 4)
    # works_for 1 0 0, near 1 0 0, spouse 0 1 1, unseen 0 0 1
    assert prf(scores, "rel") == prf_of(2, 1, 2)
    assert scores["rel_macro_f"] == close(2 / 4)
    # works_for 0 1 1
    assert prf(scores, "rel_strict") == prf_of(1, 2, 3)
    assert scores["rel_strict_macro_f"] == close(1 / 4)


# summaries


@pytest.fixture
def mixed():
    """Counts (tp, fp, fn): works_for (2, 1, 0), based_in (0, 0, 1), near (0, 1, 0)."""
    one = make_example(
        GOLD, ([], [(ADA, HOTEL, "works_for"), (ADA, OSLO, "works_for")])
    )
    two = make_example(
        ([], [(ADA, LIMA, "works_for")]),
        ([], [(ADA, LIMA, "works_for"), (LIMA, OSLO, "near")]),
    )
    return score_joint([one, two])


def test_micro_scores_count_all_relations_equally(mixed):
    assert prf(mixed, "rel") == prf_of(2, 2, 1)


def test_every_label_has_its_own_scores(mixed):
    assert mixed["rel_per_type"] == {
        "works_for": {"p": close(2 / 3), "r": close(1), "f": close(0.8)},
        "based_in": {"p": 0, "r": 0, "f": 0},
        "near": {"p": 0, "r": 0, "f": 0},
    }


def test_macro_scores_are_means_over_labels_of_gold_or_prediction(mixed):
    assert mixed["rel_macro_p"] == close(2 / 9)
    assert mixed["rel_macro_r"] == close(1 / 3)
    # the mean of the labels' F1, not the F1 of the means
    assert mixed["rel_macro_f"] == close(0.8 / 3)


def test_labels_are_sorted(mixed):
    assert list(mixed["rel_per_type"]) == ["based_in", "near", "works_for"]


def test_registered_scorer_returns_the_scores_of_score_joint(examples):
    assert make_joint_scorer_v1()(examples) == score_joint(examples)


def test_registered_scorer_names_the_scores_of_another_extension(examples):
    scores = make_joint_scorer_v1()(examples, attr="triples")
    plain = score_joint(examples, attr="triples")
    assert scores == {f"triples_{name}": value for name, value in plain.items()}
    assert with_plain_names({**scores, "rel_f": 0.0, "speed": 1.0}, "triples") == {
        **plain,
        "speed": 1.0,
    }


# references without annotations

KEYS = (*MEASURES, "macro_p", "macro_r", "macro_f", "per_type")


def test_reference_without_relation_data_is_ignored():
    known = make_example(GOLD, GOLD)
    unknown = unannotated(make_example(([],), GOLD), ents=True)
    scores = score_joint([known, unknown])
    assert prf(scores, "rel") == close((1, 1, 1))
    assert prf(scores, "ents") == prf_of(4, 2, 0)


def test_relations_have_no_score_without_relation_data():
    scores = score_joint([unannotated(make_example(([],), GOLD), ents=True)])
    for name in ("rel", "rel_strict"):
        assert {scores[f"{name}_{key}"] for key in KEYS} == {None}
    assert prf(scores, "ents") == prf_of(1, 2, 0)


def test_scores_are_none_without_annotations():
    scores = score_joint([unannotated(make_example(([],), GOLD))])
    assert set(scores.values()) == {None}


def test_scores_are_none_without_examples():
    scores = score_joint([])
    names = ("ents", "rel", "rel_strict")
    assert scores == {f"{name}_{key}": None for name in names for key in KEYS}


# different tokens and whitespace


def test_different_tokens_of_the_same_text_match():
    vocab = Vocab()
    gold = Doc(vocab, words=["Ada", "-", "Mia", "sing"], spaces=[0, 0, 1, 0])
    annotate(gold, [(0, 3, "DUO")], [((0, 1, "PER"), (2, 3, "PER"), "spouse")])
    predicted = Doc(vocab, words=["Ada-", "Mia", "sing"], spaces=[0, 1, 0])
    write_annotations(
        predicted,
        [StoredEntity(0, 7, "DUO", 1.0)],
        [StoredRelation(0, 3, "PER", 4, 7, "PER", "spouse", 1.0)],
    )
    scores = score_joint([Example(predicted, gold)])
    assert prf(scores, "ents") == close((1, 1, 1))
    assert prf(scores, "rel_strict") == close((1, 1, 1))


@pytest.fixture(params=[" ", "\n", "\t"], ids=["space", "newline", "tab"])
def whitespace(request):
    """An additional whitespace token."""
    return request.param


def test_whitespace_before_an_entity_is_ignored(whitespace):
    vocab = Vocab()
    ada, hotel, works = (1, 3, "PER"), (6, 8, "ORG"), "works_for"
    words = [whitespace, *WORDS[:2], "cooks", whitespace, "for", *WORDS[4:]]
    predicted = annotate(Doc(vocab, words=words), [ada, hotel], [(ada, hotel, works)])
    gold = annotate(Doc(vocab, words=WORDS), [ADA, HOTEL], [(ADA, HOTEL, works)])
    scores = score_joint([Example(predicted, gold)])
    assert prf(scores, "ents") == close((1, 1, 1))
    assert prf(scores, "rel_strict") == close((1, 1, 1))


def test_whitespace_inside_an_entity_is_ignored(whitespace):
    vocab = Vocab()
    predicted = Doc(vocab, words=["Hotel", whitespace, "Lima", "sang"])
    gold = Doc(vocab, words=["Hotel", "Lima", "sang"])
    annotate(predicted, [(0, 3, "ORG")])
    annotate(gold, [(0, 2, "ORG")])
    assert prf(score_joint([Example(predicted, gold)]), "ents") == close((1, 1, 1))


def test_span_without_alignment_is_a_false_positive():
    vocab = Vocab()
    duo, ola = (0, 1, "PER"), (2, 3, "PER")
    gold = Doc(vocab, words=["Ada-Mia", "love", "Ola"])
    annotate(gold, [duo, ola], [(duo, ola, "loves")])
    ada, mia, ola = (1, 2, "PER"), (2, 3, "PER"), (4, 5, "PER")
    words = [" ", "Ada", "-Mia", "love", "Ola"]
    predicted = Doc(vocab, words=words, spaces=[0, 0, 1, 1, 0])
    annotate(predicted, [], [(ada, ola, "loves"), (mia, ola, "loves"), (ola, ola, "x")])
    scores = score_joint([Example(predicted, gold)])
    assert prf(scores, "ents") == prf_of(1, 2, 1)
    assert scores["rel_per_type"]["loves"] == {"p": 0, "r": 0, "f": 0}


def test_each_span_without_alignment_is_counted():
    vocab = Vocab()
    gold = annotate(Doc(vocab, words=["Ada-Mia", "Ola"]), [(1, 2, "PER")])
    spaces = [0, 0, 1, 0]
    predicted = Doc(vocab, words=[" ", "Ada", "-Mia", "Ola"], spaces=spaces)
    annotate(predicted, [(1, 2, "PER"), (2, 3, "PER"), (3, 4, "PER")])
    assert prf(score_joint([Example(predicted, gold)]), "ents") == prf_of(1, 2, 0)


# an independent reference

RANDOM_WORDS = ["a", "b", "c"]
SPANS = st.sampled_from([(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)])
ENTITIES = st.builds(lambda s, label: (*s, label), SPANS, st.sampled_from(["X", "Y"]))
RELATIONS = st.tuples(ENTITIES, ENTITIES, st.sampled_from(["r", "s", "t"]))
ANNOTATIONS = st.tuples(st.lists(ENTITIES, max_size=5), st.lists(RELATIONS, max_size=5))
PAIRS = st.lists(st.tuples(ANNOTATIONS, ANNOTATIONS), min_size=1, max_size=4)


def rows_of(annotation, name):
    """Get the set of rows to compare. The last column is the label."""
    entities, relations = annotation
    if name == "ents":
        return {*entities, *(e for r in relations for e in r[:2])}
    if name == "rel_strict":
        return set(relations)
    return {(head[:2], tail[:2], label) for head, tail, label in relations}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(PAIRS)
@pytest.mark.parametrize("name", ["ents", "rel", "rel_strict"])
def test_scores_equal_scikit_learn(name, pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    y_true, y_pred = [], []
    for gold, predicted in pairs:
        gold_rows, predicted_rows = rows_of(gold, name), rows_of(predicted, name)
        for row in gold_rows | predicted_rows:
            y_true.append(row[-1] if row in gold_rows else "-")
            y_pred.append(row[-1] if row in predicted_rows else "-")
    labels = sorted({*y_true, *y_pred} - {"-"})
    scores = score_joint([make_example(*pair, RANDOM_WORDS) for pair in pairs])
    assert list(scores[f"{name}_per_type"]) == labels
    if not labels:
        return

    def reference(average):
        return metrics.precision_recall_fscore_support(
            y_true, y_pred, labels=labels, average=average, zero_division=0
        )[:3]

    assert prf(scores, name) == close(reference("micro"))
    macro = tuple(scores[f"{name}_macro_{measure}"] for measure in MEASURES)
    assert macro == close(reference("macro"))
    for index, label in enumerate(labels):
        own = tuple(scores[f"{name}_per_type"][label][m] for m in MEASURES)
        assert own == close(tuple(values[index] for values in reference(None)))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(PAIRS)
def test_every_order_of_symmetric_relations_scores_the_same(pairs):
    def swapped(annotation):
        entities, relations = annotation
        return entities, [(tail, head, label) for head, tail, label in relations]

    def score(pairs):
        examples = [make_example(*pair, RANDOM_WORDS) for pair in pairs]
        return score_joint(examples, symmetric=["r", "s", "t"])

    assert score(pairs) == score([(swapped(g), p) for g, p in pairs])
