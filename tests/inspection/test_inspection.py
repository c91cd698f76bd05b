from collections import Counter

import numpy as np
import pytest
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_jre.annotations import EntityRecord, Record, build_doc
from spacy_jre.architectures.windows import sentence_windows
from spacy_jre.corpora.formats.spert_json import read_spert_json
from spacy_jre.inspection import (
    Settings,
    choose_samples,
    compare_with,
    find_leaks,
    inspect_split,
    render_sample,
)
from spacy_jre.inspection.figures import is_ragged
from spacy_jre.training.targets import align_gold
from spacy_jre.types import Labels

from ..conftest import SHARED, make_example

SETTINGS = Settings()
ADA = {
    "words": ["Ada", "left", "Oslo", "."],
    "entities": [(0, 1, "PER"), (2, 3, "LOC")],
    "relations": [(0, 1, "left")],
}


def inspect(examples, settings=SETTINGS, **kwargs):
    return inspect_split(examples, settings, **kwargs)


def one(nlp, words, entities=(), relations=(), *, starts=(0,)):
    """An Example from words, with the indices of sentence starts."""
    sentence = {"words": words, "entities": entities, "relations": relations}
    example = make_example(nlp, sentence)
    for doc in (example.predicted, example.reference):
        for token in doc:
            token.is_sent_start = token.i in starts
    return example


# size ---------------------------------------------------------------------------------


def test_size_of_the_story_equals_manual_counts(examples):
    size = inspect(examples).size
    assert (size.docs, size.sentences, size.relation_sentences) == (5, 5, 5)
    assert (size.tokens, size.longest) == (9 + 11 + 7 + 12 + 8, 12)
    assert (size.with_entity, size.with_relation) == (5, 4)
    assert (size.unannotated, size.entities_only, size.other_text) == (0, 0, 0)


def test_densities_of_the_story_equal_manual_counts(examples):
    result = inspect(examples)
    compared = compare_with(result, result)
    assert compared["tokens_per_sentence"] == pytest.approx(47 / 5)
    assert compared["entities_per_sentence"] == pytest.approx(14 / 5)
    assert compared["relations_per_sentence"] == pytest.approx(8 / 5)
    assert compared["pairs_per_sentence"] == pytest.approx(30 / 5)


def test_all_sentences_of_a_doc_are_counted(nlp):
    words = ["Ada", "sang", ".", "Rain", "fell", "all", "week", "."]
    size = inspect([one(nlp, words, [(0, 1, "PER")], starts=(0, 3))]).size
    assert (size.docs, size.sentences, size.with_entity) == (1, 2, 1)
    assert (size.tokens, size.longest) == (8, 5)


def test_doc_without_boundaries_is_one_sentence(nlp):
    reference = Doc(nlp.vocab, words=["Ada", "sang", ".", "Rain", "fell", "."])
    reference.ents = []
    predicted = Doc(nlp.vocab, words=[token.text for token in reference])
    size = inspect([Example(predicted, reference)]).size
    assert (size.sentences, size.longest) == (1, 6)


def test_unannotated_doc_only_counts_as_a_doc(nlp, examples):
    unannotated = Doc(nlp.vocab, words=["Rain", "fell"])
    predicted = Doc(nlp.vocab, words=["Rain", "fell"])
    size = inspect([*examples, Example(predicted, unannotated)]).size
    assert (size.docs, size.unannotated) == (6, 1)
    assert (size.sentences, size.tokens) == (5, 47)


def test_doc_with_only_entity_annotation_is_not_in_relation_figures(nlp):
    reference = Doc(nlp.vocab, words=["Ada", "sang"], ents=["B-PER", "O"])
    predicted = Doc(nlp.vocab, words=["Ada", "sang"])
    result = inspect([Example(predicted, reference)])
    assert (result.size.entities_only, result.size.sentences) == (1, 1)
    assert (result.size.relation_sentences, result.pairs.total) == (0, 0)
    assert result.entities.labels == {"PER": 1}


