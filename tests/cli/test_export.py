"""`spacy jre export`."""

import gzip
import json

import pytest

from spacy_jre.annotations import write_annotations
from spacy_jre.corpora.formats.docbin import RelationDocBin

from ..export.helpers import story_docs
from .helpers import assert_plain_error, output_of, run


def save(docs, path):
    docbin = RelationDocBin()
    for doc in docs:
        docbin.add(doc)
    docbin.to_disk(path)
    return path


@pytest.fixture
def data(nlp, tmp_path):
    return save(story_docs(nlp), tmp_path / "story.spacy")


def read_lines(path):
    with path.open(encoding="utf8") as lines:
        return [json.loads(line) for line in lines]


def test_triples_are_written_and_counted(data, tmp_path):
    result = run("export", data, tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    assert "5 Docs, 8 triples" in output_of(result)
    # Lima in Hotel Lima, Oslo in the sentence about rain, and Narvik
    assert "3 entities have no relations, and are not exported" in output_of(result)
    assert len(read_lines(tmp_path / "out.jsonl")) == 8


def test_graph_counts_mentions_and_nodes(data, tmp_path):
    result = run("export", data, tmp_path / "out.cypher")
    assert "8 triples, 11 mentions -> 9 nodes" in output_of(result)
    result = run("export", data, tmp_path / "out.cypher", "--nodes", "mention")
    assert "11 mentions -> 11 nodes" in output_of(result)


def test_folder_of_files_is_read(nlp, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    save(story_docs(nlp)[:2], folder / "a.spacy")
    path = save(story_docs(nlp)[2:], folder / "b.spacy")
    (folder / "b.spacy.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    result = run("export", folder, tmp_path / "out.jsonl")
    assert "5 Docs, 8 triples" in output_of(result)
    rows = read_lines(tmp_path / "out.jsonl")
    assert rows[-1]["doc"] == 4


def test_neo4j_explains_the_import(data, tmp_path):
    result = run("export", data, tmp_path / "out", "--format", "neo4j")
    assert "neo4j-admin database import full" in output_of(result)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "nodes.csv",
        "relationships.csv",
    ]


def test_label_map_and_namespace_are_used(data, tmp_path):
    pytest.importorskip("rdflib", exc_type=ImportError)
    labels = tmp_path / "labels.yml"
    labels.write_text("PER: https://schema.org/Person\n")
    options = ("--labels", labels, "--namespace", "https://a.org/kg/")
    result = run("export", data, tmp_path / "out.ttl", *options)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out.ttl").read_text(encoding="utf8")
    assert "<https://schema.org/Person>" in text
    assert "<https://a.org/kg/entity/PER:ada%20quint>" in text


def test_id_attribute_can_be_chosen(nlp, tmp_path):
    docs = story_docs(nlp)
    for doc in docs:
        doc.user_data["source"] = doc[0].text
    data = save(docs, tmp_path / "a.spacy")
    run("export", data, tmp_path / "out.jsonl", "--id-attr", "source")
    assert read_lines(tmp_path / "out.jsonl")[0]["document"] == "Ada"


def test_docs_without_relation_data_are_counted(nlp, tmp_path):
    data = save([*story_docs(nlp), nlp("No data.")], tmp_path / "a.spacy")
    result = run("export", data, tmp_path / "out.csv")
    assert "1 Docs have no relation data" in output_of(result)


def test_doc_that_cannot_be_read_is_reported(nlp, tmp_path):
    docs = story_docs(nlp)
    docs[1].user_data["jre:relations"] = "malformed"
    data = save(docs, tmp_path / "a.spacy")
    result = run("export", data, tmp_path / "out.csv")
    assert result.exit_code == 0
    assert "J621" in result.output
    assert "4 Docs, 6 triples" in output_of(result)


def test_docs_with_annotation_but_no_relations_give_an_empty_table(nlp, tmp_path):
    doc = nlp("Rain.")
    write_annotations(doc, [], [])
    data = save([doc], tmp_path / "a.spacy")
    result = run("export", data, tmp_path / "out.jsonl")
    assert "1 Docs, 0 triples" in output_of(result)
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_data_without_relations_raises(nlp, tmp_path):
    data = save([nlp("Rain.")], tmp_path / "a.spacy")
    result = run("export", data, tmp_path / "out.jsonl")
    assert_plain_error(result, "J603")
    assert not (tmp_path / "out.jsonl").exists()


def test_source_is_not_overwritten(data):
    assert_plain_error(run("export", data, data, "--format", "csv"), "J708")


def test_missing_source_raises(tmp_path):
    result = run("export", tmp_path / "a.spacy", tmp_path / "out.csv")
    assert_plain_error(result, "J601")


def test_other_sources_refer_to_apply(tmp_path):
    for name in ("pipeline", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "pipeline" / "config.cfg").write_text("")
    (tmp_path / "a.txt").write_text("Ada.")
    for name, problem in (
        ("pipeline", "a pipeline"),
        ("empty", "without .spacy files"),
        ("a.txt", "another file"),
    ):
        result = run("export", tmp_path / name, tmp_path / "out.csv")
        assert_plain_error(result, "J783", problem, "spacy jre apply")


def test_unknown_suffix_raises(data, tmp_path):
    assert_plain_error(run("export", data, tmp_path / "out.xlsx"), "J776")
