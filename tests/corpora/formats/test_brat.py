import gzip
import random
import re
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.brat import read_brat, write_brat

from ...conftest import SHARED
from .. import story

TEXT = "Nils sold Fjordline, the ferry firm, to Mia Roe."
NILS, FJORDLINE, MIA = (
    "T1\tPER 0 4\tNils",
    "T2\tORG 10 19\tFjordline",
    "T3\tPER 40 47\tMia Roe",
)
APART = "T4\tORG 10 19;31 35\tFjordline firm"


@pytest.fixture
def write(tmp_path):
    """A function that writes a document and returns the path of its .ann file."""

    def write_document(*lines, text=TEXT, name="story", suffix=".ann"):
        path = tmp_path / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf8"))
        path.with_suffix(".txt").write_bytes(text.encode("utf8"))
        return path

    return write_document


def read(path, **settings):
    return list(read_brat(path, **settings))


def read_lenient(path, **settings):
    """The records, their left out annotation, and the skipped records."""
    skipped = []
    records = read(path, skip=skipped.append, **settings)
    return records, [left for r in records for left in r.left_out], skipped


def left_out(path, **settings):
    _, left, skipped = read_lenient(path, **settings)
    assert not skipped
    return left


def spans(record):
    return [(record.text[e.start : e.end], e.label) for e in record.entities]


def test_story_is_read():
    story.assert_is_the_story(read_brat(story.FOLDER / "brat"))