def test_empty_doc_has_no_sentence(nlp):
    reference, predicted = Doc(nlp.vocab), Doc(nlp.vocab)
    reference._.relations = []
    reference.ents = []
    size = inspect([Example(predicted, reference)]).size
    assert (size.docs, size.sentences, size.longest) == (1, 0, 0)


def test_empty_split_can_be_inspected():
    result = inspect([])
    assert result.size.docs == 0
    assert compare_with(result, result)["best_relation_recall"] == 1.0


# entities -----------------------------------------------------------------------------


def test_entities_of_the_story_equal_manual_counts(examples):
    entities = inspect(examples).entities
    assert entities.total == 14
    assert entities.labels == {"PER": 4, "ORG": 3, "LOC": 7}
    assert entities.widths == {1: 9, 2: 5}
    assert entities.reachable == 14


def test_wide_entities_lower_recall_of_entities_and_relations(examples):
    result = inspect(examples, Settings(max_span_width=1))
    # all persons except one company; seven of eight relations have one of them
    assert (result.entities.too_wide, result.relations.too_wide) == (5, 7)
    compared = compare_with(result, result)
    assert compared["width_entity_recall"] == pytest.approx(9 / 14)
    assert compared["width_relation_recall"] == pytest.approx(1 / 8)
    assert compared["best_entity_recall"] == pytest.approx(9 / 14)
    assert compared["best_relation_recall"] == pytest.approx(1 / 8)


def test_entity_as_wide_as_the_limit_is_not_too_wide(examples):
    assert inspect(examples, Settings(max_span_width=2)).entities.too_wide == 0


def test_entity_across_sentences_and_its_relations_are_not_reachable(nlp):
    example = one(
        nlp,
        ["Ada", "left", "New", "York", "."],
        [(0, 1, "PER"), (2, 4, "LOC")],
        [(0, 1, "left")],
        starts=(0, 3),
    )
    result = inspect([example])
    assert (result.entities.across, result.entities.reachable) == (1, 1)
    assert (result.relations.lost_argument, result.relations.reachable) == (1, 0)


def test_second_label_of_a_span_is_not_reachable(nlp):
    example = one(nlp, ["Lima", "sang"], [(0, 1, "ORG"), (0, 1, "LOC")])
    entities = inspect([example]).entities
    assert (entities.total, entities.second_labels, entities.reachable) == (2, 1, 1)


@pytest.mark.parametrize(
    "text",
    [" Ada", "Ada ", "Ada,", "Feb. 2 ,", "Ada:", ", Ada", "( Ada", "Ada )", "Ada [x"],
)
def test_text_with_surrounding_punctuation_is_ragged(text):
    assert is_ragged(text)


@pytest.mark.parametrize("text", ["Ada", "Inc.", "Yahoo!", "BP (London)", "'s", "$1"])
def test_text_with_its_own_punctuation_is_not_ragged(text):
    assert not is_ragged(text)


def test_ragged_entities_are_counted_and_quoted(nlp):
    result = inspect([one(nlp, ["Ada", ",", "sang"], [(0, 2, "PER")])], name="dev")
    assert result.entities.ragged == 1
    assert result.quotes["ragged-entities"] == ["dev[0] 'Ada ,'"]


def test_at_most_three_examples_are_kept(nlp):
    result = inspect([one(nlp, ["Ada", ","], [(0, 2, "PER")]) for _ in range(5)])
    assert result.entities.ragged == 5
    assert len(result.quotes["ragged-entities"]) == 3


def test_examples_have_the_location_from_the_converter(nlp):
    record = Record("Ada ,", (EntityRecord(0, 5, "PER"),), meta={"line": 7})
    reference = build_doc(record, nlp)
    result = inspect([Example(nlp.make_doc("Ada ,"), reference)])
    assert result.quotes["ragged-entities"] == ["train[0] (line 7) 'Ada ,'"]


