import pytest

from spacy_jre.display import evaluation_page
from spacy_jre.evaluation.outcomes import DocumentOutcome, EntityOutcome, SpanRef

from .helpers import make_outcome, parse

ADA, OSLO, LIMA = ("Ada", "PER"), ("Oslo", "LOC"), ("Hotel Lima", "ORG")
SHORT = ("Lima", "ORG")
FIGURES = {"p": 0.5, "r": 0.25, "f": 1 / 3}


@pytest.fixture
def outcome():
    return make_outcome(
        "Ada left Hotel Lima in Oslo",
        [
            ("hit", "", ADA, ADA),
            ("missed", "boundary", LIMA, SHORT),
            ("false", "boundary", LIMA, SHORT),
            ("missed", "missed", OSLO, None),
        ],
        [
            ("missed", "entity boundary", "left", ADA, LIMA, None),
            ("false", "entity boundary", "left", ADA, SHORT, 0.75),
        ],
        doc_id="news-3",
    )


def page_of(*outcomes, report=None, **values):
    html = evaluation_page(report or {}, outcomes, title="Scores", **values)
    return parse(html)


def tables(report):
    """Get the text of the cells of each row, by the caption of the table."""
    return {
        table.find("caption")[0].text: [
            [cell.text for cell in row.children] for row in table.find("tr")[1:]
        ]
        for table in page_of(report=report).find("table")
    }


# texts


def test_gold_and_predicted_entities_are_in_the_text(outcome):
    (text,) = page_of(outcome).find("p", dir="auto")
    assert text.text == "Ada✓\xa0PER left Hotel Lima✕\xa0ORG○\xa0ORG in Oslo○\xa0LOC"
    assert [
        (e.attrs["data-kind"], e.attrs["data-cause"]) for e in text.find("span", "ent")
    ] == [
        ("hit", ""),
        ("missed", "boundary"),
        ("false", "boundary"),
        ("missed", "no overlap"),
    ]


def test_wrong_entities_are_listed_with_cause_and_other_entity(outcome):
    rows = page_of(outcome).find("section")[0].find("li")
    assert [row.text for row in rows if "data-entity" in row.attrs] == [
        "○\xa0Hotel Lima ORG missed: boundary predicted: Lima (ORG)",
        "✕\xa0Lima ORG false alarm: boundary gold: Hotel Lima (ORG)",
        "○\xa0Oslo LOC missed: no overlap",
    ]


def test_relations_are_listed_with_kind_cause_and_score(outcome):
    rows = page_of(outcome).find("section")[0].find("li")
    assert [row.text for row in rows if "data-head" in row.attrs] == [
        "○\xa0Ada PER –left→ Hotel Lima ORG missed: entity boundary",
        "✕\xa0Ada PER –left→ Lima ORG 0.75 false alarm: entity boundary",
    ]


def test_arguments_refer_to_the_gold_or_the_predicted_entity(outcome):
    section = page_of(outcome).find("section")[0]
    number = {
        (e.attrs["data-kind"], e.attrs["data-label"]): e.attrs["data-mark"]
        for e in section.find("span", "ent")
    }
    tails = {
        r.attrs["data-kind"]: r.attrs["data-tail"]
        for r in section.find("li")
        if "data-tail" in r.attrs
    }
    assert tails == {
        "missed": number["missed", "ORG"],
        "false": number["false", "ORG"],
    }


def test_arguments_without_entity_annotation_are_marked():
    outcome = make_outcome("Ada left Oslo", [], [("hit", "", "left", ADA, OSLO, 0.5)])
    (text,) = page_of(outcome).find("p", dir="auto")
    assert text.text == "AdaPER left OsloLOC"
    assert all("data-kind" not in e.attrs for e in text.find("span", "ent"))


def test_predicted_entity_without_gold_text_is_listed():
    wrong = EntityOutcome("false", "false", None, SpanRef(3, 3, "PER"))
    section = page_of(DocumentOutcome("Ada", "", [wrong], [])).find("section")[0]
    assert section.find("li")[0].text == "✕\xa0(no text) PER false alarm: no overlap"


def test_text_has_its_language_and_document(outcome):
    page = page_of(outcome, lang="zh")
    assert len(page.find("div", "text", lang="zh")) == 1
    assert page.find("section")[0].find("h2")[0].text == "Doc 0 · news-3"


def test_texts_are_counted_from_0_as_in_the_report(outcome):
    sections = page_of(make_outcome("Rain"), outcome).find("section")
    headings = [section.find("h2")[0].text for section in sections]
    assert headings == ["Doc 0", "Doc 1 · news-3"]


def test_filters_offer_the_kinds_labels_and_causes_of_the_texts(outcome):
    (form,) = page_of(outcome).find("form")
    assert [box.attrs["value"] for box in form.find("input")] == [
        "hit",
        "missed",
        "false",
    ]
    options = {
        select.attrs["name"]: [
            option.attrs["value"] for option in select.find("option")
        ]
        for select in form.find("select")
    }
    assert options == {
        "label": ["", "E:LOC", "E:ORG", "E:PER", "R:left"],
        "cause": ["", "E:boundary", "E:no overlap", "R:entity boundary"],
    }