def test_written_story_equals_its_files(tmp_path):
    folder = story.FOLDER / "brat"
    write_brat(read_brat(folder), tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_document_is_read(write):
    path = write(NILS, FJORDLINE, "R1\towns Arg1:T1 Arg2:T2")
    (record,) = read(path)
    assert record == Record(
        text=TEXT,
        entities=(EntityRecord(0, 4, "PER"), EntityRecord(10, 19, "ORG")),
        relations=(RelationRecord(0, 1, "owns"),),
        document="story",
    )
    assert record.source == str(path)


# files


def test_subfolders_are_read_in_order(write, tmp_path):
    for name in ("b", "a/2", "a/1", "c"):
        write(name=name)
    assert [r.document for r in read(tmp_path)] == ["a/1", "a/2", "b", "c"]


def test_document_name_can_contain_a_dot(tmp_path):
    (tmp_path / "PMID.1.ann").write_text(NILS, encoding="utf8")
    (tmp_path / "PMID.1.txt").write_text(TEXT, encoding="utf8")
    assert [r.document for r in read(tmp_path)] == ["PMID.1"]


def test_single_file_is_read_without_other_files(write):
    write(name="other")
    assert [r.document for r in read(write())] == ["story"]


@pytest.mark.parametrize("single", [False, True])
def test_compressed_files_are_read(tmp_path, single):
    folder = tmp_path / "brat"
    folder.mkdir()
    for file in (story.FOLDER / "brat").iterdir():
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert guess_format(folder).name == "brat"
    if single:
        path = min(folder.glob("*.ann.gz"))
        (record,) = read(path)
        assert record.source == str(path)
        assert record.text == story.STORY[0].text
    else:
        story.assert_is_the_story(read(folder))


def test_line_that_is_written_twice_is_a_duplicate(write):
    sold = "R1\tsold Arg1:T1 Arg2:T2"
    (record,), left, _ = read_lenient(write(NILS, FJORDLINE, NILS, sold, sold))
    assert (len(record.entities), len(record.relations)) == (2, 1)
    assert [(one.kind, one.broken) for one in left] == [("duplicate", False)] * 2
    assert "line 3: T1 is written twice" in left[0].reason


def test_a1_and_a2_files_are_one_document(write, tmp_path):
    write(NILS, FJORDLINE, suffix=".a1")
    write("T3\tSale 5 9\tsold", "R1\towns Arg1:T1 Arg2:T2", suffix=".a2")
    (record,) = read(tmp_path)
    assert spans(record) == [("Nils", "PER"), ("Fjordline", "ORG"), ("sold", "Sale")]
    assert record.relations == (RelationRecord(0, 1, "owns"),)


def test_broken_line_is_reported_with_its_a1_or_a2_file(write, tmp_path):
    write(NILS, suffix=".a1")
    write("T2\tSale 5 9\tbought", suffix=".a2")
    (left,) = left_out(tmp_path)
    assert f"{tmp_path / 'story.a2'}, line 1: " in left.reason


def test_ann_file_takes_precedence_over_a1_and_a2(write, tmp_path):
    write(NILS, suffix=".a1")
    write(NILS, FJORDLINE)
    (record,) = read(tmp_path)
    assert len(record.entities) == 2


def test_empty_annotation_file_is_a_record_without_entities(write):
    (record,) = read(write())
    assert (record.text, record.entities, record.left_out) == (TEXT, (), ())


def test_empty_text_is_an_empty_record(write):
    (record,) = read(write(text=""))
    assert record.text == ""


def test_missing_path_raises(tmp_path):
    with pytest.raises(ValueError, match=r"J601.*nowhere"):
        read(tmp_path / "nowhere")


def test_folder_without_annotation_files_raises(tmp_path):
    (tmp_path / "a.txt").write_text("a", encoding="utf8")
    with pytest.raises(ValueError, match=r"J602"):
        read(tmp_path)


def test_unknown_setting_raises(write):
    with pytest.raises(ValueError, match=r"J608.*discontinuous"):
        read(write(), discontinuous="join")


def test_document_without_text_is_skipped(write, tmp_path):
    write(name="a").with_suffix(".txt").unlink()
    write(name="b")
    records, _, (skipped,) = read_lenient(tmp_path)
    assert [record.document for record in records] == ["b"]
    assert (skipped.kind, skipped.broken) == ("record", True)
    assert "[J601]" in skipped.reason
    assert str(tmp_path / "a.txt") in skipped.reason


def test_missing_text_raises_by_default(write):
    path = write()
    path.with_suffix(".txt").unlink()
    with pytest.raises(ValueError, match=r"J601.*story\.txt"):
        read(path)


@pytest.mark.parametrize("suffix", [".txt", ".ann"])
def test_file_that_is_not_utf8_is_reported_with_its_line(write, tmp_path, suffix):
    write()
    (tmp_path / f"story{suffix}").write_bytes(b"#1\tNote\tx\nTroms\xf8")
    _, _, (skipped,) = read_lenient(tmp_path)
    assert skipped.broken
    assert f"[J668] {tmp_path}/story{suffix}, line 2: " in skipped.reason


@pytest.mark.parametrize("suffix", [".txt", ".ann"])
def test_file_in_utf16_is_reported_with_the_remedy(write, tmp_path, suffix):
    write(NILS)
    (tmp_path / f"story{suffix}").write_text(TEXT, encoding="utf-16")
    _, _, (skipped,) = read_lenient(tmp_path)
    assert f"[J667] {tmp_path}/story{suffix} is not UTF-8" in skipped.reason


def test_unannotated_text_is_reported_without_an_error(write, tmp_path):
    write(name="b")
    (tmp_path / "a.txt").write_text("a", encoding="utf8")
    assert [record.document for record in read(tmp_path)] == ["b"]
    _, _, (skipped,) = read_lenient(tmp_path)
    assert (skipped.kind, skipped.broken) == ("record", False)
    assert "a.txt" in skipped.reason


# line endings and byte order marks

LINES = "One.\r\nNils left.\r\n"


def test_crlf_counts_as_two_characters(write):
    (record,) = read(write("T1\tPER 6 10\tNils", text=LINES))
    assert (record.text, spans(record)) == (LINES, [("Nils", "PER")])


def test_crlf_counts_as_one_character_if_all_offsets_do(write):
    lines = ("T1\tPER 5 9\tNils", "T2\tNum 0 3\tOne")
    (record,) = read(write(*lines, text=LINES))
    assert record.text == "One.\nNils left.\n"
    assert spans(record) == [("Nils", "PER"), ("One", "Num")]


def test_text_is_unchanged_if_offsets_are_inconsistent(write):
    path = write("T1\tPER 5 9\tNils", "T2\tPER 6 10\tNils", text=LINES)
    (record,), (left,), _ = read_lenient(path)
    assert (record.text, spans(record)) == (LINES, [("Nils", "PER")])
    assert ", line 1: " in left.reason


@pytest.mark.parametrize(("line", "mark"), [(NILS, ""), ("T1\tP 1 5\tNils", "\ufeff")])
def test_offsets_determine_whether_the_byte_order_mark_is_text(write, line, mark):
    (record,) = read(write(line, text=f"\ufeff{TEXT}"))
    assert record.text == mark + TEXT
    assert spans(record)[0][0] == "Nils"


def test_text_that_matches_the_offsets_is_unchanged(write):
    (record,) = read(write("T1\tX 1 2\ta", text="\ufeffaa"))
    assert record.text == "\ufeffaa"


def test_byte_order_mark_and_line_endings_are_determined_together(write):
    (record,) = read(write("T1\tPER 5 9\tNils", text=f"\ufeff{LINES}"))
    assert record.text == "One.\nNils left.\n"


def test_byte_order_mark_is_removed_without_entities(write):
    (record,) = read(write(text=f"\ufeff{TEXT}"))
    assert record.text == TEXT


def test_byte_order_mark_of_annotations_is_not_part_of_an_id(write):
    (record,) = read(write(f"\ufeff{NILS}"))
    assert len(record.entities) == 1


def test_annotations_can_have_crlf_line_endings(write):
    lines = [NILS, "", FJORDLINE, "R1\towns Arg1:T1 Arg2:T2", "A1\tNegation R1"]
    (record,) = read(write(*(f"{line}\r" for line in lines)))
    assert (len(record.entities), len(record.relations)) == (2, 1)
    assert record.meta == {"brat": lines[-1:]}


# entities


def test_whitespace_of_the_entity_text_can_differ(write):
    (record,) = read(write("T1\tPER 0 7\tMia Roe ", text="Mia\nRoe"))
    assert spans(record) == [("Mia\nRoe", "PER")]


def test_entity_with_another_text_is_left_out_with_both_texts(write):
    (left,) = left_out(write(NILS, "T2\tORG 10 19\tFjordlines"))
    assert (left.kind, left.broken) == ("entity", True)
    assert "story.ann, line 2: " in left.reason
    assert "'Fjordline'" in left.reason
    assert "'Fjordlines'" in left.reason


BROKEN_ENTITIES = {
    "no text": "T2\tORG 10 19",
    "spaces instead of tabs": "T2 ORG 10 19 Fjordline",
    "no label": "T2\t10 19\tFjordline",
    "two labels": "T2\tORG X 10 19\tFjordline",
    "one offset": "T2\tORG 10\tFjordline",
    "three offsets": "T2\tORG 10 19 20\tFjordline",
    "incomplete piece": "T2\tORG 10 19;\tFjordline",
    "not a number": "T2\tORG ten 19\tFjordline",
    "other digits": "T2\tORG １０ 19\tFjordline",
    "negative": "T2\tORG -1 4\tNils",
    "huge": f"T2\tORG 1 {'9' * 5000}\tNils",
    "empty": "T2\tORG 10 10\t",
    "backwards": "T2\tORG 19 10\tFjordline",
    "after the text": "T2\tORG 40 480\tMia Roe.",
    "piece after the text": "T2\tORG 40 47;50 60\tMia Roe",
    "same id": "T1\tORG 10 19\tFjordline",
}


@pytest.mark.parametrize("line", BROKEN_ENTITIES.values(), ids=BROKEN_ENTITIES)
def test_broken_entity_does_not_affect_other_lines(write, line):
    (record,), (left,), _ = read_lenient(write(NILS, line, MIA))
    assert spans(record) == [("Nils", "PER"), ("Mia Roe", "PER")]
    assert (left.kind, left.broken) == ("entity", True)
    assert "[J606]" in left.reason
    assert "story.ann, line 2: " in left.reason


@pytest.mark.parametrize("line", ["T2\tORG 10 19\tother", "T2 ORG 10 19 Fjordline"])
def test_broken_line_raises_by_default(write, line):
    with pytest.raises(ValueError, match=r"J606.*story\.ann, line 2: "):
        read(write(NILS, line))


def test_relation_of_a_broken_entity_is_left_out(write):
    path = write(NILS, "T2\tORG 10 19\tother", "R1\towns Arg1:T1 Arg2:T2")
    _, left = left_out(path)
    assert (left.kind, left.broken) == ("relation", False)
    assert "story.ann, line 3: " in left.reason
    assert "T2" in left.reason


def test_discontinuous_entity_is_left_out_with_its_pieces(write):
    path = write(NILS, APART)
    (record,), (left,), _ = read_lenient(path)
    assert spans(record) == [("Nils", "PER")]
    assert (left.kind, left.broken) == ("entity", False)
    assert "story.ann, line 2: " in left.reason
    assert "'Fjordline' + 'firm'" in left.reason


def test_relation_of_a_discontinuous_entity_is_left_out(write):
    _, left = left_out(write(NILS, APART, "R1\towns Arg1:T1 Arg2:T4"))
    assert (left.kind, left.broken) == ("relation", False)
    assert "story.ann, line 3: " in left.reason
    assert "T4" in left.reason


def test_discontinuous_entity_can_be_covered(write):
    path = write(NILS, APART, "R1\towns Arg1:T1 Arg2:T4")
    (record,) = read(path, discontinuous="cover")
    assert spans(record)[1] == ("Fjordline, the ferry firm", "ORG")
    assert record.relations == (RelationRecord(0, 1, "owns"),)
    assert record.left_out == ()
    assert record.meta["brat_pieces"] == {"T4": [[10, 19], [31, 35]]}


def test_text_of_a_discontinuous_entity_is_not_compared(write):
    path = write("T1\tORG 10 19;31 35\tFjordlinefirm")
    assert len(read(path, discontinuous="cover")[0].entities) == 1


def test_pieces_can_have_any_order(write):
    path = write("T1\tORG 31 35;10 19\tfirm Fjordline")
    (record,) = read(path, discontinuous="cover")
    assert spans(record) == [("Fjordline, the ferry firm", "ORG")]
    assert [left.kind for left in left_out(path)] == ["entity"]


def test_entity_split_at_a_line_break_is_one_entity(write):
    (record,) = read(write("T1\tPER 0 3;4 7\tMia Roe", text="Mia\nRoe left."))
    assert spans(record) == [("Mia\nRoe", "PER")]
    assert (record.left_out, record.meta) == ((), {})


# relations


def test_roles_can_have_any_name(write):
    (record,) = read(write(NILS, FJORDLINE, "R1\towns Thing:T2 Owner:T1"))
    assert record.relations == (RelationRecord(1, 0, "owns"),)


def test_arg1_is_the_head_in_any_order(write):
    (record,) = read(write(NILS, FJORDLINE, "R1\towns Arg2:T2 Arg1:T1"))
    assert record.relations == (RelationRecord(0, 1, "owns"),)


def test_relation_can_precede_its_entities(write):
    (record,) = read(write("R1\towns Arg1:T1 Arg2:T2\t", FJORDLINE, NILS))
    assert record.relations == (RelationRecord(1, 0, "owns"),)


def test_relation_of_three_arguments_is_left_out(write):
    path = write(NILS, FJORDLINE, MIA, "R1\tsells A:T1 B:T2 C:T3")
    (left,) = left_out(path)
    assert (left.kind, left.broken) == ("relation", False)
    assert "3 arguments" in left.reason


BROKEN_RELATIONS = {
    "unknown id": "R2\towns Arg1:T1 Arg2:T9",
    "one argument": "R2\towns Arg1:T1",
    "no argument": "R2\towns",
    "no role": "R2\towns T1 T2",
    "spaces instead of tabs": "R2 owns Arg1:T1 Arg2:T2",
    "no label": "R2\tArg1:T1 Arg2:T2",
    "more columns": "R2\towns Arg1:T1 Arg2:T2\tsurely",
    "same id": "R1\tlikes Arg1:T1 Arg2:T2",
}


@pytest.mark.parametrize("line", BROKEN_RELATIONS.values(), ids=BROKEN_RELATIONS)
def test_broken_relation_does_not_affect_other_lines(write, line):
    path = write(NILS, FJORDLINE, "R1\towns Arg1:T1 Arg2:T2", line)
    (record,), (left,), _ = read_lenient(path)
    assert record.relations == (RelationRecord(0, 1, "owns"),)
    assert (left.kind, left.broken) == ("relation", True)
    assert "[J606]" in left.reason
    assert "story.ann, line 4: " in left.reason


# other lines

SOLD = "T4\tSale 5 9\tsold"
EVENT, EQUIVALENCE = "E1\tSale:T4 Seller:T1 Goods:T2", "*\tEquiv T1 T3"
SILENT = ["A1\tNegation E1", "M1\tSpeculation E1", "N1\tReference T1 Wiki:9\tNils"]
NOTE = "#1\tAnnotatorNotes T1\twho is\tthis?"


def test_other_lines_are_kept_unchanged(write):
    lines = [EVENT, *SILENT, EQUIVALENCE, NOTE]
    (record,) = read(write(NILS, FJORDLINE, MIA, SOLD, *lines))
    assert record.meta["brat"] == lines
    assert len(record.entities) == 4


def test_equivalence_is_reported(write):
    path = write(NILS, MIA, EQUIVALENCE)
    (left,) = left_out(path)
    assert (left.kind, left.broken) == ("equivalence", False)
    assert left.reason.startswith(f"{path}, line 3: ")


# events


def triples(record):
    """The text of head and tail, and the label."""
    form = [record.text[e.start : e.end] for e in record.entities]
    return [(form[r.head], r.label, form[r.tail]) for r in record.relations]


def test_arguments_of_an_event_are_relations_of_its_trigger(write):
    (record,) = read(write(NILS, FJORDLINE, SOLD, EVENT))
    assert triples(record) == [
        ("sold", "Seller", "Nils"),
        ("sold", "Goods", "Fjordline"),
    ]
    assert record.left_out == ()


def test_number_of_a_role_is_not_part_of_the_label(write):
    event = "E1\tSale:T4 Party:T1 Party2:T3"
    (record,) = read(write(NILS, MIA, SOLD, event))
    assert [relation.label for relation in record.relations] == ["Party", "Party"]


def test_event_as_an_argument_is_its_trigger(write):
    text = "Nils sold Fjordline; it was a motive."
    plan = f"T5\tPlan {text.index('motive')} {text.index('motive') + 6}\tmotive"
    # the event precedes the event that it refers to
    lines = (NILS, SOLD, plan, "E1\tPlan:T5 Theme:E2", "E2\tSale:T4 Seller:T1")
    (record,) = read(write(*lines, text=text))
    assert triples(record) == [("motive", "Theme", "sold"), ("sold", "Seller", "Nils")]


def test_relation_of_an_event_is_a_relation_of_its_trigger(write):
    lines = (NILS, MIA, SOLD, "R1\tof Arg1:T1 Arg2:E1", "E1\tSale:T4 Buyer:T3")
    (record,) = read(write(*lines))
    assert triples(record) == [("sold", "Buyer", "Mia Roe"), ("Nils", "of", "sold")]


def test_events_can_share_a_trigger(write):
    lines = (NILS, MIA, SOLD, "E1\tSale:T4 Seller:T1", "E2\tSale:T4 Buyer:T3")
    (record,) = read(write(*lines))
    assert triples(record) == [("sold", "Seller", "Nils"), ("sold", "Buyer", "Mia Roe")]


def test_event_without_arguments_is_an_entity(write):
    (record,) = read(write(NILS, SOLD, "E1\tSale:T4"))
    assert spans(record) == [("Nils", "PER"), ("sold", "Sale")]
    assert (record.relations, record.left_out) == ((), ())


@pytest.mark.parametrize(
    ("event", "lost"),
    [
        ("E1\tSale:T9 Seller:T1 Goods:T2", ["relation", "relation"]),
        ("E1\tSale:T4 Seller:T9 Goods:T2", ["relation"]),
        ("E1\tSale:T4 Seller:E9 Goods:T2", ["relation"]),
        ("E1\tSale:T9", ["event"]),
        ("E1\tSale T1", ["line"]),
    ],
)
def test_broken_event_loses_only_its_broken_arguments(write, event, lost):
    path = write(NILS, FJORDLINE, SOLD, "R1\towns Arg1:T1 Arg2:T2", event)
    (record,), left, _ = read_lenient(path)
    assert [(item.kind, item.broken) for item in left] == [
        (kind, True) for kind in lost
    ]
    assert all("story.ann, line 5" in item.reason for item in left)
    assert ("Nils", "owns", "Fjordline") in triples(record)


def test_duplicate_event_loses_its_arguments(write):
    path = write(NILS, FJORDLINE, SOLD, EVENT, "E1\tSale:T4 Buyer:T1")
    (record,), (left,), _ = read_lenient(path)
    assert len(record.relations) == 2
    assert (left.kind, left.broken) == ("relation", True)
    assert "story.ann, line 5: E1 is a duplicate id" in left.reason


def test_arguments_of_an_event_with_a_lost_trigger_are_lost(write):
    lines = (NILS, "T4\tSale 5 9;40 47\tsold Mia Roe", "E1\tSale:T4 Seller:T1")
    kinds = [(left.kind, left.broken) for left in left_out(write(*lines))]
    assert kinds == [("entity", False), ("relation", False)]


def test_events_and_their_relations_can_be_left_out(write):
    path = write(NILS, FJORDLINE, SOLD, "R1\tof Arg1:T1 Arg2:E1", EVENT)
    (record,), left, _ = read_lenient(path, events=False)
    assert record.relations == ()
    kinds = [(item.kind, item.broken) for item in left]
    assert kinds == [("event", False), ("relation", False)]


# symmetric relations


def test_symmetric_relation_of_two_is_one_relation(write):
    (record,) = read(write(NILS, MIA, "*\tAlias T1 T3"))
    assert triples(record) == [("Nils", "Alias", "Mia Roe")]
    assert record.left_out == ()


def test_symmetric_relation_of_three_is_a_relation_of_each_pair(write):
    (record,) = read(write(NILS, FJORDLINE, MIA, "*\tAlias T1 T2 T3"))
    assert triples(record) == [
        ("Nils", "Alias", "Fjordline"),
        ("Nils", "Alias", "Mia Roe"),
        ("Fjordline", "Alias", "Mia Roe"),
    ]


def test_symmetric_relation_to_an_unknown_id_loses_its_pairs(write):
    path = write(NILS, MIA, "*\tAlias T1 T9 T3")
    (record,), left, _ = read_lenient(path)
    assert triples(record) == [("Nils", "Alias", "Mia Roe")]
    assert [(item.kind, item.broken) for item in left] == [("relation", True)] * 2


# offsets and whitespace

EMOJI = "🎉 Nils sold Fjordline to Mia 🚀 Roe for 5 €."


def offsets_in(text, start, form, encoding):
    """A T line with offsets in code units of an encoding."""
    size = 2 if encoding == "utf-16-le" else 1
    begin = len(text[:start].encode(encoding)) // size
    return f"{begin} {begin + len(form.encode(encoding)) // size}\t{form}"


def in_units(encoding):
    forms = ("Nils", "Fjordline", "5 €")
    places = [(EMOJI.index(form), form) for form in forms]
    return [
        f"T{number}\tX {offsets_in(EMOJI, start, form, encoding)}"
        for number, (start, form) in enumerate(places, 1)
    ]


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-16-le", "utf-8"])
def test_unit_of_the_offsets_is_found_by_the_texts(write, encoding):
    lines = in_units(encoding)
    if encoding == "utf-32-le":
        lines = [
            f"T{n}\tX {EMOJI.index(form)} {EMOJI.index(form) + len(form)}\t{form}"
            for n, form in enumerate(("Nils", "Fjordline", "5 €"), 1)
        ]
    (record,) = read(write(*lines, text=EMOJI))
    assert [form for form, _ in spans(record)] == ["Nils", "Fjordline", "5 €"]
    assert record.meta == {}
    kinds = [(left.kind, left.broken) for left in record.left_out]
    assert kinds == [("offsets", False)] * (encoding != "utf-32-le")


def test_characters_are_used_if_all_units_match(write):
    (record,) = read(write("T1\tX 0 4\tNils", text="Nils 🎉"))
    assert spans(record) == [("Nils", "X")]


def test_other_units_do_not_replace_characters_that_match_more_entities(write):
    lines = ["T1\tX 2 6\tNils", "T2\tX 12 21\tFjordline", in_units("utf-16-le")[2]]
    (left,) = left_out(write(*lines, text=EMOJI))
    assert "story.ann, line 3: " in left.reason


def test_discontinuous_entity_is_kept_with_offsets_in_characters(write):
    text = EMOJI
    start = text.index("Mia")
    apart = f"T4\tX {start + 1} {start + 4};{start + 8} {start + 11}\tMia Roe"
    (record,), (_, left), _ = read_lenient(
        write(*in_units("utf-16-le"), apart, text=text)
    )
    assert left.kind == "entity"
    assert "'Mia' + 'Roe'" in left.reason
    kept = f"T4\tX {start} {start + 3};{start + 6} {start + 9}\tMia Roe"
    assert record.meta["brat"] == [kept]


def test_offset_inside_a_character_is_broken(write):
    inside = f"T4\tX {EMOJI.index('🚀') + 2} {EMOJI.index('🚀') + 4}\t🚀"
    _, left = left_out(write(*in_units("utf-16-le"), inside, text=EMOJI))
    assert (left.kind, left.broken) == ("entity", True)
    assert "not a span of the text, which has 45 UTF-16 code units" in left.reason


def test_whitespace_at_the_edges_is_trimmed_and_counted(write):
    (record,) = read(write("T1\tPER 4 10\t sold ", NILS.replace("T1", "T2")))
    assert spans(record) == [("sold", "PER"), ("Nils", "PER")]
    assert record.trimmed == 1


def test_trimmed_entity_round_trips(write, tmp_path):
    path = write("T1\tPER 4 10\t sold ")
    (record,) = read(path)
    assert record.meta["brat_pieces"] == {"T1": [[4, 10]]}
    assert written(tmp_path / "again", record) == {"story.ann": path.read_text()}


def test_entity_that_is_only_whitespace_is_broken(write):
    (left,) = left_out(write("T1\tPER 4 5\t "))
    assert (left.kind, left.broken) == ("entity", True)


def test_attributes_normalizations_and_notes_are_not_reported(write):
    assert left_out(write(NILS, *SILENT, NOTE)) == []


@pytest.mark.parametrize("line", ["Nils", "X1\tPER 0 4", "\tT1", "E1 Sale:T1", "T\tx"])
def test_line_of_unknown_kind_is_broken(write, line):
    (left,) = left_out(write(NILS, line))
    assert (left.kind, left.broken) == ("line", True)
    assert "[J606]" in left.reason
    assert "story.ann, line 2: " in left.reason


def test_blank_lines_are_ignored(write):
    assert left_out(write("", NILS, " ")) == []


# writing


def written(folder, *records):
    """The text of the .ann files of records."""
    write_brat(records, folder)
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf8")
        for path in sorted(folder.rglob("*.ann"))
    }


