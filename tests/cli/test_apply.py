"""`spacy jre apply`."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
import spacy

from ..conftest import STORY
from ..pipeline.helpers import (
    ENTITY_LABELS,
    RELATION_LABELS,
    save_trained,
    story_examples,
    tok2vec_config,
)
from .helpers import assert_plain_error, output_of, run

TEXTS = [" ".join(sentence["words"]) for sentence in STORY]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A trained pipeline."""
    return save_trained(tmp_path_factory.mktemp("model"))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "texts.jsonl"
    rows = [json.dumps({"body": text, "key": n}) for n, text in enumerate(TEXTS)]
    path.write_text("\n".join([*rows, "{"]))
    return path


FIELDS = ("--field", "body", "--id-field", "key")


def test_relations_of_texts_are_written_in_shards(model, source, tmp_path):
    out = tmp_path / "out"
    result = run("apply", model, source, out, *FIELDS, "--shard-size", 2)
    assert result.exit_code == 0, result.output
    assert "documents: 6 = 5 processed + 1 failed (see errors.ndjson)" in output_of(
        result
    )
    lines = [p.read_text(encoding="utf8") for p in sorted(out.glob("part-*"))]
    rows = [json.loads(line) for text in lines for line in text.splitlines()]
    found = [(row["document"], row["head"], row["relation"]) for row in rows]
    assert ("0", "Ada Quint", "works_for") in found
    assert len(lines) == 3


def test_repeated_command_says_what_was_finished(model, source, tmp_path):
    for _ in range(2):
        result = run("apply", model, source, tmp_path / "out", *FIELDS)
    assert "shards: 1 (1 finished before)" in output_of(result)


def test_other_attribute_of_the_component_is_used(tmp_path):
    nlp = spacy.blank("en")
    # every pair has a relation
    settings = {**tok2vec_config(), "attr": "triples", "threshold": 0.0}
    pipe = nlp.add_pipe("jre", config=settings)
    labels = {"entities": ENTITY_LABELS, "relations": RELATION_LABELS}
    pipe.initialize(lambda: story_examples(nlp), nlp=nlp, labels=labels)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "a.txt").write_text(TEXTS[0])
    result = run("apply", tmp_path / "model", tmp_path / "a.txt", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "part-00000.jsonl").read_text()


def test_pipeline_without_the_component_raises(nlp, source, tmp_path):
    nlp.to_disk(tmp_path / "blank")
    result = run("apply", tmp_path / "blank", source, tmp_path / "out")
    assert_plain_error(result, "J740")


def test_missing_field_raises_before_the_run(model, source, tmp_path):
    result = run("apply", model, source, tmp_path / "out")
    assert_plain_error(result, "J779", "field 'text' is missing")


@pytest.mark.slow
def test_run_that_is_killed_five_times_gives_the_same(model, tmp_path):
    source, out = tmp_path / "texts.txt", tmp_path / "out"
    source.write_text("\n".join(TEXTS * 400))
    command = [sys.executable, "-m", "spacy", "jre", "apply", str(model), str(source)]
    options = ["--shard-size", "20"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    whole = tmp_path / "whole"
    subprocess.run([*command, str(whole), *options], check=True, **quiet)

    def finished():
        shards = out / "shards.ndjson"
        return shards.read_bytes().count(b"\n") if shards.exists() else 0

    moments = random.Random(0)
    for _ in range(5):
        process = subprocess.Popen([*command, str(out), *options], **quiet)
        before = finished()
        while finished() == before:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(out), *options], check=True, **quiet)
    for folder in (whole, out):
        assert not list(folder.glob("*.tmp"))
    assert {p.name: p.read_bytes() for p in out.glob("part*")} == {
        p.name: p.read_bytes() for p in whole.glob("part*")
    }
