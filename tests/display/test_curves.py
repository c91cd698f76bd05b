"""Pictures of evaluation reports."""

from xml.etree import ElementTree

import pytest

from spacy_jre.display.curves import draw_report

from ..conftest import needs_matplotlib

pytestmark = needs_matplotlib

SVG = "{http://www.w3.org/2000/svg}"


def bucket(name, gold, correct, predicted=4) -> dict:
    f = None if predicted is None else 2 * correct / (gold + predicted)
    recall = correct / gold if gold else None
    return {
        "name": name,
        "gold": gold,
        "correct": correct,
        "predicted": predicted,
        "p": None if predicted is None else correct / predicted,
        "r": recall,
        "f": f,
    }


def make_report() -> dict:
    nested = [bucket("flat", 4, 3, None), bucket("nested", 0, 0, None)]
    lengths = [bucket("1-2", 4, 3), bucket("3-4", 2, 1)]
    curve = {
        "points": [{"threshold": 0.9, "p": 1.0, "r": 0.5, "f": 2 / 3}],
        "average_precision": 0.5,
    }
    bins = [
        {"low": 0.0, "high": 0.5, "count": 0, "score": None, "correct": None},
        {"low": 0.5, "high": 1.0, "count": 7, "score": 0.75, "correct": 0.5},
    ]
    calibration = {"bins": bins, "error": 0.25}
    return {
        "buckets": {
            "ents_length": lengths,
            "ents_text_length": lengths,
            "ents_nested": nested,
            "rel_strict_text_length": lengths,
            "rel_strict_distance": lengths,
            "rel_strict_nested": [bucket("flat", 0, 0, None)],
        },
        "precision_recall": {
            "lowest": 0.001,
            "micro": curve,
            "per_type": {"works_for": curve},
        },
        "calibration": {
            "entities": calibration,
            "relations": calibration,
            "scored_relations": {"bins": bins[:1], "error": None},
        },
    }


def texts_of(path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_each_part_of_a_report_has_a_picture(tmp_path):
    paths = draw_report([("sinet", make_report())], tmp_path)
    assert [path.name for path in paths] == [
        "ents_length.svg",
        "ents_text_length.svg",
        "ents_nested.svg",
        "rel_strict_text_length.svg",
        "rel_strict_distance.svg",
        "precision_recall.svg",
        "calibration_entities.svg",
        "calibration_relations.svg",
        "calibration_scored_relations.svg",
    ]
    assert all(path.is_file() for path in paths)


def test_bars_have_the_f1_and_the_number_of_gold_annotations(tmp_path):
    draw_report([("sinet", make_report())], tmp_path)
    texts = texts_of(tmp_path / "ents_length.svg")
    assert {"75", "33", "n = 4", "n = 2", "F1 (%)", "1-2"} <= set(texts)


def test_bucket_of_the_gold_annotation_has_recall(tmp_path):
    draw_report([("sinet", make_report())], tmp_path)
    texts = texts_of(tmp_path / "ents_nested.svg")
    assert {"75", "recall (%)"} <= set(texts)


def test_several_reports_are_compared_by_name(tmp_path):
    draw_report([("sinet", make_report()), ("iser", make_report())], tmp_path)
    for name in ("ents_length", "precision_recall", "calibration_entities"):
        texts = " ".join(texts_of(tmp_path / f"{name}.svg"))
        assert "sinet" in texts
        assert "iser" in texts


LONG = "training/sinet-20-epochs-with-the-recipe-conll04"


@pytest.mark.parametrize("names", [("_sinet", "iser"), (f"{LONG}-0-1", f"{LONG}-0-2")])
def test_legends_distinguish_all_names(names, tmp_path):
    draw_report([(name, make_report()) for name in names], tmp_path)
    for file in ("ents_length", "precision_recall", "calibration_entities"):
        texts = texts_of(tmp_path / f"{file}.svg")
        shown = {text for text in texts for name in names if name[-4:] in text}
        assert len(shown) == 2, texts


def test_legend_has_long_and_private_labels(tmp_path):
    report = make_report()
    curves = report["precision_recall"]
    names = ["per:stateorprovince_of_birth", "per:stateorprovinces_of_death", "_kill"]
    curves["per_type"] = dict.fromkeys(names, curves["micro"])
    draw_report([("sinet", report)], tmp_path)
    texts = [text.strip() for text in texts_of(tmp_path / "precision_recall.svg")]
    assert {f"{name} (AP 50)" for name in names} <= set(texts)


def test_one_report_has_a_curve_for_each_label(tmp_path):
    draw_report([("sinet", make_report())], tmp_path)
    texts = texts_of(tmp_path / "precision_recall.svg")
    assert {"micro (AP 50)", "works_for (AP 50)"} <= set(texts)


def test_calibration_has_the_error_and_the_numbers_of_predictions(tmp_path):
    draw_report([("sinet", make_report())], tmp_path)
    texts = texts_of(tmp_path / "calibration_relations.svg")
    assert {"ECE 25.0%", "7"} <= set(texts)
    assert "no predictions" in texts_of(tmp_path / "calibration_scored_relations.svg")


def test_pictures_can_be_png(tmp_path):
    paths = draw_report([("sinet", make_report())], tmp_path, format="png")
    assert {path.suffix for path in paths} == {".png"}


@pytest.mark.parametrize("field", ["buckets", "precision_recall", "calibration"])
def test_missing_field_of_a_report_is_named(field, tmp_path):
    report = make_report()
    del report[field]
    with pytest.raises(ValueError, match=rf"J798.*'{field}'"):
        draw_report([("sinet", report)], tmp_path)


def test_missing_curves_of_labels_are_named(tmp_path):
    report = make_report()
    del report["precision_recall"]["per_type"]
    with pytest.raises(ValueError, match=r"J798.*'per_type'"):
        draw_report([("sinet", report)], tmp_path)


def test_damaged_field_of_a_bucket_is_named(tmp_path):
    report = make_report()
    del report["buckets"]["ents_length"][0]["f"]
    with pytest.raises(ValueError, match=r"J798.*'f'"):
        draw_report([("sinet", report)], tmp_path)