# overlaps -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entities", "nested", "crossing", "same_span", "not_in_ents"),
    [
        pytest.param([(0, 2, "A"), (2, 4, "B")], 0, 0, 0, 0, id="side by side"),
        pytest.param([(0, 3, "A"), (1, 2, "B")], 1, 0, 0, 1, id="inside"),
        pytest.param([(0, 3, "A"), (0, 1, "B")], 1, 0, 0, 1, id="same start"),
        pytest.param([(1, 3, "A"), (0, 3, "B")], 1, 0, 0, 1, id="same end"),
        pytest.param([(0, 2, "A"), (1, 3, "B")], 0, 1, 0, 1, id="crossing"),
        pytest.param([(0, 2, "A"), (0, 2, "B")], 0, 0, 1, 1, id="same span"),
        pytest.param(
            [(0, 4, "A"), (0, 1, "B"), (2, 3, "C")], 2, 0, 0, 2, id="two inside one"
        ),
        pytest.param([(0, 4, "A"), (0, 2, "B"), (0, 1, "C")], 3, 0, 0, 2, id="chain"),
    ],
)
def test_kinds_of_overlaps_are_counted_separately(
    nlp, entities, nested, crossing, same_span, not_in_ents
):
    result = inspect([one(nlp, ["a", "b", "c", "d"], entities)]).overlaps
    assert (result.nested, result.crossing, result.same_span) == (
        nested,
        crossing,
        same_span,
    )
    assert result.not_in_ents == not_in_ents
    assert result.sentences == (result.pairs > 0)


def test_story_has_one_overlap(examples):
    result = inspect(examples).overlaps
    assert (result.pairs, result.nested, result.sentences) == (1, 1, 1)
    assert (result.not_in_ents, result.related) == (1, 0)


def test_relation_between_overlapping_entities_is_counted(nlp):
    entities = [(0, 2, "ORG"), (1, 2, "LOC")]
    example = one(nlp, ["Hotel", "Lima"], entities, [(0, 1, "based_in")])
    assert inspect([example]).overlaps.related == 1


# relations ----------------------------------------------------------------------------


def test_relations_of_the_story_equal_manual_counts(examples):
    relations = inspect(examples).relations
    assert (relations.total, relations.reachable) == (8, 8)
    assert relations.labels == {
        "works_for": 2,
        "based_in": 2,
        "lives_in": 3,
        "spouse": 1,
    }
    assert relations.arguments == {
        "works_for": {"PER -> ORG": 2},
        "based_in": {"ORG -> LOC": 2},
        "lives_in": {"PER -> LOC": 3},
        "spouse": {"PER -> PER": 1},
    }


def test_relation_across_sentences_is_not_reachable(nlp):
    words = ["Ada", "sang", ".", "Oslo", "slept", "."]
    entities = [(0, 1, "PER"), (3, 4, "LOC")]
    example = one(nlp, words, entities, [(0, 1, "lives_in")], starts=(0, 3))
    result = inspect([example])
    assert (result.relations.across, result.relations.reachable) == (1, 0)
    assert result.size.with_relation == 0
    quotes = result.quotes["relations-across-sentences"]
    assert quotes == ["train[0] 'Ada' and 'Oslo'"]


def test_relation_between_an_entity_and_itself_is_not_reachable(nlp):
    example = one(nlp, ["Ada", "sang"], [(0, 1, "PER")], [(0, 0, "knows")])
    relations = inspect([example]).relations
    assert (relations.itself, relations.reachable) == (1, 0)


def test_relation_between_two_labels_of_a_span_is_with_itself(nlp):
    entities = [(0, 1, "ORG"), (0, 1, "LOC")]
    example = one(nlp, ["Lima", "sang"], entities, [(0, 1, "based_in")])
    assert inspect([example]).relations.itself == 1


def test_pair_with_two_labels_is_counted_once(nlp):
    words = ["Ada", "left", "Oslo"]
    entities = [(0, 1, "PER"), (2, 3, "LOC")]
    relations = [(0, 1, "left"), (0, 1, "lives_in"), (1, 0, "lost")]
    assert inspect([one(nlp, words, entities, relations)]).relations.several_labels == 1


def test_duplicate_relation_in_the_source_counts_once_and_is_reported(nlp):
    sentence = {**ADA, "relations": ADA["relations"] * 3}
    relations = inspect([make_example(nlp, sentence)]).relations
    assert (relations.total, relations.repeated) == (1, 2)


