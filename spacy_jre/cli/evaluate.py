"""Score a pipeline on gold tokens and sentences.

`spacy evaluate` reads Docs without their sentences. A pipeline with a sentencizer then
splits sentences that contain a period, and loses the relations across the parts.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import spacy
from spacy.cli._util import setup_gpu
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch
from thinc.util import convert_recursive

from ..annotations import has_relations, read_gold
from ..annotations.align import TextAlignment
from ..annotations.relations import storage_key
from ..corpora.formats.docbin import RelationDocBin
from ..evaluation.bootstrap import RESAMPLES
from ..evaluation.outcomes import DocumentOutcome
from ..evaluation.report import (
    GivenEntities,
    Predicted,
    Report,
    make_report,
    relation_scores,
)
from ..scoring.scorer import score_joint, with_plain_names
from ..scoring.thresholds import collect_scores
from .components import choose_component, components_of, read_corpus
from .scored_relations import (
    apply_thresholds,
    predict_scores,
    run_components,
    thresholds_of,
)


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
    RETURNS (dict[str, Any]): The scores of ``nlp.evaluate``. Those of the component
        have the names of ``score_joint``, for every `attr`, and replace those of other
        components with these names.
    RAISES (ValueError): J740 for a pipeline without the component, and the errors of
        ``Corpus``.
    """
    nlp, name, examples = _load(model, data, gpu_id)
    pipe: Any = nlp.get_pipe(name)
    scorer = _KeepingScorer(nlp)
    scores = nlp.evaluate(examples, scorer=scorer)
    if predictions is not None:
        docs = RelationDocBin()
        for example in scorer.examples:
            docs.add(example.predicted)
        docs.to_disk(predictions)
    return _with_own_scores(scores, scorer.examples, pipe.cfg)


class _KeepingScorer(Scorer):
    """A scorer that keeps the Examples with the predictions, because ``nlp.evaluate``
    copies the Examples."""

    examples: list[Example]

    def score(self, examples: Iterable[Example], **settings: Any) -> dict[str, Any]:
        self.examples = list(examples)
        return super().score(self.examples, **settings)