def test_page_without_texts_is_valid():
    page = page_of()
    assert not page.find("section")
    assert page.find(name="about")[0].text == "0 texts"


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, 4), (2, 1)])
def test_span_outside_its_text_fails(start, end):
    span = SpanRef(start, end, "PER")
    outcome = DocumentOutcome("Ada", "", [EntityOutcome("hit", "", span, span)], [])
    with pytest.raises(ValueError, match=rf"J765.*Document 1.*{start} to {end}"):
        page_of(make_outcome("Rain"), outcome)


def test_unknown_kind_fails():
    outcome = make_outcome("Ada", [("wrong", "", ADA, ADA)])
    with pytest.raises(ValueError, match=r"J766.*Document 0.*'wrong'.*hit, missed"):
        page_of(outcome)


# report


def test_scores_are_shown_with_their_intervals():
    report = {
        **{"ents_p": 0.5, "ents_r": 0.25, "ents_f": 1 / 3},
        **{f"ents_macro_{figure}": 0.1 for figure in "prf"},
        "ents_per_type": {"PER": FIGURES},
        "intervals": {
            "ents": {
                "summary": {"f": (0.3, 0.4), "macro_f": (0, 0.2)},
                "per_type": {"PER": {"f": (0.25, 1)}},
            }
        },
    }
    assert tables(report) == {
        "Entities": [
            ["micro", "50.00", "25.00", "33.33 30.00 to 40.00"],
            ["macro", "10.00", "10.00", "10.00 0.00 to 20.00"],
            ["PER", "50.00", "25.00", "33.33 25.00 to 100.00"],
        ]
    }


def test_scores_between_gold_entities_are_shown():
    scores = {f"rel_{name}": value for name, value in FIGURES.items()}
    report = {"given_entities": {"scores": scores}, "symmetric_twice": None}
    assert tables(report) == {
        "Relations between gold entities": [["relations", "50.00", "25.00", "33.33"]]
    }


@pytest.mark.parametrize(("count", "shown"), [(3, True), (0, False)])
def test_skipped_gold_entities_are_shown(count, shown):
    page = page_of(report={"given_entities": {"scores": None, "n_skipped": count}})
    texts = [paragraph.text for paragraph in page.find("p")]
    warning = "3 gold entities do not match the tokens of the pipeline."
    assert any(text.startswith(warning) for text in texts) is shown


def test_differences_to_another_model_are_shown():
    row = {
        "f": 0.8,
        "other_f": 0.7,
        "difference": 0.1,
        "interval": (-0.02, 0.2),
        "p": 0.04,
    }
    report = {"compared_with": {"model": "other", "differences": {"ents_f": row}}}
    assert tables(report) == {
        "All labels": [
            ["Entities, micro", "80.00", "70.00", "+10.00 -2.00 to 20.00", "0.040"]
        ]
    }


def test_causes_are_counted():
    report = {
        "errors": {
            "relations": [{"kind": "false", "cause": "wrong label", "count": 1200}]
        }
    }
    assert tables(report) == {"Relations": [["✕ wrong label", "1,200"]]}


def test_buckets_without_predictions_have_only_recall():
    bucket = {"name": "nested", "gold": 4, "p": None, "r": 0.5, "f": None}
    report = {"buckets": {"ents_nested": [bucket]}}
    assert tables(report) == {
        "Entities, nested or not": [["nested", "4", "–", "50.00", "–"]]
    }


def test_confusion_is_a_matrix():
    confusion = {"labels": ["LOC"], "counts": [[5, 1], [2, 0]]}
    report = {"confusion": {"entities": confusion, "relations": None}}
    assert tables(report) == {
        "Entities: gold (rows) and predicted (columns)": [
            ["LOC", "5", "1"],
            ["none", "2", "0"],
        ]
    }


def charts(report):
    return page_of(report=report).find("figure", "chart")


def test_precision_recall_curve_has_a_point_per_threshold():
    points = [{"r": 0, "p": 1}, {"r": 0.5, "p": 0.5}, {"r": 1, "p": 0}]
    micro = {"points": points, "average_precision": 0.5}
    (chart,) = charts({"precision_recall": {"micro": micro}})
    (curve,) = chart.find(name="curve")
    x, y = zip(*(map(float, p.split(",")) for p in curve.attrs["points"].split()))
    # to the right and down; the one in the middle is in the middle
    assert x[1] - x[0] == x[2] - x[1] > 0
    assert y[1] - y[0] == y[2] - y[1] > 0
    assert "average precision 50.00" in chart.text


def test_reliability_curve_has_a_dot_per_filled_bin():
    bins = [
        {"count": 0, "score": None, "correct": None},
        {"count": 1, "score": 0.5, "correct": 0.5},
        {"count": 4, "score": 0.9, "correct": 0.8},
    ]
    report = {"calibration": {"entities": {"bins": bins, "error": 0.0801}}}
    (chart,) = charts(report)
    radii = [float(dot.attrs["r"]) for dot in chart.find("circle")]
    assert len(radii) == 2
    assert radii[0] < radii[1]
    assert "expected calibration error 8.01" in chart.text


def test_calibration_without_predictions_has_no_chart():
    assert not charts({"calibration": {"entities": {"bins": [], "error": None}}})


def test_about_has_the_settings_of_the_intervals():
    bootstrap = {"seed": 3, "resamples": 1000, "documents": 1}
    (about,) = page_of(report={"bootstrap": bootstrap}).find(name="about")
    assert about.text == (
        "0 texts, 95% intervals from 1,000 resamples of 1 document (seed 3)"
    )
