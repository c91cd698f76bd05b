import pytest

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.labels import Labels

RECORD = Record(
    "Ada bakes rye bread in Oslo",
    (
        EntityRecord(0, 3, "PERSON"),
        EntityRecord(10, 19, "FOOD"),
        EntityRecord(23, 27, "PLACE"),
    ),
    (
        RelationRecord(0, 1, "bakes"),
        RelationRecord(0, 2, "lives_in"),
        RelationRecord(1, 2, "no_relation"),
    ),
    meta={"orig_id": 3},
    source="line 1",
)


def change(names=(), dropped=(), record=RECORD):
    labels = Labels.from_options(names, dropped)
    return labels.change(record), labels


def triples(record):
    words = [record.text[e.start : e.end] for e in record.entities]
    return [(words[r.head], r.label, words[r.tail]) for r in record.relations]


def test_entity_and_relation_labels_are_renamed():
    record, _ = change(["PERSON=PER", "bakes=makes", "PLACE=LOC"])
    assert [e.label for e in record.entities] == ["PER", "FOOD", "LOC"]
    assert [r.label for r in record.relations] == ["makes", "lives_in", "no_relation"]
    assert (record.text, record.meta) == (RECORD.text, RECORD.meta)


def test_labels_can_be_swapped():
    record, _ = change(["PERSON=FOOD", "FOOD=PERSON"])
    assert [e.label for e in record.entities] == ["FOOD", "PERSON", "PLACE"]


def test_dropped_relation_leaves_the_others():
    record, labels = change(dropped=["no_relation"])
    assert triples(record) == [
        ("Ada", "bakes", "rye bread"),
        ("Ada", "lives_in", "Oslo"),
    ]
    assert (labels.dropped_entities, labels.dropped_relations) == (0, 1)
    assert labels.dropped_with_entities == 0


def test_dropped_entity_takes_its_relations_along():
    record, labels = change(dropped=["FOOD", "no_relation"])
    assert triples(record) == [("Ada", "lives_in", "Oslo")]
    assert (labels.dropped_entities, labels.dropped_relations) == (1, 2)
    assert labels.dropped_with_entities == 1


def test_ids_of_brat_are_those_of_the_kept_annotation():
    ids = {"T": ["T1", "T2", "T3"], "R": ["R1", "R2", "R3"], "E": ["E1"]}
    record = Record(
        RECORD.text, RECORD.entities, RECORD.relations, meta={"brat_ids": ids}
    )
    changed, _ = change(dropped=["FOOD"], record=record)
    expected = {"T": ["T1", "T3"], "R": ["R2"], "E": ["E1"]}
    assert changed.meta == {"brat_ids": expected}


@pytest.mark.parametrize(
    ("names", "dropped", "problem"),
    [
        (["PERSON"], [], "OLD=NEW"),
        (["=PER"], [], "OLD=NEW"),
        (["PERSON="], [], "OLD=NEW"),
        (["PERSON=PER"], ["PERSON"], "--drop PERSON"),
        (["PERSON=PER", "PERSON=P"], [], "'PERSON' already gets the name 'PER'"),
    ],
)
def test_invalid_option_raises(names, dropped, problem):
    with pytest.raises(ValueError, match="J713") as error:
        Labels.from_options(names, dropped)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("names", "dropped", "message"),
    [
        (["Person=PER"], [], r"--map Person: .*Similar labels: PERSON\."),
        ([], ["norelation"], r"--drop norelation: .*Similar labels: no_relation\."),
        ([], ["lives-in"], r"Similar labels: lives_in\."),
        ([], ["X"], r"Labels: FOOD, PERSON, PLACE, bakes, lives_in, no_relation\."),
    ],
)
def test_label_that_does_not_occur_raises_and_names_similar_ones(
    names, dropped, message
):
    _, labels = change(names, dropped)
    with pytest.raises(ValueError, match=rf"J714.*story\.txt: {message}|{message}"):
        labels.check("story.txt")


def test_labels_that_occur_pass_the_check():
    change(["PERSON=PER"], ["bakes"])[1].check("story.txt")


@pytest.mark.parametrize(
    "label", ["no_relation", "NA", "Other", "None", "false", "NO RELATION", "no-rel"]
)
def test_label_for_no_relation_is_recognized(label):
    record = Record(RECORD.text, RECORD.entities, (RelationRecord(0, 1, label),) * 2)
    _, labels = change(record=record)
    assert labels.negatives() == {label: 2}
    _, labels = change(dropped=[label], record=record)
    assert labels.negatives() == {}


def test_entity_label_other_is_no_negative():
    entities = (EntityRecord(0, 3, "Other"), EntityRecord(10, 19, "None"))
    _, labels = change(record=Record(RECORD.text, entities))
    assert labels.negatives() == {"None": 1}