def test_duplicate_relation_in_the_doc_counts_once_and_is_reported(nlp):
    example = make_example(nlp, ADA)
    example.reference._.relations = list(example.reference._.relations) * 2
    relations = inspect([example]).relations
    assert (relations.total, relations.repeated) == (1, 1)


def test_symmetric_relation_in_both_directions_counts_once(nlp):
    words = ["Ada", "met", "Mia"]
    entities = [(0, 1, "PER"), (2, 3, "PER")]
    example = one(nlp, words, entities, [(0, 1, "met"), (1, 0, "met")])
    result = inspect([example], Settings(symmetric=("met",)))
    assert result.relations.total == 1
    assert sum(result.pairs.related.values()) == 1


def test_directions_are_those_of_the_annotation(nlp):
    words = ["Ada", "met", "Mia", "in", "Oslo"]
    entities = [(0, 1, "PER"), (2, 3, "PER"), (4, 5, "LOC")]
    relations = [(0, 1, "met"), (1, 0, "met"), (2, 0, "met")]
    example = one(nlp, words, entities, relations)
    for symmetric in ((), ("met",)):
        result = inspect([example], Settings(symmetric=symmetric))
        row = result.relations.directions["met"]
        assert (row.pairs, row.both) == (2, 1)
        assert (row.left_to_right, row.same_type) == (1, 2)


def test_argument_without_a_label_is_reported(nlp):
    doc = Doc(nlp.vocab, words=["Ada", "left", "Oslo"])
    doc._.relations = [(doc[0:1], doc[2:3], "left")]
    predicted = Doc(nlp.vocab, words=["Ada", "left", "Oslo"])
    result = inspect([Example(predicted, doc)])
    assert result.entities.unlabeled == 2
    assert result.quotes["no-label"] == ["train[0] 'Ada'", "train[0] 'Oslo'"]


# pairs --------------------------------------------------------------------------------


def test_pairs_of_the_story_equal_manual_counts(examples):
    pairs = inspect(examples).pairs
    # 4 * 3, 3 * 2, none, 3 * 2, 3 * 2
    assert (pairs.total, pairs.most) == (30, 12)
    assert sum(pairs.types.values()) == 30
    assert sum(pairs.related.values()) == 8


def test_compatible_pairs_have_the_labels_of_a_relation(examples):
    result = inspect(examples)
    compared = compare_with(result, result)
    # 1 + 2 + 2 in the first sentence, 3 in the second, 2 + 2 in the fourth, 2
    assert (compared["compatible_pairs"], compared["related_pairs"]) == (14, 8)


def test_compatible_pairs_depend_on_the_relations_of_train(nlp, examples):
    train = inspect([make_example(nlp, ADA)])
    compared = compare_with(inspect(examples), train)  # only PER -> LOC
    assert (compared["compatible_pairs"], compared["related_pairs"]) == (5, 3)


def test_pairs_never_cross_sentences(nlp):
    words = ["Ada", "sang", ".", "Oslo", "slept", "."]
    example = one(nlp, words, [(0, 1, "PER"), (3, 4, "LOC")], starts=(0, 3))
    assert inspect([example]).pairs.total == 0


def test_two_labels_of_a_span_are_not_a_pair(nlp):
    pairs = inspect([one(nlp, ["Lima"], [(0, 1, "ORG"), (0, 1, "LOC")])]).pairs
    assert (pairs.total, pairs.types) == (0, {})


@pytest.mark.parametrize(
    ("negative_pairs", "sampled"), [(9, 1), (10, 0), (0, 4), (None, 0)]
)
def test_sentences_with_more_unrelated_pairs_than_negative_pairs_are_counted(
    examples, negative_pairs, sampled
):
    # unrelated: 12 - 2, 6 - 2, 0, 6 - 3, 6 - 1
    settings = Settings(negative_pairs=negative_pairs)
    assert inspect(examples, settings).pairs.sampled == sampled


