"""`spacy jre show`: an HTML page with the predictions of a pipeline."""

from itertools import islice
from pathlib import Path

import spacy
from spacy.language import Language

from ..corpora.reader import Corpus
from ..display import render_page, write_page


def show_predictions(
    model: str, data: Path, output: Path, *, limit: int = 10
) -> tuple[int, int]:
    """Predict the first Docs of a corpus and visualize them.

    model (str): Name or path of a pipeline.
    data (Path): A .spacy file.
    output (Path): The HTML file to write.
    limit (int): Maximum number of Docs.
    RETURNS (tuple[int, int]): Number of Docs and relations on the page.
    """
    nlp = spacy.load(model)
    examples = islice(Corpus(data)(nlp), limit)
    docs = list(nlp.pipe([example.predicted for example in examples]))
    title = f"{pipeline_name(nlp, model)} on {data.name}"
    write_page(output, render_page(docs, title=title, lang=nlp.lang or ""))
    return len(docs), sum(len(doc._.relations) for doc in docs)


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