def entity(start, end, label="PER"):
    return EntityRecord(start, end, label)


def test_document_round_trips_byte_for_byte(write, tmp_path):
    lines = [NILS, FJORDLINE, MIA, SOLD, "R1\towns Arg1:T1 Arg2:T2"]
    last = "R2\tfor Arg1:E1 Arg2:T3"
    path = write(*lines, EVENT, *SILENT, "*\tAlias T1 T3", NOTE, last)
    write_brat(read(path), tmp_path / "again")
    assert (tmp_path / "again" / "story.ann").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("discontinuous", ["skip", "cover"])
def test_ids_and_references_round_trip(write, tmp_path, discontinuous):
    lines = [
        "T7\tPER 0 4\tNils",
        APART,
        MIA,
        "R9\towns Arg1:T7 Arg2:T3",
        "R2\towns Arg1:T7 Arg2:T4",
        "A1\tNegation R9",
    ]
    (record,), _, _ = read_lenient(write(*lines), discontinuous=discontinuous)
    files = written(tmp_path / "again", record)
    assert sorted(files["story.ann"].splitlines()) == sorted(lines)


def test_broken_lines_are_not_written(write, tmp_path):
    broken = ("T2\tORG 10 19\tother", "R1\towns Arg1:T1 Arg2:T2", "what?")
    records, _, _ = read_lenient(write(NILS, *broken))
    assert written(tmp_path / "again", *records) == {"story.ann": f"{NILS}\n"}


