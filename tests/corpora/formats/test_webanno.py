"""WebAnno TSV 3: a table with a row for each token."""

import random
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.inception import read_inception
from spacy_jre.corpora.formats.webanno import read_webanno

from .. import story

HEADER = "#FORMAT=WebAnno TSV 3.3"
SPAN = "#T_SP=webanno.custom.Span|label"
RELATION = "#T_RL=webanno.custom.Link|label|BT_webanno.custom.Span"
TEXT = "#Text=Mia Roe runs Fjordline."
ROWS = {
    "1-1": "1-1\t0-3\tMia\tPER[1]\t_\t_\t",
    "1-2": "1-2\t4-7\tRoe\tPER[1]\t_\t_\t",
    "1-3": "1-3\t8-12\truns\t_\t_\t_\t",
    "1-4": "1-4\t13-22\tFjordline\tORG\truns\t1-1[1_0]\t",
    "1-5": "1-5\t22-23\t.\t_\t_\t_\t",
}
STORY = [HEADER, SPAN, RELATION, "", "", TEXT, *ROWS.values()]
MIA, FJORDLINE = EntityRecord(0, 7, "PER"), EntityRecord(13, 22, "ORG")


@pytest.fixture
def write(tmp_path):
    def write_lines(*lines, name="story.tsv"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
        return path

    return write_lines


def read(path, **settings):
    (record,) = read_webanno(path, **settings)
    return record


def read_and_skip(path, **settings):
    skipped = []
    return list(read_webanno(path, skip=skipped.append, **settings)), skipped


def spans(record):
    return [(record.text[e.start : e.end], e.label) for e in record.entities]


def triples(record):
    form = [record.text[e.start : e.end] for e in record.entities]
    return [(form[r.head], r.label, form[r.tail]) for r in record.relations]


def kinds(record):
    return [(left.kind, left.broken) for left in record.left_out]


def test_document_is_read(write):
    path = write(*STORY)
    record = read(path)
    assert record == Record(
        text="Mia Roe runs Fjordline.",
        entities=(MIA, FJORDLINE),
        relations=(RelationRecord(0, 1, "runs"),),
        document="story",
    )
    assert record.source == str(path)


def test_story_is_read():
    story.assert_is_the_story(read_webanno(story.FOLDER / "webanno"))


def test_carriage_returns_and_byte_order_mark_are_ignored(write):
    path = write(*STORY)
    other = path.with_name("other.tsv")
    other.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert spans(read(other)) == spans(read(path))


def test_folder_is_read_at_any_depth(write, tmp_path):
    (tmp_path / "b").mkdir()
    write(*STORY, name="a.tsv")
    write(*STORY, name="b/c.tsv")
    assert [record.document for record in read_webanno(tmp_path)] == ["a", "c"]


def test_format_of_file_and_folder_is_guessed(write, tmp_path):
    path = write(*STORY)
    assert guess_format(path).name == guess_format(tmp_path).name == "webanno"


def rows_of(words, *columns, start=0, sentence=1):
    """The rows of a sentence. The columns are dicts: number of a word -> cell."""
    rows, offset = [], start
    for number, word in enumerate(words, 1):
        end = offset + len(word.encode("utf-16-le")) // 2
        cells = [column.get(number, "_") for column in columns]
        rows.append(
            "\t".join([f"{sentence}-{number}", f"{offset}-{end}", word, *cells])
        )
        offset = end + 1
    return [f"#Text={' '.join(words)}", *(f"{row}\t" for row in rows)]


def table(words, *columns, layers=(SPAN,), header=HEADER):
    return [header, *layers, "", "", *rows_of(words, *columns)]


WORDS = ["Ada", "met", "Bo", "Li"]


# spans


def test_adjacent_values_without_ids_are_separate_entities(write):
    record = read(write(*table(WORDS, {3: "PER", 4: "PER"})))
    assert spans(record) == [("Bo", "PER"), ("Li", "PER")]


def test_stacked_annotations_are_separate_entities(write):
    record = read(write(*table(WORDS, {3: "PER[1]|PART[2]", 4: "PER[1]"})))
    assert spans(record) == [("Bo", "PART"), ("Bo Li", "PER")]


def test_span_can_cover_several_sentences(write):
    lines = table(WORDS, {4: "X[1]"})
    lines += ["", *rows_of(["Bo", "left"], {1: "X[1]"}, start=14, sentence=2)]
    record = read(write(*lines))
    assert spans(record) == [("Li\nBo", "X")]
    assert record.sentences == ((0, 13), (14, 21))


def test_part_of_a_token_can_be_an_entity(write):
    lines = table(["Adas", "son"], {})
    lines.insert(6, "1-1.1\t0-3\tAda\tPER\t")
    assert spans(read(write(*lines))) == [("Ada", "PER")]


def test_span_can_start_in_a_part_of_a_token(write):
    lines = table(["Adas", "son"], {2: "PER[3]"})
    lines.insert(6, "1-1.1\t3-4\ts\tPER[3]\t")
    assert spans(read(write(*lines))) == [("s son", "PER")]


def test_span_without_text_is_left_out(write):
    lines = table(WORDS, {})
    lines.insert(6, "1-1.1\t0-0\t\tPER\t")
    record = read(write(*lines))
    assert (record.entities, kinds(record)) == ((), [("entity", False)])


def test_span_without_value_is_left_out(write):
    record = read(write(*table(WORDS, {1: "*"})))
    assert (record.entities, kinds(record)) == ((), [("entity", False)])
    assert "line 6: the span has no label" in record.left_out[0].reason


@pytest.mark.parametrize("layer", ["#T_SP=webanno.custom.Gene|", "#T_SP=custom.Gene"])
def test_label_of_a_layer_without_features_is_its_name(write, layer):
    record = read(write(*table(WORDS, {1: "*"}, layers=[layer])))
    assert spans(record) == [("Ada", "Gene")]


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        (r"\_", "_"),
        (r"\*", "*"),
        (r"a\|b\[1\]", "a|b[1]"),
        (r"x\->y\;\\z[4]", "x->y;\\z"),
    ],
)
def test_escapes_of_a_value_are_removed(write, cell, label):
    assert spans(read(write(*table(WORDS, {1: cell})))) == [("Ada", label)]


