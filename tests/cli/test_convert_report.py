"""What `convert` reports, and what it writes if it fails."""

import json

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_jre.cli import convert as convert_module
from spacy_jre.cli.convert import Settings, convert_again, convert_path, converting
from spacy_jre.cli.convert_report import group_losses

from .helpers import assert_plain_error, output_of, run


def entity(number, start, end, label="DRINK"):
    return {"id": number, "start_offset": start, "end_offset": end, "label": label}


def relation(head, tail, label="mixes"):
    return {"id": 100 * head + tail, "from_id": head, "to_id": tail, "type": label}


def task(text, entities=(), relations=(), **other):
    return {
        "text": text,
        "entities": list(entities),
        "relations": list(relations),
        **other,
    }


MERGED = task(
    "Nina mixes gin_rum_ale today",
    [
        entity(0, 0, 4, "PER"),
        entity(1, 11, 14),
        entity(2, 15, 18),
        entity(3, 19, 22),
    ],
    [relation(0, 1), relation(0, 2), relation(1, 2, "with"), relation(0, 3)],
)
GOOD = task(
    "Nina drinks ale",
    [entity(0, 0, 4, "PER"), entity(1, 12, 15)],
    [relation(0, 1, "drinks")],
)


def write(path, *tasks):
    lines = (json.dumps(one) + "\n" for one in tasks)
    path.write_text("".join(lines), encoding="utf8")
    return path


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "story.jsonl", *[GOOD] * 9, MERGED)


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


# changes by the alignment


def test_merged_entities_are_counted_and_named(tmp_path, source):
    target = tmp_path / "x.spacy"
    options = ("--alignment", "expand", "--max-loss", 1)
    output = output_of(run("convert", source, target, *options))
    assert "22 entities (2 lost, including 0 misaligned and 2 merged; 3 widened;" in (
        output
    )
    assert "13 relations (3 lost, 0 duplicates)" in output
    assert "2 entities left out: the entity gets the tokens and the label" in output
    assert "DRINK 'rum' at 15..18 becomes 'gin_rum_ale'" in output
    assert "1 relation left out: the relation would join an entity with itself" in (
        output
    )
    docs = read(target)
    assert sum(len(doc.spans["jre"]) for doc in docs) == 22 - 2
    assert sum(len(doc._.relations) for doc in docs) == 13 - 3


def test_trimmed_entities_are_counted_once_per_file(tmp_path):
    blank = task("Nina drinks ale", [entity(0, 0, 5, "PER"), entity(1, 11, 15)])
    source = write(tmp_path / "blank.jsonl", blank, blank)
    output = output_of(run("convert", source, tmp_path / "x.spacy"))
    assert output.count("4 without whitespace at their edges") == 1


# report


def damaged(path, count):
    """Tasks with several broken entities each."""
    tasks = []
    for number in range(count):
        broken = [
            entity(2, 90, 95),
            entity(3, 0, 0),
            entity(0, 0, 4),
            {"id": 4, "label": "PER"},
        ]
        dangling = [relation(0, 9), relation(0, 2), {"id": 1}]
        tasks.append(
            task(
                f"Nina drinks ale {number}",
                [*GOOD["entities"], *broken],
                [*GOOD["relations"], *dangling],
            )
        )
    return write(path, *tasks)


def test_report_of_many_losses_fits_a_screen(tmp_path):
    source = damaged(tmp_path / "story.jsonl", 720)
    result = run("convert", source, tmp_path / "x.spacy", "--max-loss", 1)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) <= 40
    output = output_of(result)
    assert "720 entities left out: the id occurs twice" in output
    assert "1440 entities left out: the offsets are outside the text" in output
    assert "720 relations left out: an argument was left out" in output
    assert output.count("... and 717 more") == 5
    assert output.count("--report FILE") == 1


def test_what_is_only_changed_is_a_note(tmp_path):
    tasks = [{"text": "Ada left Oslo", "spo_list": [["Ada", "left", "Oslo"]]}] * 2
    source = write(tmp_path / "story.jsonl", *tasks)
    output = output_of(run("convert", source, tmp_path / "x.spacy"))
    assert "Note: the entity has no type and gets the label Entity (2 times)" in output
    assert "left out" not in output