def test_sentence_with_more_entities_than_are_paired_is_counted(examples):
    assert inspect(examples, Settings(max_entities=3)).pairs.too_many_entities == 1
    assert inspect(examples, Settings(max_entities=4)).pairs.too_many_entities == 0


# tokens of the reader -----------------------------------------------------------------


def misaligned(nlp):
    """Two relations, one with an entity that ends inside a predicted token."""
    words = ["Ada", "sings", "for", "Mi", "a", "and", "Ola"]
    spaces = [True, True, True, False, True, True, False]
    doc = Doc(nlp.vocab, words=words, spaces=spaces)
    ada, mi, ola = (Span(doc, i, i + 1, label="PER") for i in (0, 3, 6))
    doc.ents = [ada, mi, ola]
    doc._.relations = [(ada, mi, "r"), (ada, ola, "r")]
    return Example(nlp.make_doc(doc.text), doc)


def test_entity_that_does_not_align_with_predicted_tokens_is_misaligned(nlp):
    result = inspect([misaligned(nlp)])
    assert (result.entities.misaligned, result.entities.reachable) == (1, 2)
    assert (result.relations.lost_argument, result.relations.reachable) == (1, 1)
    assert result.quotes["misaligned-entities"] == ["train[0] 'Mi'"]


def test_widths_are_in_predicted_tokens(nlp):
    words = ["New", "York", "sang"]
    ents = ["B-LOC", "I-LOC", "O"]
    reference = Doc(nlp.vocab, words=words, spaces=[True, True, False], ents=ents)
    predicted = Doc(nlp.vocab, words=["New York", "sang"], spaces=[True, False])
    assert inspect([Example(predicted, reference)]).entities.widths == {1: 1}


def test_sentences_are_from_the_predicted_doc(nlp):
    example = make_example(nlp, ADA)
    for token in example.predicted:
        token.is_sent_start = token.i in (0, 2)
    result = inspect([example])
    assert (result.size.sentences, result.relations.across) == (2, 1)


def test_doc_with_another_text_uses_the_tokens_of_the_reference(nlp):
    example = make_example(nlp, ADA)
    predicted = Doc(nlp.vocab, words=["Something", "else"])
    result = inspect([Example(predicted, example.reference)])
    assert (result.size.other_text, result.size.tokens) == (1, 4)
    assert result.relations.reachable == 1


def test_lost_annotation_equals_that_in_training(nlp, examples):
    tricky = [
        *examples,
        misaligned(nlp),
        one(
            nlp,
            ["Ada", "left", "New", "York", "."],
            [(0, 1, "PER"), (2, 4, "LOC")],
            [(0, 1, "left"), (0, 0, "left")],
            starts=(0, 3),
        ),
        one(
            nlp,
            ["Lima", "sang", ".", "Oslo", "slept"],
            [(0, 1, "ORG"), (0, 1, "LOC"), (3, 4, "LOC")],
            [(0, 1, "left"), (1, 2, "left")],
            starts=(0, 3),
        ),
        Example(Doc(nlp.vocab, words=["x"]), Doc(nlp.vocab, words=["x"])),
    ]
    result = inspect(tricky)
    labels = Labels(tuple(result.entities.labels), tuple(result.relations.labels))
    docs = [example.predicted for example in tricky]
    has_units = np.ones(sum(map(len, docs)), dtype=bool)
    windows = sentence_windows(docs)
    gold = align_gold(tricky, windows, has_units, labels, "relations")
    entities, relations = result.entities, result.relations
    assert gold.skipped.entities == entities.misaligned + entities.across == 2
    assert gold.skipped.relations == relations.total - relations.learnable == 5
    assert gold.skipped.two_labels == entities.second_labels == 1
    assert gold.skipped.unannotated == result.size.unannotated == 1
    assert len(gold.spans) == entities.reachable
    assert len(gold.relations) == relations.learnable


# texts --------------------------------------------------------------------------------


def test_repeated_texts_ignore_case_and_whitespace(nlp):
    texts = ["Ada  left Oslo", "ada left\nOslo", "Ada left Bergen"]
    docs = [nlp.make_doc(text) for text in texts]
    for doc in docs:
        doc.ents = []
    result = inspect([Example(nlp.make_doc(doc.text), doc) for doc in docs])
    assert (len(result.repeats.texts), result.repeats.repeated) == (2, 1)


