import json
import re

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_jre.annotations import build_doc, register_extension
from spacy_jre.cli.debug_data import debug_data

from ..conftest import ROOT, STORY, make_record
from .helpers import assert_plain_error, output_of, run

# sections of a config with the labels of a component
INITIALIZE = """
[initialize]

[initialize.components]

[initialize.components.jre]
"""
CONFIG = ROOT / "configs" / "test" / "spert.cfg"
RAIN = {"words": ["Snow", "fell", "."], "entities": [], "relations": []}
SPOUSE = STORY[3]  # two relation labels: lives_in, spouse


def write(path, sentences, **kwargs):
    nlp = spacy.blank("en")
    docs = [build_doc(make_record(sentence), nlp, **kwargs) for sentence in sentences]
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture
def train(tmp_path):
    return write(tmp_path / "train.spacy", STORY)


@pytest.fixture
def dev(tmp_path):
    return write(tmp_path / "dev.spacy", [STORY[4], RAIN])


@pytest.fixture
def data(train, dev):
    return ("--train", train, "--dev", dev)


@pytest.fixture
def config(tmp_path):
    """Write a changed config: ``config((old, new), ...)`` returns the path."""

    def change(*changes):
        text = CONFIG.read_text(encoding="utf8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "own.cfg"
        path.write_text(text, encoding="utf8")
        return path

    return change


def report_of(tmp_path, *arguments):
    """Run the command and read the JSON file that it writes."""
    path = tmp_path / "new" / "report.json"
    result = run("debug-data", CONFIG, *arguments, "--output", path)
    assert path.is_file(), output_of(result)
    return json.loads(path.read_text(encoding="utf8"))


def plain(result):
    """Get the output without colors."""
    return re.sub(r"\x1b\[[0-9;]*m", "", result.output)


def keys(report, level):
    return {one["key"] for one in report["findings"] if one["level"] == level}


# input --------------------------------------------------------------------------------


def test_help_explains_config_overrides():
    result = run("debug-data", "--help")
    assert result.exit_code == 0
    assert "--components.jre.max_span_width 8" in output_of(result)


def test_report_has_statistics_of_the_files(tmp_path, data):
    report = report_of(tmp_path, *data)
    assert report["component"] == "jre"
    train = report["splits"]["train"]
    assert (train["size"]["docs"], train["size"]["tokens"]) == (5, 47)
    assert train["entities"]["labels"] == {"PER": 4, "ORG": 3, "LOC": 7}
    assert train["relations"]["arguments"]["spouse"] == {"PER -> PER": 1}
    assert train["overlaps"]["not_in_ents"] == 1
    assert train["overlaps"]["labels"] == {"ORG > LOC": 1}
    assert train["compared"]["pairs_per_sentence"] == 6.0
    assert report["splits"]["dev"]["size"]["docs"] == 2
    assert set(report["splits"]) == {"train", "dev"}


def test_paths_default_to_the_config(tmp_path, config, train, dev):
    path = config(("train = null", f"train = {train}"), ("dev = null", f"dev = {dev}"))
    report = debug_data(path)
    assert report.splits["train"].size.docs == 5


def test_paths_can_be_overridden_as_in_spacy(tmp_path, train, dev):
    report = report_of(tmp_path, "--paths.train", train, "--paths.dev", dev)
    assert report["splits"]["train"]["size"]["docs"] == 5


def test_test_data_is_compared_with_the_other_splits(tmp_path, data):
    test = write(tmp_path / "test.spacy", [STORY[0], STORY[4]])
    report = report_of(tmp_path, *data, "--test", test)
    leaks = {(leak["split"], leak["source"]): leak for leak in report["leaks"]}
    assert leaks["test", "train"]["sentences"] == 2
    assert leaks["test", "dev"]["sentences"] == 1


def test_settings_are_read_from_the_component(tmp_path, config, train, dev):
    path = config(
        (
            'factory = "jre"',
            'factory = "jre"\nmax_span_width = 1\nsymmetric = ["spouse"]\n'
            'label_thresholds = {"lives_in": 0.3}\nnegative_pairs = null',
        )
    )
    overrides = {"paths.train": str(train), "paths.dev": str(dev)}
    settings = debug_data(path, overrides=overrides).settings
    assert settings.max_span_width == 1
    assert settings.symmetric == ("spouse",)
    assert settings.label_thresholds == ("lives_in",)
    assert settings.negative_pairs is None


def test_missing_settings_default_to_the_factory(tmp_path, data):
    settings = report_of(tmp_path, *data)["settings"]
    assert settings["max_span_width"] == 10
    assert settings["negative_pairs"] == 100
    assert settings["attr"] == "relations"


def test_settings_can_be_overridden(tmp_path, data):
    report = report_of(tmp_path, *data, "--components.jre.max_span_width", 1)
    assert report["splits"]["train"]["entities"]["too_wide"] == 5


def test_settings_of_the_reader_are_used(tmp_path, data):
    report = report_of(tmp_path, *data, "--corpora.train.limit", 2)
    assert report["splits"]["train"]["size"]["docs"] == 2


def test_shuffle_of_the_reader_is_disabled(tmp_path, data, train):
    report = report_of(tmp_path, *data, "--corpora.train.shuffle", "true")
    assert report["samples"] == report_of(tmp_path, *data)["samples"]


def test_reader_sets_the_tokens(tmp_path, train, dev):
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["Mi", "a", "sang"], spaces=[False, True, False])
    doc.ents = [doc.char_span(0, 2, label="PER")]
    doc._.relations = []
    DocBin(docs=[doc], store_user_data=True).to_disk(dev)
    report = report_of(
        tmp_path, "--train", train, "--dev", dev, "--corpora.dev.gold_tokens", "false"
    )
    assert "misaligned-entities" in keys(report, "warning")
    assert report["splits"]["dev"]["entities"]["misaligned"] == 1