def test_lost_relations_are_not_said_to_be_missing_from_the_export(tmp_path):
    lost = task("Nina drinks ale", [entity(0, 0, 4)], [relation(0, 9)])
    source = write(tmp_path / "story.jsonl", lost)
    output = output_of(run("convert", source, tmp_path / "x.spacy", "--max-loss", 1))
    assert "1 relations (1 lost" in output
    assert "missing from the export" not in output


def test_dropped_relations_are_not_said_to_be_missing_from_the_export(tmp_path, source):
    options = ("--drop", "PER", "--drop", "with", "--max-loss", 1)
    output = output_of(run("convert", source, tmp_path / "x.spacy", *options))
    assert "Dropped: 10 entities" in output
    assert "missing from the export" not in output


def test_group_without_a_cause_has_that_of_its_error_code(tmp_path, source):
    with source.open("a", encoding="utf8") as file:
        file.write("{broken\n" * 2)
    conversions = convert_path(source, tmp_path / "x.spacy", Settings())
    groups = {(one.kind, one.cause): one.count for one in group_losses(conversions)}
    assert groups["record", "the JSON is not valid"] == 2


def test_report_file_has_every_loss(tmp_path):
    source = damaged(tmp_path / "story.jsonl", 50)
    report = tmp_path / "reports" / "losses.jsonl"
    options = ("--max-loss", 1, "--report", report)
    result = run("convert", source, tmp_path / "x.spacy", *options)
    assert f"{report}: 350 left out" in output_of(result).replace(" \n", "")
    rows = [json.loads(line) for line in report.read_text("utf8").splitlines()]
    assert len(rows) == 350
    assert rows[0] == {
        "kind": "entity",
        "cause": "the offsets are outside the text",
        "reason": rows[0]["reason"],
        "source": str(source),
    }
    assert f"{source}, line 1, entity 2" in rows[0]["reason"]


def test_report_file_is_written_if_the_conversion_fails(tmp_path):
    source = damaged(tmp_path / "story.jsonl", 5)
    report = tmp_path / "losses.jsonl"
    result = run("convert", source, tmp_path / "x.spacy", "--report", report)
    assert result.exit_code == 1
    assert len(report.read_text("utf8").splitlines()) == 35


def test_entities_of_a_skipped_record_are_named(tmp_path, source):
    with source.open("a", encoding="utf8") as file:
        file.write(json.dumps({**GOOD, "text": 3}) + "\n")
    output = output_of(run("convert", source, tmp_path / "x", "--max-loss", 1))
    assert "1 record left out: a field is missing or invalid (with 2 entities" in output


# failed conversions


def test_failed_conversion_writes_nothing(tmp_path, source):
    target = tmp_path / "new" / "corpus" / "x.spacy"
    before = sorted(tmp_path.rglob("*"))
    result = run("convert", source, target)
    assert "[J702]" in output_of(result)
    assert "✔" not in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_failed_conversion_keeps_the_earlier_file(tmp_path, source):
    target = tmp_path / "x.spacy"
    target.write_bytes(b"earlier")
    assert run("convert", source, target).exit_code == 1
    assert target.read_bytes() == b"earlier"


@pytest.mark.parametrize("to", ["spert", "prodigy", "brat"])
def test_failed_conversion_to_other_formats_writes_nothing(tmp_path, source, to):
    with source.open("a", encoding="utf8") as file:
        file.write("{broken\n")
    before = sorted(tmp_path.rglob("*"))
    options = ("--to", to, "--alignment", "expand")
    assert run("convert", source, tmp_path / "out", *options).exit_code == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_failed_conversion_keeps_all_splits_and_their_dataset_json(tmp_path, source):
    folder, corpus = tmp_path / "in", tmp_path / "corpus"
    folder.mkdir()
    for name in ("train", "dev", "test"):
        write(folder / f"{name}.jsonl", GOOD)
    about = {"lang": "en"}
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf8")
    convert_again(folder, corpus, Settings(), 0.01)
    before = {path: path.read_bytes() for path in corpus.iterdir()}
    assert len(before) == 4
    write(folder / "test.jsonl", MERGED)
    with pytest.raises(ValueError, match="J702"):
        convert_again(folder, corpus, Settings(), 0.01)
    assert {path: path.read_bytes() for path in corpus.iterdir()} == before


