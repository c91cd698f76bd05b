import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import inline
from spacy_jre.corpora.formats.inline import read_inline, render_inline, write_inline
from spacy_jre.corpora.rows import (
    BROKEN_ROW,
    LOST_ARGUMENT,
    REPEATED_ID,
    UNKNOWN_ARGUMENT,
    trim,
)

EXAMPLE = """\
# a comment
[Ada Quint|Peop 1], a cook at [Hotel [Lima|Loc 2]|Org 3], left in [May|Other].
> 1 Work_For 3
> 3 OrgBased_In 2
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.txt"


def write(path, markup):
    path.write_bytes(markup.encode("utf8"))
    return path


def read(path):
    return list(read_inline(path))


def read_one(path, markup):
    (record,) = read(write(path, markup))
    return record


def marked(record):
    """The text and label of each entity."""
    return [(record.text[e.start : e.end], e.label) for e in record.entities]


def named(record):
    """The relations of a record, with the entities instead of their indices."""
    return [
        (record.entities[r.head], r.label, record.entities[r.tail])
        for r in record.relations
    ]


# reading


def test_example_of_the_module_is_read(path):
    assert read_one(path, EXAMPLE) == Record(
        text="Ada Quint, a cook at Hotel Lima, left in May.",
        entities=(
            EntityRecord(0, 9, "Peop"),
            EntityRecord(21, 31, "Org"),
            EntityRecord(27, 31, "Loc"),
            EntityRecord(41, 44, "Other"),
        ),
        relations=(
            RelationRecord(0, 1, "Work_For"),
            RelationRecord(1, 2, "OrgBased_In"),
        ),
        source=f"{path}, line 2",
        meta={"line": 2},
    )


def test_example_is_in_the_module_docstring():
    lines = [line.strip() for line in inline.__doc__.splitlines()]
    assert all(line in lines for line in EXAMPLE.splitlines())


@pytest.mark.parametrize(
    ("markup", "entities"),
    [
        ("[Lima|Loc] sang", [("Lima", "Loc")]),
        ("[a [b [c|X]|Y]|Z]", [("a b c", "Z"), ("b c", "Y"), ("c", "X")]),
        ("[[a|X] b|Y]", [("a b", "Y"), ("a", "X")]),
        ("[a|X][b|Y]", [("a", "X"), ("b", "Y")]),
        ("[[a|X][b|Y]|Z]", [("ab", "Z"), ("a", "X"), ("b", "Y")]),
        ("[a|X 12] b", [("a", "X")]),
        ("[tacos|Main Dish 1]", [("tacos", "Main Dish")]),
        ("[tacos|Main Dish]", [("tacos", "Main Dish")]),
        ("[tacos|Main  Dish of 2 people]", [("tacos", "Main  Dish of 2 people")]),
        ("[tacos|3 1]", [("tacos", "3")]),
        ("[Tromsø|Ort] 北[京|地名]", [("Tromsø", "Ort"), ("京", "地名")]),
    ],
)
def test_entities_are_sorted_by_offset_and_outer_first(path, markup, entities):
    assert marked(read_one(path, markup)) == entities


def test_outer_of_two_entities_with_equal_offsets_comes_first(path):
    record = read_one(path, "[[Lima|Loc]|Org] sang")
    assert marked(record) == [("Lima", "Org"), ("Lima", "Loc")]


def test_numbers_can_have_any_order(path):
    record = read_one(path, "[a|X 7] and [b|Y 3]\n> 3 near 7\n")
    assert record.relations == (RelationRecord(1, 0, "near"),)


def test_numbers_are_local_to_their_sentence(path):
    first, second = read(
        write(path, "[a|X 1] [b|X 2]\n> 1 r 2\n\n[c|X 2] [d|X 1]\n> 1 s 2\n")
    )
    assert named(first) == [(EntityRecord(0, 1, "X"), "r", EntityRecord(2, 3, "X"))]
    assert named(second) == [(EntityRecord(2, 3, "X"), "s", EntityRecord(0, 1, "X"))]


def test_relation_can_be_between_an_entity_and_itself(path):
    record = read_one(path, "[a|X 1]\n> 1 same 1\n")
    assert record.relations == (RelationRecord(0, 0, "same"),)


def test_relation_can_have_any_number_of_spaces(path):
    record = read_one(path, "[a|X 1] [b|X 2]\n>1   r  2  \n")
    assert record.relations == (RelationRecord(0, 1, "r"),)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (r"a \[b\] c", "a [b] c"),
        (r"a \| b", "a | b"),
        (r"a \\ b", r"a \ b"),
        (r"\> a", "> a"),
        (r"\# a", "# a"),
        (r"\a", "a"),
        (r"a\nb\rc\\n", "a\nb\rc\\n"),
        (r"\ ", " "),
        ("a > b # c", "a > b # c"),
        ("a \\", "a \\"),
        (r"\\[b|X]", "\\b"),
    ],
)
def test_backslash_escapes_the_next_character(path, markup, text):
    assert read_one(path, markup).text == text


def test_escape_inside_an_entity_counts_as_one_character(path):
    record = read_one(path, r"[a\]\|\[|X] b")
    assert record.entities == (EntityRecord(0, 4, "X"),)
    assert record.text == "a]|[ b"


def test_comments_are_ignored_on_any_line(path):
    record = read_one(path, "# one\n[a|X 1]\n# two\n> 1 r 1\n# three\n")
    assert (record.text, len(record.relations)) == ("a", 1)


def test_carriage_returns_at_line_endings_are_ignored(path):
    assert read_one(path, EXAMPLE.replace("\n", "\r\n")) == read_one(path, EXAMPLE)


def test_final_newline_is_optional(path):
    assert read_one(path, EXAMPLE.rstrip("\n")) == read_one(path, EXAMPLE)


def test_byte_order_mark_is_ignored(path):
    assert read_one(path, "\ufeff" + EXAMPLE) == read_one(path, EXAMPLE)


def test_several_blank_lines_separate_sentences(path):
    records = read(write(path, "\n\nOne\n\n \n\nTwo\n\n"))
    assert [(r.text, r.meta["line"]) for r in records] == [("One", 3), ("Two", 7)]


def test_unusual_line_separators_are_text(path):
    assert read_one(path, "a\u2028b\x0bc\x85d").text == "a\u2028b\x0bc\x85d"


# errors


def test_missing_file_raises(path):
    with pytest.raises(ValueError, match=r"J601.*story\.txt"):
        read(path)


@pytest.mark.parametrize("markup", ["", "\n\n", "# a comment\n", "  \n"])
def test_file_without_sentences_raises(path, markup):
    with pytest.raises(ValueError, match=r"J602.*story\.txt"):
        read(write(path, markup))


@pytest.mark.parametrize(
    ("markup", "line"),
    [
        pytest.param("[Ada sang", 3, id="not closed"),
        pytest.param("[Ada [Q|X] sang", 3, id="outer not closed"),
        pytest.param("Ada|Peop] sang", 3, id="closed without opening"),
        pytest.param("Ada] sang", 3, id="plain bracket"),
        pytest.param("[Ada] sang", 3, id="tag without label"),
        pytest.param("[Ada|] sang", 3, id="tag with an empty label"),
        pytest.param("[Ada| Peop] sang", 3, id="space before a label"),
        pytest.param("[Ada|Peop ] sang", 3, id="space after a label"),
        pytest.param("[Ada|Peop 1 2] sang", 3, id="two numbers"),
        pytest.param("Ada | Quint", 3, id="plain bar"),
        pytest.param("[Ada | Quint|Peop]", 3, id="plain bar in an entity"),
        pytest.param("[|Peop] sang", 3, id="empty entity"),
        pytest.param("[[|Loc]|Peop] sang", 3, id="empty nested entity"),
        pytest.param("[Ada|X 1]\n> 1 r 2", 4, id="tail without entity"),
        pytest.param("[Ada|X]\n> 1 r 1", 4, id="no numbers"),
        pytest.param("[Ada|X 1]\n> 2 r 1", 4, id="head without entity"),
        pytest.param("[Ada|X 1]\n> 1 r 1\n> 1 r", 5, id="incomplete relation"),
        pytest.param("[Ada|X 1]\n> Ada r 1", 4, id="relation without numbers"),
        pytest.param("Ada\nsang", 4, id="two lines of text"),
        pytest.param("> 1 r 2", 3, id="relation before any sentence"),
        pytest.param(
            "# none\n> 1 r 2\nAda", 4, id="relation directly before its sentence"
        ),
    ],
)
def test_invalid_markup_raises_with_file_and_line(path, markup, line):
    write(path, f"[Ola|Peop] slept\n\n{markup}\n")
    with pytest.raises(ValueError, match="J606") as error:
        read(path)
    assert f"{path}, line {line}: " in str(error.value)


def test_message_for_a_missing_number_lists_known_numbers(path):
    write(path, "[a|X 10] [b|X 9]\n> 1 r 9\n")
    with pytest.raises(ValueError, match=r"number 1\. Known numbers: 9, 10"):
        read(path)


def test_message_for_invalid_markup_has_column_and_fix(path):
    with pytest.raises(ValueError, match=r"column 5 \('Ada \| Quint'\).*a backslash"):
        read(write(path, "Ada | Quint\n"))


def test_bytes_that_are_not_utf8_raise_with_their_line(path):
    path.write_bytes("One\n\nTromsø\n".encode("latin1"))
    with pytest.raises(ValueError, match=r"J668.*story\.txt, line 3: not UTF-8"):
        read(path)


# broken rows


def read_all(path, markup):
    """The only record, even if it has broken rows."""
    skipped = []
    (record,) = read_inline(write(path, markup), skip=skipped.append)
    assert skipped == []
    return record


@pytest.mark.parametrize(
    ("line", "cause", "problem"),
    [
        ("> 1 r", BROKEN_ROW, "'> 1 r' is not a relation"),
        ("> Ada r 1", BROKEN_ROW, "is not a relation"),
        (
            "> 1 r 7",
            UNKNOWN_ARGUMENT,
            "no entity has the number 7. Known numbers: 1, 2",
        ),
    ],
)
def test_broken_relation_costs_only_its_row(path, line, cause, problem):
    record = read_all(path, f"[Ada|X 1] met [Mia|X 2]\n{line}\n> 1 met 2\n")
    assert [relation.label for relation in record.relations] == ["met"]
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.cause, left_out.broken) == ("relation", cause, True)
    assert left_out.reason.startswith(f"[J606] {path}, line 2: ")
    assert problem in left_out.reason


def test_entity_with_the_number_of_another_one_is_left_out(path):
    markup = "[Ada|X 1] met [Mia|X 1]\n> 1 r 1\n"
    record = read_all(path, markup)
    assert marked(record) == [("Ada", "X")]
    assert record.relations == (RelationRecord(0, 0, "r"),)
    assert [left_out.cause for left_out in record.left_out] == [REPEATED_ID]
    with pytest.raises(ValueError, match=r"J605.*line 1, entity 1: .*'1'"):
        read_one(path, markup)


def test_whitespace_at_the_edges_of_entities_is_removed_and_counted(path):
    record = read_one(path, "[ Ada |X] sang")
    assert (record.text, record.trimmed) == (" Ada  sang", 1)
    assert marked(record) == [("Ada", "X")]


def test_entity_with_only_whitespace_costs_its_row_and_its_relations(path):
    record = read_all(path, "[Ada|X 1][ |X 2]sang\n> 1 r 2\n")
    assert marked(record) == [("Ada", "X")]
    causes = [left_out.cause for left_out in record.left_out]
    assert causes == ["the entity has no text", LOST_ARGUMENT]


def test_annotations_of_a_broken_sentence_are_counted(path):
    skipped = []
    markup = "Ada] [Mia|X 1] [Bo|X]\n> 1 r 1\n> 1 s 1\n\nBo\n"
    records = list(read_inline(write(path, markup), skip=skipped.append))
    assert [record.text for record in records] == ["Bo"]
    assert [(x.entities, x.relations) for x in skipped] == [(2, 2)]


@pytest.mark.parametrize("label", ["met", "works for", "1st"])
def test_relation_label_can_have_spaces_and_numbers(path, label):
    record = read_one(path, f"[Ada|X 1] [Mia|X 2]\n> 1 {label} 2\n")
    assert record.relations == (RelationRecord(0, 1, label),)


@pytest.mark.parametrize(
    "markup",
    [
        "[Ada|X 1] met [Mia|X 2]. > 1 met 2 > 2 works for 1",
        "[Ada|X 1] met [Mia|X 2].> 1 met 2  >2 works for 1 ",
        "[Ada|X 1] met [Mia|X 2]. > 1 met 2\n> 2 works for 1",
    ],
)
def test_relation_on_the_line_of_its_sentence_is_read_and_reported(path, markup):
    record = read_one(path, markup)
    assert record.text == "Ada met Mia."
    assert record.relations == (
        RelationRecord(0, 1, "met"),
        RelationRecord(1, 0, "works for"),
    )
    first, *_ = record.left_out
    assert (first.kind, first.broken) == ("note", False)
    expected = f"[J645] {path}, line 1: '> 1 met 2' at the end of the text is read as a"
    assert first.reason.startswith(f"{expected} relation.")


def test_relation_with_a_wrong_number_on_the_line_of_its_sentence_is_broken(path):
    record = read_all(path, "[Ada|X 1] met [Mia|X 2]. > 1 met 3")
    assert (record.text, record.relations) == ("Ada met Mia.", ())
    assert [left_out.kind for left_out in record.left_out] == ["note", "relation"]
    assert "no entity has the number 3" in record.left_out[1].reason


def test_text_that_ends_like_a_relation_is_reported(path):
    record = read_one(path, "[Ada|X] met [Mia|X]. > 1 met 2")
    assert record.text == "Ada met Mia. > 1 met 2"
    (left_out,) = record.left_out
    assert "'> 1 met 2' at the end of the text is read as text" in left_out.reason


@pytest.mark.parametrize(
    "markup",
    [
        r"[Ada|X 1] has \> 1 and 1",
        "It is > 1 and 2",
        "[Ada|X 1] has > 1 [b|X] 1",
        "[Ada > 1 and 1|X 1]",
        "[Ada|X 1] > 1 and 1.",
    ],
)
def test_text_that_does_not_end_like_a_relation_is_text(path, markup):
    record = read_one(path, markup)
    assert record.left_out == ()
    assert ">" in record.text


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Ada", " Mia ", " "]), st.sampled_from(["", " 1", " 2"])
        ),
        max_size=5,
    ),
    st.lists(
        st.sampled_from(
            ["> 1 r 2", "> 2 works for 1", "> 1 r 3", "> 1 r", "> Ada r 1"]
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_every_row_of_a_faulty_file_is_read_or_reported(
    tmp_path_factory, marks, relations, same_line
):
    path = tmp_path_factory.mktemp("inline") / "any.txt"
    text = "so " + " ".join(f"[{form}|X{number}]" for form, number in marks)
    readable = all(relation[-1].isdecimal() for relation in relations)
    numbers = {number for _, number in marks} - {""}
    same_line = same_line and readable and numbers == {" 1", " 2"}
    record = read_all(path, (" " if same_line else "\n").join([text, *relations]))
    kinds = [left_out.kind for left_out in record.left_out]
    assert len(record.entities) + kinds.count("entity") == len(marks)
    assert len(record.relations) + kinds.count("relation") == len(relations)
    assert record.trimmed == sum(
        record.text[e.start - 1 : e.end + 1] == " Mia " for e in record.entities
    )


# writing


def test_written_numbers_are_sorted_by_offset():
    record = Record(
        text="Ada Quint, a cook at Hotel Lima, left in May.",
        entities=(
            EntityRecord(0, 9, "Peop"),
            EntityRecord(21, 31, "Org"),
            EntityRecord(27, 31, "Loc"),
            EntityRecord(41, 44, "Other"),
        ),
        relations=(RelationRecord(0, 1, "Work_For"),),
    )
    assert render_inline(record) == (
        "[Ada Quint|Peop 1], a cook at [Hotel [Lima|Loc]|Org 2], left in [May|Other].\n"
        "> 1 Work_For 2"
    )


@pytest.mark.parametrize("character", ["#", ">"])
def test_first_character_is_escaped_only_at_the_start_of_the_text(character):
    assert (
        render_inline(Record(f"{character} a {character}"))
        == f"\\{character} a {character}"
    )


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 4), (2, 6)],
        [(2, 6), (0, 4)],
        [(0, 9), (1, 4), (3, 6)],
        [(0, 6), (1, 3), (4, 8)],
    ],
)
def test_crossing_entities_raise(spans):
    record = Record("Ada Quint", tuple(EntityRecord(*s, "X") for s in spans))
    with pytest.raises(ValueError, match=r"J646.*crosses"):
        render_inline(record)


def test_order_of_entities_with_equal_offsets_round_trips(path):
    record = Record("Lima", (EntityRecord(0, 4, "Loc"), EntityRecord(0, 4, "Org")))
    assert read_one(path, render_inline(record)).entities == record.entities


CHARACTERS = st.one_of(
    st.sampled_from("[]|\\#> ab12\r\n"),
    st.sampled_from("éß北ق🙂\ufeff\u2028"),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.text(CHARACTERS, min_size=1, max_size=30) | st.sampled_from(
    ["a > 1 r 2", "> 1 r 2", "\\> 1 r 1", " ", "\n", "\ufeff"]
)
LABELS = st.sampled_from(["Peop", "Loc", "a-b", "地名", "Main Dish", "2", "x > y"])


def crosses(a, b):
    return a[0] < b[0] < a[1] < b[1] or b[0] < a[0] < b[1] < a[1]


@st.composite
def records(draw):
    """Texts with nested or disjoint entities in any order, and relations."""
    text = draw(TEXTS)
    ends = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text)))
    entities = []
    for start, end in draw(st.lists(ends.filter(lambda e: e[0] < e[1]), max_size=8)):
        entity = (start, end, draw(LABELS))
        if trim(text, start, end) != (start, end):  # readers trim entities
            continue
        if entity not in entities and not any(crosses(entity, e) for e in entities):
            entities.append(entity)
    relations = []
    if entities:
        numbers = st.integers(0, len(entities) - 1)
        relations = draw(st.lists(st.tuples(numbers, numbers, LABELS), max_size=4))
    return Record(
        text,
        tuple(EntityRecord(*e) for e in entities),
        tuple(RelationRecord(*r) for r in relations),
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(records(), min_size=1, max_size=3))
def test_any_written_record_round_trips(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("inline") / "any.txt"
    write_inline(written, path)
    result = read(path)
    assert not any(record.left_out for record in result)
    assert [r.text for r in result] == [r.text for r in written]
    for after, before in zip(result, written, strict=True):
        assert len(after.entities) == len(before.entities)
        assert set(after.entities) == set(before.entities)
        assert named(after) == named(before)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(records())
def test_read_entities_are_sorted_by_offset(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("inline") / "any.txt"
    offsets = [
        (e.start, -e.end) for e in read_one(path, render_inline(written)).entities
    ]
    assert offsets == sorted(offsets)


@pytest.mark.parametrize(
    "label", ["A 1", "A|B", "[A", "A\\", "A\nB", "A\rB", " A", "A "]
)
def test_unsupported_label_of_an_entity_raises(label):
    with pytest.raises(ValueError, match=r"J646.*label"):
        render_inline(Record("Ada", (EntityRecord(0, 3, label),)))


@pytest.mark.parametrize("label", ["A|B", "[A", "A\\", "A\nB", " A", "A\t"])
def test_unsupported_label_of_a_relation_raises(label):
    relations = (RelationRecord(0, 0, label),)
    with pytest.raises(ValueError, match=r"J646.*label"):
        render_inline(Record("Ada", (EntityRecord(0, 3, "X"),), relations))


def test_record_without_text_raises(path):
    with pytest.raises(ValueError, match=r"J646.*without text"):
        write_inline([Record("Ada"), Record("")], path)
    assert not path.exists()


def test_unsupported_annotation_is_skipped_and_the_rest_is_written(path):
    entities = (
        EntityRecord(0, 3, "PER"),
        EntityRecord(0, 9, "PER"),
        EntityRecord(2, 9, "PER"),
        EntityRecord(4, 9, "A|B"),
    )
    relations = (
        RelationRecord(0, 1, "r"),
        RelationRecord(0, 2, "r"),
        RelationRecord(0, 1, "[r]"),
    )
    skipped = []
    records = [Record(""), Record("Ada Quint", entities, relations)]
    write_inline(records, path, skip=skipped.append)
    (record,) = read(path)
    assert record.entities == (EntityRecord(0, 9, "PER"), EntityRecord(0, 3, "PER"))
    assert record.relations == (RelationRecord(1, 0, "r"),)
    assert [entry.kind for entry in skipped] == [
        "record",
        "entity",
        "entity",
        "relation",
        "relation",
    ]
    assert {entry.cause for entry in skipped if entry.broken} == {
        "the inline format does not support it"
    }


def test_written_file_has_an_empty_line_between_sentences(path):
    write_inline([Record("One"), Record("Two\n> 1")], path)
    assert path.read_bytes() == b"One\n\nTwo\\n\\> 1\n"
