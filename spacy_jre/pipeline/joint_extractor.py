"""The component ``jre``: entities and the relations between them, in one model."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import logger
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..annotations import (
    DEFAULT_ATTR,
    SPANS_KEY,
    StoredEntity,
    StoredRelation,
    read_gold,
    register_extension,
    write_annotations,
)
from ..architectures.bridge import (
    MAX_PAIRED_ENTITIES,
    build_network,
    has_network,
    label_counts,
    learns_tags,
)
from ..architectures.units import count_missing_upstream, waits_for_upstream
from ..architectures.windows import sentence_windows
from ..errors import Errors, JREError, Warnings
from ..training.losses import pair_loss, span_loss
from ..training.optimizer import AdamW
from ..training.sampling import sample_candidates
from ..training.tags import find_tags, plain_tags, tag_targets
from ..training.targets import (
    GoldBatch,
    Labels,
    Losses,
    UnknownLabel,
    align_gold,
    entity_targets,
    relation_targets,
)
from ..types import (
    JointScores,
    LabelNames,
    Prediction,
    ScoreGradient,
    Windows,
)
from .decoding import best_without_overlaps, decode
from .forks import disable_tokenizers_parallelism_in_forks
from .saved_settings import check_settings

disable_tokenizers_parallelism_in_forks()

DEFAULT_MODEL = """
[model]
@architectures = "spacy-jre.SpERT.v1"
width_embedding = 25
dropout = 0.1
pooling = null
mixed_precision = false

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""

SCORES = {
    "ents_f": 0.0,
    "ents_p": None,
    "ents_r": None,
    "ents_per_type": None,
    "rel_f": 0.0,
    "rel_p": None,
    "rel_r": None,
    "rel_per_type": None,
    "rel_strict_f": 1.0,
    "rel_strict_p": None,
    "rel_strict_r": None,
    "rel_strict_per_type": None,
    "ents_macro_f": None,
    "rel_macro_f": None,
    "rel_strict_macro_f": None,
}


@Language.factory(
    "jre",
    assigns=[
        "doc.ents",
        "doc.spans",
        "doc._.relations",
        "token.ent_iob",
        "token.ent_type",
    ],
    default_config={
        "model": Config().from_str(DEFAULT_MODEL)["model"],
        "threshold": 0.4,
        "label_thresholds": {},
        "max_span_width": 10,
        "negative_spans": 100,
        "negative_pairs": 100,
        "symmetric": [],
        "overwrite_ents": True,
        "attr": DEFAULT_ATTR,
        "seed": 0,
        "scorer": {"@scorers": "spacy-jre.joint_scorer.v1"},
    },
    default_score_weights=SCORES,
)
def make_joint_extractor(
    nlp: Language,
    name: str,
    model: Model,
    threshold: float,
    label_thresholds: dict[str, float],
    max_span_width: int,
    negative_spans: int | None,
    negative_pairs: int | None,
    symmetric: list[str],
    overwrite_ents: bool,
    attr: str,
    seed: int,
    scorer: Callable | None,
) -> "JointRelationExtractor":
    """Make the component; see the class for the settings."""
    return JointRelationExtractor(
        nlp.vocab,
        model,
        name,
        threshold=threshold,
        label_thresholds=label_thresholds,
        max_span_width=max_span_width,
        negative_spans=negative_spans,
        negative_pairs=negative_pairs,
        symmetric=symmetric,
        overwrite_ents=overwrite_ents,
        attr=attr,
        seed=seed,
        scorer=scorer,
    )


