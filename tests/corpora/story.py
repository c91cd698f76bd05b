"""The shared test corpus: four sentences, with one file per format in ``story/``.

It only uses what every format supports: two entity labels, all entities in relations,
no nesting, tokens separated by spaces.
"""

from pathlib import Path

from spacy_jre.annotations import EntityRecord, Record, RelationRecord

FOLDER = Path(__file__).parent / "story"
EFFECT, DRUG = "Adverse-Effect", "Drug"


def _record(text, entities, relations):
    entity_records = []
    for form, label in entities:
        start = text.index(form)
        entity_records.append(EntityRecord(start, start + len(form), label))
    return Record(
        text=text,
        entities=tuple(entity_records),
        relations=tuple(RelationRecord(h, t, "Adverse-Effect") for h, t in relations),
    )


STORY = [
    _record(
        "Severe hives followed the first dose of clavoxil .",
        [("Severe hives", EFFECT), ("clavoxil", DRUG)],
        [(0, 1)],
    ),
    _record(
        "Two days after brenadine was raised , the girl had double vision and tremor .",
        [("brenadine", DRUG), ("double vision", EFFECT), ("tremor", EFFECT)],
        [(1, 0), (2, 0)],
    ),
    _record(
        "We blame mirtolol , and not age , for this slow pulse .",
        [("mirtolol", DRUG), ("slow pulse", EFFECT)],
        [(1, 0)],
    ),
    _record(
        "Both osterone and calprine may bring on night sweats .",
        [("osterone", DRUG), ("calprine", DRUG), ("night sweats", EFFECT)],
        [(2, 0), (2, 1)],
    ),
]


def content(record, labels=True):
    """The fields that all formats support, optionally without entity labels."""
    entities = [(e.start, e.end, e.label if labels else "") for e in record.entities]
    relations = [(r.head, r.tail, r.label) for r in record.relations]
    return record.text, entities, relations


def assert_is_the_story(records, labels=True):
    records = list(records)
    assert [content(r, labels) for r in records] == [content(r, labels) for r in STORY]
    assert not [left for record in records for left in record.left_out]
    for record in records:
        assert record.words is None or list(record.words) == record.text.split()
