"""The bridge between thinc and the joint networks, which are torch modules."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from pydantic import PositiveInt
from spacy.tokens import Doc
from thinc.api import (
    ArgsKwargs,
    Model,
    get_array_module,
    to_numpy,
    torch2xp,
    xp2torch,
)
from thinc.types import Floats2d
from torch import Tensor

from ..errors import Errors, JREError
from ..layers.layout import Layout, Targets
from ..networks.base import JointNetwork
from ..types import (
    Candidates,
    Encoded,
    EncodedGradient,
    EncoderOutput,
    JointScores,
    Labels,
    LossValue,
    Windows,
)
from .candidates import PairChooser, all_spans
from .header import Fields, SavedTensors, read_fields
from .saved_model import SavedModel
from .torch_node import (
    NotBuilt,
    Plan,
    device_of,
    get_module,
    is_built,
    set_module,
    to_tensor,
    torch_node,
)
from .units import listeners_of, with_units

# Maximum number of predicted entities per window that form pairs; the number of tokens
# is a limit, too. See layers/pairs.py: an untrained network predicts an entity for most
# spans of a long Doc.
MAX_PAIRED_ENTITIES = 100
# maximum number of tokens per forward pass in prediction: limits the memory
TOKENS_PER_PASS = 4096

NetworkBuilder = Callable[..., JointNetwork]
# encoder output, candidate spans and, in training only, targets
NetworkInput = tuple[Any, Candidates, Targets | None]


def joint_model(
    tok2vec: Model[Any, Any],
    network: NetworkBuilder,
    *,
    mixed_precision: bool = False,
    learns_tags: bool = False,
) -> Model[tuple[list[Doc], int], JointScores]:
    """Combine an encoder and a joint network.

    tok2vec (Model): The encoder of the config block, without an adapter.
    network (Callable): Creates the network from width, n_entity_labels,
        n_relation_labels and views. A module-level function or a partial.
    mixed_precision (bool): Whether to run the network in half precision.
    learns_tags (bool): Whether the network also takes n_tags and is trained on token
        tags.
    RETURNS (Model): See ``root_model``.
    """
    node = network_node(
        _convert_inputs,
        plan=partial(_plan, network, learns_tags),
        mixed_precision=mixed_precision,
    )
    node.name = "jre-network"
    return root_model(
        with_units(tok2vec), node, init=partial(init, network), learns_tags=learns_tags
    )


def root_model(
    encoder: Model[list[Doc], Any],
    network: Model[NetworkInput, Any],
    *,
    init: Callable[..., Any],
    learns_tags: bool = False,
) -> Model[tuple[list[Doc], int], JointScores]:
    """The model of a component.

    encoder (Model): Takes Docs and returns a ``types.EncoderOutput``.
    network (Model): The result of ``network_node``.
    init (Callable): Takes the model, Docs and Labels, and creates the network.
    RETURNS (Model): Takes Docs and the maximum span width in tokens. Scores all spans
        and the pairs of predicted entities. To train, the component calls the ref
        "encoder", samples candidates, and calls the ref "network".
    """
    return SavedModel(
        "jre",
        forward,
        init=init,
        layers=[encoder, network],
        refs={"encoder": encoder, "network": network},
        attrs={"learns_tags": learns_tags},
    )


def network_node(
    convert_inputs: Callable[..., Any], *, plan: Plan, mixed_precision: bool
) -> Model[NetworkInput, Any]:
    """Wrap a joint network in a thinc model.

    RETURNS (Model): Takes the encoder output, Candidates and, in training, Targets.
        Returns JointScores in prediction and a LossValue in training. The backprop
        callback takes the gradient of the loss, a float.
    """
    return torch_node(
        NotBuilt(),
        convert_inputs=convert_inputs,
        convert_outputs=convert_outputs,
        plan=plan,
        mixed_precision=mixed_precision,
    )


def network_of(model: Model[Any, Any]) -> JointNetwork:
    """RETURNS (JointNetwork): The torch module of a component's model.
    RAISES (JREError): J301 before initialization."""
    if not has_network(model):
        raise JREError(Errors.J301)
    return cast(JointNetwork, get_module(model.get_ref("network")))


def has_network(model: Model[Any, Any]) -> bool:
    """Check whether the network exists, that is, the component is initialized."""
    return is_built(model.get_ref("network"))


def learns_tags(model: Model[Any, Any]) -> bool:
    """Check whether the network is also trained on token tags."""
    return model.attrs["learns_tags"]


def label_counts(model: Model[Any, Any]) -> dict[str, int]:
    """Get the number of labels of each head of the network.

    RETURNS (dict[str, int]): "n_entity_labels" and "n_relation_labels"; also "n_tags"
        if the network is trained on token tags.
    """
    dims = network_of(model).dims
    return {name: value for name, value in dims.items() if name.startswith("n_")}


def init(
    network: NetworkBuilder,
    model: Model[Any, Any],
    X: Any = None,
    Y: Labels | None = None,
) -> None:
    """Initialize the encoder, and create the network if the labels are known.

    X (list[Doc]): Sample Docs with tokens.
    Y (Labels): The labels.
    RAISES (JREError): J306 if the encoder has no output width.
    """
    encoder = model.get_ref("encoder")
    try:
        encoder.initialize(X=X)
        encoded = encoder.predict(X)
        width = int(encoded.units.shape[1]) // encoded.views
    except ValueError as error:
        # a listener has no width until its upstream component is initialized
        if any(node.has_dim("nO") is None for node in listeners_of(encoder)):
            raise JREError(Errors.J306) from error
        raise
    if width == 0:
        raise JREError(Errors.J306)
    if Y is None:
        return
    dims = {
        "width": width,
        "n_entity_labels": len(Y.entities),
        "n_relation_labels": len(Y.relations),
        "views": encoded.views,
    }
    if learns_tags(model):
        dims["n_tags"] = len(Y.tags)
    set_module(model.get_ref("network"), _build(network, dims))


def _build(network: NetworkBuilder, dims: dict[str, int]) -> JointNetwork:
    module = network(**dims)
    # saved with the weights: the label counts determine the shapes of the heads
    module.dims = dims
    return module


class NetworkFields(Fields):
    """Header fields of a saved network: its inputs and the dimensions of its heads."""

    width: PositiveInt
    n_entity_labels: PositiveInt
    n_relation_labels: PositiveInt
    views: Literal[1, 2] = 1


class TaggingNetworkFields(NetworkFields):
    """Header fields of a saved network that is also trained on token tags."""

    n_tags: PositiveInt


def _plan(
    network: NetworkBuilder,
    learns_tags: bool,
    fields: dict[str, Any],
    tensors: SavedTensors,
) -> Callable[[], JointNetwork]:
    schema = TaggingNetworkFields if learns_tags else NetworkFields
    dims = read_fields(schema, fields).model_dump()
    for name, value in dims.items():
        tensors.check_size(name, value)
    return partial(_build, network, dims)


def forward(
    model: Model[tuple[list[Doc], int], JointScores],
    X: tuple[list[Doc], int],
    is_train: bool,
) -> tuple[JointScores, Callable[..., Any]]:
    docs, max_width = X
    return score_all(model, encode(model, docs), max_width), refuse_backprop


def encode(model: Model[Any, Any], docs: list[Doc]) -> EncoderOutput:
    """RETURNS (EncoderOutput): The output of the encoder of ``root_model``."""
    return cast(EncoderOutput, model.get_ref("encoder").predict(docs))


def score_all(
    model: Model[Any, Any], encoded: EncoderOutput, max_width: int
) -> JointScores:
    """Score all spans up to a width, and the pairs of those that are entities.

    model (Model): The result of ``root_model``.
    encoded (EncoderOutput): The output of its encoder.
    max_width (int): The width, in tokens.
    RETURNS (JointScores): The scores, with offsets in the batch.
    """
    if encoded.windows.overlap:
        return _score_twice(model, encoded, max_width)
    return score_candidates(
        model, encoded, lambda part: all_spans(part.windows, max_width)
    )


def score_candidates(
    model: Model[Any, Any],
    encoded: EncoderOutput,
    choose: Callable[[EncoderOutput], Candidates],
) -> JointScores:
    """Score candidates, in parts of bounded size.

    model (Model): The result of ``root_model``.
    encoded (EncoderOutput): The output of its encoder.
    choose (Callable): Takes a part of the encoder output and returns the candidates,
        with offsets in the part.
    RETURNS (JointScores): The scores, with offsets in the batch.
    """
    network = model.get_ref("network")
    parts = [
        network.predict((part, choose(part), None))
        for part in encoded.split(TOKENS_PER_PASS)
    ]
    return merge_scores(encoded.windows, parts)


def score_pairs(
    model: Model[Any, Any],
    encoded: EncoderOutput,
    ranges: np.ndarray,
    ranks: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Score all pairs of given spans that a window contains, each pair once.

    model (Model): The result of ``root_model``.
    encoded (EncoderOutput): The output of its encoder.
    ranges (ndarray): The spans: index of the Doc, start and end token. Shape: (N, 3).
    ranks (ndarray | None): Scores of the spans. In a window with more spans than tokens
        or than MAX_PAIRED_ENTITIES, those with the best scores are paired. None: all
        spans are paired. Shape: (N,).
    RETURNS (tuple[ndarray, ndarray, int]): Indices of head and tail in the spans,
        shape: (P, 2); the relation scores, shape: (P, R); and the number of windows
        with more spans than were paired.
    """
    choose = PairChooser(ranges, ranks, MAX_PAIRED_ENTITIES)
    scores = score_candidates(model, encoded, choose)
    number, pairs = choose.expand(scores.pairs)
    return pairs, to_numpy(scores.relation_scores)[number], choose.n_truncated