def _with_own_scores(
    scores: dict[str, Any], examples: list[Example], cfg: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the scores of other components that have the names of ``score_joint``.

    A later component, such as an entity ruler, also has scores with the names "ents_f"
    and "ents_per_type". A component without a scorer has none.

    scores (dict[str, Any]): The scores of the pipeline.
    examples (list[Example]): The Examples with the predictions.
    cfg (Mapping[str, Any]): The settings of the component.
    RETURNS (dict[str, Any]): The scores, with those of the component.
    """
    attr, symmetric = cfg["attr"], cfg["symmetric"]
    own = score_joint(examples, attr=attr, symmetric=symmetric)
    return {**with_plain_names(scores, attr), **own}


def report_on(
    model: Path | str,
    data: Path,
    *,
    compare: Path | str | None = None,
    component: str = "",
    seed: int = 0,
    resamples: int = RESAMPLES,
    gpu_id: int = -1,
) -> tuple[Report, list[DocumentOutcome]]:
    """Evaluate a pipeline in detail.

    The data is predicted once, and the relations between gold entities in addition.

    model (Path | str): Name or folder of the pipeline.
    data (Path): Data (.spacy).
    compare (Path | str | None): Another pipeline to compare with. The symmetric labels
        and the gold annotation are those of `model`.
    component (str): Name of the component, in both pipelines. Empty: the last one of
        each pipeline.
    seed (int): Random seed of the bootstrap.
    resamples (int): Number of resamples.
    RETURNS (tuple[Report, list[DocumentOutcome]]): The report, and the outcomes of each
        Doc.
    RAISES (ValueError): See ``evaluate``.
    """
    nlp, name, examples = _load(model, data, gpu_id, component)
    predicted = predict(nlp, name, examples, model=str(model))
    pipe: Any = nlp.get_pipe(name)
    other = None
    if compare is not None:
        other_nlp, other_name, other_examples = _load(
            compare, data, gpu_id, component, gold_attr=pipe.cfg["attr"]
        )
        other = predict(other_nlp, other_name, other_examples, model=str(compare))
    return make_report(
        predicted,
        data=str(data),
        symmetric=pipe.cfg["symmetric"],
        seed=seed,
        resamples=resamples,
        other=other,
    )


def _load(
    model: Path | str,
    data: Path,
    gpu_id: int,
    component: str = "",
    *,
    gold_attr: str = "",
) -> tuple[Language, str, list[Example]]:
    """Load a pipeline, choose its component, and read the data for it.

    gold_attr (str): Name of the relation extension with the gold annotation. Empty:
        that of the component.
    """
    setup_gpu(gpu_id, silent=True)
    nlp = spacy.load(model)
    # the last one of several components
    component = component or "".join(components_of(nlp)[-1:])
    name = choose_component(nlp, str(model), component)
    examples = list(read_corpus(nlp, name, data, attr=gold_attr)(nlp))
    pipe: Any = nlp.get_pipe(name)
    attr = pipe.cfg["attr"]
    if gold_attr and gold_attr != attr:
        for example in examples:
            _move_annotations(example.reference, gold_attr, attr)
    return nlp, name, examples


def _move_annotations(doc: Doc, source: str, target: str) -> None:
    """Give the annotation of one relation extension the name of another one, so that
    ``read_gold`` finds the same entities and relations."""
    doc.user_data.pop(storage_key(target), None)
    if has_relations(doc, source):
        doc.user_data[storage_key(target)] = doc.user_data.pop(storage_key(source))


def predict(
    nlp: Language, name: str, examples: list[Example], *, model: str
) -> Predicted:
    """Predict Examples, and score them as ``nlp.evaluate`` does.

    Another `jre` after the component does not run, because it would replace the
    entities, and is not scored.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    examples (list[Example]): The Examples. Their predicted Docs get the predictions.
    model (str): Name or path of the pipeline.
    RETURNS (Predicted): The predictions and scores.
    """
    pipe: Any = nlp.get_pipe(name)
    attr, symmetric = pipe.cfg["attr"], pipe.cfg["symmetric"]
    thresholds = thresholds_of(pipe.cfg)
    start = perf_counter()
    lowest = predict_scores(nlp, name, examples)
    table = collect_scores(examples, attr=attr, symmetric=symmetric)
    # before the later components, which can depend on the relations
    apply_thresholds(examples, thresholds, attr)
    seconds = perf_counter() - start
    # also before the later components, which can change the tokens
    given = score_given_entities(pipe, examples, batch_size=nlp.batch_size)
    until = nlp.pipe_names.index(name) + 1
    later = nlp.pipe_names[until:]
    left_out = [other for other in components_of(nlp) if other in later]
    start = perf_counter()
    run_components(nlp, examples, disable=[*nlp.pipe_names[:until], *left_out])
    seconds += perf_counter() - start
    with nlp.select_pipes(disable=left_out):
        scores = Scorer(nlp=nlp).score(examples)
    scores = _with_own_scores(scores, examples, pipe.cfg)
    # numpy's numbers cannot be written as JSON
    scores = convert_recursive(_is_numpy_number, float, scores)
    scores["speed"] = sum(len(example.predicted) for example in examples) / seconds
    return Predicted(
        model=model,
        examples=examples,
        scores=scores,
        attr=attr,
        table=table,
        lowest=lowest,
        thresholds=thresholds,
        given=given,
        lang=nlp.lang or "",
    )


def score_given_entities(
    pipe: Any, examples: list[Example], *, batch_size: int
) -> GivenEntities:
    """Score the relations that a component predicts between the gold entities.

    pipe (JointRelationExtractor): The component.
    examples (list[Example]): The Examples. The earlier components of the pipeline have
        processed their predicted Docs.
    batch_size (int): Number of Docs per batch.
    RETURNS (GivenEntities): The scores.
    """
    attr = pipe.cfg["attr"]
    n_skipped = 0
    scored = []
    for batch in minibatch(examples, batch_size):
        given = []
        for example in batch:
            alignment = TextAlignment(example)
            entities = read_gold(example.reference, attr=attr).entities
            found = [(alignment.find_tokens(key), key[2]) for key in entities]
            given.append([(*span, label) for span, label in found if span is not None])
            n_skipped += len(entities) - len(given[-1])
        predictions = pipe.predict_given([eg.predicted for eg in batch], given)
        # the Docs keep their own predictions
        docs = [_copy(example.predicted) for example in batch]
        pipe.set_annotations(docs, predictions)
        scored += [
            Example(doc, example.reference)
            for doc, example in zip(docs, batch, strict=True)
        ]
    scores = score_joint(scored, attr=attr, symmetric=pipe.cfg["symmetric"])
    return GivenEntities(relation_scores(scores), n_skipped)


def _is_numpy_number(value: object) -> bool:
    return isinstance(value, np.floating)


def _copy(doc: Doc) -> Doc:
    """RETURNS (Doc): A Doc with the same tokens, without annotations."""
    return Doc(
        doc.vocab,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
    )
