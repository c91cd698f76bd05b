"""docs/export.md is correct."""

import re

import spacy

from spacy_jre.export import COLUMNS, FORMATS
from spacy_jre.export.rdf import VOCABULARY

from ..conftest import ROOT, STORY
from ..pipeline.helpers import learn, make_nlp
from .helpers import require

TEXT = (ROOT / "docs" / "export.md").read_text(encoding="utf8")


def test_first_python_block_runs(monkeypatch, capsys):
    require("networkx")
    nlp, examples = make_nlp()
    learn(nlp, examples, 40, rate=0.01)
    monkeypatch.setattr(spacy, "load", lambda name: nlp)
    block = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)[0]
    sentence = " ".join(STORY[0]["words"])
    scope: dict = {}
    exec(re.sub(r'\["Mara.*?"\]', f"[{sentence!r}]", block), scope)
    assert "works_for Hotel Lima" in capsys.readouterr().out
    assert "ORG:hotel lima" in scope["graph"]


def test_tables_have_all_formats_and_columns():
    cells = set(re.findall(r"`([^`\n]+)`", TEXT.replace("```", "")))
    assert FORMATS.keys() <= cells
    assert {format.suffix for format in FORMATS.values()} - {""} <= cells
    assert COLUMNS.keys() <= cells
    assert VOCABULARY in cells
