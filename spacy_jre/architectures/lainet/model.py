"""LAI-Net as a thinc model, created from a config or from saved weights."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

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
from ..torch_node import device_of, get_module, is_built, set_module, to_tensor
from ..windows import ATTRIBUTE, SENTENCES, windows_of
from .input import InputFormat, Texts
from .module import InputSettings, MarkingTransformer
from .vocabulary import (
    MARKERS,
    add_markers,
    annotate_labels,
    check_family,
    make_forms,
)

NetworkBuilder = Callable[..., LAINet]
# flash_attention_2 and flex_attention do not support a mask of shape (B, L, L)
ATTENTION = (None, "eager", "sdpa")


def lainet_model(
    tok2vec: Model[Any, Any], network: NetworkBuilder, **settings: Any
) -> Model[tuple[list[Doc], int], JointScores]:
    """Combine a transformer and the network.

    tok2vec (Model): spacy-jre.TransformerEncoder.v1. Only its settings are used,
        because LAI-Net changes the transformer's input and runs its own copy.
    network (Callable): Creates the network from width, n_entity_labels,
        n_relation_labels and symmetric. A module-level function or a partial of one.
    settings: Arguments of ``InputSettings``.
    RETURNS (Model): A model like that of ``bridge.joint_model``. Its encoder returns
        Texts.
    RAISES (JREError): J311 for another encoder, J203 for a setting out of range, J202
        for an attention that does not support the mask of LAI-Net, and for case
        features, mixed layers and context, which LAI-Net does not support.
    """
    transformer = tok2vec.attrs.get("settings")
    if not isinstance(transformer, TransformerSettings):
        raise JREError(Errors.J311.format(kind=tok2vec.name))
    check_choice(
        "transformer_config.attn_implementation of LAI-Net",
        transformer.transformer_config.get("attn_implementation"),
        ATTENTION,
    )
    input_settings = InputSettings(
        max_batch_pieces=transformer.max_batch_pieces, **settings
    )
    for name, value, default in (
        ("case_features", transformer.extras.case_features, False),
        ("mix_layers", transformer.extras.mix_layers, None),
        ("context_pieces", transformer.context_pieces, 0),
    ):
        check_choice(f"{name} of the encoder of LAI-Net", value, (default,))
    check_range(
        "max_candidates",
        input_settings.max_candidates,
        input_settings.max_candidates >= 1,
        "at least 1",
    )
    node = network_node(
        _convert_inputs,
        plan=partial(_plan, transformer, network, input_settings),
        mixed_precision=transformer.mixed_precision,
    )
    node.name = "jre-lainet"
    encoder: Model[list[Doc], Texts] = Model(
        "jre-pieces", _cut, layers=[node], attrs={ATTRIBUTE: SENTENCES}
    )
    return root_model(
        encoder, node, init=partial(init, transformer, network, input_settings)
    )


def _cut(
    model: Model[list[Doc], Texts], docs: list[Doc], is_train: bool
) -> tuple[Texts, Callable[[Any], list[Doc]]]:
    # wordpieces do not have a gradient
    return _module(model.layers[0]).read(docs, windows_of(model)), lambda gradient: docs


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
        is_entity = to_tensor(targets.entities > 0, device_of(model))
    return ArgsKwargs(args=(texts, candidates, is_entity), kwargs={}), _no_gradient


def _no_gradient(gradient: ArgsKwargs) -> None:
    """Skip the gradient: wordpieces do not have one."""


# creating the module ------------------------------------------------------------------


def init(
    transformer: TransformerSettings,
    network: NetworkBuilder,
    input_settings: InputSettings,
    model: Model[Any, Any],
    X: Any = None,
    Y: Labels | None = None,
) -> None:
    """Create the module once the labels are known.

    An existing module keeps its transformers, because the directory they were loaded
    from may not exist anymore.

    RAISES (ValueError): J312, J313 and J314 for annotations that cannot be used, J316
        for an unsupported transformer.
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
        if not input_settings.shared_encoder:
            encoders.append(deepcopy(loaded.encoder))
    annotations = annotate_labels(tokenizer, Y, input_settings.annotations)
    forms = make_forms(encoders[0], tokenizer, markers, annotations)
    dims = {
        "n_entity_labels": len(Y.entities),
        "n_relation_labels": len(Y.relations),
        "symmetric": [i for i, label in enumerate(Y.relations) if label in Y.symmetric],
    }
    set_module(
        node, _assemble(encoders, tokenizer, forms, network, dims, input_settings)
    )


