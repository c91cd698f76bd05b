import sys

import pytest

from .helpers import load

SENTENCES = [["Ada", "cooks"], ["Oslo", "is", "wet"], ["Rain", "fell"]]
# uses CPU time for each sentence, and writes what it was given
SCRIPT = """
import json, sys, time
assert sys.argv[1:3] == ["predict", "--config"]
lines = open(sys.argv[3]).read().splitlines()
config = dict(line.split(" = ") for line in lines if " = " in line)
sentences = json.load(open(config["dataset_path"]))
end = time.process_time() + 0.1 * len(sentences)
while time.process_time() < end:
    pass
json.dump([config, sentences], open(config["predictions_path"], "w"))
"""
CONFIG = """[1]
model_path = data/models/own
dataset_path = data/other.json

max_span_size = 10
"""


@pytest.fixture
def peer(tmp_path):
    def make(script):
        folder = tmp_path / "checkout"
        folder.mkdir()
        (folder / "spert.py").write_text(script)
        (folder / "predict.conf").write_text(CONFIG)
        return load("peer").Peer(
            folder,
            folder / "predict.conf",
            SENTENCES,
            python=sys.executable,
            threads=1,
            temporary=tmp_path,
        )

    return make


def test_time_is_that_of_all_sentences_except_the_first(peer):
    assert 0.1 < peer(SCRIPT)().cpu < 0.35


def test_configuration_is_kept_except_for_the_paths_of_the_data(peer, tmp_path):
    peer(SCRIPT)
    lines = (tmp_path / "all.conf").read_text().splitlines()
    assert lines == [
        "[1]",
        "model_path = data/models/own",
        "max_span_size = 10",
        f"dataset_path = {tmp_path / 'all.json'}",
        f"predictions_path = {tmp_path / 'predictions.json'}",
    ]


def test_error_of_the_published_code_is_shown(peer):
    with pytest.raises(SystemExit, match="no module of this name"):
        peer("raise ImportError('no module of this name')")()


def test_checkout_without_a_known_script_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match=r"does not have spert\.py or sinet\.py"):
        load("peer").Peer(
            tmp_path,
            tmp_path / "predict.conf",
            SENTENCES,
            python=sys.executable,
            threads=1,
            temporary=tmp_path,
        )
