"""LAI-Net as a thinc model: transformers that read marked text, and the network."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, torch2xp
from thinc.types import Floats2d
from torch import Tensor, nn

from ..errors import Errors, JREError
from ..layers.checks import check_range
from ..layers.layout import JointOutputs
from ..layers.pairs import choose_entities
from ..networks.lainet import LAINet, Marked, entity_loss, mean_loss
from ..types import GoldArrays, JointScores, LabelNames, Learnt, Windows
from .bridge import DEFAULT_MAX_SPAN_WIDTH, MAX_PAIRED_ENTITIES
from .header import SavedTensors, read_fields, wrong
from .hf_encoder import HFEncoder
from .hf_header import EncoderFields
from .lainet_input import (
    Graphs,
    InputFormat,
    Texts,
    candidate_graphs,
    find_candidates,
    pad_passes,
    pair_entities,
    relation_graphs,
    undo_order,
)
from .lainet_targets import candidate_targets, find_arguments, pair_targets
from .lainet_vocabulary import (
    MARKERS,
    add_markers,
    annotate_labels,
    check_family,
    make_forms,
)
from .saved_model import SavedModel
from .torch_node import NotBuilt, get_module, is_built, set_module, torch_node
from .transformer import cut_into_pieces, pack

# spans and annotations whose vectors are held at once in prediction; bounds its memory
ROWS_PER_CHUNK = 4096
# least length of a pass, as a share of the longest it is read with
ALIKE = 0.8
# the logit of what is out of the question
NEVER = -1e4
ENTITY, RELATION = 0, 1

NetworkBuilder = Callable[..., LAINet]
FindGold = Callable[[Windows], GoldArrays]


@dataclass(frozen=True)
class Reading:
    """How a transformer is fed.

    max_length (int): Most tokens of a pass, markers not counted.
    max_candidates (int): Most spans marked in a pass.
    shared_encoder (bool): One transformer for both stages.
    annotations (dict[str, str] | None): Words for labels; None: no annotations.
    max_batch_pieces (int): Tokens, padding included, of one forward.
    """

    max_length: int
    max_candidates: int
    shared_encoder: bool
    annotations: dict[str, str] | None
    max_batch_pieces: int


@dataclass(frozen=True)
class Lesson:
    """A batch to learn from. cold (bool): See ``EntityStage``."""

    gold: GoldArrays
    cold: bool


class Taught(NamedTuple):
    """The loss of a batch, and the gold that is not in it: see ``Learnt``."""

    loss: Tensor
    unreached: int
    unread: int
    doubled: int


class MarkingTransformer(nn.Module):
    """One or two transformers, what they are fed, and the network that reads them.

    Parameter names of the transformers start with ``encoder.``, so that an
    optimizer's rates can name them.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        tokenizer: Any,
        forms: Sequence[InputFormat],
        network: LAINet,
        dims: dict[str, Any],
        reading: Reading,
    ):
        """
        encoders (Sequence[Module]): Of both stages, or one that both share.
        forms (Sequence[InputFormat]): Of both stages.
        dims (dict[str, Any]): Arguments that shape the network, for the header.
        RAISES (ValueError): J312 if the annotations leave no room for text.
        """
        super().__init__()
        self.encoder = nn.ModuleList(encoders)
        self.network = network
        self.tokenizer = tokenizer
        self.forms = list(forms)
        self.dims = dims
        self.reading = reading
        # so that both stages have room for a window
        self.max_pieces = room_for_text(encoders[0], tokenizer, forms, reading)

    @property
    def metadata(self) -> dict[str, Any]:
        """What rebuilds the module, for the header of the weights."""
        first = HFEncoder(self.encoder[0], self.tokenizer)
        return {
            **first.metadata,
            **self.dims,
            "markers": self.markers,
            "annotations": [form.annotations for form in self.forms],
        }

    @property
    def markers(self) -> list[int]:
        """Ids of start and end marker of entities, of subjects, of objects."""
        entity, relation = self.forms
        return [*entity.markers, *relation.solid, *relation.markers]

    @cached_property
    def mirrors(self) -> list[int]:
        """The mirrored label of each relation label, on the host, for targets."""
        return self.network.relation.mirrors.tolist()

    @property
    def device(self) -> torch.device:
        return self.network.relation.mirrors.device

    def read(self, docs: Sequence[Doc]) -> Texts:
        """Cut Docs into the windows that find room beside the annotations."""
        return Texts.of(*cut_into_pieces(docs, self.tokenizer, self.max_pieces))

    def forward(
        self, texts: Texts, max_width: int, lesson: Lesson | None
    ) -> JointOutputs | Taught:
        """
        texts (Texts): The windows.
        max_width (int): Widest candidate, in tokens.
        lesson (Lesson | None): In learning, the gold.
        RETURNS (JointOutputs | Taught): The scores of all candidates; in learning the
            loss.
        """
        if lesson is None:
            return self._predict(texts, max_width)
        entities, unreached = self._entity_loss(texts, max_width, lesson)
        relations, unread, doubled = self._relation_loss(texts, lesson.gold)
        return Taught(entities + relations, unreached, unread, doubled)

    # prediction

    def _predict(self, texts: Texts, max_width: int) -> JointOutputs:
        windows = texts.windows
        spans = find_candidates(texts, max_width)
        logits = self._entity_logits(texts, spans)
        token_window = torch.from_numpy(windows.token_window)
        limits = np.minimum(windows.counts, MAX_PAIRED_ENTITIES)
        entities, entity_windows, crowded = choose_entities(
            logits,
            token_window[torch.from_numpy(spans[:, 0])].to(self.device),
            torch.from_numpy(limits).to(self.device),
        )
        chosen, chosen_windows = entities.cpu().numpy(), entity_windows.cpu().numpy()
        pairs, mirrors = pair_entities(chosen_windows)
        graphs = relation_graphs(texts, spans[chosen], chosen_windows, pairs)
        n_labels = self.network.relation.n_labels
        related = logits.new_full((len(pairs), n_labels), NEVER)
        parts = self._chunks(RELATION, graphs)
        if parts:
            found = torch.cat(
                [self.network.relation(self.encode(RELATION, part)) for part in parts]
            )
            mirrored = found[torch.from_numpy(mirrors).to(self.device)]
            labels, scores = self.network.decide(found, mirrored)
            rows = (labels >= 0).nonzero().squeeze(1)
            related[rows, labels[rows]] = torch.logit(scores[rows], eps=1e-7)
        return JointOutputs(logits, entities[torch.from_numpy(pairs)], related, crowded)

    def _entity_logits(self, texts: Texts, spans: np.ndarray) -> Tensor:
        """Of the candidates; "none" for those that the filter stops. Shape: (S, E +
        1)."""
        n_columns = self.network.entity.classify.out_features
        logits = torch.full((len(spans), n_columns), NEVER, device=self.device)
        logits[:, 0] = 0.0
        first = 0
        for part in self._chunks(ENTITY, candidate_graphs(texts, spans)):
            outputs = self.network.entity(self.encode(ENTITY, part))
            logits[first + outputs.nodes] = outputs.entity_logits.float()
            first += sum(len(rows) for rows in part.spans)
        return logits

    def _chunks(self, stage: int, graphs: Graphs) -> list[Graphs]:
        return graphs.chunks(
            self.forms[stage], self.reading.max_candidates, ROWS_PER_CHUNK
        )

    # learning

    def _entity_loss(
        self, texts: Texts, max_width: int, lesson: Lesson
    ) -> tuple[Tensor, int]:
        """RETURNS (tuple): The loss, and "unreached" of ``Taught``."""
        gold = lesson.gold
        spans = find_candidates(texts, max_width)
        # what nobody annotated is no negative
        spans = spans[gold.knows_entities[texts.windows.token_window[spans[:, 0]]]]
        columns, unreached = candidate_targets(gold, spans)
        if not len(spans):
            return torch.zeros((), device=self.device), unreached
        targets = torch.from_numpy(columns).to(self.device)
        outputs = self.network.entity(
            self.encode(ENTITY, candidate_graphs(texts, spans)),
            targets > 0,
            cold=lesson.cold,
        )
        loss = entity_loss(outputs, targets, self.network.filter_weight)
        return loss, unreached

    def _relation_loss(self, texts: Texts, gold: GoldArrays) -> tuple[Tensor, int, int]:
        """RETURNS (tuple): The loss, and "unread" and "doubled" of ``Taught``."""
        arguments, relations, unread = find_arguments(gold, texts)
        windows = gold.windows[arguments]
        pairs, _ = pair_entities(windows)
        if not len(pairs):
            return torch.zeros((), device=self.device), unread, 0
        columns, doubled = pair_targets(relations, pairs, self.mirrors)
        graphs = relation_graphs(texts, gold.spans[arguments], windows, pairs)
        logits = self.network.relation(self.encode(RELATION, graphs))
        targets = torch.from_numpy(columns).to(self.device)
        return mean_loss(logits, targets), unread, doubled

    # the transformers

    def encode(self, stage: int, graphs: Graphs) -> Marked:
        """Run the passes of some graphs through the transformer of a stage.

        RETURNS (Marked): What the network reads, in the order of the graphs.
        """
        encoder = self.encoder[min(stage, len(self.encoder) - 1)]
        passes, pass_graphs = graphs.passes(
            self.forms[stage], self.reading.max_candidates
        )
        lengths = np.asarray([len(p.ids) for p in passes], dtype=np.int64)
        batches = pack_alike(lengths, self.reading.max_batch_pieces)
        answers: tuple[list[Tensor], ...] = ([], [], [])
        for batch in batches:
            padded = pad_passes(
                [passes[number] for number in batch], self.tokenizer.pad_token_id or 0
            )
            ids, positions, kinds, pairs, *places = (
                torch.from_numpy(array).to(self.device) for array in padded
            )
            hidden = encoder(
                input_ids=ids,
                position_ids=positions,
                attention_mask=self.network.attention(kinds, pairs),
                # given, since a pass may be longer than the encoder has positions
                token_type_ids=torch.zeros_like(ids),
            ).last_hidden_state.flatten(0, 1)
            for rows, where in zip(answers, places, strict=True):
                rows.append(hidden[where])
        spans, subjects, annotations = (torch.cat(rows) for rows in answers)
        counts = np.asarray([len(p.spans) for p in passes], dtype=np.int64)
        # back from sorted by length
        by_pass, by_span = (
            torch.from_numpy(order).to(self.device)
            for order in undo_order(np.concatenate(batches), counts)
        )
        numbers = np.repeat(np.arange(len(passes)), counts)
        return Marked(
            spans=spans[by_span],
            passes=torch.from_numpy(numbers).to(self.device),
            pass_graphs=torch.from_numpy(pass_graphs).to(self.device),
            n_graphs=len(graphs.windows),
            annotations=annotations[by_pass],
            subjects=subjects[by_pass],
        )