def _score_twice(
    model: Model[Any, Any], encoded: EncoderOutput, max_width: int
) -> JointScores:
    """Score the spans and pairs of windows that overlap.

    The network scores each span in the first window that contains it, and then each
    pair of entities in the first window that contains both. The entities of a pair can
    be from different windows, so the network cannot propose the pairs.
    """
    scores = score_candidates(
        model,
        encoded,
        lambda part: replace(all_spans(part.windows, max_width), max_paired=0),
    )
    logits = to_numpy(scores.entity_logits)
    chosen = np.flatnonzero(logits.argmax(1))
    # the order of the probabilities of the best labels
    shifted = logits[chosen] - logits[chosen].max(1, initial=-np.inf, keepdims=True)
    ranks = -np.exp(shifted).sum(1)
    ranges = encoded.windows.to_docs(scores.spans[chosen])
    pairs, related, n_truncated = score_pairs(model, encoded, ranges, ranks)
    return replace(
        scores,
        pairs=chosen[pairs],
        relation_scores=cast(Floats2d, related),
        n_truncated=n_truncated,
    )


def predict_tags(model: Model[Any, Any], docs: list[Doc]) -> tuple[Windows, np.ndarray]:
    """Predict the token tags of a network that is trained on them.

    model (Model): The result of ``joint_model``.
    docs (list[Doc]): The Docs.
    RETURNS (tuple[Windows, ndarray]): The windows, and the column of the best tag of
        each token of the batch, shape: (T,).
    """
    encoded = model.get_ref("encoder").predict(docs)
    node = model.get_ref("network")
    # the network computes tags if the pairs are given
    nothing = np.zeros((0, 2), dtype=np.int64)
    candidates = Candidates(nothing, nothing)
    columns = []
    for part in encoded.split(TOKENS_PER_PASS):
        inputs, _ = _convert_inputs(node, (part, candidates, None), False)
        outputs = node.shims[0].predict(inputs)
        columns.append(outputs.tag_logits.argmax(1).cpu().numpy())
    return encoded.windows, np.concatenate(columns)


