"""Runs in shards: output, resuming, and errors."""

import json
import subprocess
import sys

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_jre.errors import JREError
from spacy_jre.export import iter_triples
from spacy_jre.export.options import ExportOptions
from spacy_jre.scale import InputSettings, apply
from spacy_jre.scale.folder import OutputFolder
from spacy_jre.scale.run import fingerprint_of

from ..export.helpers import require
from ..pipeline.helpers import save_trained
from .helpers import (
    TEXTS,
    contents,
    manifest_of,
    read_lines,
    rows_of,
    run,
    shards_of,
    write_texts,
)


class Killed(BaseException):
    """The end of the process at some moment."""


@pytest.fixture
def source(tmp_path):
    return write_texts(tmp_path / "texts.txt")


@pytest.fixture
def undisturbed(capitals_nlp, source, tmp_path):
    """The files of a run that is not interrupted."""
    run(capitals_nlp, source, tmp_path / "undisturbed")
    return contents(tmp_path / "undisturbed")


def test_shards_have_the_triples_of_the_texts(capitals_nlp, source, tmp_path):
    applied = run(capitals_nlp, source, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock",
        "manifest.json",
        *(f"part-{n:05d}.jsonl" for n in range(4)),
        "shards.ndjson",
    ]
    rows = rows_of(tmp_path / "out")
    expected = list(iter_triples(capitals_nlp.pipe(TEXTS)))
    assert [(r["doc"], r["head"], r["tail"], r["score"]) for r in rows] == [
        (t.doc, t.head.text, t.tail.text, t.score) for t in expected
    ]
    assert rows[-1]["document"] == "texts.txt:10"
    assert (applied.documents, applied.processed, applied.failed) == (10, 10, 0)
    assert (applied.relations, applied.shards, applied.earlier) == (20, 4, 0)


def test_several_processes_give_the_same(capitals_nlp, source, undisturbed, tmp_path):
    run(capitals_nlp, source, tmp_path / "out", n_process=2, batch_size=1)
    assert contents(tmp_path / "out") == undisturbed


@pytest.mark.parametrize("moment", ["before the shard", "before", "after"])
@pytest.mark.parametrize("shards", [0, 2])
def test_killed_run_is_resumed(
    capitals_nlp, source, undisturbed, tmp_path, monkeypatch, moment, shards
):
    out = tmp_path / "out"
    finish = OutputFolder.finish_shard

    def killed(self, manifest, shard, failed):
        if len(manifest.shards) < shards:
            return finish(self, manifest, shard, failed)
        if moment == "after":
            finish(self, manifest, shard, failed)
        elif moment == "before the shard":
            path = out / shard.name
            path.rename(path.with_name(path.name + ".tmp"))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(OutputFolder, "finish_shard", killed)
        with pytest.raises(Killed):
            run(capitals_nlp, source, out)
    finished = shards + (moment == "after")
    assert len(shards_of(out)) == finished
    times = {p.name: p.stat().st_mtime_ns for p in sorted(out.glob("part*"))[:finished]}
    applied = run(capitals_nlp, source, out)
    assert (applied.earlier, applied.shards, applied.documents) == (finished, 4, 10)
    assert contents(out) == undisturbed
    assert times == {name: (out / name).stat().st_mtime_ns for name in times}


def test_finished_run_is_not_repeated(capitals_nlp, source, tmp_path):
    run(capitals_nlp, source, tmp_path / "out")
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("part*")}
    applied = run(capitals_nlp, source, tmp_path / "out")
    assert applied.earlier == applied.shards == 4
    assert applied.relations == 20
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("part*")}
    assert after == before


def test_failed_documents_are_listed_and_counted(capitals_nlp, tmp_path):
    texts = [*TEXTS[:4], "Error.", *TEXTS[4:], "Error."]
    source = write_texts(tmp_path / "texts.txt", texts)
    applied = run(capitals_nlp, source, tmp_path / "out")
    assert (applied.documents, applied.processed, applied.failed) == (12, 10, 2)
    assert read_lines(tmp_path / "out" / "errors.ndjson") == [
        {
            "id": f"texts.txt:{number + 1}",
            "doc": number,
            "reason": "RuntimeError: the text has an error",
        }
        for number in (4, 11)
    ]
    assert "documents: 12 = 10 processed + 2 failed" in applied.summary()


def test_output_is_the_input_of_another_run_without_its_lists(capitals_nlp, tmp_path):
    source = write_texts(tmp_path / "texts.txt", [*TEXTS[:4], "Error."])
    run(capitals_nlp, source, tmp_path / "out", format="spacy")
    again = run(capitals_nlp, tmp_path / "out", tmp_path / "again", format="spacy")
    assert (again.documents, again.failed) == (4, 0)


