"""Extended BIO tags, compared with tags by hand, and on public corpora."""

from dataclasses import replace

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.annotations import build_doc
from spacy_jre.architectures.windows import sentence_windows
from spacy_jre.corpora.formats.spert_json import read_spert_json
from spacy_jre.training.tags import plain_tags, tag_tokens
from spacy_jre.training.targets import (
    align_gold,
    find_tags,
    gold_entities,
    tag_targets,
)
from spacy_jre.types import Labels

from ..conftest import SHARED, STORY, make_example

LABELS = Labels(
    entities=("LOC", "ORG", "PER"),
    relations=("based_in", "lives_in", "spouse", "works_for"),
)


def line(entities, n_tokens, known=None) -> tuple[str, int]:
    """The tags of a sentence in one string, and the number of skipped entities."""
    result = tag_tokens(entities, known)
    tags = [result.tags.get(token, "O") for token in range(n_tokens)]
    assert result.tags.keys() <= set(range(n_tokens))
    return " ".join(tags), result.n_skipped


def align(examples, labels=LABELS):
    docs = [example.predicted for example in examples]
    has_units = np.asarray([not token.is_space for doc in docs for token in doc])
    return align_gold(examples, sentence_windows(docs), has_units, labels, "relations")


def with_tags(tags) -> Labels:
    return replace(LABELS, tags=tuple(tags))


# by hand ------------------------------------------------------------------------------

TABLE = {
    "no entities": ([], "O O"),
    "plain": ([(0, 2, "A"), (3, 4, "B")], "B-A I-A O B-B"),
    "adjacent entities of one type": ([(0, 1, "A"), (1, 3, "A")], "B-A B-A I-A"),
    # figure 4: "Codeine intoxication in the neonate .", Codeine
    "figure 4": (
        [(0, 1, "DRUG"), (0, 2, "AE")],
        "B-AE/B-DRUG I-AE O O O O",
    ),
    "nested at the end": ([(0, 3, "A"), (2, 3, "B")], "B-A I-A I-A/B-B"),
    "nested inside": ([(0, 4, "A"), (1, 3, "B")], "B-A I-A/B-B I-A/I-B I-A"),
    "crossing": ([(0, 3, "A"), (2, 5, "B")], "B-A I-A I-A/B-B I-B I-B"),
    "crossing, in reverse order": (
        [(2, 5, "A"), (0, 3, "B")],
        "B-B I-B I-B/B-A I-A I-A",
    ),
    "nested of one type": (
        [(0, 4, "X"), (1, 3, "X")],
        "B-X I-X/B-X I-X/I-X I-X",
    ),
    "one span with two labels": (
        [(0, 1, "B"), (0, 1, "A")],
        "B-A/B-B",
    ),
    "two adjacent entities in a third": (
        [(0, 4, "A"), (0, 2, "B"), (2, 4, "C")],
        "B-A/B-B I-A/I-B I-A/B-C I-A/I-C",
    ),
}


@pytest.mark.parametrize(("entities", "tags"), TABLE.values(), ids=TABLE)
def test_entities_are_tagged_in_the_order_of_the_text(entities, tags):
    assert line(entities, len(tags.split())) == (tags, 0)
    assert line(entities[::-1], len(tags.split())) == (tags, 0)


def test_third_entity_of_a_token_is_skipped():
    entities = [(0, 4, "A"), (1, 3, "B"), (2, 5, "C")]
    assert line(entities, 5) == ("B-A I-A/B-B I-A/I-B I-A O", 1)


def test_skipped_entity_does_not_affect_later_entities():
    entities = [(0, 3, "A"), (0, 2, "B"), (1, 4, "C"), (2, 3, "D")]
    # C is skipped because token 1 has two tags, so token 2 has one tag before D
    assert line(entities, 4) == ("B-A/B-B I-A/I-B I-A/B-D O", 1)


def test_entity_that_needs_an_unknown_tag_is_skipped():
    known = plain_tags(["A", "B"])
    entities = [(0, 3, "A"), (2, 5, "B"), (4, 5, "A")]
    assert line(entities, 5, known) == ("B-A I-A I-A O B-A", 1)
    known.append("I-A/B-B")
    assert line(entities, 5, known) == ("B-A I-A I-A/B-B I-B I-B", 1)


def test_labels_can_contain_slashes_and_hyphens():
    assert line([(0, 2, "a/b"), (1, 2, "c-d")], 2) == ("B-a/b I-a/b/B-c-d", 0)