def test_new_ids_differ_from_ids_of_kept_lines(tmp_path):
    meta = {"brat": ["T1\tORG 0 1;2 3\ta b"]}
    record = Record("a b", (entity(0, 1), entity(2, 3)), meta=meta)
    (text,) = written(tmp_path, record).values()
    assert [line.split("\t")[0] for line in text.splitlines()] == ["T2", "T3", "T1"]


def test_entity_with_line_break_is_split_like_in_brat(tmp_path):
    (text,) = written(tmp_path, Record("Mia\r\nRoe", (entity(0, 8),))).values()
    assert text == "T1\tPER 0 3;5 8\tMia Roe\n"


def test_line_break_in_entity_text_is_written_as_a_space(tmp_path):
    (text,) = written(tmp_path, Record("\nRoe", (entity(0, 4),))).values()
    assert text == "T1\tPER 0 4\t Roe\n"


def test_records_without_a_document_are_numbered(tmp_path):
    names = list(written(tmp_path, *[Record("a")] * 10))
    assert names == [f"{number:02}.ann" for number in range(1, 11)]


def test_records_of_one_document_get_separate_files(tmp_path):
    names = list(written(tmp_path, *[Record("a", document="d")] * 2))
    assert names == ["d-1.ann", "d-2.ann"]