def test_errors_of_an_unfinished_shard_are_not_repeated(
    capitals_nlp, tmp_path, monkeypatch
):
    texts = [*TEXTS[:2], "Error.", *TEXTS[2:4], "Error."]
    source, out = write_texts(tmp_path / "texts.txt", texts), tmp_path / "out"
    append = OutputFolder._append

    def killed(self, name, rows):
        if name == "shards.ndjson" and len(shards_of(out)) == 1:
            raise Killed  # the errors of the second shard are already in the file
        return append(self, name, rows)

    with monkeypatch.context() as patch:
        patch.setattr(OutputFolder, "_append", killed)
        with pytest.raises(Killed):
            run(capitals_nlp, source, out)
    assert len(read_lines(out / "errors.ndjson")) == 2
    assert run(capitals_nlp, source, out).failed == 2
    assert [row["doc"] for row in read_lines(out / "errors.ndjson")] == [2, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard_size": 4}, "shard_size 3 instead of 4"),
        ({"format": "csv"}, "format 'jsonl' instead of 'csv'"),
        ({"input": InputSettings(field="body")}, "field 'text' instead of 'body'"),
        ({"export": ExportOptions(nodes="mention")}, "nodes 'name' instead"),
    ],
)
def test_other_settings_in_the_same_folder_raise(
    capitals_nlp, source, tmp_path, change, message
):
    run(capitals_nlp, source, tmp_path / "out")
    with pytest.raises(JREError, match=f"J774.*{message}"):
        run(capitals_nlp, source, tmp_path / "out", **change)