def test_features_of_a_layer_that_has_several_are_named(write):
    layers = ["#T_SP=webanno.custom.Dose|amount|unit"]
    path = write(*table(WORDS, {1: "5"}, {1: "mg"}, layers=layers))
    record = read(path)
    assert (record.entities, kinds(record)) == ((), [("entity", False)])
    assert "several features: amount, unit" in record.left_out[0].reason
    assert spans(read(path, features=["Dose=unit"])) == [("Ada", "mg")]
    with pytest.raises(ValueError, match=r"J650.*'name'.*Dose: amount, unit"):
        read(path, features=["name"])


def test_layers_of_words_are_ignored_and_named_entities_are_read(write):
    core = "#T_SP=de.tudarmstadt.ukp.dkpro.core.api."
    layers = [f"{core}lexmorph.type.pos.POS|PosValue"]
    layers += [f"{core}ner.type.NamedEntity|identifier|value"]
    record = read(write(*table(WORDS, {1: "NNP"}, {1: "*"}, {1: "PER"}, layers=layers)))
    assert spans(record) == [("Ada", "PER")]
    assert record.left_out == ()


def test_slots_are_left_out(write):
    slots = "ROLE_webanno.custom.Event:who_webanno.custom.Who|webanno.custom.Span"
    layers = [SPAN, f"#T_SP=webanno.custom.Event|{slots}|value"]
    cells = ({1: "PER"}, {2: r"a\;b;c"}, {2: "1-1;1-3[2]"}, {2: "Meet"})
    record = read(write(*table(WORDS, *cells, layers=layers)))
    assert spans(record) == [("Ada", "PER"), ("met", "Meet")]
    assert kinds(record) == [("slot", False)]
    assert "2 link(s)" in record.left_out[0].reason


def test_event_without_slots_is_an_entity(write):
    slots = "ROLE_webanno.custom.Event:who_webanno.custom.Who|webanno.custom.Span"
    layers = [f"#T_SP=webanno.custom.Event|{slots}|value"]
    cells = ({2: "_[1]|_[2]"}, {2: "*|*"}, {2: "Meet[1]|Talk[2]"})
    record = read(write(*table(WORDS, *cells, layers=layers)))
    assert spans(record) == [("met", "Meet"), ("met", "Talk")]
    assert record.left_out == ()


