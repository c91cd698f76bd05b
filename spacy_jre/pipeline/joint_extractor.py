"""The component ``jre``: joint extraction of entities and relations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from spacy.util import logger
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate

from ..annotations import (
    DEFAULT_ATTR,
    SPANS_KEY,
    GivenEntity,
    StoredEntity,
    StoredRelation,
    given_entities,
    register_extension,
    write_annotations,
)
from ..annotations.given import PREDICT, group_of, is_source
from ..annotations.sentences import WindowKind
from ..architectures.bridge import (
    MAX_PAIRED_ENTITIES,
    has_network,
    label_counts,
    learns_tags,
    network_of,
    predict_tags,
)
from ..architectures.half_precision import HALF_PRECISION, HalfPrecision
from ..architectures.torch_node import set_half_precision
from ..architectures.units import (
    count_missing_upstream,
    find_problem,
    waits_for_upstream,
)
from ..architectures.windows import WindowSettings, set_windows
from ..errors import Errors, JREError, NotFinite, Warnings
from ..scoring.scorer import score_name
from ..training.finite import check_loss, describe_docs
from ..training.optimizer import AdamW
from ..training.sampling import sample_candidates
from ..training.targets import (
    GivenSettings,
    UnknownLabel,
    align_gold,
    make_targets,
)
from ..types import JointScores, Labels, Prediction
from .decoding import choose_entities, decode, is_finite, to_host
from .defaults import SCORES
from .factory import check_others, make_joint_extractor
from .forks import disable_threads_in_forks
from .given_entities import score_given
from .label_sets import (
    check_label_data,
    check_labels,
    check_table,
    choose_tags,
    collect_labels,
    explain_unknown_label,
    is_table,
)
from .observed import Observed, observe
from .saved_settings import check_settings
from .sentence_check import SentenceCheck, has_several_sentences
from .single_read import SingleRead
from .warn_once import OnceWarner

# importing the component also registers its factory
__all__ = ["JointRelationExtractor", "make_joint_extractor"]

disable_threads_in_forks()


class JointRelationExtractor(TrainablePipe):
    """Predict entities and the relations between them.

    Sets ``doc.ents``, ``doc.spans["jre"]`` and ``doc._.relations``. The settings
    `overwrite_ents`, `spans_key` and `attr` change this. With the setting `entities`,
    the entities are given, and only the relations are predicted. Dropout rates are
    settings of the architecture: ``training.dropout`` applies only to thinc layers,
    such as a Tok2Vec.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[tuple[list[Doc], int], JointScores],
        name: str = "jre",
        *,
        threshold: float = 0.4,
        label_thresholds: dict[str, float] | None = None,
        max_span_width: int = 10,
        negative_spans: int | None = 100,
        negative_pairs: int | None = 100,
        symmetric: Sequence[str] = (),
        overlaps: Literal["keep", "best", "auto"] = "keep",
        constraints: Literal["none", "infer"] | Sequence[Sequence[str]] = "none",
        overwrite_ents: bool | Literal["merge"] = True,
        attr: str = DEFAULT_ATTR,
        spans_key: str = SPANS_KEY,
        entities: str = PREDICT,
        unknown_entities: Literal["error", "skip", "keep"] = "error",
        windows: WindowKind = "sentence",
        seed: int = 0,
        half_precision: HalfPrecision = "never",
        scorer: Callable[..., Any] | None = None,
    ):
        """
        vocab (Vocab): Shared vocab.
        model (Model): A model from ``architectures.bridge.root_model``.
        threshold (float): Minimum probability of a relation, 0 to 1. With 0, every
            pair gets every label.
        label_thresholds (dict[str, float]): Minimum probabilities by relation label.
            Labels that are not included use `threshold`.
        max_span_width (int): Maximum width of a predicted entity, in tokens.
        negative_spans, negative_pairs (int | None): Maximum number of negative spans
            and pairs per window in training. None: all, as in the paper of LAI-Net.
        symmetric (Sequence[str]): Relation labels without a direction. A symmetric
            relation is stored once, with the first argument in the text as head.
        overlaps (str): Which overlapping entities to predict. "keep": all. "best": of
            entities that overlap, only the one with the best score, and only relations
            between the remaining entities, so that all arguments of relations are in
            ``doc.ents``. "auto": as "best", but two entities that overlap are both
            predicted if entities with their labels overlap in the training data.
        constraints (str | list): Which relations can be predicted, by the labels of
            their entities. "none": all. "infer": only combinations of head label,
            relation label and tail label that occur in the training data. A list of
            [head label, relation label, tail label]: only these. A symmetric relation
            can have both orders. `spacy jre debug-data` shows the combinations and
            how often they occur.
        overwrite_ents (bool | str): Whether to replace ``doc.ents`` with the predicted
            entities. "merge": keep the earlier entities that do not overlap them.
        attr (str): Name of the relation extension. The components of a pipeline need
            different names.
        spans_key (str): Name of the span group with the predicted entities, in
            ``doc.spans``. The components of a pipeline need different names.
        entities (str): Which entities to relate. "predict": those that the component
            predicts. "doc.ents" or "spans:<key>", the name of a span group: given
            entities, which another component or an annotator has set. Those of a span
            group can overlap. With given entities, the component does not learn to
            predict entities, and does not change ``doc.ents``. In training, they are
            the entities of the predicted Doc, if a component of
            `training.annotating_components` or the setting `gold_entities` of the
            corpus reader sets them there; gold relations between other entities are
            skipped and counted. If nothing sets them, they are the gold entities of
            the reference.
        unknown_entities (str): What to do with a given entity whose label is not a
            label of the component. "error": raise an error. "skip": use it neither in
            training nor in prediction; a warning counts them. "keep": use it like the
            others. No model reads the labels of given entities, only `constraints` do.
        windows (str | int): Between which entities to predict relations: those of one
            "sentence", of one "doc", or of a number of consecutive sentences. A
            larger window finds more relations, but takes more time and memory: `spacy
            jre debug-data` shows both. Windows of several sentences overlap, and each
            pair is scored in the first window that contains it. A window that is too
            long for the encoder is divided into windows that overlap by half.
        seed (int): Random seed for the sampling of negatives.
        half_precision (str): Whether the torch modules run in half precision: "never",
            "training" (in updates only) or "always". bfloat16 on CPUs and GPUs with
            instructions for it, float16 on other GPUs, otherwise float32. Not saved:
            the config determines it.
        scorer (Callable): Scoring function.
        RAISES (ValueError): J101 if another extension has the name, J506 for a
            setting out of range, J508 for a model on an Apple GPU.
        """
        if model.ops.name == "mps":
            # the layers and AdamW, which updates weights in place, do not support MPS
            raise JREError(Errors.J508)
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self._check("threshold", threshold, 0.0 <= threshold <= 1.0, "within 0 and 1")
        for label, value in (label_thresholds or {}).items():
            field = f"label_thresholds.{label}"
            self._check(field, value, 0.0 <= value <= 1.0, "within 0 and 1")
        choices = (True, False, "merge")
        valid = overwrite_ents in choices
        self._check("overwrite_ents", overwrite_ents, valid, "true, false or merge")
        valid = isinstance(spans_key, str) and bool(spans_key)
        self._check("spans_key", spans_key, valid, "a non-empty string")
        valid = entities == PREDICT or is_source(entities)
        self._check("entities", entities, valid, "predict, doc.ents or spans:<key>")
        if group_of(entities) == spans_key:
            raise JREError(Errors.J530.format(name=name, value=spans_key))
        policies = ("error", "skip", "keep")
        valid = unknown_entities in policies
        expected = ", ".join(policies)
        self._check("unknown_entities", unknown_entities, valid, expected)
        valid = windows in ("sentence", "doc") or (
            isinstance(windows, int) and not isinstance(windows, bool) and windows >= 1
        )
        self._check("windows", windows, valid, "sentence, doc or at least 1")
        self._check("max_span_width", max_span_width, max_span_width >= 1, "at least 1")
        modes = ("keep", "best", "auto")
        self._check("overlaps", overlaps, overlaps in modes, ", ".join(modes))
        self._check(
            "constraints",
            constraints,
            constraints in ("none", "infer")
            or bool(constraints and is_table(constraints)),
            "none, infer or a list of [head label, relation label, tail label]",
        )
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
            "overlaps": overlaps,
            "constraints": constraints
            if isinstance(constraints, str)
            else [list(row) for row in constraints],
            "attr": attr,
            "spans_key": spans_key,
            "entities": entities,
            "unknown_entities": unknown_entities,
            "windows": windows,
            "entity_labels": [],
            "relation_labels": [],
            "tags": [],
            # None: not known
            "overlapping": None,
            "triples": None,
            "several_sentences": False,
        }
        register_extension(attr)
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._warner = OnceWarner()
        self._updates_at_zero = 0
        self._sentences = SentenceCheck(name)
        self._logged_truncation = False
        self.half_precision = half_precision
        self._set_windows()

    def _set_windows(self) -> None:
        """Set the windows of the encoder.

        RAISES (ValueError): J533 for an encoder that does not support them.
        """
        kind = self.cfg["windows"]
        problem = find_problem(self.model, kind)
        if problem is not None:
            what, fix = problem
            raise JREError(
                Errors.J533.format(name=self.name, value=kind, what=what, fix=fix)
            )
        set_windows(self.model, kind)

    @property
    def _given(self) -> GivenSettings | None:
        """None if the component predicts the entities."""
        source, unknown = self.cfg["entities"], self.cfg["unknown_entities"]
        return None if source == PREDICT else GivenSettings(source, unknown)

    @property
    def half_precision(self) -> HalfPrecision:
        """Whether the torch modules run in half precision. Can be set at any time.

        The setting ``mixed_precision`` of an architecture has precedence.
        RAISES (ValueError): J506 for another value.
        """
        return self._half_precision

    @half_precision.setter
    def half_precision(self, value: HalfPrecision) -> None:
        valid = value in HALF_PRECISION
        self._check("half_precision", value, valid, "never, training or always")
        self._half_precision = value
        set_half_precision(self.model, value)

    def _check(self, name: str, value: Any, valid: bool, expected: str) -> None:
        if not valid:
            raise JREError(
                Errors.J506.format(
                    name=name, component=self.name, expected=expected, value=value
                )
            )

    # labels ---------------------------------------------------------------------------

    @property
    def entity_labels(self) -> tuple[str, ...]:
        """Entity labels in the order of the output columns, without "none"."""
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
    def label_data(self) -> dict[str, Any]:
        """The labels that ``spacy init labels`` writes and ``initialize`` accepts.

        Includes "tags", the tags of tokens, if the network predicts them;
        "overlapping", the labels of entities that overlap in the training data, if
        `overlaps` is "auto"; and "triples", the labels of head, relation and tail that
        occur in the training data, if `constraints` is "infer".
        """
        labels: dict[str, Any] = {
            "entities": list(self.entity_labels),
            "relations": list(self.relation_labels),
        }
        if self.cfg["tags"]:
            labels["tags"] = list(self.cfg["tags"])
        for field in self._used_observations:
            if self.cfg[field] is not None:
                labels[field] = deepcopy(self.cfg[field])
        return labels

    @property
    def _used_observations(self) -> list[str]:
        """The fields of the label data that the settings use, see ``Observed``."""
        used = {
            "overlapping": self.cfg["overlaps"] == "auto",
            "triples": self.cfg["constraints"] == "infer",
        }
        return [field for field, is_used in used.items() if is_used]

    @property
    def _places(self) -> dict[str, str]:
        """The settings that say where the predictions are written."""
        return {name: self.cfg[name] for name in ("attr", "spans_key")}

    def add_label(self, label: str, *, kind: str) -> int:
        """Add a label before initialization.

        label (str): The label.
        kind (str): "entity" or "relation".
        RETURNS (int): 1 if the label was added, 0 if it existed already.
        RAISES (ValueError): J501 after initialization, J506 for another kind.
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
    def _labels(self) -> Labels:
        return Labels(
            self.entity_labels,
            self.relation_labels,
            frozenset(self.cfg["symmetric"]),
            tuple(self.cfg["tags"]),
        )

    # training -------------------------------------------------------------------------

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: dict[str, Any] | None = None,
    ) -> None:
        """Collect the labels and build the network.

        get_examples (Callable): Returns gold-standard Examples.
        nlp (Language): The pipeline.
        labels (dict): Labels as in ``label_data``. By default, the labels of the
            examples in alphabetical order. "tags", "overlapping" and "triples" are
            collected from the examples if they are required and not included.
        RAISES (ValueError): J502 without labels, J503 for labels with another
            structure, J504 for an example with an unknown label (if the network
            predicts tags), J505, J507 or J511 for a setting with an unknown label,
            J306 for an encoder without width, J531 for a pipeline with another
            component that writes to the same place.
        """
        if nlp is not None:  # a component with a source was not created by the factory
            check_others(nlp, self.name, self._places)
            self._check_score_weights(nlp)
        get_examples = SingleRead(get_examples, f"{type(self).__name__}.initialize")
        count = 0
        if labels is None:
            collected = collect_labels(get_examples(), self.cfg["attr"])
            count = collected.n_examples
            for field in ("entity_labels", "relation_labels"):
                # labels of add_label are first, labels of the data follow
                names = self.cfg[field]
                names.extend(sorted(getattr(collected, field) - set(names)))
            self._set_observed(collected.observed, {})
        else:
            check_label_data(self.name, labels)
            self.cfg["entity_labels"] = list(labels["entities"])
            self.cfg["relation_labels"] = list(labels["relations"])
            known = all(field in labels for field in self._used_observations)
            observed = None if known else observe(get_examples(), self.cfg["attr"])
            self._set_observed(observed, labels)
        self.cfg["tags"] = []
        check_labels(self.name, self._labels, count)
        for code, settings in (
            (Errors.J505, self.cfg["symmetric"]),
            (Errors.J507, self.cfg["label_thresholds"]),
        ):
            for label in settings:
                if label not in self.relation_labels:
                    names = self.relation_labels
                    raise JREError(
                        code.format(name=self.name, label=label, labels=names)
                    )
        for table in (self.cfg["constraints"], self.cfg["triples"]):
            if table and not isinstance(table, str):
                check_table(self.name, table, self._labels)
        overlapping = self.cfg["overlapping"] or ()
        check_table(self.name, overlapping, self._labels, ("entity", "entity"))
        if learns_tags(self.model):
            given = None if labels is None else labels.get("tags")
            with self._explained_labels():
                self.cfg["tags"] = choose_tags(
                    get_examples,
                    given,
                    self._labels,
                    self.cfg["attr"],
                    WindowSettings(self.cfg["windows"]),
                )
        self._rng = np.random.default_rng(self._seed)
        self._warner = OnceWarner()
        docs = [doc for eg in islice(get_examples(), 10) if len(doc := eg.x)]
        docs = docs or [Doc(self.vocab, words=["word"])]
        # the training data may consist of texts, such as abstracts, on purpose
        n_several = sum(map(has_several_sentences, docs))
        self.cfg["several_sentences"] = 2 * n_several >= len(docs)
        model: Model[Any, Any] = self.model
        model.initialize(X=docs, Y=self._labels)

    def _check_score_weights(self, nlp: Language) -> None:
        """Log J917 if no score of the component chooses the best model."""
        attr = self.cfg["attr"]
        weights = nlp.config["training"]["score_weights"]
        if not any(weights.get(score_name(name, attr)) for name in SCORES):
            score = score_name("rel_strict_f", attr)
            logger.warning(Warnings.J917.format(name=self.name, attr=attr, score=score))

    def _set_observed(self, observed: Observed | None, given: dict[str, Any]) -> None:
        """Set what is known of the training data: the given values of a labels file,
        or else the observed values."""
        values: dict[str, Any] = {"overlapping": None, "triples": None}
        if observed is not None:
            values["overlapping"] = observed.overlap_table(self._labels)
            values["triples"] = observed.table(self._labels)
        values.update({field: given[field] for field in values if field in given})
        self.cfg.update(deepcopy(values))

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Train on a batch.

        The encoder always gets a gradient, even if it is zero, because the last
        listener of a shared encoder triggers the backward pass of all listeners.

        examples (Iterable[Example]): The batch.
        drop (float): Dropout rate of thinc layers.
        sgd (Optimizer): The optimizer. None: keep the gradients without an update.
        losses (dict[str, float]): The loss is added under the component's name.
        RETURNS (dict[str, float]): The losses.
        RAISES (ValueError): J301 before initialization, J305 for a listener without
            upstream component, J420 for a loss that is not finite, J504 for an unknown
            label, J532 or J534 for given entities.
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
        encoded, backprop_encoder = self.model.get_ref("encoder").begin_update(docs)
        with self._explained_labels():
            gold = align_gold(
                examples,
                encoded.windows,
                encoded.has_units,
                self._labels,
                self.cfg["attr"],
                self._given,
            )
        candidates = sample_candidates(
            gold,
            encoded.windows,
            self._rng,
            max_span_width=self.cfg["max_span_width"],
            negative_spans=self.cfg["negative_spans"],
            negative_pairs=self.cfg["negative_pairs"],
            classify=self._given is None,
        )
        targets, n_untagged = make_targets(
            gold, candidates, encoded.windows, self._labels
        )
        network = self.model.get_ref("network")
        loss, backprop_network = network.begin_update((encoded, candidates, targets))
        self._warner.warn_about_skipped(
            gold.skipped, n_untagged=n_untagged, n_multi_label=loss.n_multi_label
        )
        if self._given is None:
            max_width = self.cfg["max_span_width"]
            self._warner.warn(
                Warnings.J921,
                gold.count_wider(max_width),
                relations=gold.count_relations_of_wider(max_width),
                width=max_width,
            )
        backprop_encoder(backprop_network(1.0))
        # read after the backward pass: it waits for a GPU
        check_loss(self.name, loss.value, examples)
        if sgd:  # spaCy passes None or False for no update
            self.finish_update(sgd)
        losses[self.name] += loss.value
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights. Clips by the global norm if the optimizer supports it."""
        # one update at the rate 0 is common: the first or the last one of a schedule
        self._updates_at_zero = 0 if sgd.learn_rate else self._updates_at_zero + 1
        self._warner.warn(Warnings.J920, self._updates_at_zero >= 2, name=self.name)
        network = network_of(self.model)
        network.count_update()
        if isinstance(sgd, AdamW):
            with sgd.collected(network.stages()):
                self.model.finish_update(sgd)
        else:
            self.model.finish_update(sgd)

    @property
    def random_state(self) -> dict[str, Any]:
        """The state of the generator that draws negative samples, as JSON."""
        return dict(self._rng.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state

    @contextmanager
    def _explained_labels(self) -> Iterator[None]:
        try:
            yield
        except UnknownLabel as error:
            if len(error.args) > 2:
                raise self._refuse_given(*error.args[1:]) from error
            raise explain_unknown_label(error, self.name, self.label_data) from error

    # saving ---------------------------------------------------------------------------

    def __setstate__(self, state: Any) -> None:
        """Restore the component from a pickle, which does not call the constructor."""
        super().__setstate__(state)  # type: ignore[misc]
        register_extension(self.cfg["attr"])

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "JointRelationExtractor":
        """Load from bytes.

        RAISES (ValueError): J520 for invalid settings, J308, J309, J317, J321 or J322
            for an invalid model.
        """
        with self._checked_loading():
            super().from_bytes(bytes_data, exclude=exclude)
        return self

    def from_disk(
        self, path: str | Path, *, exclude: Iterable[str] = ()
    ) -> "JointRelationExtractor":
        """Load from a directory. See ``from_bytes`` for the errors."""
        with self._checked_loading():
            super().from_disk(path, exclude=exclude)
        return self

    @contextmanager
    def _checked_loading(self) -> Iterator[None]:
        """Raise J520 for errors of spaCy in damaged data, and check the settings."""
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
        self._set_windows()

    # prediction -----------------------------------------------------------------------

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Predict without changing the Docs.

        docs (Iterable[Doc]): The Docs. A Doc without tokens gets an empty prediction.
        RETURNS (list[Prediction]): One per Doc, in order.
        RAISES (ValueError): J301 before initialization, J305 for a listener without
            upstream component; J430 for scores that are not finite; J532 or J534
            for given entities.
        """
        docs = list(docs)
        self._require_network()
        if not any(len(doc) for doc in docs):
            return [Prediction([], []) for _ in docs]
        self._require_upstream(docs)
        # (with windows of a Doc, its sentences do not matter)
        if not self.cfg["several_sentences"] and self.cfg["windows"] != "doc":
            self._sentences.check(docs)
        if self._given is not None:
            return self.predict_given(docs, self._read_given(docs, self._given))
        scores = self.model.predict((docs, self.cfg["max_span_width"]))
        if scores.n_truncated and not self._logged_truncation:
            # common before the first updates, when the user can do nothing about it
            self._logged_truncation = True
            count = scores.n_truncated
            logger.warning(Warnings.J905.format(count=count, limit=MAX_PAIRED_ENTITIES))
        return self._decode(
            scores, docs, self.entity_labels, overlapping=self._overlapping
        )

    def _read_given(
        self, docs: Sequence[Doc], given: GivenSettings
    ) -> list[list[GivenEntity]]:
        """Read the given entities of Docs.

        RAISES (ValueError): J532 for an outdated span group, J534 for an unknown label.
        """
        entities, n_unset, n_unknown = [], 0, 0
        for doc in docs:
            rows = given_entities(doc, given.source)
            n_unset += rows is None and len(doc) > 0
            kept = []
            for row in rows or ():
                if given.unknown == "keep" or row[2] in self.entity_labels:
                    kept.append(row)
                elif given.unknown == "skip":
                    n_unknown += 1
                else:
                    raise self._refuse_given(row[2], doc[row[0] : row[1]].text)
            entities.append(kept)
        self._warner.warn_about_given(
            self.name, given.source, n_unset=n_unset, n_unknown=n_unknown
        )
        return entities

    def _refuse_given(self, label: str, text: str) -> JREError:
        """RETURNS (JREError): The error J534 for a given entity."""
        return JREError(
            Errors.J534.format(
                name=self.name,
                label=label,
                text=text,
                source=self.cfg["entities"],
                labels=", ".join(self.entity_labels),
            )
        )

    def predict_given(
        self, docs: Iterable[Doc], entities: Sequence[Sequence[GivenEntity]]
    ) -> list[Prediction]:
        """Predict the relations between given entities, without changing the Docs.

        docs (Iterable[Doc]): The Docs.
        entities (Sequence): The entities of each Doc: start and end token and label,
            end exclusive. A label that is not a label of the component is possible: no
            network reads the labels. `constraints` apply to them.
        RETURNS (list[Prediction]): One per Doc, in order. All entities are included,
            with the score 1.
        RAISES (ValueError): As in ``predict``.
        """
        docs = list(docs)
        self._require_network()
        if not any(len(doc) for doc in docs):
            return [Prediction([], []) for _ in docs]
        self._require_upstream(docs)
        scores, labels = score_given(self.model, docs, entities, self.entity_labels)
        return self._decode(scores, docs, labels, overlapping=None)

    def _decode(
        self,
        scores: JointScores,
        docs: Sequence[Doc],
        entity_labels: Sequence[str],
        *,
        overlapping: Sequence[Sequence[str]] | None,
    ) -> list[Prediction]:
        scores = to_host(scores)
        if not is_finite(scores):
            raise NotFinite(
                Errors.J430.format(
                    name=self.name, count=len(docs), docs=describe_docs(docs)
                )
            )
        return decode(
            scores,
            len(docs),
            entity_labels=entity_labels,
            relation_labels=self.relation_labels,
            threshold=self.cfg["threshold"],
            label_thresholds=self.cfg["label_thresholds"],
            symmetric=frozenset(self.cfg["symmetric"]),
            overlapping=overlapping,
            table=self._table,
        )

    @property
    def _overlapping(self) -> list[list[str]] | None:
        """The labels of entities that can overlap. None for all, also if those of the
        training data are not known."""
        tables = {"keep": None, "best": [], "auto": self.cfg["overlapping"]}
        return tables[self.cfg["overlaps"]]

    @property
    def _table(self) -> list[list[str]] | None:
        """The relations that can be predicted. None for all, also if the table of the
        training data is not known."""
        constraints = self.cfg["constraints"]
        if isinstance(constraints, str):
            return self.cfg["triples"] if constraints == "infer" else None
        return constraints

    def predict_tags(self, docs: Iterable[Doc]) -> list[list[str]]:
        """Predict the token tags with which STSN is trained, without changing the Docs.

        The entities of a prediction do not depend on them. They show what the label
        rows have learned.

        docs (Iterable[Doc]): The Docs.
        RETURNS (list[list[str]]): The tag of each token, such as "B-PER", per Doc.
        RAISES (ValueError): J440 for a network without tags, J301 before
            initialization, J305 for a listener without upstream component.
        """
        docs = list(docs)
        self._require_network()
        if not self.cfg["tags"]:
            raise JREError(Errors.J440.format(name=self.name))
        tags = [["O"] * len(doc) for doc in docs]
        if any(tags):
            self._require_upstream(docs)
            windows, columns = predict_tags(self.model, docs)
            for doc, start, end, first in zip(
                windows.doc.tolist(),
                windows.start.tolist(),
                windows.end.tolist(),
                windows.first_token.tolist(),
                strict=True,
            ):
                found = columns[first : first + end - start].tolist()
                tags[doc][start:end] = [self.cfg["tags"][column] for column in found]
        return tags

    def set_annotations(
        self, docs: Iterable[Doc], scores: Sequence[Prediction]
    ) -> None:
        """Set predictions on the Docs.

        docs (Iterable[Doc]): The Docs.
        scores (Sequence[Prediction]): The result of ``predict``.
        """
        for doc, prediction in zip(docs, scores, strict=True):
            spans = [
                Span(doc, start, end, label=label)
                for start, end, label, _ in prediction.entities
            ]
            entities = [
                StoredEntity(span.start_char, span.end_char, label, score)
                for span, (*_, label, score) in zip(
                    spans, prediction.entities, strict=True
                )
            ]
            relations = [
                StoredRelation(*entities[head][:3], *entities[tail][:3], label, score)
                for head, tail, label, score in prediction.relations
            ]
            write_annotations(
                doc,
                entities,
                relations,
                self.cfg["attr"],
                spans=spans,
                spans_key=self.cfg["spans_key"],
            )
            if self.cfg["overwrite_ents"] and self._given is None:
                chosen = [spans[i] for i in choose_entities(prediction.entities)]
                if self.cfg["overwrite_ents"] == "merge":
                    chosen += _not_overlapping(doc.ents, chosen)
                doc.set_ents(chosen)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Process a stream in batches.

        If a batch fails, its Docs are processed one by one, so that only the failing
        Docs are passed to the error handler and missing in the stream.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): Number of Docs per batch.
        YIELDS (Doc): The Docs, in order.
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


def _not_overlapping(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """RETURNS (list[Span]): The spans without a token of the others."""
    taken = {token for other in others for token in range(other.start, other.end)}
    return [span for span in spans if taken.isdisjoint(range(span.start, span.end))]


def _batches(stream: Iterable[Doc], size: int) -> Iterator[list[Doc]]:
    docs = iter(stream)
    while batch := list(islice(docs, size)):
        yield batch
