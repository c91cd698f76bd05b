"""Convert the output of a shared `transformer` of spacy-transformers to units."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from spacy.tokens import Doc
from transformers.utils import ModelOutput

from ..errors import Errors, JREError, Warnings
from ..types import Encoded, EncodedGradient, Windows


def encode_shared(
    xp: Any, docs: Sequence[Doc], outputs: Sequence[Any], backprop: Callable[..., Any]
) -> tuple[Encoded, Callable[[EncodedGradient], Any]]:
    """Convert the wordpieces of a shared `transformer` to units.

    docs (Sequence[Doc]): The batch.
    outputs (Sequence[TransformerData]): The output of the listener, one per Doc.
    backprop (Callable): Takes the gradient of the outputs.
    RETURNS (tuple): The units and the callback that takes their gradient.
    """
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
        # a Doc without tokens has no output, so there is no gradient for it
        return backprop(
            [
                replace(data, model_output=ModelOutput(last_hidden_state=d_state))
                for data, d_state in zip(outputs, d_states, strict=True)
                if d_state is not None
            ]
        )

    return encoded, backprop_transformer


class _Window:
    """The tokens of a Doc from start to end, which are in one row of its output."""

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
        """The unit range of each token, relative to the first unit of the window."""
        first, _ = self.positions
        ranges, last = [], 0
        for token in self.ranges:
            if token is None:
                ranges.append((last, last))
            else:
                ranges.append((token[0] - first, token[1] - first))
                last = token[1] - first
        return np.asarray(ranges, dtype=np.int64).reshape(-1, 2)


def _windows_of(doc: Doc, data: Any) -> list[_Window]:
    """Get the windows of the upstream component from its alignment."""
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
            # a token without wordpieces is in the window of the previous token
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