def test_each_link_of_a_chain_is_left_out(write):
    layers = ["#T_CH=webanno.custom.Name|referenceRelation|referenceType"]
    cells = ({1: "*->1-1", 3: "same->1-2", 4: "same->1-2"}, {1: "*[1]", 3: "x[1]"})
    cells[1][4] = "x[1]"
    record = read(write(*table(WORDS, *cells, layers=layers)))
    assert (record.entities, kinds(record)) == ((), [("chain", False)] * 2)


# relations

LAYERS = (SPAN, RELATION)


def related(write, spans, source, label="met", tail=4):
    cells = (spans, {tail: label}, {tail: source})
    return write(*table(WORDS, *cells, layers=LAYERS))


@pytest.mark.parametrize(
    ("cells", "source"),
    [
        ({1: "PER", 4: "ORG"}, "1-1"),
        ({1: "PER[1]|X[2]", 4: "ORG"}, "1-1[1_0]"),
        ({1: "PER", 4: "X[1]|ORG[2]"}, "1-1[0_2]"),
        ({1: "PER[7]", 2: "PER[7]", 4: "ORG[8]"}, "1-1[7_8]"),
        ({1: "PER[7]", 2: "PER[7]", 4: "ORG"}, "1-1"),
    ],
)
def test_relation_is_from_the_source_to_the_row(write, cells, source):
    record = read(related(write, cells, source))
    label = [entity.label for entity in record.entities]
    pairs = [(label[r.head], r.label, label[r.tail]) for r in record.relations]
    assert pairs == [("PER", "met", "ORG")]
    assert record.left_out == ()


def test_stacked_relations_are_read(write):
    cells = {1: "PER", 3: "PER", 4: "ORG"}
    record = read(related(write, cells, "1-1|1-3|1-3", label="met|met|*"))
    assert triples(record) == [("Ada", "met", "Li"), ("Bo", "met", "Li")]
    assert kinds(record) == [("relation", False)]


def test_relation_to_a_later_row_is_read(write):
    record = read(related(write, {1: "PER", 3: "ORG"}, "1-3", tail=1))
    assert triples(record) == [("Bo", "met", "Ada")]


@pytest.mark.parametrize("name", ["webanno.custom.Met||BT_webanno.custom.Span", None])
def test_label_of_a_relation_without_features_is_the_name_of_its_layer(write, name):
    layer = f"#T_RL={name or 'webanno.custom.Met|BT_webanno.custom.Span'}"
    spans = {1: "PER", 4: "ORG"}
    lines = table(WORDS, spans, {4: "*"}, {4: "1-1"}, layers=[SPAN, layer])
    if name is None:  # only the row of the relation has a column for its features
        lines = [line.replace("_\t_\t", "_\t") for line in lines]
    assert triples(read(write(*lines))) == [("Ada", "Met", "Li")]


def test_relation_between_tokens_is_left_out(write):
    base = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Token"
    layer = f"#T_RL=webanno.custom.Link|label|BT_{base}"
    cells = ({}, {2: "subject"}, {2: "1-1"})
    record = read(write(*table(WORDS, *cells, layers=[SPAN, layer])))
    assert (record.relations, kinds(record)) == ((), [("relation", False)])


@pytest.mark.parametrize(
    ("cells", "source"),
    [
        ({4: "ORG"}, "1-1"),
        ({1: "PER", 4: "ORG"}, "1-9"),
        ({1: "PER[1]", 4: "ORG"}, "1-1[9_0]"),
        ({1: "PER", 4: "ORG"}, "null"),
        ({1: "PER", 4: "ORG"}, "_"),
        ({1: "PER[1]|PER[2]", 4: "ORG"}, "1-1"),
    ],
)
def test_relation_to_an_unknown_span_is_broken(write, cells, source):
    (record,), skipped = read_and_skip(related(write, cells, source))
    assert (record.relations, skipped) == ((), [])
    assert kinds(record) == [("relation", True)]
    assert "story.tsv, line 10" in record.left_out[0].reason


# text and offsets


def test_sentences_can_have_several_lines(write):
    lines = [HEADER, SPAN, "", "#Text=Ada", "#Text=Li left", "1-1\t0-3\tAda\tPER[1]\t"]
    lines += ["1-2\t4-6\tLi\tPER[1]\t", "1-3\t7-11\tleft\t_\t"]
    record = read(write(*lines))
    assert (record.text, spans(record)) == ("Ada\nLi left", [("Ada\nLi", "PER")])


