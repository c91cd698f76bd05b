import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.conllu import DISCONTINUOUS, read_conllu
from spacy_jre.corpora.rows import BROKEN_ROW, LOST_ARGUMENT, OUTSIDE, UNKNOWN_ARGUMENT

from ..counts import Counts, assert_corrupted_file_is_read_or_coded, read_and_reported
from ..story import FOLDER, assert_is_the_story

HEADER = "# global.columns = ID FORM NER"
WORDS = ["Ada", "Quint", "cooks", "in", "Hotel", "Lima", ",", "Oslo", "."]
TAGS = ["B-PER", "I-PER", "O", "O", "B-ORG", "I-ORG", "O", "B-LOC", "O"]
RELATIONS = "1;2;5;6;works_for|5;6;8;8;based_in"


def sentence(relations=RELATIONS, tags=TAGS, words=WORDS, comments=()):
    lines = [*comments, f"# relations = {relations}"]
    lines += [
        f"{number}\t{word}\t{tag}"
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), 1)
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.conllu"


def put(path, *blocks, header=HEADER):
    path.write_text("\n".join([header, *blocks]), encoding="utf8")
    return path


def read(path, *blocks, header=HEADER, **options):
    return list(read_conllu(put(path, *blocks, header=header), **options))


def read_faulty(path, *blocks, header=HEADER):
    """The record, and kind and cause of what is left out of it."""
    file = put(path, *blocks, header=header)
    (record,) = read_conllu(file, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def labels(record):
    return [(record.text[e.start : e.end], e.label) for e in record.entities]


def test_story_is_read():
    assert_is_the_story(read_conllu(FOLDER / "story.conllu"))


def test_sentence_is_read(path):
    comments = ["# newdoc id = menu", "# sent_id = s1", "# text = Ada Quint cooks ..."]
    assert read(path, sentence(comments=[*comments, "# mood = good"])) == [
        Record(
            text="Ada Quint cooks in Hotel Lima , Oslo .",
            entities=(
                EntityRecord(0, 9, "PER"),
                EntityRecord(19, 29, "ORG"),
                EntityRecord(32, 36, "LOC"),
            ),
            relations=(
                RelationRecord(0, 1, "works_for"),
                RelationRecord(1, 2, "based_in"),
            ),
            words=tuple(WORDS),
            document="menu",
            meta={
                "orig_id": "s1",
                "text": "Ada Quint cooks ...",
                "comments": ["# mood = good"],
            },
        )
    ]


def test_sentences_belong_to_the_last_document(path):
    block = sentence()
    blocks = [
        f"# newdoc id = a\n{block}",
        block,
        f"# newdoc\n{block}",
        f"# document_id = c\n{block}",
        block,
    ]
    assert [record.document for record in read(path, block, *blocks)] == [
        None,
        *("a", "a", "2", "c", "2"),
    ]


def test_columns_can_be_declared_in_each_sentence(path):
    first = f"# global.columns = ID NER FORM\n{sentence('', ['Oslo'], ['B-LOC'])}"
    second = f"{HEADER}\n{sentence('', ['B-LOC'], ['Oslo'])}"
    for record in read(path, first, second, header=""):
        assert labels(record) == [("Oslo", "LOC")]


def test_head_comes_first_in_a_relation(path):
    (record,) = read(path, sentence("8;8;1;2;home_of"))
    assert record.relations == (RelationRecord(2, 0, "home_of"),)


@pytest.mark.parametrize(
    "label", ["a|b", "Cause-Effect(e1,e2)", "x;y", "per:title", "ab c"]
)
def test_label_of_a_relation_can_have_separators(path, label):
    (record,) = read(path, sentence(f"1;2;5;6;{label}|5;6;8;8;other"))
    assert [relation.label for relation in record.relations] == [label, "other"]


@pytest.mark.parametrize("relations", ["", "_", " "])
def test_sentence_without_relations_is_read(path, relations):
    (record,) = read(path, sentence(relations))
    assert len(record.entities) == 3
    assert record.relations == record.left_out == ()


def test_relations_can_be_in_several_comments(path):
    (record,) = read(path, sentence("1;2;5;6;a", comments=["# relations = 5;6;8;8;b"]))
    assert [relation.label for relation in record.relations] == ["b", "a"]


# tokens


def test_multiword_tokens_and_empty_nodes_are_not_tokens(path):
    lines = [
        "# relations = 1;1;4;4;loves",
        "1-2\tAda's\t_",
        "1\tAda\tB-PER",
        "2\t's\tO",
        "3\tlove\tO",
        "3.1\tis\t_",
        "4\tOslo\tB-LOC",
    ]
    (record,) = read(path, "\n".join(lines) + "\n")
    assert record.words == ("Ada", "'s", "love", "Oslo")
    assert record.relations == (RelationRecord(0, 1, "loves"),)
    assert record.meta["multiword_tokens"] == ["1-2\tAda's\t_"]
    assert record.meta["empty_nodes"] == ["3.1\tis\t_"]


def test_relations_refer_to_ids_not_positions(path):
    lines = ["# relations = 11;12;14;14;x", "11\tAda\tB-PER", "12\tQuint\tI-PER"]
    lines += ["13\tin\tO", "14\tOslo\tB-LOC"]
    (record,) = read(path, "\n".join(lines) + "\n")
    assert record.relations == (RelationRecord(0, 1, "x"),)


def test_row_with_spaces_between_the_columns_is_read(path):
    (record,) = read(path, "1 Ada   B-PER\n2\tsings\tO\n")
    assert labels(record) == [("Ada", "PER")]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("3\tcooks\tO", "3\tcooks", "columns"),
        ("3\tcooks\tO", "3\t\tO", "FORM"),
        ("3\tcooks\tO", "x\tcooks\tO", "ID"),
        ("3\tcooks\tO", "2\tcooks\tO", "ID"),
    ],
)
def test_broken_token_costs_its_sentence_with_its_annotation(path, old, new, field):
    skipped = []
    put(path, sentence(), sentence().replace(old, new), sentence())
    assert len(list(read_conllu(path, skip=skipped.append))) == 2
    (left_out,) = skipped
    assert (left_out.broken, left_out.entities, left_out.relations) == (True, 3, 2)
    assert f"{path}, line 16: field '{field}'" in left_out.reason