def test_error_in_the_block_writes_nothing(tmp_path, source):
    target = tmp_path / "x.spacy"
    with pytest.raises(KeyError), converting(source, target, Settings()):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_link_as_target_is_kept(tmp_path, source):
    (tmp_path / "data").mkdir()
    target = tmp_path / "x.spacy"
    target.symlink_to(tmp_path / "data" / "y.spacy")
    convert_path(source, target, Settings())
    assert target.is_symlink()
    assert len(read(tmp_path / "data" / "y.spacy")) == 10


def test_folder_of_the_target_keeps_its_other_files(tmp_path, source):
    target = tmp_path / "brat"
    target.mkdir()
    (target / "annotation.conf").write_text("[entities]\n", encoding="utf8")
    convert_path(source, target, Settings(to="brat"))
    names = {path.suffix for path in target.iterdir()}
    assert names == {".conf", ".ann", ".txt"}


def test_link_in_the_target_to_another_folder_fails(tmp_path):
    secret, target = tmp_path / "secret", tmp_path / "brat"
    secret.mkdir()
    target.mkdir()
    (target / "sub").symlink_to(secret)
    brat = tmp_path / "in"
    (brat / "sub").mkdir(parents=True)
    (brat / "sub" / "a.txt").write_text("Nina", encoding="utf8")
    (brat / "sub" / "a.ann").write_text("T1\tPER 0 4\tNina\n", encoding="utf8")
    with pytest.raises(ValueError, match="J617"):
        convert_path(brat, target, Settings(to="brat"))
    assert not list(secret.iterdir())


# advice


def test_limit_names_what_other_options_keep(tmp_path, source):
    write(source, *[GOOD] * 2, {**MERGED, "relations": [relation(0, 1)]})
    result = run("convert", source, tmp_path / "x.spacy")
    assert_plain_error(
        result,
        "J702",
        "3 of 8 entities were lost",
        "Kept now: 5 entities and 2 relations.",
        "--alignment expand: 6 entities (3 with other boundaries) and 3 relations.",
        "--max-loss 0.375 accepts these losses.",
    )
    assert "contract" not in output_of(result)  # it keeps nothing more
    for option in (("--max-loss", 0.375), ("--alignment", "expand", "--max-loss", 1)):
        assert run("convert", source, tmp_path / "x.spacy", *option).exit_code == 0


def brat_folder(folder):
    folder.mkdir()
    text = "Nina mixes gin_ale and soda"
    (folder / "a.txt").write_text(text, encoding="utf8")
    lines = [
        "T1\tPER 0 4\tNina",
        "T2\tDRINK 11 14;23 27\tgin soda",
        "T3\tDRINK 15 18\tale",
        "R1\tmixes Arg1:T1 Arg2:T2",
        "R2\tmixes Arg1:T1 Arg2:T3",
    ]
    (folder / "a.ann").write_text("".join(f"{x}\n" for x in lines), encoding="utf8")
    return folder


def test_options_that_help_are_tried_together(tmp_path):
    result = run("convert", brat_folder(tmp_path / "in"), tmp_path / "x.spacy")
    assert_plain_error(
        result,
        "J702",
        "Kept now: 1 entities and 0 relations.",
        "--alignment expand: 2 entities (1 with other boundaries) and 1 relations.",
        "--discontinuous cover: 2 entities and 1 relations.",
        "--alignment expand --discontinuous cover: 3 entities (1 with other "
        "boundaries) and 2 relations.",
    )


def test_option_of_another_format_is_not_tried(tmp_path, source, monkeypatch):
    tried = []
    plan = convert_module._plan

    def count(*args):
        tried.append(args[2])
        return plan(*args)

    monkeypatch.setattr(convert_module, "_plan", count)
    with (
        pytest.raises(ValueError, match="J702"),
        converting(source, tmp_path / "x.spacy", Settings()) as conversion,
    ):
        convert_module.check_losses(conversion.conversions, 0, conversion.advise)
    assert [one.alignment for one in tried] == ["strict", "expand", "contract"]
    assert {one.discontinuous for one in tried} == {"skip"}


# labels


def test_labels_are_renamed_and_dropped(tmp_path, source):
    write(source, task("Nina drinks ale", GOOD["entities"], [relation(0, 1, "NA")]))
    target = tmp_path / "x.spacy"
    output = output_of(run("convert", source, target))
    assert "The label 'NA' (1) seems to mean that there is no relation" in output
    assert '--drop "NA"' in output
    options = ("--drop", "NA", "--map", "PER=Person", "--map", "DRINK=Drink")
    output = output_of(run("convert", source, target, *options))
    assert "Dropped: 0 entities and 1 relation" in output
    assert "seems to mean" not in output
    assert "0 relations (0 lost, 0 duplicates)" in output
    (doc,) = read(target)
    assert [span.label_ for span in doc.spans["jre"]] == ["Person", "Drink"]


