"""From whatever an encoder returns to units: the adapter outside the slot.

What stands at `model.tok2vec` is bare, since ``nlp.replace_listeners`` rewrites that
config block and swaps that node, and a saved pipeline loads only if both still
agree. So the adapter looks at the node it finds, each time it runs.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers import (
    TransformerListener,
    TransformerModel,
    split_trf_batch,
)
from thinc.api import Model, Ops, chain
from transformers.file_utils import ModelOutput

from ..errors import Errors, JREError, Warnings
from ..types import Encoded, EncodedGradient, Windows
from .transformer import backprop_mean, mean_per_window
from .windows import sentence_windows


def with_units(tok2vec: Model) -> Model[list[Doc], Encoded]:
    """Append the adapter to the encoder in the slot.

    tok2vec (Model): Our transformer, a listener, a stock TransformerModel, or
        anything that gives one vector per token.
    RETURNS (Model): Gives units, sentence vectors and windows for a batch of Docs.
    """
    if isinstance(tok2vec, TransformerModel):
        # the very node that replace_listeners leaves in the graph
        tok2vec = chain(tok2vec, split_trf_batch())
    return Model("jre-units", forward, init=init, layers=[tok2vec])


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    model.layers[0].initialize(X=X)


def forward(
    model: Model[list[Doc], Encoded], docs: list[Doc], is_train: bool
) -> tuple[Encoded, Callable[[EncodedGradient], Any]]:
    tok2vec = model.layers[0]
    outputs, backprop = tok2vec(docs, is_train)
    if isinstance(outputs, Encoded):
        return outputs, backprop
    xp = model.ops.xp
    if not isinstance(outputs, (list, tuple)) or len(outputs) != len(docs):
        raise JREError(Errors.J303.format(kind=type(outputs).__name__))
    if all(isinstance(output, TransformerData) for output in outputs):
        return _from_transformer(xp, docs, outputs, backprop)
    for output in outputs:
        if getattr(output, "ndim", None) != 2:
            raise JREError(Errors.J303.format(kind=f"a {type(output).__name__}"))
    return _from_tokens(model.ops, docs, outputs, backprop)


def count_missing_upstream(model: Model, docs: Sequence[Doc]) -> tuple[int, str]:
    """Ask before predicting whether a listener's upstream has run on the Docs.

    Listeners answer with zeros otherwise, without a word.

    RETURNS (tuple[int, str]): Docs with tokens but without upstream output, and the
        name of the upstream component.
    """
    for node in listeners_of(model):
        if isinstance(node, TransformerListener):
            missing = [d for d in docs if len(d) and d._.trf_data is None]
            return len(missing), _upstream_name(node, "transformer")
        missing = [d for d in docs if len(d) and d.tensor.size == 0]
        return len(missing), _upstream_name(node, "tok2vec")
    return 0, ""


def waits_for_upstream(model: Model) -> bool:
    """Tell whether a listener got no batch from its upstream for this update."""
    return any(node._batch_id is None for node in listeners_of(model))


def listeners_of(model: Model) -> list[Any]:
    """RETURNS (list): The nodes that listen to an upstream component."""
    kinds = (TransformerListener, Tok2VecListener)
    return [node for node in model.walk() if isinstance(node, kinds)]


def _upstream_name(node: Any, default: str) -> str:
    return default if node.upstream_name == "*" else node.upstream_name


# one vector per token ---------------------------------------------------------------


def _from_tokens(
    ops: Ops, docs: Sequence[Doc], vectors: Sequence[Any], backprop: Callable
) -> tuple[Encoded, Callable[[EncodedGradient], Any]]:
    xp = ops.xp
    windows = sentence_windows(docs)
    # spacy-transformers gives a Doc without tokens no width
    filled = [v for v in vectors if len(v)]
    if filled:
        units = xp.concatenate([xp.asarray(v, dtype="float32") for v in filled])
    else:
        width = max((v.shape[1] for v in vectors), default=0)
        units = xp.zeros((0, width), dtype="float32")
    counts = windows.counts
    numbers = np.arange(windows.n_tokens, dtype=np.int64)
    encoded = Encoded(
        windows=windows,
        units=units,
        sentence=mean_per_window(ops, units, counts),
        unit_counts=counts,
        token_units=np.stack([numbers, numbers + 1], 1),
    )

    def backprop_tokens(gradient: EncodedGradient) -> Any:
        d_units = gradient.units + backprop_mean(ops, gradient.sentence, counts)
        ends = np.cumsum([len(doc) for doc in docs])
        return backprop(
            [d_units[e - len(doc) : e] for doc, e in zip(docs, ends, strict=True)]
        )

    return encoded, backprop_tokens


# wordpieces of spacy-transformers -----------------------------------------------------


def _from_transformer(
    xp: Any, docs: Sequence[Doc], outputs: Sequence[TransformerData], backprop: Callable
) -> tuple[Encoded, Callable[[EncodedGradient], Any]]:
    doc_numbers, starts, ends = [], [], []
    unit_rows, unit_counts, token_units = [], [], []
    sentence_rows = []
    states: list[Any] = []
    n_units = n_cut_off = 0
    for number, (doc, data) in enumerate(zip(docs, outputs, strict=True)):
        state = data.model_output.get("last_hidden_state")
        states.append(state)
        if len(doc) == 0:
            continue
        n_cut_off += sum(
            size == 0 and not token.is_space
            for token, size in zip(doc, _to_host(data.align.lengths), strict=True)
        )
        for window in _windows_of(doc, data):
            doc_numbers.append(number)
            starts.append(window.start)
            ends.append(window.end)
            first, last = window.positions
            unit_rows.append((number, window.row, first, last))
            unit_counts.append(last - first)
            sentence_rows.append((number, window.row))
            token_units.append(window.token_units + n_units)
            n_units += last - first
    if n_cut_off:
        warnings.warn(Warnings.J908.format(count=n_cut_off), stacklevel=2)
    width = max((s.shape[-1] for s in states if s is not None), default=0)
    units = xp.zeros((n_units, width), dtype="float32")
    sentence = xp.zeros((len(unit_rows), width), dtype="float32")
    position = 0
    for index, (number, row, first, last) in enumerate(unit_rows):
        units[position : position + last - first] = states[number][row, first:last]
        sentence[index] = states[number][row, 0]
        position += last - first
    encoded = Encoded(
        windows=Windows(
            np.asarray(doc_numbers, dtype=np.int64),
            np.asarray(starts, dtype=np.int64),
            np.asarray(ends, dtype=np.int64),
        ),
        units=units,
        sentence=sentence,
        unit_counts=np.asarray(unit_counts, dtype=np.int64),
        token_units=(
            np.concatenate(token_units)
            if token_units
            else np.zeros((0, 2), dtype=np.int64)
        ),
    )

    def backprop_transformer(gradient: EncodedGradient) -> Any:
        d_states: list[Any] = [
            None if s is None else xp.zeros(s.shape, dtype="float32") for s in states
        ]
        position = 0
        for index, (number, row, first, last) in enumerate(unit_rows):
            size = last - first
            d_states[number][row, first:last] += gradient.units[
                position : position + size
            ]
            d_states[number][row, 0] += gradient.sentence[index]
            position += size
        # a Doc without tokens has no output, and gets no gradient
        return backprop(
            [
                TransformerData(
                    model_output=ModelOutput(last_hidden_state=d_state),
                    wordpieces=data.wordpieces,
                    align=data.align,
                )
                for data, d_state in zip(outputs, d_states, strict=True)
                if d_state is not None
            ]
        )

    return encoded, backprop_transformer


class _Window:
    """Tokens start..end of a Doc, their units at positions of one row of its output."""

    def __init__(self, row: int, start: int):
        self.row = row
        self.start = start
        self.end = start
        self.ranges: list[tuple[int, int] | None] = []

    @property
    def positions(self) -> tuple[int, int]:
        filled = [r for r in self.ranges if r is not None]
        if not filled:
            return 0, 0
        return filled[0][0], max(end for _, end in filled)

    @property
    def token_units(self) -> np.ndarray:
        """Unit range of each token, counted from the window's first unit."""
        first, _ = self.positions
        ranges, last = [], 0
        for token in self.ranges:
            if token is None:
                ranges.append((last, last))
            else:
                ranges.append((token[0] - first, token[1] - first))
                last = token[1] - first
        return np.asarray(ranges, dtype=np.int64).reshape(-1, 2)