def test_documents_that_differ_in_case_get_separate_files(tmp_path):
    names = written(tmp_path, Record("a", document="d"), Record("a", document="D"))
    assert len({name.casefold() for name in names}) == 2


def test_numbered_name_does_not_conflict_with_a_document(tmp_path):
    names = written(tmp_path, Record("a"), Record("b", document="1"))
    assert len(names) == 2


@pytest.mark.parametrize(
    "document", ["../up", "/etc/x", "a/../../b", "..", "a\\b", "C:x", "a\nb", "/"]
)
def test_documents_are_only_written_inside_the_folder(tmp_path, document):
    folder = tmp_path / "folder" / "below"
    write_brat([Record("a", document=document)], folder)
    (path,) = tmp_path.rglob("*.ann")
    assert path.is_relative_to(folder)


@pytest.mark.parametrize(
    "record",
    [
        Record("a", (entity(0, 1, "two words"),)),
        Record("a", (entity(0, 1),), (RelationRecord(0, 0, "tab\there"),)),
        Record("a", (entity(0, 1),), meta={"brat_ids": {"T": ["T4", "T7"]}}),
        Record(
            "a",
            (entity(0, 1),),
            (RelationRecord(0, 0, "x"),),
            meta={"brat_ids": {"R": ["E1"]}},
        ),
    ],
    ids=["entity", "relation", "ids", "event"],
)
def test_unsupported_record_raises_before_writing(tmp_path, record):
    with pytest.raises(ValueError, match="J616"):
        write_brat([Record("b"), replace(record, source="here")], tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


# any record, any bytes

# characters that some tools treat as line endings, whitespace or two characters
CHARACTERS = ["a", "b", " ", "\n", "\r\n", "\r", "\t", "\x1c", "\x85", "\u2028", "\xa0"]
CHARACTERS += ["😀", "药", "e\u0301", "\ufeff", "\u200d", ";", "\\", "\x00"]
TEXTS = st.lists(st.sampled_from(CHARACTERS), max_size=20).map("".join)
LABELS = st.sampled_from(["PER", "地名", "a:b;1", "Arg1:T1"])


@st.composite
def any_record(draw):
    text = draw(TEXTS)
    ends = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    # the reader removes whitespace at the edges
    trimmed = ends.filter(
        lambda e: text[e[0] : e[1]].strip() == text[e[0] : e[1]] != ""
    )
    spans = draw(st.lists(trimmed, max_size=5))
    entities = tuple(entity(s, e, draw(LABELS)) for s, e in spans)
    if not entities:
        text = text.lstrip("\ufeff")  # no offset shows that the byte order mark is text
    relations = ()
    if entities:
        numbers = st.integers(0, len(entities) - 1)
        pairs = draw(st.lists(st.tuples(numbers, numbers), max_size=4))
        relations = tuple(RelationRecord(h, t, draw(LABELS)) for h, t in pairs)
    kept = draw(st.lists(st.sampled_from(KEPT), unique=True))
    meta = {"brat": kept} if kept else {}
    return Record(text, entities, relations, meta=meta)


KEPT = [EQUIVALENCE, *SILENT, NOTE, "#2\tAnnotatorNotes T9\t😀\r\x85 "]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(any_record(), min_size=1, max_size=3), st.sampled_from(["d", "é/f 1"]))
def test_any_record_round_trips(tmp_path_factory, records, name):
    folder = tmp_path_factory.mktemp("brat")
    records = [replace(r, document=f"{name}.{i}") for i, r in enumerate(records)]
    write_brat(records, folder)
    again = read(folder)
    assert [replace(record, left_out=()) for record in again] == records