def pack_alike(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """As ``pack``, with passes of much the same length only.

    Most of a pass are markers, whose number grows with the window: a short one beside
    a long one would be padding for the most part, and attention grows with the square.
    """
    batches = []
    for batch in pack(lengths, budget):
        while len(batch):
            size = int((lengths[batch] >= ALIKE * lengths[batch[0]]).sum())
            batches.append(batch[:size])
            batch = batch[size:]
    return batches


def room_for_text(
    encoder: nn.Module, tokenizer: Any, forms: Sequence[InputFormat], reading: Reading
) -> int:
    """RETURNS (int): Most pieces of a window. RAISES (ValueError): J312 for none."""
    whole = HFEncoder(encoder, tokenizer)
    positions = whole.max_pieces + len(whole.prefix) + len(whole.suffix)
    room = min(form.room(reading.max_length, positions) for form in forms)
    if room < 1:
        raise JREError(
            Errors.J312.format(
                sizes=" and ".join(str(form.n_fixed) for form in forms),
                max_length=reading.max_length,
                positions=positions,
            )
        )
    return room


# thinc --------------------------------------------------------------------------------


def lainet_model(
    tok2vec: Model, network: NetworkBuilder, *, cold_start: int, **reading: Any
) -> Model[list[Doc], JointScores]:
    """Put a transformer and the network together.

    tok2vec (Model): spacy-jre.TransformerEncoder.v1. It is read for its settings:
        LAI-Net changes what a transformer is fed, so it runs one of its own.
    network (Callable): Makes the network from width, n_entity_labels,
        n_relation_labels and symmetric; module level or a partial.
    cold_start (int): Updates in which only gold spans are classified.
    reading: Of ``Reading``.
    RETURNS (Model): Ref "network". Attrs "build", "learn" and "count_update" are what
        a component calls to initialize, to learn and before it updates the weights.
    RAISES (ValueError): J311 for another encoder, J203 for a setting out of range.
    """
    if "load" not in tok2vec.attrs:
        raise JREError(Errors.J311.format(kind=tok2vec.name))
    settings = Reading(
        max_batch_pieces=tok2vec.attrs["max_batch_pieces"],
        **reading,
    )
    for name, value, least in (
        ("max_candidates", settings.max_candidates, 1),
        ("cold_start", cold_start, 0),
    ):
        check_range(name, value, value >= least, f"at least {least}")
    node = torch_node(
        NotBuilt(),
        convert_inputs=_convert_inputs,
        convert_outputs=_convert_outputs,
        plan=partial(_plan, tok2vec.attrs["plan"], network, settings),
        mixed_precision=tok2vec.attrs["mixed_precision"],
    )
    node.name = "jre-lainet"
    return SavedModel(
        "jre",
        forward,
        layers=[node],
        refs={"network": node},
        attrs={
            "max_span_width": DEFAULT_MAX_SPAN_WIDTH,
            "learns_tags": False,
            "build": partial(build, tok2vec.attrs["load"], network, settings),
            "learn": partial(learn, cold_start),
            "count_update": count_update,
            # saved, so that a loaded pipeline knows how far it is
            "updates": 0,
        },
    )


def forward(
    model: Model[list[Doc], JointScores], docs: list[Doc], is_train: bool
) -> tuple[JointScores, Callable]:
    node = model.get_ref("network")
    texts = _module(node).read(docs)
    return node.predict((texts, model.attrs["max_span_width"], None)), _no_backprop


def _no_backprop(gradient: Any) -> None:
    raise NotImplementedError(Errors.J315)


def learn(
    cold_start: int, model: Model, docs: Sequence[Doc], find_gold: FindGold
) -> Learnt:
    """Run a batch forward and compare with the gold.

    docs (Sequence[Doc]): The batch.
    find_gold (Callable): Gives the gold of the windows that are read.
    """
    node = model.get_ref("network")
    texts = _module(node).read(docs)
    gold = find_gold(texts.windows)
    cold = model.attrs["updates"] < cold_start
    taught, backprop = node.begin_update(
        (texts, model.attrs["max_span_width"], Lesson(gold, cold))
    )
    # a batch may have nothing to teach
    send = partial(backprop, 1.0) if taught.loss.requires_grad else _nothing
    return Learnt(
        loss=float(taught.loss.detach()),
        backprop=send,
        unreached=taught.unreached,
        unread=taught.unread,
        doubled=taught.doubled,
    )


def count_update(model: Model) -> None:
    """Count an update of the weights; before it, while gradients are there.

    One update may be made of several batches. Without a gradient it is none.
    """
    parameters = get_module(model.get_ref("network")).parameters()
    if any(parameter.grad is not None for parameter in parameters):
        model.attrs["updates"] += 1


def _nothing() -> None:
    """There is nothing to send back."""


def _module(node: Model) -> MarkingTransformer:
    module = get_module(node)
    if not isinstance(module, MarkingTransformer):
        raise JREError(Errors.J301)
    return module


def _convert_inputs(
    model: Model, X: tuple, is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], None]]:
    return ArgsKwargs(args=X, kwargs={}), _no_gradient