class LAINetFields(EncoderFields):
    """The header of saved weights.

    n_entity_labels, n_relation_labels (int): Output sizes of the heads.
    symmetric (list[int]): Relation labels without a direction.
    markers (list[int]): IDs of the start and end markers of entities, subjects and
        objects.
    annotations (list): Pieces of the annotation of each entity label and of each
        relation label.
    """

    n_entity_labels: PositiveInt
    n_relation_labels: PositiveInt
    symmetric: list[NonNegativeInt]
    markers: list[NonNegativeInt]
    annotations: list[list[list[NonNegativeInt]]]


def _plan(
    transformer: TransformerSettings,
    network: NetworkBuilder,
    input_settings: InputSettings,
    fields: dict[str, Any],
    tensors: SavedTensors,
) -> Callable[[], MarkingTransformer]:
    """Check the header of saved weights. See ``torch_node.Plan``."""
    header = read_fields(LAINetFields, fields)
    counts = {
        "n_entity_labels": header.n_entity_labels,
        "n_relation_labels": header.n_relation_labels,
    }
    for name, count in counts.items():
        tensors.check_size(name, count)
    if not all(label < header.n_relation_labels for label in header.symmetric):
        raise wrong("symmetric", f"has labels from {header.n_relation_labels} on")
    if len(header.markers) != len(MARKERS):
        raise wrong("markers", f"has {len(header.markers)} ids, not {len(MARKERS)}")
    annotated = [
        count if input_settings.annotations is not None else 0
        for count in counts.values()
    ]
    if [len(labels) for labels in header.annotations] != annotated:
        raise wrong("annotations", f"must have {annotated} labels of the two stages")
    return partial(
        _create_from_header,
        transformer.plan(header, tensors),
        network,
        input_settings,
        header,
    )


def _create_from_header(
    make_encoder: Callable[[], HFEncoder],
    network: NetworkBuilder,
    input_settings: InputSettings,
    fields: LAINetFields,
) -> MarkingTransformer:
    loaded = make_encoder()
    n_vectors = len(loaded.encoder.get_input_embeddings().weight)
    annotations = [pieces for stage in fields.annotations for pieces in stage]
    for name, ids in (("markers", [fields.markers]), ("annotations", annotations)):
        if any(number >= n_vectors for pieces in ids for number in pieces):
            raise wrong(name, f"has ids from {n_vectors} on, which have no vector")
    encoders = [loaded.encoder]
    if not input_settings.shared_encoder:
        encoders.append(deepcopy(loaded.encoder))
    forms = make_forms(
        loaded.encoder, loaded.tokenizer, fields.markers, fields.annotations
    )
    dims = fields.model_dump(
        include={"n_entity_labels", "n_relation_labels", "symmetric"}
    )
    return _assemble(encoders, loaded.tokenizer, forms, network, dims, input_settings)


def _assemble(
    encoders: Sequence[Any],
    tokenizer: Any,
    forms: Sequence[InputFormat],
    network: NetworkBuilder,
    dims: dict[str, Any],
    input_settings: InputSettings,
) -> MarkingTransformer:
    built = network(encoders[0].config.hidden_size, **dims)
    return MarkingTransformer(encoders, tokenizer, forms, built, dims, input_settings)
