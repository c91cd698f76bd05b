"""The README is correct: its code runs, and its generated part is up to date."""

import json
import re
import subprocess
import sys

import pytest
import spacy
import srsly
from packaging.requirements import Requirement

from spacy_jre.about import __version__

from .conftest import ROOT, STORY
from .pipeline.helpers import learn, make_nlp

TEXT = (ROOT / "README.md").read_text(encoding="utf8")
ERRORS = ROOT / "spacy_jre" / "errors.py"
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_python_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    nlp, examples = make_nlp()
    learn(nlp, examples, 40, rate=0.01)
    loaded = []

    def load(name):
        loaded.append(name)
        return nlp

    monkeypatch.setattr(spacy, "load", load)
    monkeypatch.chdir(tmp_path)
    sentence = " ".join(STORY[0]["words"])
    scope: dict = {}
    for block in BLOCKS:
        # a sentence of the training data
        exec(re.sub(r'nlp\("[^"]*"\)', f"nlp({sentence!r})", block), scope)
    assert loaded == ["en_jre_sinet"]
    assert "works_for Hotel Lima" in capsys.readouterr().out
    assert (tmp_path / "train.spacy").exists()


def test_first_example_has_at_most_twelve_lines():
    assert len(BLOCKS[0].strip().splitlines()) <= 12


@pytest.mark.parametrize(
    "command",
    [
        'python -m pip install -e ".[demo]" && python -m spacy project run all',
        'python -m pip install -e ".[test]" && python -m pytest -n 2',
    ],
)
def test_readme_has_the_two_commands(command):
    assert f"```\n{command}\n```" in TEXT


def test_readme_has_the_file_names_of_the_wheels():
    project = srsly.read_yaml(ROOT / "project.yml")
    assert f"sinet/recommended/spacy_jre-{__version__}-py3-none-any.whl" in TEXT
    assert f"en_jre_sinet-{project['vars']['version']}-py3-none-any.whl" in TEXT


EXTRAS = dict(
    re.findall(
        r"^(\w+) = (\[.*?\])$",
        (ROOT / "pyproject.toml").read_text(encoding="utf8"),
        flags=re.MULTILINE | re.DOTALL,
    )
)


def test_extras_in_texts_exist():
    named = set()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ERRORS]:
        text = path.read_text(encoding="utf8")
        for extras in re.findall(r"(?:\.|spacy-jre)\[([\w,]+)\]", text):
            named.update(extras.split(","))
    assert {"demo", "test", "cuda12x", "cuda13x"} <= named <= EXTRAS.keys()


@pytest.mark.parametrize("version", ["12x", "13x"])
def test_cuda_extra_excludes_cupy_without_numpy_2(version):
    (line,) = json.loads(EXTRAS[f"cuda{version}"])
    requirement = Requirement(line)
    assert requirement.name == f"cupy-cuda{version}"
    assert "12.3.0" not in requirement.specifier
    assert "14.0.0" in requirement.specifier


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text()
    assert 'python -m pip install -e ".[test]" && python -m pytest -n 2\n' in script


def test_generated_part_is_up_to_date(tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(TEXT, encoding="utf8")
    code = (
        "import sys; from weasel.cli.document import project_document; "
        "from pathlib import Path; "
        "project_document(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(copy)],
        check=True,
        capture_output=True,
    )
    assert copy.read_text(encoding="utf8") == TEXT


def test_linked_files_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http") and target != "project.yml":
            assert (ROOT / target).exists(), target