def _no_gradient(gradient: ArgsKwargs) -> None:
    """A text has none."""


def _convert_outputs(
    model: Model, inputs_outputs: tuple[tuple, Any], is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    (texts, max_width, _), outputs = inputs_outputs
    if is_train:
        return outputs, partial(_send, outputs.loss)
    scores = JointScores(
        windows=texts.windows,
        spans=find_candidates(texts, max_width),
        entity_logits=_to_array(outputs.entity_logits),
        pairs=outputs.pairs.cpu().numpy(),
        relation_logits=_to_array(outputs.relation_logits),
        crowded=int(outputs.crowded),
    )
    return scores, _no_backprop


def _send(loss: Tensor, gradient: float) -> ArgsKwargs:
    given = torch.full_like(loss, gradient)
    return ArgsKwargs(args=((loss,),), kwargs={"grad_tensors": (given,)})


def _to_array(logits: Tensor) -> Floats2d:
    return cast(Floats2d, torch2xp(logits.detach().float()))


# making the module --------------------------------------------------------------------


def build(
    load: Callable[[], HFEncoder],
    network: NetworkBuilder,
    reading: Reading,
    model: Model,
    labels: LabelNames,
) -> None:
    """Make the module once the labels are known.

    A module that is there keeps its transformers: the folder they came from may be
    gone.

    RAISES (ValueError): J312, J313, J314, J316 for what cannot work.
    """
    node = model.get_ref("network")
    if is_built(node):
        module = _module(node)
        encoders, tokenizer = list(module.encoder), module.tokenizer
        markers = module.markers
    else:
        loaded = load()
        check_family(loaded.encoder)
        tokenizer = loaded.tokenizer
        markers = add_markers(loaded.encoder, tokenizer)
        encoders = [loaded.encoder]
        if not reading.shared_encoder:
            encoders.append(deepcopy(loaded.encoder))
    annotations = annotate_labels(tokenizer, labels, reading.annotations)
    forms = make_forms(encoders[0], tokenizer, markers, annotations)
    dims = {
        "n_entity_labels": len(labels.entities),
        "n_relation_labels": len(labels.relations),
        "symmetric": [
            i for i, label in enumerate(labels.relations) if label in labels.symmetric
        ],
    }
    set_module(node, _assemble(encoders, tokenizer, forms, network, dims, reading))
    model.attrs["updates"] = 0


class LAINetFields(EncoderFields):
    """The header of saved weights.

    n_entity_labels, n_relation_labels (int): They shape the heads.
    symmetric (list[int]): Relation labels without a direction.
    markers (list[int]): Ids of start and end marker of entities, of subjects, of
        objects.
    annotations (list): For entity and relation labels, the pieces of each label's
        annotation.
    """

    n_entity_labels: PositiveInt
    n_relation_labels: PositiveInt
    symmetric: list[NonNegativeInt]
    markers: list[NonNegativeInt]
    annotations: list[list[list[NonNegativeInt]]]


def _plan(
    plan_encoder: Callable[[EncoderFields, SavedTensors], Callable[[], HFEncoder]],
    network: NetworkBuilder,
    reading: Reading,
    fields: dict[str, Any],
    tensors: SavedTensors,
) -> Callable[[], MarkingTransformer]:
    """See ``torch_node.Plan``."""
    found = read_fields(LAINetFields, fields)
    counts = {
        "n_entity_labels": found.n_entity_labels,
        "n_relation_labels": found.n_relation_labels,
    }
    for name, count in counts.items():
        tensors.check_size(name, count)
    if not all(label < found.n_relation_labels for label in found.symmetric):
        raise wrong("symmetric", f"has labels from {found.n_relation_labels} on")
    if len(found.markers) != len(MARKERS):
        raise wrong("markers", f"has {len(found.markers)} ids, not {len(MARKERS)}")
    annotated = [
        count if reading.annotations is not None else 0 for count in counts.values()
    ]
    if [len(labels) for labels in found.annotations] != annotated:
        raise wrong("annotations", f"must have {annotated} labels of the two stages")
    return partial(_make, plan_encoder(found, tensors), network, reading, found)


def _make(
    make_encoder: Callable[[], HFEncoder],
    network: NetworkBuilder,
    reading: Reading,
    fields: LAINetFields,
) -> MarkingTransformer:
    loaded = make_encoder()
    n_vectors = len(loaded.encoder.get_input_embeddings().weight)
    annotations = [pieces for stage in fields.annotations for pieces in stage]
    for name, ids in (("markers", [fields.markers]), ("annotations", annotations)):
        if any(number >= n_vectors for pieces in ids for number in pieces):
            raise wrong(name, f"has ids from {n_vectors} on, which have no vector")
    encoders = [loaded.encoder]
    if not reading.shared_encoder:
        encoders.append(deepcopy(loaded.encoder))
    forms = make_forms(
        loaded.encoder, loaded.tokenizer, fields.markers, fields.annotations
    )
    dims = fields.model_dump(
        include={"n_entity_labels", "n_relation_labels", "symmetric"}
    )
    return _assemble(encoders, loaded.tokenizer, forms, network, dims, reading)


def _assemble(
    encoders: Sequence[Any],
    tokenizer: Any,
    forms: Sequence[InputFormat],
    network: NetworkBuilder,
    dims: dict[str, Any],
    reading: Reading,
) -> MarkingTransformer:
    built = network(encoders[0].config.hidden_size, **dims)
    return MarkingTransformer(encoders, tokenizer, forms, built, dims, reading)