def test_warnings_of_the_reader_are_findings(tmp_path, train, dev):
    nlp = spacy.blank("en")
    doc = build_doc(make_record(SPOUSE), nlp)
    doc[6].is_sent_start = True  # between the arguments of lives_in
    DocBin(docs=[doc], store_user_data=True).to_disk(train)
    report = report_of(
        tmp_path, "--train", train, "--dev", dev, "--corpora.train.max_length", 5
    )
    assert "reader" in keys(report, "warning")
    assert report["splits"]["train"]["size"]["docs"] == 2


def test_component_can_have_any_name(config, data, train, dev):
    path = config(
        ("[components.jre", "[components.own"),
        ('"jre"]', '"own"]'),
    )
    overrides = {"paths.train": str(train), "paths.dev": str(dev)}
    assert debug_data(path, overrides=overrides).component == "own"


@pytest.mark.parametrize("tags", [{}, {"tags": ["O"]}])  # for STSN
def test_labels_of_the_config_are_used(tmp_path, config, train, dev, tags):
    labels = tmp_path / "labels.json"
    known = {"entities": ["PER", "LOC"], "relations": ["spouse"], **tags}
    labels.write_text(json.dumps(known), encoding="utf8")
    path = config()
    with path.open("a", encoding="utf8") as file:
        file.write(
            f"{INITIALIZE}\n[initialize.components.jre.labels]\n"
            f'@readers = "spacy.read_labels.v1"\npath = "{labels}"\n'
        )
    overrides = {"paths.train": str(train), "paths.dev": str(dev)}
    report = debug_data(path, overrides=overrides)
    assert report.settings.entity_labels == ("PER", "LOC")
    keys = {finding.key for finding in report.findings}
    assert {"refused-entity-labels", "refused-relation-labels"} <= keys


def test_annotating_components_are_reported(config, train, dev):
    path = config(
        ("[training]", '[training]\nannotating_components = ["senter"]'),
    )
    overrides = {"paths.train": str(train), "paths.dev": str(dev)}
    findings = debug_data(path, overrides=overrides).findings
    (finding,) = (one for one in findings if one.key == "annotating-components")
    assert finding.level == "advice"
    assert "senter" in finding.message


@pytest.mark.parametrize(
    ("changes", "boundaries", "expected"),
    [
        ([], False, True),
        ([], True, False),
        ([('"sentencizer", "jre"', '"jre"')], False, False),
        (
            [("[training]\n", '[training]\nannotating_components = ["sentencizer"]\n')],
            False,
            False,
        ),
    ],
    ids=["sentencizer", "with boundaries", "no sentencizer", "annotating"],
)
def test_texts_that_only_the_pipeline_splits_are_reported(
    config, tmp_path, dev, changes, boundaries, expected
):
    register_extension()
    words = ["Ada", "cooks", ".", "Mia", "sings", "."]
    starts = [boundaries and word in ("Ada", "Mia") for word in words]
    text = Doc(
        spacy.blank("en").vocab, words, sent_starts=starts if boundaries else None
    )
    text.ents = [Span(text, 0, 1, "PER"), Span(text, 3, 4, "PER")]
    text._.relations = []
    train = tmp_path / "texts.spacy"
    DocBin(docs=[text], store_user_data=True).to_disk(train)
    overrides = {"paths.train": str(train), "paths.dev": str(dev)}
    findings = debug_data(config(*changes), overrides=overrides).findings
    found = [one for one in findings if one.key == "unsplit-texts"]
    assert bool(found) is expected
    if found:
        assert "train 1, dev 0" in found[0].message
        assert 'annotating_components = ["sentencizer"]' in found[0].message