def test_plain_tags_are_in_label_order():
    assert plain_tags(["B", "A"]) == ["O", "B-B", "I-B", "B-A", "I-A"]


# from aligned gold --------------------------------------------------------------------


def test_tag_set_has_plain_bio_and_combined_tags(nlp):
    golds = (align([make_example(nlp, sentence)]) for sentence in STORY)
    plain = plain_tags(LABELS.entities)
    assert find_tags(LABELS, golds) == [*plain, "I-ORG/B-LOC"]


def test_tag_set_without_overlaps_is_plain_bio(nlp):
    golds = (align([make_example(nlp, sentence)]) for sentence in STORY[1:])
    assert find_tags(LABELS, golds) == plain_tags(LABELS.entities)


def test_tag_targets_are_over_all_windows_of_a_batch(nlp):
    gold = align([make_example(nlp, STORY[i]) for i in (2, 0)])
    tags = find_tags(LABELS, [gold])
    targets, n_skipped = tag_targets(gold, with_tags(tags), 16)
    assert n_skipped == 0
    assert [tags[column] for column in targets] == [
        *("O", "O", "O", "B-LOC", "O", "O", "O"),
        *("B-PER", "I-PER", "O", "O", "B-ORG", "I-ORG/B-LOC", "O", "B-LOC", "O"),
    ]


def test_entity_across_windows_has_no_tags(nlp):
    example = make_example(nlp, STORY[0])
    example.predicted[5].is_sent_start = True  # Hotel | Lima
    gold = align([example])
    assert gold.skipped.entities == 1
    tags = plain_tags(LABELS.entities)
    targets, n_skipped = tag_targets(gold, with_tags(tags), 9)
    assert n_skipped == 0
    assert [tags[t] for t in targets[4:6]] == ["O", "B-LOC"]


def test_span_with_two_labels_has_the_tag_of_its_target(nlp):
    sentence = {
        **STORY[2],
        "entities": [(3, 4, "PER"), (3, 4, "LOC")],
    }
    gold = align([make_example(nlp, sentence)])
    assert gold_entities(gold, LABELS) == [(3, 4, "LOC")]


def test_tag_set_is_in_the_order_of_the_columns(nlp):
    gold = align([make_example(nlp, STORY[2])])
    tags = ["B-LOC", *reversed(plain_tags(LABELS.entities)[2:]), "O"]
    targets, _ = tag_targets(gold, with_tags(tags), 7)
    assert targets.dtype == np.int64
    assert targets.tolist() == [6, 6, 6, 0, 6, 6, 6]


# public corpora -----------------------------------------------------------------------


def tags_of(*names: str) -> tuple[list[str], int]:
    """The tag set of files, and the number of entities that it cannot represent."""
    nlp = spacy.blank("en")
    files = [SHARED / name for name in names]
    records = [record for file in files for record in read_spert_json(file)]
    kinds = [
        sorted({e.label for r in records for e in r.entities}),
        sorted({x.label for r in records for x in r.relations}),
    ]
    labels = Labels(tuple(kinds[0]), tuple(kinds[1]))
    golds = []
    for record in records:
        reference = build_doc(record, nlp)
        predicted = Doc(nlp.vocab, words=record.words)
        golds.append(align([Example(predicted, reference)], labels))
    assert all(gold.skipped.entities == 0 for gold in golds)
    n_skipped = sum(tag_tokens(gold_entities(g, labels)).n_skipped for g in golds)
    return find_tags(labels, golds), n_skipped


@pytest.mark.data
def test_conll04_needs_plain_bio_only():
    splits = (f"conll04/spert/conll04_{s}.json" for s in ("train", "dev", "test"))
    tags, n_skipped = tags_of(*splits)
    assert n_skipped == 0
    assert len(tags) == 9
    assert tags == plain_tags(["Loc", "Org", "Other", "Peop"])


@pytest.mark.data
def test_all_entities_of_scierc_have_tags():
    splits = (f"scierc/spert/scierc_{s}.json" for s in ("train", "dev", "test"))
    assert tags_of(*splits)[1] == 0


@pytest.mark.data
def test_all_entities_of_ade_with_overlaps_have_tags():
    tags, n_skipped = tags_of("ade/spert/ade_full.json")
    assert n_skipped == 0
    assert "B-Adverse-Effect/B-Drug" in tags  # figure 4
