"""Find the component `jre` of a pipeline, and the reader of its data."""

from pathlib import Path
from typing import Any

from spacy.language import Language

from ..corpora.reader import Corpus
from ..errors import Errors, JREError
from ..pipeline.defaults import FACTORY


def choose_component(nlp: Language, model: str, name: str = "") -> str:
    """Choose the component `jre` of a pipeline.

    nlp (Language): The pipeline.
    model (str): Name or path of the pipeline, for the error message.
    name (str): Name of the component. Can be empty if there is only one.
    RAISES (ValueError): J740 without such a component, J722 if there are several.
    """
    names = components_of(nlp)
    known = ", ".join(names) or "none"
    if not names or (name and name not in names):
        raise JREError(
            Errors.J740.format(model=model, name=name or FACTORY, known=known)
        )
    if not name and len(names) > 1:
        raise JREError(Errors.J722.format(path=model, known=known))
    return name or names[0]


def components_of(nlp: Language) -> list[str]:
    """RETURNS (list[str]): The names of the components `jre` of a pipeline."""
    return [
        name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory == FACTORY
    ]


def read_corpus(nlp: Language, name: str, path: Path, *, attr: str = "") -> Corpus:
    """Get the reader of the data that a component is evaluated on.

    nlp (Language): The pipeline. If its config has the corpus reader of the dev data
        with gold_entities, the gold entities are set on the predicted Docs here, too.
    name (str): Name of the component.
    path (Path): The data (.spacy).
    attr (str): Name of the relation extension of the data. Empty: that of the
        component.
    """
    pipe: Any = nlp.get_pipe(name)
    dev: Any = (nlp.config.get("corpora") or {}).get("dev")
    gold_entities = dev.get("gold_entities") if isinstance(dev, dict) else None
    attr = attr or pipe.cfg["attr"]
    return Corpus(path, attr=attr, gold_entities=gold_entities)