def annotated(nlp, text, label="PER"):
    """An Example with the first word as an entity."""
    record = Record(text, (EntityRecord(0, text.index(" "), label),))
    return Example(nlp.make_doc(text), build_doc(record, nlp))


def test_repeated_text_with_equal_annotation_is_consistent(nlp):
    result = inspect([annotated(nlp, "Ada left"), annotated(nlp, "Ada   left")])
    assert (result.repeats.repeated, result.repeats.inconsistent) == (1, 0)


def test_repeated_text_with_other_annotation_is_inconsistent(nlp):
    result = inspect([annotated(nlp, "Ada left"), annotated(nlp, "Ada left", "ORG")])
    assert (result.repeats.repeated, result.repeats.inconsistent) == (1, 1)


def test_repeated_sentence_is_consistent_at_any_offset(nlp):
    entities = [(0, 1, "PER"), (2, 3, "PER")]
    example = one(nlp, ["Ada", "left", "Ada", "left"], entities, starts=(0, 2))
    result = inspect([example])
    assert (result.repeats.repeated, result.repeats.inconsistent) == (1, 0)


def test_other_relation_makes_a_repeated_text_inconsistent(nlp):
    result = inspect(
        [make_example(nlp, ADA), make_example(nlp, {**ADA, "relations": []})]
    )
    assert result.repeats.inconsistent == 1


def leaks_of(**splits):
    result = {name: inspect(split, name=name) for name, split in splits.items()}
    return find_leaks({name: split.repeats for name, split in result.items()})


def test_test_sentences_that_occur_in_train_are_a_leak(nlp, examples):
    ada = make_example(nlp, ADA)
    (leak,) = leaks_of(train=examples, test=[examples[3], examples[2], ada])
    assert (leak.split, leak.source) == ("test", "train")
    assert (leak.sentences, leak.total) == (2, 3)
    assert (leak.entities, leak.relations, leak.otherwise) == (4, 3, 0)
    assert leak.examples[0].startswith("test[0], train[3]: 'Mia Roe and Ola Lie")


def test_each_split_is_compared_with_earlier_splits(examples):
    leaks = leaks_of(train=examples[:2], dev=examples[2:3], test=examples[1:3])
    assert [(leak.split, leak.source, leak.sentences) for leak in leaks] == [
        ("dev", "train", 0),
        ("test", "train", 1),
        ("test", "dev", 1),
    ]


def test_leak_counts_texts_with_different_annotation(nlp):
    (leak,) = leaks_of(
        train=[annotated(nlp, "Ada left")], dev=[annotated(nlp, "ada left", "ORG")]
    )
    assert (leak.sentences, leak.otherwise) == (1, 1)


# samples ------------------------------------------------------------------------------


def test_samples_show_as_many_labels_as_possible(examples):
    samples = choose_samples(inspect(examples).samples)
    # two labels and an overlap, then lives_in with spouse: these are all labels
    assert [sample.name for sample in samples] == ["train[0]", "train[3]", "train[1]"]


def test_samples_are_deterministic(examples):
    first, second = (choose_samples(inspect(examples).samples) for _ in range(2))
    assert first == second


def test_three_samples_are_selected_from_equal_sentences(nlp):
    samples = inspect([make_example(nlp, ADA) for _ in range(5)]).samples
    assert [s.name for s in choose_samples(samples)] == [
        "train[0]",
        "train[1]",
        "train[2]",
    ]


def test_sentences_without_entities_are_not_samples(nlp):
    assert choose_samples(inspect([one(nlp, ["Rain", "fell"])]).samples) == []


def test_sample_is_written_in_inline_markup(nlp):
    (sample,) = choose_samples(inspect([make_example(nlp, ADA)]).samples)
    assert render_sample(sample.record) == "[Ada|PER 1] left [Oslo|LOC 2] .\n> 1 left 2"