@pytest.mark.parametrize(
    ("start", "text"), [(3, "AdaBo"), (4, "Ada\nBo"), (6, "Ada\n  Bo"), (0, "Ada\nBo")]
)
def test_space_between_sentences_is_that_of_the_offsets(write, start, text):
    lines = table(["Ada"], {})
    lines += ["", *rows_of(["Bo"], {1: "PER"}, start=start, sentence=2)]
    record = read(write(*lines))
    assert (record.text, spans(record)) == (text, [("Bo", "PER")])


def test_huge_gap_between_sentences_is_shortened(write):
    lines = table(["Ada"], {})
    lines += ["", *rows_of(["Bo"], {1: "PER"}, start=10**8, sentence=2)]
    record = read(write(*lines))
    assert len(record.text) < 2000
    assert spans(record) == [("Bo", "PER")]


def test_document_can_start_with_whitespace(write):
    lines = [HEADER, SPAN, "", "#Text= Ada", "1-1\t1-4\tAda\tPER\t"]
    assert spans(read(write(*lines))) == [("Ada", "PER")]
    lines = [HEADER, SPAN, "", "#Text=Ada", "1-1\t1-4\tAda\tPER\t"]
    assert spans(read(write(*lines))) == [("Ada", "PER")]


EMOJI = ["🎉", "Ada", "🚀", "Bo"]


def test_offsets_are_utf16_code_units(write):
    record = read(write(*table(EMOJI, {2: "PER", 4: "PER"})))
    assert spans(record) == [("Ada", "PER"), ("Bo", "PER")]


def test_offsets_can_be_characters(write):
    lines = [HEADER, SPAN, "", "#Text=🎉 Ada 🚀 Bo", "1-1\t0-1\t🎉\t_\t"]
    lines += ["1-2\t2-5\tAda\tPER\t", "1-3\t6-7\t🚀\tX\t", "1-4\t8-10\tBo\tPER\t"]
    record = read(write(*lines))
    assert spans(record) == [("Ada", "PER"), ("🚀", "X"), ("Bo", "PER")]


def test_escapes_of_the_text_are_removed(write):
    lines = [HEADER, SPAN, "", r"#Text=x\ty\\z d\_e", "1-1\t4-5\tz\tX\t"]
    record = read(write(*lines))
    assert (record.text, spans(record)) == ("x\ty\\z d\\_e", [("z", "X")])


def test_first_versions_have_the_escapes_of_java(write):
    text = r"#Text=\u00c5sa \"met\" \uD83C\uDF89"
    lines = ["#FORMAT=WebAnno TSV 3.1", SPAN, "", text, "1-1\t0-3\tÅsa\tPER\t"]
    record = read(write(*lines))
    assert (record.text, spans(record)) == ('Åsa "met" 🎉', [("Åsa", "PER")])


# faults


def test_missing_path_and_empty_folder_raise(tmp_path):
    for path in (tmp_path, tmp_path / "gone.tsv"):
        with pytest.raises(ValueError, match=r"J60[12]"):
            list(read_webanno(path))


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (["# webanno.custom.Span | label"], "line 1.*WebAnno TSV 3"),
        ([HEADER, SPAN], "'#Text='"),
    ],
)
def test_file_in_another_format_raises(write, lines, part):
    with pytest.raises(ValueError, match=rf"J652.*story\.tsv, {part}|J652.*{part}"):
        read(write(*lines))


def test_file_that_is_not_utf8_is_skipped_with_its_line(write, tmp_path):
    write(*STORY, name="a.tsv")
    path = write(*STORY, name="b.tsv")
    path.write_bytes(path.read_bytes().replace(b"Roe", b"R\xf8e"))
    records, (skipped,) = read_and_skip(tmp_path)
    assert [record.document for record in records] == ["a"]
    assert skipped.broken
    assert skipped.reason.startswith(f"[J668] {path}, line 6: not UTF-8")


def test_file_in_utf16_raises_with_the_remedy(write):
    path = write(*STORY)
    path.write_text(path.read_text(encoding="utf8"), encoding="utf-16")
    with pytest.raises(ValueError, match=r"J667.*story\.tsv.*UTF-8"):
        read(path)


