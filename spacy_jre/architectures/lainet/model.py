"""LAI-Net as a thinc model: from the config, from saved weights, and its two nodes."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from pydantic import NonNegativeInt, PositiveInt
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model

from ...errors import Errors, JREError
from ...layers.checks import check_choice, check_range
from ...layers.layout import Targets
from ...networks.lainet import LAINet
from ...types import Candidates, JointScores, Labels
from ..bridge import network_node, root_model
from ..header import SavedTensors, read_fields, wrong
from ..hf_encoder import HFEncoder, TransformerSettings
from ..hf_header import EncoderFields
from ..torch_node import device_of, get_module, is_built, set_module
from .input import InputFormat, Texts
from .module import MarkingTransformer, Reading
from .vocabulary import (
    MARKERS,
    add_markers,
    annotate_labels,
    check_family,
    make_forms,
)

NetworkBuilder = Callable[..., LAINet]
# flash_attention_2 and flex_attention take no mask of one position for another
ATTENTION = (None, "eager", "sdpa")


def lainet_model(
    tok2vec: Model[Any, Any], network: NetworkBuilder, **reading: Any
) -> Model[tuple[list[Doc], int], JointScores]:
    """Put a transformer and the network together.

    tok2vec (Model): spacy-jre.TransformerEncoder.v1. Only its settings are used:
        LAI-Net changes the transformer's input, so it runs its own copy.
    network (Callable): Makes the network from width, n_entity_labels,
        n_relation_labels and symmetric; module level or a partial.
    reading: Of ``Reading``.
    RETURNS (Model): As of ``bridge.joint_model``; its encoder gives Texts.
    RAISES (JREError): J311 for another encoder, J203 for a setting out of range, J202
        for an attention that takes no mask of LAI-Net.
    """
    transformer = tok2vec.attrs.get("settings")
    if not isinstance(transformer, TransformerSettings):
        raise JREError(Errors.J311.format(kind=tok2vec.name))
    check_choice(
        "transformer_config.attn_implementation of LAI-Net",
        transformer.transformer_config.get("attn_implementation"),
        ATTENTION,
    )
    settings = Reading(max_batch_pieces=transformer.max_batch_pieces, **reading)
    check_range(
        "max_candidates",
        settings.max_candidates,
        settings.max_candidates >= 1,
        "at least 1",
    )
    node = network_node(
        _convert_inputs,
        plan=partial(_plan, transformer, network, settings),
        mixed_precision=transformer.mixed_precision,
    )
    node.name = "jre-lainet"
    encoder: Model[list[Doc], Texts] = Model("jre-pieces", _cut, layers=[node])
    return root_model(encoder, node, init=partial(init, transformer, network, settings))


def _cut(
    model: Model[list[Doc], Texts], docs: list[Doc], is_train: bool
) -> tuple[Texts, Callable[[Any], list[Doc]]]:
    # wordpieces have no gradient
    return _module(model.layers[0]).read(docs), lambda gradient: docs


def _module(node: Model[Any, Any]) -> MarkingTransformer:
    module = get_module(node)
    if not isinstance(module, MarkingTransformer):
        raise JREError(Errors.J301)
    return module


def _convert_inputs(
    model: Model[Any, Any], X: tuple[Texts, Candidates, Targets | None], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], None]]:
    texts, candidates, targets = X
    is_entity = None
    if targets is not None:
        is_entity = torch.from_numpy(targets.entities > 0).to(device_of(model))
    return ArgsKwargs(args=(texts, candidates, is_entity), kwargs={}), _no_gradient


def _no_gradient(gradient: ArgsKwargs) -> None:
    """Wordpieces have none."""


# making the module --------------------------------------------------------------------


def init(
    transformer: TransformerSettings,
    network: NetworkBuilder,
    reading: Reading,
    model: Model[Any, Any],
    X: Any = None,
    Y: Labels | None = None,
) -> None:
    """Make the module once the labels are known.

    A module that is there keeps its transformers: the folder they came from may be
    gone.

    RAISES (ValueError): J312, J313, J314, J316 for what cannot work.
    """
    if Y is None:
        return
    node = model.get_ref("network")
    if is_built(node):
        module = _module(node)
        encoders, tokenizer = list(module.encoder), module.tokenizer
        markers = module.markers
    else:
        loaded = transformer.load()
        check_family(loaded.encoder)
        tokenizer = loaded.tokenizer
        markers = add_markers(loaded.encoder, tokenizer)
        encoders = [loaded.encoder]
        if not reading.shared_encoder:
            encoders.append(deepcopy(loaded.encoder))
    annotations = annotate_labels(tokenizer, Y, reading.annotations)
    forms = make_forms(encoders[0], tokenizer, markers, annotations)
    dims = {
        "n_entity_labels": len(Y.entities),
        "n_relation_labels": len(Y.relations),
        "symmetric": [i for i, label in enumerate(Y.relations) if label in Y.symmetric],
    }
    set_module(node, _assemble(encoders, tokenizer, forms, network, dims, reading))


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
    transformer: TransformerSettings,
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
    return partial(_make, transformer.plan(found, tensors), network, reading, found)


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