def _windows_of(doc: Doc, data: TransformerData) -> list[_Window]:
    """The upstream's windows, read off the alignment of tokens to wordpieces."""
    state = data.model_output.get("last_hidden_state")
    length = state.shape[1] if state is not None and state.ndim == 3 else 1
    lengths = np.asarray(_to_host(data.align.lengths))
    flat = np.asarray(_to_host(data.align.dataXd)).reshape(-1)
    windows: list[_Window] = []
    offset = 0
    for token, size in zip(doc, lengths, strict=True):
        pieces = flat[offset : offset + size]
        offset += size
        if size == 0:
            # no piece, so no row of its own: it stays with the token before it
            if not windows:
                windows.append(_Window(0, 0))
            windows[-1].ranges.append(None)
            windows[-1].end = token.i + 1
            continue
        rows = np.unique(pieces // length)
        if len(rows) > 1:
            raise JREError(Errors.J304.format(token=token.i, text=token.text))
        row = int(rows[0])
        positions = pieces % length
        if not windows:
            windows.append(_Window(row, token.i))
        elif windows[-1].row != row:
            if all(r is None for r in windows[-1].ranges):
                windows[-1].row = row  # only tokens without pieces so far
            else:
                windows.append(_Window(row, token.i))
        windows[-1].ranges.append((int(positions.min()), int(positions.max()) + 1))
        windows[-1].end = token.i + 1
    return windows


def _to_host(array: Any) -> np.ndarray:
    return array.get() if hasattr(array, "get") else array