# a faulty row -> the row that it replaces, and the entities and relations that it loses
FAULTS = {
    "1-1\t0-3\tMia\tORG[1]\t_\t_\t": ("1-1", 1, 0),
    "1-1\t0-99\tMia\tPER[1]\t_\t_\t": ("1-1", 1, 1),
    "1-2\t4-7\tOla\tPER[1]\t_\t_\t": ("1-2", 1, 1),
    "1-4\t13-22\tFjordline\tORG\truns\t1-9\t": ("1-4", 0, 1),
    "1-4\t13-22\tFjordline\tORG\truns\tnull\t": ("1-4", 0, 1),
    "1-4\t13-22\tFjordline\tORG\t*\t1-1[1_0]\t": ("1-4", 0, 1),
    "1-4\t0-0\tFjordline\tORG\truns\t1-1[1_0]\t": ("1-4", 1, 1),
    "1-4\t13-22\tFjordline\t*\truns\t1-1[1_0]\t": ("1-4", 1, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_row_loses_only_its_annotation(write, fault):
    replaced, entities, relations = FAULTS[fault]
    lines = [fault if line == ROWS[replaced] else line for line in STORY]
    (record,), skipped = read_and_skip(write(*lines))
    assert skipped == []
    lost = [left.kind for left in record.left_out]
    # an id with two labels is one entity more
    more = fault.startswith("1-1\t0-3\tMia\tORG")
    assert len(record.entities) + lost.count("entity") == 2 + more
    assert (lost.count("entity"), lost.count("relation")) == (entities, relations)
    assert len(record.relations) + lost.count("relation") == 1


@pytest.mark.parametrize(
    "row",
    ["1-6\t23-24\t!", "1-6", "1-6\tx-y\t!\t_\t_\t_\t", "1-5\t22-23\t.\t_\t_\t_\t"],
)
def test_row_that_cannot_be_read_is_reported_with_its_line(write, row):
    (record,), skipped = read_and_skip(write(*STORY, row))
    assert (len(record.entities), len(record.relations), skipped) == (2, 1, [])
    assert kinds(record) == [("line", True)]
    assert record.left_out[0].reason.startswith("[J652]")
    assert "story.tsv, line 12" in record.left_out[0].reason


def test_broken_first_row_does_not_move_the_sentence(write):
    lines = [line.replace("1-1\t0-3", "1-1\t9-12") for line in STORY]
    (record,), _ = read_and_skip(write(*lines))
    assert spans(record) == [("Fjordline", "ORG")]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(sorted(FAULTS)), max_size=3, unique_by=lambda f: FAULTS[f][0]
    )
)
def test_read_and_lost_annotation_add_up(tmp_path_factory, faults):
    folder = tmp_path_factory.mktemp("webanno")
    rows = ROWS | {FAULTS[fault][0]: fault for fault in faults}
    lines = [*STORY[:6], *rows.values()]
    (folder / "a.tsv").write_text("\n".join(lines), encoding="utf8")
    (folder / "b.tsv").write_text("\n".join(STORY), encoding="utf8")
    (record, other), skipped = read_and_skip(folder)
    lost = [left.kind for left in record.left_out]
    more = any("ORG[1]" in fault for fault in faults)
    assert len(record.entities) + lost.count("entity") == 2 + more
    assert len(record.relations) + lost.count("relation") == 1
    assert (skipped, other.left_out) == ([], ())


def test_corrupted_bytes_give_records_or_coded_errors(write):
    path, draw = write(*STORY), random.Random(0)
    whole = path.read_bytes()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            position = draw.randrange(len(data))
            new = draw.choice([b"", b"\t", b"\n", b"|", b"[", b"9", draw.randbytes(1)])
            data[position : position + draw.randint(0, 2)] = new
        path.write_bytes(bytes(data))
        records, skipped = read_and_skip(path)
        assert len(records) + len(skipped) == 1
        left = [*skipped, *(x for record in records for x in record.left_out)]
        assert all(x.reason.startswith("[J") is x.broken for x in left)
        assert all(str(path) in x.reason for x in left)


# in exports of INCEpTION


def test_table_in_a_zip_of_inception_is_read(write, tmp_path):
    pytest.importorskip("cassis", reason="needs dkpro-cassis: the extra inception")
    table = write(*STORY).read_bytes()
    path = tmp_path / "project.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("exportedproject.json", "{}")
        archive.writestr("annotation/story.txt/ada.tsv", table)
        archive.writestr("source/other.tsv", "as it came")
    (record,) = read_inception(path)
    assert record == read_webanno_named(tmp_path / "story.tsv", "story.txt")
    assert record.source == f"{path}, annotation/story.txt/ada.tsv"


def read_webanno_named(path, document):
    return Record(**{**vars(read(path)), "document": document})