def test_columns_without_form_raise(path):
    with pytest.raises(ValueError, match=r"J605.*line 1: field 'global.columns'"):
        read(path, "1\tAda\n", header="# global.columns = ID WORD")


def test_only_comments_are_no_sentence(path):
    assert len(read(path, "", "# a comment", "", sentence())) == 1


# entities


@pytest.mark.parametrize("name", ["ner", "NE", "PARSEME:NE", "NER:SPAN", "entity"])
def test_column_with_entities_is_found_by_its_name(path, name):
    header = f"# global.columns = ID NER_SCORE {name} FORM NER:SPAN_SCORE"
    (record,) = read(path, "1\t0.5\tB-PER\tAda\tB-X\n", header=header)
    assert labels(record) == [("Ada", "PER")]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X I-X B-X O", ["a b", "c"]),
        ("B-X E-X S-X O", ["a b", "c"]),
        ("B-X L-X U-X O", ["a b", "c"]),
        ("S-X S-X O O", ["a", "b"]),
        ("B-X E-X B-X E-X", ["a b", "c d"]),
        ("X X O X", ["a b", "d"]),
        ("1:X 1 2:X _", ["a b", "c"]),
        ("1:X;2:X 1 * -", ["a b", "a"]),
        ("_ - * O", []),
    ],
)
def test_tags_are_entities(path, tags, expected):
    (record,) = read(path, sentence("", tags.split(), list("abcd")))
    assert sorted(labels(record)) == sorted((text, "X") for text in expected)
    assert record.left_out == ()


def test_tag_that_continues_no_entity_starts_one_and_is_reported(path):
    tags = ["I-X", "I-X", "O", "I-Y"]
    record, left_out = read_faulty(path, sentence("", tags, list("abcd")))
    assert labels(record) == [("a b", "X"), ("d", "Y")]
    assert [kind for kind, _ in left_out] == ["tag", "tag"]


def test_two_columns_with_entities_are_both_read(path):
    header = "# global.columns = ID FORM NER NE:INNER"
    block = "# relations = 1;2;2;2;x\n1\tOslo\tB-ORG\tB-LOC\n2\tAS\tI-ORG\tB-ORG\n"
    (record,) = read(path, block, header=header)
    assert labels(record) == [("Oslo AS", "ORG"), ("Oslo", "LOC"), ("AS", "ORG")]
    assert record.relations == (RelationRecord(0, 2, "x"),)


