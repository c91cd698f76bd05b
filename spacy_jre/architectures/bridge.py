"""The one bridge between thinc and the joint networks."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from pydantic import PositiveInt
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, get_array_module, torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor, nn

from ..networks.base import JointOutputs, Layout
from ..types import (
    Candidates,
    Encoded,
    EncodedGradient,
    JointScores,
    ScoreGradient,
    Windows,
)
from .header import Fields, SavedTensors, read_fields
from .saved_model import SavedModel
from .torch_node import (
    NotBuilt,
    device_of,
    get_module,
    is_built,
    set_module,
    torch_node,
)
from .units import read_units

# until a component sets its own
DEFAULT_MAX_SPAN_WIDTH = 10
# entities of a window that are paired: one per token of it and no more than these
# (see layers/pairs.py; an untrained network calls most spans of a long Doc entities)
MAX_PAIRED_ENTITIES = 100
# tokens the network reads at once in prediction; bounds its memory
TOKENS_PER_PASS = 4096
# and what they may grow to where attention pads the windows of a pass to the longest
PADDED_PER_TOKEN = 4

NetworkBuilder = Callable[..., nn.Module]


def joint_model(
    tok2vec: Model,
    network: NetworkBuilder,
    *,
    mixed_precision: bool = False,
    learns_tags: bool = False,
) -> Model[list[Doc], JointScores]:
    """Put an encoder and a joint network together.

    tok2vec (Model): What stands in the slot, bare.
    network (Callable): Makes the network from width, n_entity_labels and
        n_relation_labels; module level or a partial.
    mixed_precision (bool): Half precision for the network.
    learns_tags (bool): Whether the network takes n_tags too and learns the tags of
        tokens.
    RETURNS (Model): Refs "encoder" and "network". Calling it scores all spans and
        the pairs of predicted entities; a component that learns calls the two one
        after the other, and samples spans and pairs in between.
    """
    encoder = read_units(tok2vec)
    bridge = torch_node(
        NotBuilt(),
        convert_inputs=_convert_inputs,
        convert_outputs=_convert_outputs,
        plan=partial(_plan, network, learns_tags),
        mixed_precision=mixed_precision,
    )
    bridge.name = "jre-network"
    return SavedModel(
        "jre",
        forward,
        init=init,
        layers=[encoder, bridge],
        refs={"encoder": encoder, "network": bridge},
        attrs={
            "max_span_width": DEFAULT_MAX_SPAN_WIDTH,
            "network": network,
            "learns_tags": learns_tags,
        },
    )


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    model.get_ref("encoder").initialize(X=X)


def build_network(
    model: Model,
    width: int,
    n_entity_labels: int,
    n_relation_labels: int,
    n_tags: int = 0,
) -> None:
    """Make the network once width and label counts are known.

    model (Model): A model of ``joint_model``.
    width (int): D of the encoder.
    n_tags (int): Of a network that learns tags.
    """
    bridge = model.get_ref("network")
    dims = {
        "width": width,
        "n_entity_labels": n_entity_labels,
        "n_relation_labels": n_relation_labels,
    }
    if learns_tags(model):
        dims["n_tags"] = n_tags
    set_module(bridge, _build(model.attrs["network"], dims))


def learns_tags(model: Model) -> bool:
    """Tell whether the network learns the tags of tokens, too."""
    return model.attrs.get("learns_tags", False)


def has_network(model: Model) -> bool:
    """Tell whether the network is built, that is, the component initialized."""
    return is_built(model.get_ref("network"))


def label_counts(model: Model) -> dict[str, int]:
    """How many labels the heads of the network have.

    RETURNS (dict[str, int]): "n_entity_labels", "n_relation_labels", and "n_tags" of a
        network that learns tags.
    """
    module: Any = get_module(model.get_ref("network"))
    dims: dict[str, Any] = module.dims
    return {name: value for name, value in dims.items() if name.startswith("n_")}


def _build(network: NetworkBuilder, dims: dict[str, int]) -> nn.Module:
    module = network(**dims)
    # label counts shape the heads
    module.dims = dims  # type: ignore[assignment]
    module.metadata = dims  # type: ignore[assignment]
    return module


class NetworkFields(Fields):
    """The header of a saved network: what shapes its heads."""

    width: PositiveInt
    n_entity_labels: PositiveInt
    n_relation_labels: PositiveInt


class TaggingNetworkFields(NetworkFields):
    """Of a network that learns the tags of tokens, too."""

    n_tags: PositiveInt


def _plan(
    network: NetworkBuilder,
    learns_tags: bool,
    fields: dict[str, Any],
    tensors: SavedTensors,
) -> Callable[[], nn.Module]:
    schema = TaggingNetworkFields if learns_tags else NetworkFields
    dims = read_fields(schema, fields).model_dump()
    for name, value in dims.items():
        tensors.check_size(name, value)
    return partial(_build, network, dims)


def forward(
    model: Model[list[Doc], JointScores], docs: list[Doc], is_train: bool
) -> tuple[JointScores, Callable[[ScoreGradient], Any]]:
    encoded, backprop_encoder = model.get_ref("encoder")(docs, is_train)
    max_width = model.attrs["max_span_width"]
    network = model.get_ref("network")
    if not is_train:
        parts = [
            network.predict((part, all_spans(part.windows, max_width)))
            for part in split_encoded(encoded, TOKENS_PER_PASS)
        ]
        return merge_scores(encoded.windows, parts), _no_backprop
    candidates = all_spans(encoded.windows, max_width)
    scores, backprop_network = network((encoded, candidates), is_train)

    def backprop(gradient: ScoreGradient) -> Any:
        return backprop_encoder(backprop_network(gradient))

    return scores, backprop


def _no_backprop(gradient: ScoreGradient) -> None:
    """Prediction has nothing to send back."""


def split_encoded(encoded: Encoded, max_tokens: int) -> list[Encoded]:
    """Split a long batch between windows, so that the network's memory is bounded.

    A long window does not share its pass with many short ones, which attention
    would pad to its length.

    RETURNS (list[Encoded]): At least one; none with more than `max_tokens` tokens,
        or four times as many rows when padded, but for a single longer window.
    """
    windows = encoded.windows
    max_padded = max_tokens * PADDED_PER_TOKEN
    # a network pads tokens or units
    lengths = np.maximum(windows.counts, encoded.unit_counts)
    padded = len(lengths) * lengths.max(initial=0)
    if windows.n_tokens <= max_tokens and padded <= max_padded:
        return [encoded]
    token_ends = np.cumsum(windows.counts)
    unit_ends = np.cumsum(encoded.unit_counts)
    parts = []
    first = 0
    while first < len(token_ends):
        token = token_ends[first] - windows.counts[first]
        unit = unit_ends[first] - encoded.unit_counts[first]
        last = np.searchsorted(token_ends, token + max_tokens, side="right")
        longest = np.maximum.accumulate(lengths[first:last])
        padded = longest * np.arange(1, len(longest) + 1)
        last = first + np.searchsorted(padded, max_padded, side="right")
        last = max(int(last), first + 1)
        tokens = slice(token, token_ends[last - 1])
        part = slice(first, last)
        parts.append(
            Encoded(
                windows=Windows(
                    windows.doc[part], windows.start[part], windows.end[part]
                ),
                units=encoded.units[unit : unit_ends[last - 1]],
                sentence=encoded.sentence[part],
                unit_counts=encoded.unit_counts[part],
                token_units=encoded.token_units[tokens] - unit,
            )
        )
        first = last
    return parts


def merge_scores(windows: Windows, parts: list[JointScores]) -> JointScores:
    """Undo ``split_encoded`` on the scores."""
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
        relation_logits=xp.concatenate([part.relation_logits for part in parts]),
        crowded=sum(part.crowded for part in parts),
    )


def all_spans(windows: Windows, max_width: int) -> Candidates:
    """All token spans of each window up to a width, sorted by width, then place."""
    counts = windows.counts
    n_tokens = windows.n_tokens
    window_ends = np.repeat(windows.first_token + counts, counts)
    starts = np.arange(n_tokens)
    room = window_ends - starts
    longest = min(max_width, int(counts.max())) if len(counts) else 0
    spans, width_counts = [], []
    for width in range(1, longest + 1):
        first = starts[room >= width]
        spans.append(np.stack([first, first + width], 1))
        width_counts.append(len(first))
    flat = np.concatenate(spans) if spans else np.zeros((0, 2))
    return Candidates(flat.astype(np.int64), None, tuple(width_counts))


def _convert_inputs(
    model: Model, X: tuple[Encoded, Candidates], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], EncodedGradient]]:
    encoded, candidates = X
    device = device_of(model)
    windows = encoded.windows
    sizes = encoded.token_units[:, 1] - encoded.token_units[:, 0]

    def index(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    layout = Layout(
        unit_counts=index(encoded.unit_counts),
        token_counts=index(windows.counts),
        token_units=index(encoded.token_units),
        longest_window=int(windows.counts.max(initial=0)),
        longest_units=int(encoded.unit_counts.max(initial=0)),
        longest_token=int(sizes.max(initial=0)),
        spans=index(candidates.spans),
        pairs=None if candidates.pairs is None else index(candidates.pairs),
        width_counts=candidates.width_counts,
        pair_limits=index(np.minimum(windows.counts, MAX_PAIRED_ENTITIES)),
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


def _to_array(logits: Tensor) -> Floats2d:
    return cast(Floats2d, torch2xp(logits.detach().float()))


def _or_zeros(model: Model, gradient: Any, like: Any) -> Any:
    if isinstance(gradient, Tensor):
        return torch2xp(gradient)
    return model.ops.xp.zeros(like.shape, dtype="float32")


def _convert_outputs(
    model: Model,
    inputs_outputs: tuple[tuple[Encoded, Candidates], JointOutputs],
    is_train: bool,
) -> tuple[JointScores, Callable[[ScoreGradient], ArgsKwargs]]:
    (encoded, candidates), outputs = inputs_outputs
    pairs = candidates.pairs
    scores = JointScores(
        windows=encoded.windows,
        spans=candidates.spans,
        entity_logits=_to_array(outputs.entity_logits),
        pairs=outputs.pairs.cpu().numpy() if pairs is None else pairs,
        relation_logits=_to_array(outputs.relation_logits),
        crowded=int(outputs.crowded),
        tag_logits=(
            None if outputs.tag_logits is None else _to_array(outputs.tag_logits)
        ),
    )

    def backprop(gradient: ScoreGradient) -> ArgsKwargs:
        logits = [outputs.entity_logits, outputs.relation_logits]
        arrays = [gradient.entity, gradient.relation]
        # a network may have no tags, and a caller no gradient of them
        if outputs.tag_logits is not None and gradient.tags is not None:
            logits.append(outputs.tag_logits)
            arrays.append(gradient.tags)
        gradients = tuple(
            xp2torch(array, device=tensor.device).to(tensor.dtype)
            for array, tensor in zip(arrays, logits, strict=True)
        )
        return ArgsKwargs(args=(tuple(logits),), kwargs={"grad_tensors": gradients})

    return scores, backprop