def test_other_input_or_model_in_the_same_folder_raises(capitals_nlp, source, tmp_path):
    run(capitals_nlp, source, tmp_path / "out")
    with pytest.raises(JREError, match=r"J774.*another model\. Choose"):
        run(spacy.blank("en"), source, tmp_path / "out")
    write_texts(source, TEXTS[:-1])
    with pytest.raises(JREError, match=r"J774.*another input\. Choose"):
        run(capitals_nlp, source, tmp_path / "out")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a pipeline with the component."""
    return save_trained(tmp_path_factory.mktemp("saved"))


def disable(nlp):
    nlp.select_pipes(disable="jre")


def change_threshold(nlp):
    nlp.get_pipe("jre").cfg["threshold"] = 0.9


@pytest.mark.parametrize("change", [disable, change_threshold])
def test_pipeline_that_was_changed_after_loading_has_another_fingerprint(saved, change):
    nlp = spacy.load(saved)
    before = fingerprint_of(nlp)
    change(nlp)
    assert fingerprint_of(nlp) != before


def test_pipeline_has_the_same_fingerprint_after_a_prediction(saved):
    first, second = spacy.load(saved), spacy.load(saved)
    first("Ada left Oslo.")
    assert fingerprint_of(first) == fingerprint_of(second)


def test_folder_with_other_files_is_not_used(capitals_nlp, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("")
    with pytest.raises(JREError, match=r"J778.*thesis\.txt"):
        run(capitals_nlp, source, tmp_path / "out")
    with pytest.raises(JREError, match=r"J778.*a file"):
        run(capitals_nlp, source, tmp_path / "out" / "thesis.txt")


def test_output_in_the_input_raises(capitals_nlp, source, tmp_path):
    for output in (tmp_path / "out", tmp_path):
        with pytest.raises(JREError, match=r"J778.*in the input"):
            run(capitals_nlp, source.parent, output)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 9}', '{"version": 1}'])
def test_damaged_manifest_raises(capitals_nlp, source, tmp_path, content):
    run(capitals_nlp, source, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_text(content)
    with pytest.raises(JREError, match=r"J778.*can't be read"):
        run(capitals_nlp, source, tmp_path / "out")


@pytest.mark.parametrize("cut", [1, 2, 20])
@pytest.mark.parametrize("texts", [TEXTS, [*TEXTS[:9], "Error."]])
def test_incomplete_last_line_of_the_shards_is_computed_again(
    capitals_nlp, tmp_path, cut, texts
):
    out, source = tmp_path / "out", write_texts(tmp_path / "texts.txt", texts)
    run(capitals_nlp, source, out)
    undisturbed = contents(out)
    path = out / "shards.ndjson"
    path.write_bytes(path.read_bytes()[:-cut])
    assert run(capitals_nlp, source, out).earlier == 3
    assert contents(out) == undisturbed


def test_last_line_of_the_shards_without_content_is_computed_again(
    capitals_nlp, source, undisturbed, tmp_path
):
    run(capitals_nlp, source, tmp_path / "out")
    path = tmp_path / "out" / "shards.ndjson"
    first = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(first + b"\0" * 30 + b"\n")
    assert run(capitals_nlp, source, tmp_path / "out").earlier == 1
    assert contents(tmp_path / "out") == undisturbed


def test_damaged_line_of_the_shards_raises(capitals_nlp, source, tmp_path):
    run(capitals_nlp, source, tmp_path / "out")
    path = tmp_path / "out" / "shards.ndjson"
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(JREError, match=r"J778.*shards\.ndjson, line 1 can't be read"):
        run(capitals_nlp, source, tmp_path / "out")


def test_finished_shard_is_appended(capitals_nlp, source, tmp_path, monkeypatch):
    # so that the time does not depend on the number of shards before it
    written = []
    write = OutputFolder._write
    monkeypatch.setattr(
        OutputFolder, "_write", lambda *args: (written.append(1), write(*args))
    )
    run(capitals_nlp, source, tmp_path / "out")
    assert len(written) == 1
    assert "shards" not in manifest_of(tmp_path / "out")


def test_missing_shard_raises(capitals_nlp, source, tmp_path):
    run(capitals_nlp, source, tmp_path / "out")
    (tmp_path / "out" / "part-00001.jsonl").unlink()
    with pytest.raises(JREError, match=r"J778.*part-00001\.jsonl"):
        run(capitals_nlp, source, tmp_path / "out")


def test_folder_is_used_by_one_process(capitals_nlp, source, tmp_path):
    pytest.importorskip("fcntl")
    code = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); "
        "fcntl.lockf(lock, fcntl.LOCK_EX); print(flush=True); input()"
    )
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", code, str(tmp_path / "out" / ".lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.readline()  # it has the lock
        with pytest.raises(JREError, match="J781"):
            run(capitals_nlp, source, tmp_path / "out")
        process.kill()
    assert run(capitals_nlp, source, tmp_path / "out").processed == 10


def test_run_stops_if_all_documents_fail(capitals_nlp, tmp_path):
    source, out = write_texts(tmp_path / "a.txt", ["Error."] * 20), tmp_path / "out"
    with pytest.raises(JREError, match=r"J779.*12.*a\.txt:1: RuntimeError"):
        run(capitals_nlp, source, out, shard_size=12)
    # so that the folder can be used with other settings
    write_texts(source)
    assert run(capitals_nlp, source, out).processed == 10


def test_small_shard_can_fail(capitals_nlp, tmp_path):
    source = write_texts(tmp_path / "a.txt", ["Error.", "Ada."])
    applied = run(capitals_nlp, source, tmp_path / "out", shard_size=1)
    assert (applied.processed, applied.failed) == (1, 1)


def test_input_that_cannot_be_read_raises_before_the_run(capitals_nlp, tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("title\nAda\n")
    with pytest.raises(JREError, match=r"J779.*has no field 'text'"):
        run(capitals_nlp, source, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_docs_are_written_with_their_ids(capitals_nlp, source, tmp_path):
    run(capitals_nlp, source, tmp_path / "out", format="spacy")
    docs = [
        doc
        for path in sorted((tmp_path / "out").glob("*.spacy"))
        for doc in DocBin().from_disk(path).get_docs(capitals_nlp.vocab)
    ]
    assert [doc.text for doc in docs] == TEXTS
    assert [t.document for t in iter_triples(docs)][-1] == "texts.txt:10"


def test_docs_of_a_run_are_an_input(capitals_nlp, source, undisturbed, tmp_path):
    run(capitals_nlp, source, tmp_path / "docs", format="spacy")
    run(capitals_nlp, tmp_path / "docs", tmp_path / "out")
    assert contents(tmp_path / "out") == undisturbed


@pytest.mark.parametrize("format", ["csv", "cypher", "neo4j"])
def test_other_formats_are_written_in_shards(capitals_nlp, source, tmp_path, format):
    applied = run(capitals_nlp, source, tmp_path / "out", format=format)
    names = [shard["name"] for shard in shards_of(tmp_path / "out")]
    assert len(names) == 4
    assert all((tmp_path / "out" / name).exists() for name in names)
    assert applied.relations == 20


def test_graphs_of_shards_are_one_graph_together(capitals_nlp, tmp_path):
    rdflib = require("rdflib")
    texts = ["Ada left Oslo."] * 4
    source = write_texts(tmp_path / "a.txt", texts)
    run(capitals_nlp, source, tmp_path / "out", format="turtle")
    graph = rdflib.Graph()
    for path in (tmp_path / "out").glob("*.ttl"):
        graph.parse(path)
    assert len(list(graph.subjects(rdflib.RDFS.label))) == 2
    assert len(list(graph.subjects(rdflib.RDF.type, rdflib.RDF.Statement))) == 4


def test_unknown_format_lists_spacy(capitals_nlp, source, tmp_path):
    with pytest.raises(JREError, match=r"J701.*spacy"):
        run(capitals_nlp, source, tmp_path / "out", format="xlsx")


def test_progress_is_reported(capitals_nlp, source, tmp_path):
    from spacy_jre.scale import ApplySettings

    started, counts = [], []
    for _ in range(2):
        apply(
            capitals_nlp,
            source,
            tmp_path / "out",
            ApplySettings(shard_size=3),
            on_start=lambda *numbers: started.append(numbers),
            on_progress=counts.append,
        )
    assert started == [(10, 0), (10, 10)]
    assert sum(counts) == 10


def test_documents_are_counted_for_each_shard(capitals_nlp, source, tmp_path):
    run(capitals_nlp, source, tmp_path / "out")
    manifest, shards = manifest_of(tmp_path / "out"), shards_of(tmp_path / "out")
    assert [shard["documents"] for shard in shards] == [3, 3, 3, 1]
    assert manifest["documents"] == 10
    assert json.dumps(manifest["run"]["format"]) == '"jsonl"'
