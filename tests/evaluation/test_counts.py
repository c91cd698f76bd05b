import numpy as np
import pytest
from hypothesis import given, settings
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.evaluation.counts import (
    CountTable,
    count_documents,
    precision_recall_f1,
    summarize_counts,
)
from spacy_jre.scoring.comparison import KINDS, compare
from spacy_jre.scoring.scorer import score_joint

from ..scoring.helpers import ADA, OSLO, WORDS, make_example
from .helpers import CORPORA, SYMMETRIC, compare_all, examples_of, one_each


def test_figures_are_counted_by_hand():
    # 3 correct, 1 false, 2 missed
    figures = precision_recall_f1(np.asarray([3, 1, 2]))
    assert figures == pytest.approx([3 / 4, 3 / 5, 2 / 3])


def test_figures_without_a_denominator_are_zero():
    assert precision_recall_f1(np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2


def test_macro_figures_are_means_over_labels_that_occur():
    counts = np.asarray([[1, 1, 0], [0, 0, 0], [0, 0, 2]])
    figures = summarize_counts(counts)
    assert figures["macro_p"] == pytest.approx(1 / 4)
    assert figures["macro_f"] == pytest.approx((2 / 3) / 2)
    assert figures["f"] == pytest.approx(2 / 5)


def test_docs_of_a_document_are_added():
    comparisons = [
        compare(make_example(([ADA],), ([ADA],))),
        compare(make_example(([OSLO],), ([],))),
        compare(make_example(([ADA],), ([OSLO],))),
    ]
    table = count_documents(comparisons, np.asarray([0, 1, 0]), "ents")
    assert table.labels == ("LOC", "PER")
    assert table.counts.tolist() == [[[0, 1, 0], [1, 0, 1]], [[0, 0, 1], [0, 0, 0]]]


def test_documents_without_annotation_have_no_table(nlp):
    predicted = make_example(([],), ([ADA],)).predicted
    reference = Doc(predicted.vocab, words=WORDS)
    comparison = compare(Example(predicted, reference))
    assert count_documents([comparison], np.asarray([0]), "ents") is None
    assert count_documents([], np.asarray([], dtype=int), "ents") is None


def test_added_labels_have_no_counts():
    table = CountTable(("b",), np.ones((1, 1, 3))).with_labels(["a", "b"])
    assert table.counts.tolist() == [[[0, 0, 0], [1, 1, 1]]]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(CORPORA, SYMMETRIC)
def test_figures_of_all_documents_are_those_of_the_scorer(corpus, symmetric):
    scores = score_joint(examples_of(corpus), symmetric=symmetric)
    comparisons = compare_all(corpus, symmetric)
    for kind in KINDS:
        table = count_documents(comparisons, one_each(comparisons), kind)
        totals = table.counts.sum(0)
        for name, value in summarize_counts(totals).items():
            assert scores[f"{kind}_{name}"] == pytest.approx(value, abs=1e-9)
        assert list(scores[f"{kind}_per_type"]) == list(table.labels)
        by_label = precision_recall_f1(totals).tolist()
        for label, figures in zip(table.labels, by_label, strict=True):
            own = list(scores[f"{kind}_per_type"][label].values())
            assert own == pytest.approx(figures, abs=1e-9)