# output -------------------------------------------------------------------------------


def test_output_has_statistics_samples_and_findings(data):
    result = run("debug-data", CONFIG, *data)
    text = output_of(result)
    for part in (
        "Relation Arguments (train)",
        "PER -> LOC (3)",
        "In train 1 (50.00%)",
        "[Ada Quint|PER",
        "lives_in",
        "errors: 0",
    ):
        assert part in text


def test_labels_of_overlapping_entities_are_shown(data):
    row = next(
        line
        for line in plain(run("debug-data", CONFIG, *data)).splitlines()
        if "ORG > LOC" in line
    )
    assert row.split()[-2:] == ["1", "0"]


def test_findings_have_levels(tmp_path, data):
    extra = ("--components.jre.symmetric", '["sibling"]')
    report = report_of(tmp_path, *data, *extra)
    assert keys(report, "error") == {"unknown-symmetric"}
    assert "few-relation-examples" in keys(report, "warning")
    assert "overlaps" in keys(report, "advice")
    lines = plain(run("debug-data", CONFIG, *data, *extra)).splitlines()
    for sign, part in (
        ("✘", "The setting `symmetric`"),
        ("⚠", "Fewer than 10 training examples"),
        ("ℹ", "Entities that doc.ents cannot store"),
    ):
        assert any(line.startswith(sign) and part in line for line in lines), part


def test_summary_counts_findings(data):
    result = run("debug-data", CONFIG, *data)
    *_, last = [line for line in plain(result).splitlines() if line]
    assert last == "✔ errors: 0, warnings: 3, advice: 3"


def test_warnings_and_advice_exit_with_zero(data):
    result = run("debug-data", CONFIG, *data)
    assert result.exit_code == 0


def test_error_exits_with_one_after_printing_the_report(tmp_path, train, data):
    other = write(tmp_path / "dev.spacy", [SPOUSE])
    train = write(train, STORY[:3])
    result = run("debug-data", CONFIG, "--train", train, "--dev", other)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "dev has relation labels that are not learned" in output_of(result)
    assert "errors: 1," in output_of(result)


def test_report_with_errors_is_written(tmp_path, data):
    extra = ("--components.jre.symmetric", '["sibling"]')
    assert report_of(tmp_path, *data, *extra)["findings"]


def test_report_is_plain_json(tmp_path, data):
    report = report_of(tmp_path, *data)
    assert report["config"] == str(CONFIG)
    assert set(report["findings"][0]) == {"level", "key", "message", "examples"}
    assert report["samples"][0]["doc"] == "train[0]"
    assert report["samples"][0]["markup"].startswith("[Ada Quint|PER")
    assert report["splits"]["train"]["entities"]["widths"] == {"1": 9, "2": 5}


# bad input ----------------------------------------------------------------------------


def test_missing_config_fails(tmp_path, data):
    path = tmp_path / "missing.cfg"
    assert_plain_error(run("debug-data", path, *data), "J601", str(path))


def test_missing_data_fails(tmp_path, data):
    missing = tmp_path / "missing.spacy"
    result = run("debug-data", CONFIG, *data, "--test", missing)
    assert_plain_error(result, "J601", str(missing))


def test_config_without_paths_fails_with_the_option(train):
    assert_plain_error(run("debug-data", CONFIG), "J723", "corpora.train", "--train")
    result = run("debug-data", CONFIG, "--train", train)
    assert_plain_error(result, "J723", "corpora.dev", "--dev")


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("[paths]", "[paths", "paths"),
        ("${paths.train}", "${paths.nowhere}", "nowhere"),
        ('lang = "en"', "lang = null", "lang"),
        ("[corpora.dev]", "[corpora.other]", "corpora.dev"),
        ("spacy-jre.Corpus.v1", "spacy-jre.Corpus.v0", "spacy-jre.Corpus.v0"),
        ('factory = "jre"', 'factory = "jre"\nmax_span_widht = 8', "max_span_widht"),
        ('factory = "jre"', 'factory = "jre"\nmax_span_width = "ten"', "'ten'"),
    ],
)
def test_invalid_config_fails_with_one_line(config, data, old, new, part):
    path = config((old, new))
    result = run("debug-data", path, *data)
    assert_plain_error(result, "J720", str(path), part)


