"""What windows of several sentences reach and cost."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.annotations import StoredEntity, StoredRelation, write_annotations
from spacy_jre.architectures.windows import WindowSettings
from spacy_jre.inspection import Settings, collect_findings, inspect_split, reach

# three sentences of 3, 2 and 4 tokens, with an entity at the start of each
WORDS = ["A", "b", ".", "C", ".", "D", "e", "f", "."]
STARTS = (0, 3, 5)


def make_example(*relations) -> Example:
    """relations: sentences of head and tail."""
    vocab = spacy.blank("en").vocab
    reference = Doc(vocab, words=WORDS, sent_starts=[i in STARTS for i in range(9)])
    at = [(reference[i].idx, reference[i].idx + 1, "X") for i in STARTS]
    write_annotations(
        reference,
        [StoredEntity(*one, 1.0) for one in at],
        [StoredRelation(*at[head], *at[tail], "r", 1.0) for head, tail in relations],
    )
    predicted = Doc(vocab, words=WORDS, sent_starts=[i in STARTS for i in range(9)])
    return Example(predicted, reference)


@pytest.fixture
def example():
    # within a sentence there is only one entity
    return make_example((0, 1), (2, 1), (0, 2))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("sentence", (0, 9, 0)),
        ("2 sentences", (2, 5 + 6, 4)),
        ("3 sentences", (3, 9, 6)),
        ("doc", (3, 9, 6)),
    ],
)
def test_figures_of_each_choice(example, choice, expected):
    row = inspect_split([example], Settings()).reach[choice]
    assert (row.relations, row.tokens, row.pairs) == expected


@pytest.mark.parametrize("windows", ["sentence", 2, 3, "doc"])
def test_relations_of_the_setting_are_reachable(example, windows):
    inspection = inspect_split([example], Settings(windows=windows))
    expected = {"sentence": 0, 2: 2}.get(windows, 3)
    assert inspection.relations.reachable == expected
    assert inspection.relations.across == 3 - expected


def test_finding_shows_the_choices(example):
    splits = {"train": inspect_split([example], Settings(windows=2))}
    (finding,) = [
        f for f in collect_findings(splits, Settings(windows=2)) if f.key == "windows"
    ]
    assert "sentence: 0.00%, 1.0x and" in finding.message
    assert "2 sentences: 66.67%, 1.2x and more" in finding.message
    assert "doc: 100.00%, 1.0x" in finding.message
    assert finding.message.endswith("windows = 2.")


def test_no_finding_if_all_relations_are_reached(example):
    settings = Settings(windows="doc")
    splits = {"train": inspect_split([example], settings)}
    assert "windows" not in {f.key for f in collect_findings(splits, settings)}


def test_long_windows_are_divided_as_by_an_encoder(monkeypatch):
    monkeypatch.setattr(reach, "LONG_WINDOW", 4)
    doc = Doc(spacy.blank("en").vocab, words=["w"] * 9)
    settings = WindowSettings("doc")
    windows = settings.divide(settings.make([doc]), np.ones(9, dtype=np.int64), 4)
    expected = list(zip(windows.start.tolist(), windows.end.tolist(), strict=True))
    assert reach.divide([(0, 9)]) == expected


def test_given_entities_can_be_wide():
    example = make_example((0, 1))
    wide = {"max_span_width": 0, "windows": "doc"}
    assert inspect_split([example], Settings(**wide)).relations.too_wide == 1
    given = inspect_split([example], Settings(**wide, given=True))
    assert given.relations.too_wide == 0
    assert given.entities.reachable == 3


@pytest.mark.parametrize(
    ("windows", "negative_pairs", "sampled"),
    [("sentence", 0, 0), (2, 0, 2), (2, 1, 0), ("doc", 1, 1), ("doc", 2, 0)],
)
def test_unrelated_pairs_are_those_of_the_windows(windows, negative_pairs, sampled):
    # two pairs in each window of two sentences, and six in the Doc
    example = make_example((0, 1), (1, 2), (0, 2), (2, 0))
    settings = Settings(windows=windows, negative_pairs=negative_pairs)
    assert inspect_split([example], settings).pairs.sampled == sampled


@pytest.mark.parametrize(("windows", "count"), [("sentence", 0), (2, 0), ("doc", 1)])
def test_entities_that_are_not_paired_are_those_of_a_window(windows, count):
    settings = Settings(windows=windows, max_entities=2)
    splits = {"train": inspect_split([make_example((0, 1))], settings)}
    assert splits["train"].pairs.too_many_entities == count
    found = {one.key: one.message for one in collect_findings(splits, settings)}
    assert ("train 1 of 1 " in found.get("too-many-entities", "")) is (count == 1)


def test_all_given_entities_are_paired():
    settings = Settings(max_entities=0)
    assert inspect_split([make_example()], settings).pairs.too_many_entities == 3
    given = Settings(max_entities=0, given=True)
    assert inspect_split([make_example()], given).pairs.too_many_entities == 0
