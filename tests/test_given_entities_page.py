"""The examples of docs/given-entities.md."""

import re
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Config

from spacy_jre.corpora.reader import Corpus

PAGE = Path(__file__).parent.parent / "docs" / "given-entities.md"
BLOCKS = re.findall(r"```ini\n(.*?)```", PAGE.read_text(encoding="utf8"), re.DOTALL)


@pytest.fixture(autouse=True)
def _places():
    yield
    if Doc.has_extension("places"):
        Doc.remove_extension("places")


def block_with(text: str) -> Config:
    (block,) = [one for one in BLOCKS if text in one]
    # the page leaves out empty sections
    parents = {name.split(".")[0] for name in re.findall(r"^\[(.+)\]$", block, re.M)}
    empty = [f"[{name}]" for name in sorted(parents) if f"[{name}]" not in block]
    paths = '[paths]\ntrain = "train.spacy"\ndev = "dev.spacy"\n'
    return Config().from_str("\n".join([paths, *empty, block]))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("frozen_components", ["jre"]),
        ("gold_entities", ["jre"]),
        ("[components.places]", ["jobs", "places"]),
    ],
)
def test_components_of_the_page_can_be_created(text, names):
    nlp = spacy.blank("en")
    components = block_with(text)["components"]
    for name in names:
        settings = {k: v for k, v in components[name].items() if k != "factory"}
        pipe = nlp.add_pipe("jre", name=name, config=settings)
        assert {key: pipe.cfg[key] for key in settings} == settings


def test_readers_of_the_page_can_be_created():
    for block in block_with("gold_entities")["corpora"].values():
        corpus = registry.resolve({"corpus": block})["corpus"]
        assert isinstance(corpus, Corpus)
        assert corpus.gold_entities == "spans:gold"


def test_score_weights_of_the_page_are_scores_of_its_components(nlp, examples):
    weights = block_with("score_weights")["training"]["score_weights"]
    components = block_with("[components.places]")["components"]
    for name, block in components.items():
        settings = {k: v for k, v in block.items() if k != "factory"}
        nlp.add_pipe("jre", name=name, config=settings)
    for example in examples:
        example.reference._.places = list(example.reference._.relations)
    nlp.config["training"]["score_weights"] = weights
    nlp.initialize(lambda: examples)
    assert weights.keys() <= nlp.evaluate(examples).keys()
