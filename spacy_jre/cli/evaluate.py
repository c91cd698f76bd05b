"""Score a pipeline on gold tokens and sentences.

`spacy evaluate` reads Docs without their sentences. A pipeline with a sentencizer then
splits sentences that contain a period, and loses the relations across the parts.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import spacy
from spacy.cli._util import setup_gpu
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

from ..corpora.formats.docbin import RelationDocBin
from ..corpora.reader import Corpus
from ..errors import Errors, JREError
from ..pipeline.defaults import FACTORY
from .components import components_of


def evaluate(
    model: Path | str,
    data: Path,
    *,
    gpu_id: int = -1,
    predictions: Path | None = None,
) -> dict[str, Any]:
    """Get the scores of a pipeline, as in the evaluations while it was trained.

    model (Path | str): Name or folder of the pipeline.
    data (Path): Data (.spacy).
    predictions (Path | None): File (.spacy) for the Docs with the predictions, in the
        order of the data.
    RETURNS (dict[str, Any]): The scores of ``nlp.evaluate``.
    RAISES (ValueError): J740 for a pipeline without the component, and the errors of
        ``Corpus``.
    """
    setup_gpu(gpu_id, silent=True)
    nlp = spacy.load(model)
    names = components_of(nlp)
    if not names:
        raise JREError(Errors.J740.format(model=model, name=FACTORY, known="none"))
    # of several components, the last one determines the scores
    pipe: Any = nlp.get_pipe(names[-1])
    examples = list(Corpus(data, attr=pipe.cfg["attr"])(nlp))
    if predictions is None:
        return nlp.evaluate(examples)
    scorer = _KeepingScorer(nlp)
    scores = nlp.evaluate(examples, scorer=scorer)
    docs = RelationDocBin()
    for doc in scorer.docs:
        docs.add(doc)
    docs.to_disk(predictions)
    return scores


class _KeepingScorer(Scorer):
    """A scorer that keeps the predicted Docs, because ``nlp.evaluate`` copies the
    examples."""

    docs: list[Doc]

    def score(self, examples: Iterable[Example], **settings: Any) -> dict[str, Any]:
        examples = list(examples)
        self.docs = [example.predicted for example in examples]
        return super().score(examples, **settings)
