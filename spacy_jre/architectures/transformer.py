"""The transformer encoder: sentence windows in sub-batches of similar length."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from spacy.attrs import ORTH
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, Ops, torch2xp, xp2torch
from torch import Tensor

from ..errors import Errors, JREError, Warnings
from ..layers.checks import check_choice, check_range
from ..types import Encoded, EncodedGradient, Windows
from .case_features import word_shape
from .header import SavedTensors, read_fields
from .hf_encoder import (
    VIEWS,
    Extras,
    HFEncoder,
    TransformerSettings,
    check_settings,
)
from .hf_header import EncoderFields
from .torch_node import (
    NotBuilt,
    device_of,
    get_module,
    is_built,
    set_module,
    to_tensor,
    torch_node,
)
from .windows import (
    ATTRIBUTE,
    SENTENCES,
    WindowSettings,
    windows_of,
    with_context,
)
from .word_pieces import split_words

Batch = list[np.ndarray]

# Cost of a forward pass, in wordpieces. On the CPU, measured with MiniLM: 32 to 128 are
# equal within the noise. On a GPU, a pass takes the time of its launches.
PASS_OVERHEAD_CPU, PASS_OVERHEAD_GPU = 64, 1024


def build_transformer_encoder_v1(
    name: str,
    tokenizer_config: dict[str, Any] = {},  # noqa: B006  (spaCy's schema wants a dict)
    transformer_config: dict[str, Any] = {},  # noqa: B006
    max_batch_pieces: int = 2048,
    mixed_precision: bool = False,
    case_features: bool = False,
    mix_layers: Literal["shared", "per_task"] | None = None,
    context_pieces: int = 0,
) -> Model[list[Doc], Encoded]:
    """spacy-jre.TransformerEncoder.v1: a transformer that is not shared.

    A window is a sentence, or the Doc if no sentence boundaries are set. A window that
    is too long for the transformer is split at token boundaries, with a warning that
    counts these windows. No token is dropped.

    name (str): A folder, a hub name, or "package:<module>". Used at initialization
        only: a saved pipeline contains the weights, configuration and tokenizer.
    tokenizer_config, transformer_config (dict): Passed to ``from_pretrained``. Custom
        code of an encoder runs only if the user allows it in the current process with
        ``spacy_jre.trust_remote_code``.
    max_batch_pieces (int): Maximum number of wordpieces, with padding, in one forward
        pass. Windows are sorted by length to reduce padding.
    mixed_precision (bool): Run the transformer in half precision: float16 on CUDA,
        bfloat16 on the CPU.
    case_features (bool): Add an embedding of the word shape of its token to the input
        of each wordpiece. For uncased transformers. See
        ``architectures/case_features.py`` for the shapes.
    mix_layers (str | None): "shared": mix the hidden states of all layers with trained
        weights. "per_task": one mix for entities and one for relations. None: the last
        layer.
    context_pieces (int): Extend each window to this number of wordpieces with the text
        before and after it in its Doc. The vectors of the added wordpieces are not
        used. 0: no context. The data must have Docs of several sentences.
    RAISES (JREError): J319 for a setting that can run code, J202 for an attention
        implementation that transformers does not ship or an unknown mix, J203 for a
        negative number.
    """
    check_range("context_pieces", context_pieces, context_pieces >= 0, "at least 0")
    check_settings(tokenizer_config, transformer_config)
    check_choice("mix_layers", mix_layers, tuple(VIEWS))
    settings = TransformerSettings(
        name,
        tokenizer_config,
        transformer_config,
        max_batch_pieces,
        mixed_precision,
        Extras(case_features, mix_layers),
        context_pieces,
    )
    wrapper = torch_node(
        NotBuilt(),
        convert_inputs=_convert_inputs,
        convert_outputs=_convert_outputs,
        plan=partial(plan_encoder, settings),
        mixed_precision=mixed_precision,
    )
    return Model(
        "jre-transformer",
        forward,
        init=init,
        layers=[wrapper],
        # not serializable: thinc does not save it, so no weights contain a path
        attrs={"settings": settings, ATTRIBUTE: SENTENCES},
    )


def plan_encoder(
    settings: TransformerSettings, fields: dict[str, Any], tensors: SavedTensors
) -> Callable[[], HFEncoder]:
    """See ``torch_node.Plan``."""
    return settings.plan(read_fields(EncoderFields, fields), tensors)


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    wrapper = model.layers[0]
    if not is_built(wrapper):
        set_module(wrapper, model.attrs["settings"].load())


def forward(
    model: Model[list[Doc], Encoded], docs: list[Doc], is_train: bool
) -> tuple[Encoded, Callable[[EncodedGradient], list[Doc]]]:
    wrapper = model.layers[0]
    module = encoder_of(model)
    settings = model.attrs["settings"]
    sequences = read_sequences(model, docs)
    windows, unit_counts, skip = sequences.windows, sequences.counts, sequences.skip
    first_unit = np.cumsum(unit_counts) - unit_counts
    n_units = len(sequences.ids)
    xp = model.ops.xp
    batches = pack(
        sequences.ends - sequences.starts + len(module.prefix) + len(module.suffix),
        settings.max_batch_pieces,
        pass_overhead(device_of(wrapper)),
    )
    units: Any = None
    sentence: Any = None
    callbacks: list[Callable[[Any, Any], None]] = []
    for batch in batches:
        padded = pad_sequences(module, sequences, batch)
        hidden, backprop_batch = wrapper(padded, is_train)
        if units is None:
            units = xp.zeros((n_units, hidden.shape[2]), dtype="float32")
            sentence = xp.zeros((len(unit_counts), hidden.shape[2]), dtype="float32")
        counts = unit_counts[batch]
        rows = np.repeat(np.arange(len(batch)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        unit_rows = xp.asarray(within + np.repeat(first_unit[batch], counts))
        columns = xp.asarray(within + np.repeat(skip[batch], counts))
        rows = xp.asarray(rows)
        window_rows = xp.asarray(batch)
        units[unit_rows] = hidden[rows, columns]
        if module.cls_position is not None:
            sentence[window_rows] = hidden[:, module.cls_position]
        if is_train:
            callbacks.append(
                _make_callback(
                    backprop_batch,
                    hidden.shape,
                    (rows, columns, unit_rows, window_rows, module.cls_position),
                    xp,
                )
            )
    if units is None:
        width = module.encoder.config.hidden_size * module.views
        units = xp.zeros((0, width), dtype="float32")
        sentence = xp.zeros((0, width), dtype="float32")
    if module.cls_position is None:
        sentence = mean_per_window(model.ops, units, unit_counts)
    encoded = Encoded(
        windows=windows,
        units=units,
        sentence=sentence,
        unit_counts=unit_counts,
        token_units=sequences.token_units,
        views=module.views,
    )

    def backprop(gradient: EncodedGradient) -> list[Doc]:
        d_units = gradient.units
        if module.cls_position is None:
            d_units = d_units + backprop_mean(model.ops, gradient.sentence, unit_counts)
        for callback in callbacks:
            callback(d_units, gradient.sentence)
        return docs

    return encoded, backprop


def encoder_of(model: Model[Any, Any]) -> HFEncoder:
    """RETURNS (HFEncoder): The torch module of ``build_transformer_encoder_v1``.
    RAISES (ValueError): J301 before initialization."""
    module = get_module(model.layers[0])
    if not isinstance(module, HFEncoder):
        raise JREError(Errors.J301)
    return module


@dataclass(frozen=True)
class Sequences:
    """The wordpieces of a batch of Docs, without special tokens.

    windows (Windows): The windows.
    ids (ndarray): The wordpiece IDs of all windows. Shape: (U,).
    shapes (ndarray | None): Their word shapes, with case features. Shape: (U,).
    counts (ndarray): Units of each window. Shape: (W,).
    sizes (ndarray): Units of each token. Shape: (T,).
    starts, ends (ndarray): The units of the sequence of each window, which can include
        context. Shape of each: (W,).
    skip (ndarray): Column of the first unit of each window in its sequence. Shape:
        (W,).
    """

    windows: Windows
    ids: np.ndarray
    shapes: np.ndarray | None
    counts: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    skip: np.ndarray

    @property
    def token_units(self) -> np.ndarray:
        """Unit range of each token. Shape: (T, 2)."""
        ends = np.cumsum(self.sizes)
        return np.stack([ends - self.sizes, ends], 1).astype(np.int64)


def read_sequences(model: Model[Any, Any], docs: Sequence[Doc]) -> Sequences:
    """Split Docs into windows, and add context to them.

    model (Model): The result of ``build_transformer_encoder_v1``.
    docs (Sequence[Doc]): The Docs.
    RETURNS (Sequences): The sequences.
    RAISES (ValueError): J301 before initialization.
    """
    module = encoder_of(model)
    windows, pieces, sizes = cut_into_pieces(
        docs, module.tokenizer, module.max_pieces, windows_of(model)
    )
    counts = np.asarray([len(p) for p in pieces], dtype=np.int64)
    shapes = None
    if module.shapes is not None:
        of_token = [word_shape(token.text) for doc in docs for token in doc]
        of_rows = np.asarray(of_token, dtype=np.int64)[
            windows.rows([len(doc) for doc in docs])
        ]
        shapes = np.repeat(of_rows, sizes)
    context = min(model.attrs["settings"].context_pieces, module.max_pieces)
    starts, ends = with_context(windows, counts, context)
    return Sequences(
        windows=windows,
        ids=np.asarray([piece for window in pieces for piece in window], np.int64),
        shapes=shapes,
        counts=counts,
        sizes=sizes,
        starts=starts,
        ends=ends,
        skip=len(module.prefix) + np.cumsum(counts) - counts - starts,
    )


def _make_callback(
    backprop: Callable[..., Any],
    shape: tuple[int, ...],
    indices: tuple[Any, ...],
    xp: Any,
) -> Callable[[Any, Any], None]:
    rows, columns, unit_rows, window_rows, cls_position = indices

    def callback(d_units: Any, d_sentence: Any) -> None:
        d_hidden = xp.zeros(shape, dtype="float32")
        d_hidden[rows, columns] = d_units[unit_rows]
        if cls_position is not None:
            d_hidden[:, cls_position] += d_sentence[window_rows]
        backprop(d_hidden)

    return callback


def cut_into_pieces(
    docs: Sequence[Doc],
    tokenizer: Any,
    limit: int,
    settings: WindowSettings = SENTENCES,
) -> tuple[Windows, list[list[int]], np.ndarray]:
    """Split Docs into windows of wordpieces.

    Every token is tokenized separately, as in SpERT, and every distinct text once.
    Whitespace tokens have no wordpieces.

    limit (int): Maximum number of wordpieces in a window.
    settings (WindowSettings): The windows.
    RETURNS (tuple): The windows, the wordpiece IDs of each window, and the number of
        wordpieces of each token of the windows. Shape of the latter: (T,).
    """
    orths = [doc.to_array(ORTH).tolist() for doc in docs]
    texts = {
        orth: doc.vocab.strings[orth]
        for doc, row in zip(docs, orths, strict=True)
        for orth in set(row)
    }
    pieces_of = split_words(tokenizer, texts.values())
    known = {orth: pieces_of[text] for orth, text in texts.items()}
    too_long = {orth for orth, ids in known.items() if len(ids) > limit}
    for orth in too_long:
        known[orth] = known[orth][:limit]
    per_doc = [[known[orth] for orth in row] for row in orths]
    sizes = np.asarray([len(p) for doc in per_doc for p in doc], dtype=np.int64)
    if too_long:
        count = sum(orth in too_long for row in orths for orth in row)
        warnings.warn(Warnings.J902.format(count=count, limit=limit), stacklevel=2)
    wholes = settings.make(docs)
    lengths = [len(doc) for doc in docs]
    windows = settings.divide(wholes, sizes[wholes.rows(lengths)], limit)
    if windows is not wholes:
        undivided = set(zip(windows.doc, windows.start, windows.end, strict=True))
        originals = zip(wholes.doc, wholes.start, wholes.end, strict=True)
        count = sum(window not in undivided for window in originals)
        how, lost = "split at token boundaries", "tokens of two parts"
        if settings.overlap:
            how = "divided into windows that overlap by half"
            lost = "tokens that are in no common window"
        warning = Warnings.J901.format(count=count, limit=limit, how=how, lost=lost)
        warnings.warn(warning, stacklevel=2)
    sizes = sizes[windows.rows(lengths)]
    pieces = [
        [piece for token in per_doc[doc][start:end] for piece in token]
        for doc, start, end in zip(windows.doc, windows.start, windows.end, strict=True)
    ]
    return windows, pieces, sizes


def pass_overhead(device: torch.device) -> int:
    """RETURNS (int): The cost of a forward pass, in wordpieces."""
    return PASS_OVERHEAD_CPU if device.type == "cpu" else PASS_OVERHEAD_GPU


def pack(lengths: np.ndarray, budget: int, overhead: int) -> Batch:
    """Sort windows by length and pack them into sub-batches.

    The sub-batches have the smallest sum of wordpieces with padding and of the overhead
    for each sub-batch. Dynamic programming over the sorted windows finds it.

    lengths (ndarray): The length of each window in wordpieces. Shape: (W,).
    budget (int): Maximum number of wordpieces in a sub-batch, with padding. A longer
        window is a separate sub-batch.
    overhead (int): The cost of a sub-batch, in wordpieces.
    RETURNS (list[ndarray]): The window indices of each sub-batch. Each window is in
        exactly one sub-batch.
    """
    order = np.argsort(-lengths, kind="stable")
    longest = np.maximum(lengths[order], 1).tolist()
    numbers = np.arange(1, len(order) + 1)
    # smallest cost of the windows from a position to the end, and the size of the
    # first sub-batch
    costs = np.zeros(len(order) + 1, dtype=np.int64)
    sizes = [0] * len(order)
    for start in range(len(order) - 1, -1, -1):
        length = longest[start]
        end = min(len(order), start + max(1, budget // length))
        of_size = length * numbers[: end - start] + costs[start + 1 : end + 1]
        sizes[start] = int(of_size.argmin()) + 1
        costs[start] = of_size[sizes[start] - 1] + overhead
    batches: Batch = []
    start = 0
    while start < len(order):
        batches.append(order[start : start + sizes[start]])
        start += sizes[start]
    return batches


def mean_per_window(ops: Ops, units: Any, counts: np.ndarray) -> Any:
    """Mean of the units of each window, or zeros without units. Shape: (W, D)."""
    if not len(units):  # thinc needs at least one row
        return ops.alloc2f(len(counts), units.shape[1])
    return ops.reduce_mean(units, ops.asarray1i(counts.tolist()))


def backprop_mean(ops: Ops, gradient: Any, counts: np.ndarray) -> Any:
    """Gradient of ``mean_per_window``. Shape: (U, D)."""
    return ops.backprop_reduce_mean(gradient, ops.asarray1i(counts.tolist()))


def pad_sequences(
    module: HFEncoder, sequences: Sequences, batch: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Add the special tokens to the sequences of a sub-batch and pad them.

    batch (ndarray): The windows of the sub-batch. Shape: (B,).
    RETURNS (tuple): Wordpiece IDs, attention mask and, if given, word shapes. Shape of
        each: (B, L).
    """
    ids, shapes = sequences.ids, sequences.shapes
    starts, ends = sequences.starts[batch], sequences.ends[batch]
    first, n_special = len(module.prefix), len(module.prefix) + len(module.suffix)
    lengths = ends - starts
    size = len(starts), int(lengths.max()) + n_special
    padded = np.full(size, module.tokenizer.pad_token_id or 0, dtype=np.int64)
    mask = np.zeros(size, dtype=np.int64)
    padded_shapes = np.zeros(size, dtype=np.int64)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        last = first + end - start
        padded[row, :first] = module.prefix
        padded[row, first:last] = ids[start:end]
        padded[row, last : last + len(module.suffix)] = module.suffix
        mask[row, : last + len(module.suffix)] = 1
        if shapes is not None:
            padded_shapes[row, first:last] = shapes[start:end]
    return (padded, mask) if shapes is None else (padded, mask, padded_shapes)


def _convert_inputs(
    model: Model[Any, Any], X: tuple[np.ndarray, ...], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], tuple[Any, ...]]]:
    device = device_of(model)
    tensors = tuple(to_tensor(array, device) for array in X)
    return ArgsKwargs(args=tensors, kwargs={}), _no_gradient


def _no_gradient(gradient: ArgsKwargs) -> tuple[()]:
    return ()


def _convert_outputs(
    model: Model[Any, Any], inputs_outputs: tuple[Any, Tensor], is_train: bool
) -> tuple[Any, Callable[[Any], ArgsKwargs]]:
    _, hidden = inputs_outputs

    def backprop(gradient: Any) -> ArgsKwargs:
        tensor = xp2torch(gradient, device=hidden.device).to(hidden.dtype)
        return ArgsKwargs(args=((hidden,),), kwargs={"grad_tensors": (tensor,)})

    return torch2xp(hidden.detach().float()), backprop