def test_setting_of_the_reader_out_of_range_fails(data):
    result = run("debug-data", CONFIG, *data, "--corpora.train.limit", -1)
    assert_plain_error(result, "J608", "limit")


def test_setting_out_of_range_fails(data):
    result = run("debug-data", CONFIG, *data, "--components.jre.max_span_width", 0)
    assert_plain_error(result, "J506", "max_span_width")


def test_config_without_the_component_fails(config, data):
    path = config(('factory = "jre"', 'factory = "spancat"'))
    assert_plain_error(run("debug-data", path, *data), "J721", "factory: none")


def test_unknown_component_fails(data):
    result = run("debug-data", CONFIG, *data, "--component", "other")
    assert_plain_error(result, "J721", "'other'", "factory: jre")


def test_several_components_require_a_name(config, data):
    block = '[components.second]\nfactory = "jre"\nmax_span_width = 1\n\n[corpora]\n'
    path = config(("[corpora]\n", block))
    assert_plain_error(run("debug-data", path, *data), "J722", "jre, second")
    result = run("debug-data", path, *data, "--component", "second")
    assert result.exit_code == 0
    assert "max_span_width = 1" in output_of(result)


def test_labels_of_another_type_fail(config, data):
    path = config()
    with path.open("a", encoding="utf8") as file:
        file.write(f'{INITIALIZE}labels = ["PER"]\n')
    assert_plain_error(run("debug-data", path, *data), "J503", "PER")


def test_misspelled_option_fails(data):
    assert_plain_error(
        run("debug-data", CONFIG, *data, "--tset", "x"), "J724", "--tset"
    )


def test_override_of_a_missing_section_fails(data):
    result = run("debug-data", CONFIG, *data, "--nowhere.width", "8")
    assert_plain_error(result, "J720", "nowhere -> width")


# constraints and overlaps -------------------------------------------------------------


def test_all_types_of_arguments_are_shown_with_their_counts(tmp_path, dev):
    types = [("A", "B"), ("B", "A"), ("A", "A"), ("B", "B"), ("A", "C")]
    sentences = [
        {
            "words": [f"w{i}", "x"],
            "entities": [(0, 1, head), (1, 2, tail)],
            "relations": [(0, 1, "near")],
        }
        for i, (head, tail) in enumerate([*types, ("A", "B")])
    ]
    data = write(tmp_path / "types.spacy", sentences)
    text = output_of(run("debug-data", CONFIG, "--train", data, "--dev", dev))
    assert "near A -> B (2)" in text
    for head, tail in types[1:]:
        assert f"{head} -> {tail} (1)" in text


def test_constraints_of_the_config_are_checked(tmp_path, data):
    rows = '[["PER", "works_for", "ORG"], ["PER", "spouse", "CAT"]]'
    report = report_of(tmp_path, *data, "--components.jre.constraints", rows)
    assert {"unknown-constraints"} <= keys(report, "error")
    assert {"excluded-relations"} <= keys(report, "warning")
    assert ["PER", "works_for", "ORG"] in report["settings"]["constraints"]


def test_values_of_the_labels_file_replace_those_of_the_training_data(
    tmp_path, data, config
):
    labels = {
        "entities": ["LOC", "ORG", "PER"],
        "relations": ["based_in", "lives_in", "spouse", "works_for"],
        "overlapping": [],
        "triples": [["PER", "spouse", "PER"]],
    }
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(labels), encoding="utf8")
    section = (
        f"{INITIALIZE}\n[initialize.components.jre.labels]\n"
        f'@readers = "spacy.read_labels.v1"\npath = "{path}"\n'
    )
    own = config(("[training]\n", f"{section}\n[training]\n"))
    report = tmp_path / "report.json"
    options = ("--components.jre.overlaps", "auto", "--components.jre.constraints")
    run("debug-data", own, *data, *options, "infer", "--output", report)
    found = json.loads(report.read_text(encoding="utf8"))
    assert {"excluded-relations", "removed-overlaps"} <= keys(found, "warning")
