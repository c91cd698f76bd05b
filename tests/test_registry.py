import json
from importlib.metadata import distribution
from pathlib import Path

import pytest
import spacy
from spacy.util import registry

NAMES = json.loads((Path(__file__).parent / "registry_names.json").read_text())
PUBLISHED = [(kind, name) for kind, names in NAMES.items() for name in names]

ENTRIES = distribution("spacy-jre").entry_points


@pytest.mark.parametrize(("kind", "name"), PUBLISHED)
def test_published_name_is_registered_without_an_import(kind, name):
    if kind == "span_getters":
        # spacy-transformers makes this registry
        pytest.importorskip("spacy_transformers")
    if kind == "factories":
        assert spacy.blank("en").has_factory(name)
    else:
        assert registry.has(kind, name)


def test_every_entry_point_is_a_published_name():
    ours = {entry.name for entry in ENTRIES if entry.group != "spacy_cli"}
    assert ours == {name for _, name in PUBLISHED}


def test_every_entry_point_can_be_loaded():
    for entry in ENTRIES:
        assert entry.load() is not None


def test_component_has_a_default_config(nlp):
    pipe = nlp.add_pipe("jre")
    assert pipe.name == "jre"
