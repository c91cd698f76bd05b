"""The worked example of docs/evaluation.md, computed."""

import re

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.annotations import build_doc, register_extension
from spacy_jre.corpora.formats.inline import read_inline
from spacy_jre.evaluation.report import GivenEntities, Predicted, make_report
from spacy_jre.scoring.scorer import score_joint
from spacy_jre.scoring.thresholds import Thresholds, collect_scores

from ..conftest import ROOT

PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf8")
EXAMPLE = PAGE[PAGE.index("## A worked example") :]
SCORES = [0.65, 0.95, 0.85, 0.75, 0.35]
THRESHOLDS = Thresholds(0.4, {})


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    """The gold and the predicted Docs."""
    nlp = spacy.blank("en")
    folder = tmp_path_factory.mktemp("example")
    result = []
    for number, block in enumerate(re.findall(r"```\n(.*?)```", EXAMPLE, re.DOTALL)):
        path = folder / f"{number}.txt"
        path.write_text(block, encoding="utf8")
        result.append([build_doc(record, nlp) for record in read_inline(path)])
    return result


def set_scores(docs):
    scores = iter(SCORES)
    for doc in docs:
        relations = [(r.head, r.tail, r.label, next(scores)) for r in doc._.relations]
        doc._.relations = relations
    assert next(scores, None) is None


def predicted_of(gold, docs, model="one"):
    set_scores(docs)
    examples = [Example(*pair) for pair in zip(docs, gold, strict=True)]
    table = collect_scores(examples)
    for doc in docs:
        doc._.relations = [r for r in doc._.relations if r.score >= 0.4]
    scores = score_joint(examples)
    given = GivenEntities(scores, 0)
    return Predicted(
        model, examples, scores, "relations", table, 0.001, THRESHOLDS, given
    )


@pytest.fixture(scope="module")
def report(docs):
    register_extension()
    gold, predicted = docs
    other = [doc.copy() for doc in predicted]
    group = other[0].spans["jre"]
    hotel = other[0].char_span(20, 30, label="Org")
    set_entities(other[0], [*group, hotel])
    return make_report(
        predicted_of(gold, predicted),
        data="example",
        other=predicted_of(gold, other, "other"),
    )[0]


def set_entities(doc: Doc, spans):
    stored = [[s.start_char, s.end_char, s.label_, 1.0] for s in spans]
    doc.user_data["jre:relations"]["entities"] = stored


def row(*cells):
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def percent(value):
    return f"{100 * value:.2f}"


def assert_rows(rows):
    for one in rows:
        assert one in EXAMPLE.splitlines(), one


def test_scores_of_the_page(report):
    assert "in this\norder" in EXAMPLE
    assert " and ".join([", ".join(map(str, SCORES[:-1])), "0.35"]) in EXAMPLE
    scores = report.scores
    rows = [
        row(label, *map(percent, figures.values()))
        for label, figures in scores["ents_per_type"].items()
    ]
    for name, prefix in (
        ("micro", "ents_"),
        ("macro", "ents_macro_"),
        ("rel micro", "rel_"),
        ("rel_strict micro", "rel_strict_"),
        ("rel_strict macro", "rel_strict_macro_"),
    ):
        rows.append(row(name, *(percent(scores[f"{prefix}{x}"]) for x in "prf")))
    assert len(rows) == 8
    assert_rows(rows)


def test_errors_of_the_page(report):
    names = {"entities": "entity", "relations": "relation"}
    rows = [
        row(
            f"{group.kind} {names[name]}",
            "no overlap" if group.cause == group.kind else group.cause,
            group.count,
            group.examples[0].text,
        )
        for name, groups in report.errors.items()
        for group in groups
        if group.count
    ]
    assert len(rows) == 12
    assert_rows(rows)


def test_buckets_of_the_page(report):
    nested = report.buckets["ents_nested"]
    assert_rows([row(b.name, b.gold, b.correct, percent(b.r)) for b in nested])


def test_confusion_of_the_page(report):
    confusion = report.confusion["entities"]
    names = [*confusion.labels, "none"]
    rows = zip(names, confusion.counts, strict=True)
    assert_rows([row(name, *counts) for name, counts in rows])


def test_curve_of_the_page(report):
    curve = report.precision_recall.micro
    assert_rows(
        row(f"{point.threshold:.2f}", *map(percent, (point.p, point.r, point.f)))
        for point in curve.points
    )
    assert f"= {percent(curve.average_precision)}%." in EXAMPLE


def test_calibration_of_the_page(report):
    calibration = report.calibration
    assert f"/ 4 = {percent(calibration.relations.error)}%." in EXAMPLE
    assert sum(bin.count for bin in calibration.scored_relations.bins) == 5


def test_comparison_of_the_page(report):
    difference = report.compared_with.differences["ents_f"]
    assert f"{percent(difference.other_f)}%" in EXAMPLE
    assert f"= {percent(difference.difference)}%." in EXAMPLE
    assert f"p = {difference.p:.3f}:" in EXAMPLE
    # the probability that one of four documents is not drawn
    assert f"{0.75**4:.0%}" in EXAMPLE


def test_report_can_be_written_as_json(report):
    import json

    fields = json.loads(json.dumps(report.as_json()))
    assert fields["ents_f"] == pytest.approx(16 / 21)
    assert fields["bootstrap"] == {"seed": 0, "resamples": 1000, "documents": 4}
    assert fields["compared_with"]["per_type"]["ents"]["Org"]["f"] == 0.5