def test_arguments_are_entities_without_a_column_for_them(path):
    block = "# relations = 1;1;3;3;in|3;3;1;1;has\n1\tAda\n2\tin\n3\tOslo\n"
    (record,) = read(path, block, header="# global.columns = ID FORM")
    assert labels(record) == [("Ada", "Entity"), ("Oslo", "Entity")]
    assert record.relations == (RelationRecord(0, 1, "in"), RelationRecord(1, 0, "has"))


def test_plain_conllu_with_relations_is_read(path):
    rest = "\t_" * 8
    path.write_text(f"# relations = 1;1;2;2;x\n1\tAda{rest}\n2\tsings{rest}\n")
    (record,) = read_conllu(path)
    assert labels(record) == [("Ada", "Entity"), ("sings", "Entity")]


NUMBERED = "# relations = 1;3;2;2;x\n1\ta\t1:X\n2\tb\t2:Y\n3\tc\t1\n"


def test_discontinuous_entity_is_left_out_with_its_relations(path):
    record, left_out = read_faulty(path, NUMBERED)
    assert labels(record) == [("b", "Y")]
    assert left_out == [("entity", DISCONTINUOUS), ("relation", LOST_ARGUMENT)]


def test_discontinuous_entity_can_be_covered(path):
    (record,) = read(path, NUMBERED, discontinuous="cover")
    assert labels(record) == [("a b c", "X"), ("b", "Y")]
    assert record.relations == (RelationRecord(0, 1, "x"),)


# broken rows


@pytest.mark.parametrize(
    ("relation", "cause"),
    [
        ("1;2;5;6;", BROKEN_ROW),
        ("1;2;5;x", BROKEN_ROW),
        ("1;2;5;20;x", OUTSIDE),
        ("2;1;5;6;x", OUTSIDE),
        ("0;1;5;6;x", OUTSIDE),
        ("1;1;5;6;x", UNKNOWN_ARGUMENT),
    ],
)
def test_broken_relation_costs_only_itself(path, relation, cause):
    record, left_out = read_faulty(path, sentence(f"{relation}|5;6;8;8;based_in"))
    assert record.relations == (RelationRecord(1, 2, "based_in"),)
    assert len(record.entities) == 3
    assert left_out == [("relation", cause)]


def test_broken_relation_raises_by_default_with_its_line(path):
    with pytest.raises(
        ValueError, match=r"J605.*line 2, relation 0.*not an entity of NER"
    ):
        read(path, sentence("1;1;5;6;x"))


@pytest.mark.parametrize("tag", ["B-", "B", "I-"])
def test_tag_without_a_label_costs_only_its_entity(path, tag):
    record, left_out = read_faulty(path, sentence("1;2;5;6;a", [*TAGS[:7], tag, "O"]))
    assert labels(record) == [("Ada Quint", "PER"), ("Hotel Lima", "ORG")]
    assert left_out == [("entity", BROKEN_ROW)]


def test_format_is_guessed(path):
    assert guess_format(put(path, sentence())).name == "conllu"
    assert guess_format(put(path, sentence(), header="")).name == "conllu"


def test_plain_conllu_without_entities_is_not_guessed(path):
    put(path, "1\tAda\t_\n", header="# global.columns = ID FORM LEMMA")
    with pytest.raises(ValueError, match="J610"):
        guess_format(path)


# any file

FAULTS = [
    lambda rng: ("1;2;5;6;", f"{rng.randint(0, 12)};2;5;6;"),
    lambda rng: ("5;6;8;8;", f"5;{rng.randint(0, 12)};8;8;"),
    lambda rng: ("|", "|1;2;1;2;self|"),
    lambda rng: ("works_for", ""),
    lambda rng: ("6\tLima", rng.choice(["5\tLima", "6\t", "Lima", "6\tLi\tma"])),
    lambda rng: ("B-LOC", rng.choice(["B-", "B-PER", "O"])),
]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    blocks = []
    entities = relations = 0
    for _ in range(3):
        block = sentence()
        for fault in rng.sample(FAULTS, rng.randint(0, 3)):
            block = block.replace(*fault(rng), 1)
        blocks.append(block)
        entities += block.count("\tB-")
        relations += len(block.split("\n")[0].split("|"))
    path = put(tmp_path_factory.mktemp("conllu") / "story.conllu", *blocks)
    expected = Counts(3, entities, relations)
    assert read_and_reported(read_conllu, path) == expected


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_bytes_give_records_or_coded_errors(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("conllu") / "story.conllu"
    data = (FOLDER / "story.conllu").read_bytes()
    assert_corrupted_file_is_read_or_coded(
        read_conllu, path, data, seed, changes=5, code="J667]"
    )