def refuse_backprop(gradient: Any) -> None:
    """Raise an error: a prediction has no gradient. Training uses the update method."""
    raise NotImplementedError(Errors.J315)


def merge_scores(windows: Windows, parts: list[JointScores]) -> JointScores:
    """Merge the scores of the parts of ``EncoderOutput.split``."""
    if len(parts) == 1:
        return parts[0]
    xp = get_array_module(parts[0].entity_logits)
    spans, pairs = [], []
    n_tokens = n_spans = 0
    for part in parts:
        spans.append(part.spans + n_tokens)
        pairs.append(part.pairs + n_spans)
        n_tokens += part.windows.n_tokens
        n_spans += len(part.spans)
    return JointScores(
        windows=windows,
        spans=np.concatenate(spans),
        entity_logits=xp.concatenate([part.entity_logits for part in parts]),
        pairs=np.concatenate(pairs),
        relation_scores=xp.concatenate([part.relation_scores for part in parts]),
        n_truncated=sum(part.n_truncated for part in parts),
    )


def _convert_inputs(
    model: Model[Any, Any],
    X: tuple[Encoded, Candidates, Targets | None],
    is_train: bool,
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], EncodedGradient]]:
    encoded, candidates, _ = X
    device = device_of(model)
    windows = encoded.windows
    sizes = encoded.token_units[:, 1] - encoded.token_units[:, 0]
    index = partial(to_tensor, device=device)
    layout = Layout(
        unit_counts=index(encoded.unit_counts),
        token_counts=index(windows.counts),
        token_units=index(encoded.token_units),
        longest_window=int(windows.counts.max(initial=0)),
        longest_units=int(encoded.unit_counts.max(initial=0)),
        longest_token=int(sizes.max(initial=0)),
        spans=index(candidates.spans),
        has_empty=bool((sizes == 0).any()),
        pairs=None if candidates.pairs is None else index(candidates.pairs),
        width_counts=candidates.width_counts,
        pair_limits=index(pair_limits(windows, candidates)),
        host_counts=tuple(encoded.unit_counts.tolist()),
        pooled_counts=tuple(
            np.bincount(
                windows.token_window[sizes > 0], minlength=len(windows.doc)
            ).tolist()
        ),
    )
    units = xp2torch(encoded.units, requires_grad=is_train, device=device)
    sentence = xp2torch(encoded.sentence, requires_grad=is_train, device=device)

    def to_gradient(gradients: ArgsKwargs) -> EncodedGradient:
        d_units, d_sentence = gradients.args[:2]
        return EncodedGradient(
            units=_or_zeros(model, d_units, encoded.units),
            sentence=_or_zeros(model, d_sentence, encoded.sentence),
        )

    return ArgsKwargs(args=(units, sentence, layout), kwargs={}), to_gradient


