"""`spacy jre show`: an HTML page with the predictions of a pipeline."""

from itertools import islice
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from ..display import render_page, write_page
from .components import choose_component, read_corpus


def show_predictions(
    model: str, data: Path, output: Path, *, limit: int = 10, component: str = ""
) -> tuple[int, int]:
    """Predict the first Docs of a corpus and visualize them.

    model (str): Name or path of a pipeline.
    data (Path): A .spacy file.
    output (Path): The HTML file to write.
    limit (int): Maximum number of Docs.
    component (str): Name of the component. Can be empty if there is only one.
    RETURNS (tuple[int, int]): Number of Docs and relations on the page.
    RAISES (ValueError): J722 for several components, J740 without one.
    """
    nlp = spacy.load(model)
    name = choose_component(nlp, model, component)
    pipe: Any = nlp.get_pipe(name)
    attr = pipe.cfg["attr"]
    examples = islice(read_corpus(nlp, name, data)(nlp), limit)
    docs = list(nlp.pipe([example.predicted for example in examples]))
    title = f"{pipeline_name(nlp, model)} on {data.name}"
    page = render_page(docs, title=title, lang=nlp.lang or "", attr=attr)
    write_page(output, page)
    return len(docs), sum(len(doc._.get(attr)) for doc in docs)


def pipeline_name(nlp: Language, model: str) -> str:
    """Get the name of a pipeline for titles.

    nlp (Language): The pipeline.
    model (str): The name or path it was loaded from.
    RETURNS (str): Name and version. The path, if the pipeline has no name of its own.
    """
    name = nlp.meta["name"]
    if name == "pipeline":  # spaCy's default
        return model
    return f"{nlp.lang}_{name} {nlp.meta.get('version', '')}".rstrip()
