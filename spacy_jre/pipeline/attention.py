"""The attention weights of a component for the sentences of a Doc."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model

from ..architectures.bridge import network_of
from ..architectures.cls_attention import cls_attention
from ..architectures.hf_encoder import TransformerSettings
from ..errors import Errors, JREError
from ..layers.attention_map import AttentionMap, AxisLabel
from ..networks.base import JointNetwork
from ..types import Candidates, EncoderOutput, Prediction
from .joint_extractor import JointRelationExtractor

ENCODER = "encoder: last layer"


@dataclass(frozen=True)
class WindowAttention:
    """The attention weights of a sentence, or of a part of a long sentence.

    start, end (int): Token range in the Doc.
    maps (dict[str, AttentionMap]): The maps by name. Their token ranges are offsets in
        the Doc.
    """

    start: int
    end: int
    maps: dict[str, AttentionMap]


def attention_of(
    component: JointRelationExtractor, doc: Doc
) -> tuple[Prediction, list[WindowAttention]]:
    """Predict a Doc and return the attention weights.

    component (JointRelationExtractor): The component.
    doc (Doc): The Doc, which is not changed. If the encoder is a listener, its upstream
        component must have run.
    RETURNS (tuple[Prediction, list[WindowAttention]]): The prediction, and the weights
        of each window with units: those of the encoder's sentence vector, if the
        component has its own transformer with [CLS], and those of the network.
    RAISES (ValueError): J330 if the network has no attention, and the errors of
        ``predict``.
    """
    (prediction,) = component.predict([doc])
    model: Model[Any, Any] = component.model
    network = network_of(model)
    if type(network).attention_maps is JointNetwork.attention_maps:
        raise _no_attention(component, network)
    if not len(doc):
        return prediction, []
    encoded: EncoderOutput = model.get_ref("encoder").predict([doc])
    # a part per window
    parts = encoded.split(1)
    of_encoder = _encoder_maps(model, doc)
    found = []
    for number, part in enumerate(parts):
        start, end = int(part.windows.start[0]), int(part.windows.end[0])
        if not part.has_units.any():
            continue
        maps = _network_maps(model, network, part, _candidates(prediction, start, end))
        if not maps:
            raise _no_attention(component, network)
        if of_encoder:
            maps = {ENCODER: of_encoder[number], **maps}
        moved = {name: _move(one, start) for name, one in maps.items()}
        found.append(WindowAttention(start, end, moved))
    return prediction, found


def _no_attention(component: JointRelationExtractor, network: JointNetwork) -> JREError:
    known = sorted(
        kind.__name__
        for kind in JointNetwork.__subclasses__()
        if kind.attention_maps is not JointNetwork.attention_maps
    )
    return JREError(
        Errors.J330.format(
            network=network.name, name=component.name, known=", ".join(known)
        )
    )


def _encoder_maps(model: Model[Any, Any], doc: Doc) -> list[AttentionMap]:
    for node in model.get_ref("encoder").walk():
        if isinstance(node.attrs.get("settings"), TransformerSettings):
            return cls_attention(node, [doc])
    return []


def _candidates(prediction: Prediction, start: int, end: int) -> Candidates:
    """RETURNS (Candidates): Entities of a window, and the pairs of its relations."""
    spans: dict[tuple[int, int], int] = {}
    for first, last, *_ in prediction.entities:
        if start <= first and last <= end:
            spans.setdefault((first - start, last - start), len(spans))
    pairs: dict[tuple[int, int], None] = {}
    for relation in prediction.relations:
        arguments = (prediction.entities[number] for number in relation[:2])
        head, tail = (spans.get((a - start, b - start)) for a, b, *_ in arguments)
        if head is not None and tail is not None:
            pairs[head, tail] = None
    return Candidates(_rows(list(spans)), _rows(list(pairs)))


def _rows(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.asarray(pairs, dtype=np.int64).reshape(-1, 2)


def _network_maps(
    model: Model[Any, Any],
    network: JointNetwork,
    part: EncoderOutput,
    candidates: Candidates,
) -> dict[str, AttentionMap]:
    node = model.get_ref("network")
    inputs, _ = node.attrs["convert_inputs"](node, (part, candidates, None), False)
    network.eval()
    with torch.inference_mode():
        return network.attention_maps(*inputs.args)


def _move(found: AttentionMap, start: int) -> AttentionMap:
    """RETURNS (AttentionMap): A map with token ranges of the Doc."""

    def move(label: AxisLabel) -> AxisLabel:
        if isinstance(label, str):
            return label
        return tuple((first + start, last + start) for first, last in label)

    return AttentionMap(
        found.weights, tuple(map(move, found.rows)), tuple(map(move, found.columns))
    )