@settings(max_examples=100, deadline=None, derandomize=True)
@given(any_record())
def test_second_round_trip_changes_nothing(tmp_path_factory, record):
    folder = tmp_path_factory.mktemp("brat")
    record = replace(record, document="d")
    assert written(folder / "1", record) == written(folder / "2", *read(folder / "1"))


def test_corrupted_bytes_are_left_out_or_reported(tmp_path):
    rng = random.Random(0)
    lines = [NILS, FJORDLINE, MIA, APART, "R1\towns Arg1:T1 Arg2:T2", EVENT, NOTE]
    files = {
        "x.ann": ("\r\n".join([*lines, EQUIVALENCE]) + "\n").encode("utf8"),
        "x.txt": f"\ufeff{TEXT}\r\n药 😀".encode(),
    }
    outcomes = Counter()
    for _ in range(400):
        broken = {name: bytearray(data) for name, data in files.items()}
        data = broken[rng.choice(["x.ann", "x.ann", "x.txt"])]
        for _ in range(rng.randint(1, 3)):
            position = rng.randrange(len(data))
            new = rng.choice([b"", b"\t", b"\n", b"0", b":", rng.randbytes(1)])
            data[position : position + rng.randint(0, 2)] = new
        for name, content in broken.items():
            (tmp_path / name).write_bytes(content)
        records, left, skipped = read_lenient(tmp_path)
        assert len(records) + len(skipped) == 1
        for item in (*left, *skipped):
            assert f"{tmp_path}/x." in item.reason
            assert ", line " in item.reason
            coded = re.match(r"\[J(60[56]|668)\]", item.reason) is not None
            assert coded is item.broken
        kinds = [item.kind for item in (*left, *skipped) if item.broken]
        outcomes.update(kinds)
        with pytest.raises(ValueError, match="J6") if kinds else nullcontext():
            read(tmp_path)
    assert set(outcomes) == {"record", "entity", "relation", "line"}


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("BioNLP-ST_2011_REL", (20, 452, 44, 0, 13)),
        ("tutorials_news", (13, 119, 12, 23, 0)),
        ("tutorials_bio", (13, 107, 6, 24, 2)),
    ],
)
def test_samples_have_the_published_counts(folder, counts):
    records, left, skipped = read_lenient(SHARED / "brat" / folder, events=False)
    entities = sum(len(record.entities) for record in records)
    relations = sum(len(record.relations) for record in records)
    kinds = Counter(item.kind for item in left)
    assert skipped == []
    assert set(kinds) <= {"event", "equivalence"}
    result = (len(records), entities, relations, kinds["event"], kinds["equivalence"])
    assert result == counts


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "relations"), [("tutorials_news", 64), ("tutorials_bio", 50)]
)
def test_events_of_the_samples_are_relations(folder, relations):
    records, left, _ = read_lenient(SHARED / "brat" / folder)
    assert sum(len(record.relations) for record in records) == relations
    assert {item.kind for item in left} <= {"equivalence"}