def test_sample_is_one_sentence_of_its_doc(nlp):
    words = ["Rain", "fell", ".", "Ada", "left", "Oslo"]
    entities = [(3, 4, "PER"), (5, 6, "LOC")]
    example = one(nlp, words, entities, [(0, 1, "left")], starts=(0, 3))
    (sample,) = choose_samples(inspect([example]).samples)
    assert render_sample(sample.record) == "[Ada|PER 1] left [Oslo|LOC 2]\n> 1 left 2"


def test_sample_that_markup_does_not_support_is_listed(nlp):
    entities = [(0, 2, "A"), (1, 3, "B")]
    example = one(nlp, ["a", "b", "c"], entities, [(0, 1, "crosses")])
    (sample,) = choose_samples(inspect([example]).samples)
    assert render_sample(sample.record).split("\n") == [
        "a b c",
        "  0..3 A: a b",
        "  2..5 B: b c",
        "> a b | crosses | b c",
    ]


def test_line_breaks_of_a_sample_become_spaces(nlp):
    (sample,) = choose_samples(inspect([annotated(nlp, "Ada \n left")]).samples)
    assert render_sample(sample.record) == "[Ada|PER]   left"


# public corpora: figures of independent counts ----------------------------------------


def read_public(nlp, dataset, split):
    path = SHARED / dataset / "spert" / f"{dataset}_{split}.json"
    for record in read_spert_json(path):
        reference = build_doc(record, nlp)
        predicted = Doc(nlp.vocab, words=record.words)
        predicted[0].is_sent_start = True
        for token in predicted[1:]:
            token.is_sent_start = False
        yield Example(predicted, reference)


@pytest.mark.data
def test_scierc_has_the_expected_overlaps(nlp):
    rows = {}
    for split in ("train", "dev", "test"):
        result = inspect(read_public(nlp, "scierc", split))
        overlaps = result.overlaps
        assert overlaps.pairs == overlaps.nested
        assert overlaps.related == 0
        rows[split] = (overlaps.pairs, overlaps.sentences, result.relations.repeated)
    assert rows == {"train": (61, 51, 4), "dev": (7, 7, 0), "test": (20, 17, 0)}


@pytest.mark.data
def test_scierc_has_the_expected_wide_entities(nlp):
    wide: Counter[int] = Counter()
    for split in ("train", "dev", "test"):
        widths = inspect(read_public(nlp, "scierc", split)).entities.widths
        for limit in (8, 10):
            wide[limit] += sum(n for width, n in widths.items() if width > limit)
    assert wide == {8: 57, 10: 19}


@pytest.mark.data
@pytest.mark.parametrize(
    ("limit", "entities", "relations"), [(8, 99.35, 98.97), (10, 99.82, 99.59)]
)
def test_width_limit_reduces_the_recall_of_scierc(nlp, limit, entities, relations):
    settings = Settings(max_span_width=limit)
    result = inspect(read_public(nlp, "scierc", "test"), settings)
    compared = compare_with(result, result)
    assert round(100 * compared["width_entity_recall"], 2) == entities
    assert round(100 * compared["width_relation_recall"], 2) == relations


@pytest.mark.data
def test_conll04_has_the_expected_leaks(nlp):
    splits = {}
    exact = {}
    for name in ("train_dev", "test"):
        examples = list(read_public(nlp, "conll04", name))
        splits[name] = inspect(examples, name=name).repeats
        exact[name] = [example.reference.text for example in examples]
    (leak,) = find_leaks(splits)
    # 19 equal texts; two more differ in case
    known = set(exact["train_dev"])
    assert sum(text in known for text in exact["test"]) == 19
    assert (leak.sentences, leak.total) == (21, 288)


@pytest.mark.data
def test_conll04_has_no_overlaps_and_one_pair_related_in_both_directions(nlp):
    result = inspect(read_public(nlp, "conll04", "train"))
    assert result.overlaps.pairs == 0
    both = {label: row.both for label, row in result.relations.directions.items()}
    assert both == {
        "OrgBased_In": 0,
        "Work_For": 0,
        "Located_In": 1,
        "Live_In": 0,
        "Kill": 0,
    }
