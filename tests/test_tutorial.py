"""The commands of the tutorial run in order."""

import re
import shlex
import shutil
import subprocess

import pytest
import spacy

from .cli.helpers import output_of, run
from .conftest import ROOT

TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMAND = "python -m spacy jre "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which all commands have run."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in ("configs", "assets"):
        shutil.copytree(ROOT / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for language, block in BLOCKS:
            if language == "bash":
                run_block(block)
    return folder


def run_block(block):
    """Run the commands of spacy-jre in this process, and the others with bash."""
    lines = block.splitlines()
    ours = [line for line in lines if line.startswith(COMMAND)]
    subprocess.run(
        ["bash", "-e", "-c", "\n".join(line for line in lines if line not in ours)],
        check=True,
    )
    for line in ours:
        arguments = shlex.split(line.removeprefix(COMMAND))
        if arguments[0] == "train":
            # an encoder that is always installed, and less time
            arguments[arguments.index("--epochs") + 1] = "16"
            arguments += ["--encoder", "tok2vec"]
        result = run(*arguments)
        assert result.exit_code == 0, (line, output_of(result))


def test_all_commands_run(folder):
    outputs = [
        "metrics.json",
        "pages/news-errors.html",
        "relations.csv",
        "graph.cypher",
    ]
    assert all((folder / name).stat().st_size for name in outputs)


def test_predictions_can_be_corrected_as_text(folder):
    markup = (folder / "corrected.txt").read_text(encoding="utf8")
    assert "|Loc" in markup
    assert len((folder / "texts.txt").read_text().splitlines()) == 4


def test_python_block_prints_the_triples(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (code,) = (block for language, block in BLOCKS if language == "python")
    scope: dict = {}
    exec(code, scope)
    assert isinstance(scope["nlp"], spacy.language.Language)
    assert scope["doc"].has_annotation("ENT_IOB")