def pair_limits(windows: Windows, candidates: Candidates) -> np.ndarray:
    """RETURNS (ndarray): The maximum number of entities of each window to pair. Shape:
    (W,)."""
    limit = candidates.max_paired
    return np.minimum(windows.counts, MAX_PAIRED_ENTITIES if limit is None else limit)


def _or_zeros(model: Model[Any, Any], gradient: Any, like: Any) -> Any:
    if isinstance(gradient, Tensor):
        return torch2xp(gradient)
    return model.ops.xp.zeros(like.shape, dtype="float32")


def convert_outputs(
    model: Model[Any, Any], inputs_outputs: tuple[NetworkInput, Any], is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    """Convert the outputs to scores in prediction, or to the loss in training."""
    (encoded, candidates, targets), outputs = inputs_outputs
    network = cast(JointNetwork, get_module(model))
    if targets is None:
        scores = JointScores(
            windows=encoded.windows,
            spans=candidates.spans,
            entity_logits=_to_array(outputs.entity_logits),
            pairs=outputs.pairs.cpu().numpy(),
            relation_scores=_to_array(network.relation_scores(outputs)),
            n_truncated=int(outputs.n_truncated),
        )
        return scores, refuse_backprop
    device = device_of(model)
    tensors = (None if t is None else to_tensor(t, device) for t in targets)
    loss = network.loss(outputs, Targets(*tensors))
    value = LossValue(loss.value.detach(), loss.n_multi_label)
    return value, partial(_backprop_loss, loss.value)


def _backprop_loss(loss: Tensor, gradient: float) -> ArgsKwargs:
    d_loss = torch.full_like(loss, gradient)
    return ArgsKwargs(args=((loss,),), kwargs={"grad_tensors": (d_loss,)})


def _to_array(tensor: Tensor) -> Floats2d:
    return cast(Floats2d, torch2xp(tensor.detach().float()))