def test_label_that_does_not_occur_fails_and_writes_nothing(tmp_path, source):
    target = tmp_path / "x.spacy"
    result = run("convert", source, target, "--drop", "Drink")
    assert_plain_error(result, "J714", "--drop Drink", "Similar labels: DRINK")
    assert not target.exists()


def test_labels_can_be_dropped_for_other_formats(tmp_path):
    options = ("--drop", "PER", "--discontinuous", "cover", "--to", "brat")
    target = tmp_path / "out"
    result = run("convert", brat_folder(tmp_path / "in"), target, *options)
    assert result.exit_code == 0, result.output
    lines = (target / "a.ann").read_text("utf8").splitlines()
    assert [line.split("\t")[1].split()[0] for line in lines] == ["DRINK", "DRINK"]


# folders and targets


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    tasks = [{**GOOD, "text": f"Nina drinks ale {number}"} for number in range(10)]
    write(folder / "export.jsonl", *tasks)
    (folder / "README.md").write_text("My data", encoding="utf8")
    return folder


def test_folder_with_one_file_is_split(tmp_path, mine):
    target = tmp_path / "corpus"
    result = run("convert", mine, target)
    assert "a single file. It is split by doc: --split 80/10/10" in output_of(result)
    sizes = [len(read(target / f"{name}.spacy")) for name in ("train", "dev", "test")]
    assert sizes == [8, 1, 1]


def test_folder_with_one_file_is_converted_to_one_file(tmp_path, mine):
    (conversion,) = convert_path(mine, tmp_path / "x.spacy", Settings())
    assert conversion.report.docs == 10


def test_split_of_the_user_applies_to_a_folder_with_one_file(tmp_path, mine):
    conversions = convert_path(mine, tmp_path / "corpus", Settings(split="50/50"))
    assert [one.report.docs for one in conversions] == [5, 5]


def test_folder_with_several_files_names_the_missing_splits(tmp_path, mine):
    write(mine / "more.jsonl", GOOD)
    result = run("convert", mine, tmp_path / "corpus")
    assert_plain_error(
        result,
        "J716",
        f"{mine} has no train.*, dev.* and test.*.",
        "README.md, export.jsonl, more.jsonl",
        "--split 80/10/10",
        "--also",
    )


def test_split_to_an_existing_file_fails(tmp_path, source):
    target = tmp_path / "x.spacy"
    target.touch()
    result = run("convert", source, target, "--split", "80/10/10")
    assert_plain_error(result, "J715", f"{target}: it is a file", "to a folder")


@pytest.mark.parametrize("to", ["spacy", "spert"])
def test_file_to_an_existing_folder_fails(tmp_path, source, to):
    result = run("convert", source, tmp_path, "--to", to)
    assert_plain_error(result, "J715", f"{tmp_path}: it is a folder", "one file")


def test_brat_to_an_existing_file_fails(tmp_path, source):
    target = tmp_path / "x.spacy"
    target.touch()
    result = run("convert", source, target, "--to", "brat")
    assert_plain_error(result, "J715", f"{target}: it is a file")


def test_dataset_to_an_existing_file_fails(tmp_path, source):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("train", "dev", "test"):
        write(folder / f"{name}.jsonl", GOOD)
    result = run("convert", folder, source)
    assert_plain_error(result, "J715", f"{source}: it is a file")


def test_records_of_a_single_target_are_not_collected(tmp_path, source, monkeypatch):
    read_all = convert_module._read_all
    alive = []

    def count(*args):
        for record in read_all(*args):
            alive.append(len(alive))
            yield record
            seen.append(len(docs))

    docs, seen = [], []
    build = convert_module.build_doc
    monkeypatch.setattr(convert_module, "_read_all", count)
    monkeypatch.setattr(
        convert_module, "build_doc", lambda *a, **k: docs.append(1) or build(*a, **k)
    )
    convert_path(source, tmp_path / "x.spacy", Settings())
    assert seen == list(range(1, 11))  # each Doc is built before the next is read