class JointRelationExtractor(TrainablePipe):
    """Set ``doc.ents``, ``doc.spans["jre"]`` and ``doc._.relations``.

    Dropout rates are settings of the architecture: ``training.dropout`` reaches only
    thinc layers, such as a Tok2Vec in the slot.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], JointScores],
        name: str = "jre",
        *,
        threshold: float = 0.4,
        label_thresholds: dict[str, float] | None = None,
        max_span_width: int = 10,
        negative_spans: int | None = 100,
        negative_pairs: int | None = 100,
        symmetric: Sequence[str] = (),
        overwrite_ents: bool = True,
        attr: str = DEFAULT_ATTR,
        seed: int = 0,
        scorer: Callable | None = None,
    ):
        """
        vocab (Vocab): Shared vocab.
        model (Model): A model of ``architectures.bridge.joint_model`` or
            ``architectures.lainet.lainet_model``.
        threshold (float): Least probability of a relation, 0 to 1.
        label_thresholds (dict[str, float]): The same for single relation labels.
        max_span_width (int): Widest entity that is predicted, in tokens.
        negative_spans, negative_pairs (int | None): Negatives per window in
            learning; None takes all. LAI-Net samples nothing and always takes all.
        symmetric (Sequence[str]): Relation labels without a direction. Stored once,
            the argument first in the text as the head.
        overwrite_ents (bool): Whether ``doc.ents`` is replaced by the predicted
            entities. If not, it is left alone.
        attr (str): Name of the relation extension.
        seed (int): Of the negative sampling; nothing to LAI-Net.
        scorer (Callable): Scoring function.
        RAISES (ValueError): J101 if the extension's name is taken, J506 for a setting
            out of range, J508 for a model on an Apple GPU.
        """
        if model.ops.name == "mps":
            # neither its layers nor AdamW, which changes weights in place, work there
            raise JREError(Errors.J508)
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self._check("threshold", threshold, 0.0 <= threshold <= 1.0, "within 0 and 1")
        for label, value in (label_thresholds or {}).items():
            field = f"label_thresholds.{label}"
            self._check(field, value, 0.0 <= value <= 1.0, "within 0 and 1")
        self._check("max_span_width", max_span_width, max_span_width >= 1, "at least 1")
        for field, count in (
            ("negative_spans", negative_spans),
            ("negative_pairs", negative_pairs),
        ):
            self._check(field, count, count is None or count >= 0, "null or at least 0")
        self.cfg: dict[str, Any] = {
            "threshold": threshold,
            "label_thresholds": dict(label_thresholds or {}),
            "max_span_width": max_span_width,
            "negative_spans": negative_spans,
            "negative_pairs": negative_pairs,
            "symmetric": sorted(symmetric),
            "overwrite_ents": overwrite_ents,
            "attr": attr,
            "entity_labels": [],
            "relation_labels": [],
            "tags": [],
        }
        register_extension(attr)
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._warned_of: set[str] = set()
        self._told_of_crowds = False

    def _check(self, name: str, value: Any, good: bool, expected: str) -> None:
        if not good:
            raise JREError(
                Errors.J506.format(
                    name=name, component=self.name, expected=expected, value=value
                )
            )

    # labels ---------------------------------------------------------------------------

    @property
    def entity_labels(self) -> tuple[str, ...]:
        """Entity labels in the order of the output columns, "none" not among them."""
        return tuple(self.cfg["entity_labels"])

    @property
    def relation_labels(self) -> tuple[str, ...]:
        """Relation labels in the order of the output columns."""
        return tuple(self.cfg["relation_labels"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Entity labels, then relation labels."""
        return self.entity_labels + self.relation_labels

    @property
    def label_data(self) -> dict[str, list[str]]:
        """What ``spacy init labels`` writes and ``initialize(labels=...)`` takes.

        "tags", the tags of tokens, are there where the network learns them.
        """
        labels = {
            "entities": list(self.entity_labels),
            "relations": list(self.relation_labels),
        }
        if self.cfg["tags"]:
            labels["tags"] = list(self.cfg["tags"])
        return labels

    def add_label(self, label: str, *, kind: str) -> int:
        """Add a label before initialization.

        label (str): The label.
        kind (str): "entity" or "relation". It has no default, because a label alone
            does not say which of them it is.
        RETURNS (int): 1 if it was added, 0 if it was there.
        RAISES (ValueError): J501 once the component is initialized, J506 for another
            kind.
        """
        self._check("kind", kind, kind in ("entity", "relation"), "entity or relation")
        labels = self.cfg[f"{kind}_labels"]
        if label in labels:
            return 0
        if has_network(self.model):
            raise JREError(
                Errors.J501.format(
                    name=self.name, kind=kind, label=label, labels=self.label_data
                )
            )
        labels.append(label)
        return 1

    @property
    def _columns(self) -> Labels:
        return Labels(
            entities={label: i + 1 for i, label in enumerate(self.entity_labels)},
            relations={label: i for i, label in enumerate(self.relation_labels)},
            symmetric=frozenset(self.cfg["symmetric"]),
        )

    @property
    def _label_names(self) -> LabelNames:
        return LabelNames(
            self.entity_labels, self.relation_labels, frozenset(self.cfg["symmetric"])
        )

    # training -------------------------------------------------------------------------

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: dict[str, list[str]] | None = None,
    ) -> None:
        """Collect the labels and build the network.

        get_examples (Callable): Gives gold-standard Examples.
        nlp (Language): The pipeline.
        labels (dict): ``label_data``; without it the labels are those of the
            examples, in alphabetical order. Without "tags" the tags are those the
            examples need.
        RAISES (ValueError): J502 without labels, J503 for labels of another shape,
            J504 for an example with a label it lacks, if the network learns tags,
            J505 or J507 for settings that name an unknown label, J306 for an encoder
            without width.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        if labels is None:
            self._collect_labels(get_examples())
        else:
            self._take_labels(labels)
        for kind in ("entity", "relation"):
            if not self.cfg[f"{kind}_labels"]:
                count = 0 if labels is not None else sum(1 for _ in get_examples())
                raise JREError(
                    Errors.J502.format(name=self.name, kind=kind, count=count)
                )
        for code, names in (
            (Errors.J505, self.cfg["symmetric"]),
            (Errors.J507, self.cfg["label_thresholds"]),
        ):
            for label in names:
                if label not in self.relation_labels:
                    raise JREError(
                        code.format(
                            name=self.name, label=label, labels=self.relation_labels
                        )
                    )
        self.cfg["tags"] = []
        if learns_tags(self.model):
            given = None if labels is None else labels.get("tags")
            self.cfg["tags"] = self._choose_tags(get_examples, given)
        sample = [eg.x for eg in islice(get_examples(), 10)]
        self._rng = np.random.default_rng(self._seed)
        self._warned_of = set()
        if "build" in self.model.attrs:
            # a model that brings the transformer along wants the names of the labels
            self.model.attrs["build"](self.model, self._label_names)
        else:
            width = self._initialize_encoder(sample)
            build_network(
                self.model,
                width,
                len(self.entity_labels),
                len(self.relation_labels),
                len(self.cfg["tags"]),
            )

    def _collect_labels(self, examples: Iterable[Example]) -> None:
        # labels added by hand keep their place; those of the data follow
        entities: set[str] = set()
        relations: set[str] = set()
        for example in examples:
            gold = read_gold(example.reference, attr=self.cfg["attr"])
            entities.update(label for _, _, label in gold.entities)
            relations.update(label for _, _, label in gold.relations)
        for kind, found in (("entity", entities), ("relation", relations)):
            known = self.cfg[f"{kind}_labels"]
            known.extend(sorted(found - set(known) - {""}))

    def _take_labels(self, labels: Any) -> None:
        if (
            not isinstance(labels, dict)
            or set(labels) - {"tags"} != {"entities", "relations"}
            or not all(isinstance(names, (list, tuple)) for names in labels.values())
            or not all(isinstance(n, str) for names in labels.values() for n in names)
        ):
            raise JREError(Errors.J503.format(name=self.name, value=labels))
        self.cfg["entity_labels"] = list(labels["entities"])
        self.cfg["relation_labels"] = list(labels["relations"])

    def _choose_tags(
        self, get_examples: Callable[[], Iterable[Example]], given: list[str] | None
    ) -> list[str]:
        """RETURNS (list[str]): The tags given, with what plain BIO needs; without any,
        those of the examples."""
        if given is not None:
            return list(dict.fromkeys([*given, *plain_tags(self.entity_labels)]))
        golds = (
            self._find_gold([example], sentence_windows([example.predicted]))
            for example in get_examples()
        )
        return find_tags(self.entity_labels, golds)

    def _initialize_encoder(self, docs: Sequence[Doc]) -> int:
        """RETURNS (int): The width of its units, which only a prediction tells."""
        docs = [doc for doc in docs if len(doc)] or [Doc(self.vocab, words=["word"])]
        try:
            self.model.initialize(X=docs)
            encoded = self.model.get_ref("encoder").predict(docs)
        except ValueError as error:
            # a listener has no width before its upstream was initialized
            if "nO" in str(error):
                raise JREError(Errors.J306) from error
            raise
        width = int(encoded.units.shape[1])
        if width == 0:
            raise JREError(Errors.J306)
        return width

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch.

        The encoder always gets its gradient back, be it zero: the last listener of a
        shared encoder passes on what all others have sent.

        examples (Iterable[Example]): The batch.
        drop (float): Dropout of thinc layers, if there are any.
        sgd (Optimizer): None leaves the gradients where they are.
        losses (dict[str, float]): The loss is added under the component's name.
        RETURNS (dict[str, float]): The losses.
        RAISES (ValueError): J301 before initialization, J305 for a listener without
            its upstream, J504 for an unknown label.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        self._require_network()
        docs = [example.predicted for example in examples]
        if not any(len(doc) for doc in docs):
            return losses
        if waits_for_upstream(self.model):
            self._require_upstream(docs)
        set_dropout_rate(self.model, drop)
        if "learn" in self.model.attrs:
            loss = self._learn_alone(examples)
        else:
            loss = self._learn_sampled(examples)
        if sgd not in (None, False):  # spaCy passes either for "not now"
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def _learn_sampled(self, examples: Sequence[Example]) -> float:
        """Encode, sample spans and pairs, score them, send the gradients back."""
        docs = [example.predicted for example in examples]
        encoded, backprop_encoder = self.model.get_ref("encoder").begin_update(docs)
        gold = self._align(examples, encoded.windows)
        candidates = sample_candidates(
            gold,
            encoded.windows,
            self._rng,
            max_span_width=self.cfg["max_span_width"],
            negative_spans=self.cfg["negative_spans"],
            negative_pairs=self.cfg["negative_pairs"],
        )
        scores, backprop_network = self.model.get_ref("network").begin_update(
            (encoded, candidates)
        )
        loss, gradient = self._loss(gold, scores)
        backprop_encoder(backprop_network(gradient))
        return loss

    def _learn_alone(self, examples: Sequence[Example]) -> float:
        """Let a model learn that samples nothing and has losses of its own."""
        docs = [example.predicted for example in examples]

        self.model.attrs["max_span_width"] = self.cfg["max_span_width"]
        find_gold = partial(self._align, examples)
        learnt = self.model.attrs["learn"](self.model, docs, find_gold)
        self._tell_losses(Losses(two_relations=learnt.doubled))
        self._warn_once(
            Warnings.J911,
            learnt.unreached + learnt.unread,
            entities=learnt.unreached,
            relations=learnt.unread,
        )
        learnt.backprop()
        return learnt.loss

    def get_loss(
        self, examples: Iterable[Example], scores: JointScores
    ) -> tuple[float, ScoreGradient]:
        """Compare scores with the gold annotation.

        examples (Iterable[Example]): The batch.
        scores (JointScores): Scores of any spans and pairs of it.
        RETURNS (tuple[float, ScoreGradient]): Entity loss plus relation loss, plus
            tag loss where the scores hold tags, and the gradients of the logits.
        RAISES (NotImplementedError): J315 for LAI-Net, whose losses are not of its
            scores.
        """
        if "learn" in self.model.attrs:
            raise NotImplementedError(Errors.J315)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.get_loss")
        return self._loss(self._align(examples, scores.windows), scores)

    def _loss(
        self, gold: GoldBatch, scores: JointScores
    ) -> tuple[float, ScoreGradient]:
        xp = self.model.ops.xp
        span_window = scores.windows.token_window[scores.spans[:, 0]]
        # what nobody annotated is no negative
        rows = np.flatnonzero(gold.knows_entities[span_window])
        entity_loss, gradient = span_loss(
            xp,
            scores.entity_logits[xp.asarray(rows)],
            entity_targets(gold, scores.spans[rows]),
        )
        d_entity = xp.zeros_like(scores.entity_logits)
        d_entity[xp.asarray(rows)] = gradient
        rows = np.flatnonzero(gold.knows_relations[span_window[scores.pairs[:, 0]]])
        targets = relation_targets(
            gold, scores.spans, scores.pairs[rows], len(self.relation_labels)
        )
        relation_loss, gradient = pair_loss(
            xp, scores.relation_logits[xp.asarray(rows)], targets
        )
        d_relation = xp.zeros_like(scores.relation_logits)
        d_relation[xp.asarray(rows)] = gradient
        tag_loss, d_tags = self._tag_loss(gold, scores)
        return (
            entity_loss + relation_loss + tag_loss,
            ScoreGradient(d_entity, d_relation, d_tags),
        )

    def _tag_loss(
        self, gold: GoldBatch, scores: JointScores
    ) -> tuple[float, Floats2d | None]:
        """The mean over the tokens of annotated windows (STSN, equation 9)."""
        if scores.tag_logits is None:
            return 0.0, None
        xp = self.model.ops.xp
        windows = scores.windows
        targets, untagged = tag_targets(
            gold, self.entity_labels, self.cfg["tags"], windows.n_tokens
        )
        self._tell_losses(Losses(untagged=untagged))
        rows = np.flatnonzero(gold.knows_entities[windows.token_window])
        loss, gradient = span_loss(
            xp, scores.tag_logits[xp.asarray(rows)], targets[rows]
        )
        d_tags = xp.zeros_like(scores.tag_logits)
        d_tags[xp.asarray(rows)] = gradient
        return loss, d_tags

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights, clipping by the global norm where the optimizer can."""
        if "count_update" in self.model.attrs:
            self.model.attrs["count_update"](self.model)
        if isinstance(sgd, AdamW):
            with sgd.clipped(self.model):
                self.model.finish_update(sgd)
        else:
            self.model.finish_update(sgd)

    def _align(self, examples: Sequence[Example], windows: Windows) -> GoldBatch:
        gold = self._find_gold(examples, windows)
        self._tell_losses(gold.lost)
        return gold

    def _find_gold(self, examples: Sequence[Example], windows: Windows) -> GoldBatch:
        try:
            return align_gold(examples, windows, self._columns, self.cfg["attr"])
        except UnknownLabel as error:
            kind, label = error.args
            raise JREError(
                Errors.J504.format(
                    kind=kind,
                    label=label,
                    source="the training data",
                    name=self.name,
                    labels=self.label_data,
                )
            ) from error

    def _tell_losses(self, lost: Losses) -> None:
        """Warn of each kind once, with the counts of the first batch concerned."""
        kinds = {
            Warnings.J904: lost.entities + lost.relations,
            Warnings.J903: lost.unannotated,
            Warnings.J906: lost.two_labels,
            Warnings.J909: lost.untagged,
            Warnings.J910: lost.two_relations,
        }
        for message, count in kinds.items():
            self._warn_once(
                message, count, entities=lost.entities, relations=lost.relations
            )

    def _warn_once(self, message: str, count: int, **counts: int) -> None:
        if count and message not in self._warned_of:
            self._warned_of.add(message)
            warnings.warn(message.format(count=count, **counts), stacklevel=4)

    # saving ---------------------------------------------------------------------------

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "JointRelationExtractor":
        """Load from bytes.

        RAISES (ValueError): J520 for settings that are refused; J308, J309, J317, J321
            and J322 for the model.
        """
        with self._checked_loading():
            super().from_bytes(bytes_data, exclude=exclude)
        return self

    def from_disk(
        self, path: str | Path, *, exclude: Iterable[str] = ()
    ) -> "JointRelationExtractor":
        """Load from a folder. Raises as ``from_bytes`` does."""
        with self._checked_loading():
            super().from_disk(path, exclude=exclude)
        return self

    @contextmanager
    def _checked_loading(self) -> Iterator[None]:
        """Turn what spaCy raises for damaged data into J520, and check the rest."""
        attr = self.cfg["attr"]
        try:
            yield
        except JREError:
            raise
        except (ValueError, TypeError, LookupError) as error:
            raise JREError(
                Errors.J520.format(
                    name=self.name, field="data", problem=f"cannot be read: {error}"
                )
            ) from error
        counts = label_counts(self.model) if has_network(self.model) else {}
        check_settings(self.name, self.cfg, attr, counts)

    # prediction -----------------------------------------------------------------------

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Predict without changing the Docs.

        docs (Iterable[Doc]): The Docs; those without tokens get an empty prediction.
        RETURNS (list[Prediction]): One per Doc, in order.
        RAISES (ValueError): J301 before initialization, J305 for a listener without
            its upstream.
        """
        docs = list(docs)
        self._require_network()
        if not any(len(doc) for doc in docs):
            return [Prediction([], []) for _ in docs]
        self._require_upstream(docs)
        self.model.attrs["max_span_width"] = self.cfg["max_span_width"]
        scores = self.model.predict(docs)
        if scores.crowded and not self._told_of_crowds:
            # usual before the first few updates, and nothing to act on later
            self._told_of_crowds = True
            logger.warning(
                Warnings.J905.format(count=scores.crowded, limit=MAX_PAIRED_ENTITIES)
            )
        return decode(
            scores,
            len(docs),
            entity_labels=self.entity_labels,
            relation_labels=self.relation_labels,
            threshold=self.cfg["threshold"],
            label_thresholds=self.cfg["label_thresholds"],
            symmetric=frozenset(self.cfg["symmetric"]),
        )

    def set_annotations(
        self, docs: Iterable[Doc], scores: Sequence[Prediction]
    ) -> None:
        """Write predictions on the Docs.

        docs (Iterable[Doc]): The Docs.
        scores (Sequence[Prediction]): What ``predict`` returned.
        """
        for doc, prediction in zip(docs, scores, strict=True):
            entities = [
                StoredEntity(
                    doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label, score
                )
                for start, end, label, score in prediction.entities
            ]
            relations = [
                StoredRelation(*entities[head][:3], *entities[tail][:3], label, score)
                for head, tail, label, score in prediction.relations
            ]
            write_annotations(doc, entities, relations, self.cfg["attr"])
            if self.cfg["overwrite_ents"]:
                group = doc.spans[SPANS_KEY]
                places = {(s.start, s.end, s.label_): s for s in group}
                best = best_without_overlaps(prediction.entities)
                doc.set_ents([places[entity[:3]] for entity in best])

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Process a stream in batches.

        A batch that fails is repeated Doc by Doc, so that the error handler gets the
        Doc that failed and the stream loses no other one.
        """
        handle_error = self.get_error_handler()
        for batch in _batches(stream, batch_size):
            try:
                self.set_annotations(batch, self.predict(batch))
            except Exception as error:
                if len(batch) == 1:
                    handle_error(self.name, self, batch, error)
                    continue
                for doc in batch:
                    try:
                        self.set_annotations([doc], self.predict([doc]))
                    except Exception as doc_error:
                        handle_error(self.name, self, [doc], doc_error)
                    else:
                        yield doc
            else:
                yield from batch

    def _require_network(self) -> None:
        if not has_network(self.model):
            raise JREError(Errors.J301)

    def _require_upstream(self, docs: Sequence[Doc]) -> None:
        count, upstream = count_missing_upstream(self.model, docs)
        if count:
            raise JREError(
                Errors.J305.format(
                    name=self.name, count=count, total=len(docs), upstream=upstream
                )
            )


def _batches(stream: Iterable[Doc], size: int) -> Iterator[list[Doc]]:
    docs = iter(stream)
    while batch := list(islice(docs, size)):
        yield batch