# a faulty line -> the line that it replaces, and the annotation that it loses
FAULTS = {
    "T1\tPER 0 5\tNils ": ("T1", 0, 0),
    "T1\tPER 0 4\tOla": ("T1", 1, 0),
    "T1\tPER 0 480\tNils": ("T1", 1, 0),
    "T1\tPER 4 5\t ": ("T1", 1, 0),
    "T1\tPER null null\tNils": ("T1", 1, 0),
    "T2\tPER 0 4\tNils": ("T1", 1, 0),  # the id occurs twice
    "R1\towns Arg1:T1 Arg2:T9": ("R1", 0, 1),
    "R1\towns Arg1:T1 Arg2:null": ("R1", 0, 1),
    "R2\towns Arg1:T1 Arg2:T3": ("R1", 0, 1),
    "E1\tSale:T9 Seller:T1 Goods:T2": ("E1", 0, 2),
    "E1\tSale:T4 Seller:T9 Goods:T2": ("E1", 0, 1),
    "*\tAlias T1 T9": ("*", 0, 1),
}
GOOD = {
    "T1": NILS,
    "T2": FJORDLINE,
    "T3": MIA,
    "T4": SOLD,
    "R1": "R1\towns Arg1:T1 Arg2:T2",
    "R2": "R2\tknows Arg1:T1 Arg2:T3",
    "E1": "E1\tSale:T4 Seller:T1 Goods:T2",
    "*": "*\tAlias T1 T3",
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(sorted(FAULTS)), max_size=4, unique_by=lambda f: FAULTS[f][0]
    )
)
def test_read_and_lost_annotation_add_up(tmp_path_factory, faults):
    folder = tmp_path_factory.mktemp("brat")
    lines = GOOD | {FAULTS[fault][0]: fault for fault in faults}
    (folder / "story.txt").write_text(TEXT, encoding="utf8")
    (folder / "story.ann").write_text("\n".join(lines.values()), encoding="utf8")
    (record,), left, skipped = read_lenient(folder)
    lost = Counter(item.kind for item in left)
    assert (skipped, set(lost) <= {"entity", "relation"}) == ([], True)
    assert len(record.entities) + lost["entity"] == 4
    assert len(record.relations) + lost["relation"] == 5
    assert lost["entity"] == sum(FAULTS[fault][1] for fault in faults)
    assert lost["relation"] >= sum(FAULTS[fault][2] for fault in faults)
    assert record.trimmed == ("T1\tPER 0 5\tNils " in faults)


def test_one_wrong_line_does_not_change_line_ending_handling(tmp_path):
    # two entities count CRLF as one character, the third is wrong in both cases
    (tmp_path / "a.txt").write_bytes(b"Rain.\r\nAda met Ola.\r\n")
    lines = ("T1\tPER 6 9\tAda", "T2\tPER 14 17\tOla", "T3\tPER 0 3\tEva")
    (tmp_path / "a.ann").write_text("\n".join(lines), encoding="utf8")
    (record,) = read_brat(tmp_path, skip=lambda left_out: None)
    forms = [record.text[e.start : e.end] for e in record.entities]
    assert forms == ["Ada", "Ola"]
    assert [left.kind for left in record.left_out] == ["entity"]
