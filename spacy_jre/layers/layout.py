"""Inputs, outputs and targets of a joint network."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Index tensors of a flat batch: windows, tokens, spans and pairs.

    The windows of a batch follow each other. Token and unit offsets count over the
    whole batch. A token range never crosses the boundary of its window.

    unit_counts (Tensor): Units per window. Shape: (W,).
    token_counts (Tensor): Tokens per window. Shape: (W,).
    token_units (Tensor): Unit range of each token, end exclusive; empty for a token
        without units. Shape: (T, 2).
    longest_window (int): Maximum number of tokens of a window.
    longest_units (int): Maximum number of units of a window.
    longest_token (int): Maximum number of units of a token.
    spans (Tensor): Token ranges to classify, end exclusive. Shape: (S, 2).
    has_empty (bool): Whether a token can be without units.
    pairs (Tensor | None): Indices of head and tail in the spans, shape: (P, 2).
        None: the network proposes pairs of the entities that it predicts.
    width_counts (tuple[int, ...]): If pairs is None, the spans are all spans of all
        windows, sorted by width. The number of spans of width 1, 2, ...
    pair_limits (Tensor | None): If pairs is None, the maximum number of entities of
        each window to pair. None: the number of its tokens. Shape: (W,).
    pair_chunk (int): Number of proposed pairs to score at once.
    host_counts (tuple[int, ...] | None): Units per window, on the host. None: a layer
        that needs them copies ``unit_counts`` from the device.
    pooled_counts (tuple[int, ...] | None): Tokens with units per window, on the host:
        the units per window after pooling to tokens.
    """

    unit_counts: Tensor
    token_counts: Tensor
    token_units: Tensor
    longest_window: int
    longest_units: int
    longest_token: int
    spans: Tensor
    has_empty: bool = True
    pairs: Tensor | None = None
    width_counts: tuple[int, ...] = ()
    pair_limits: Tensor | None = None
    pair_chunk: int = 20000
    host_counts: tuple[int, ...] | None = None
    pooled_counts: tuple[int, ...] | None = None

    @property
    def n_tokens(self) -> int:
        return self.token_units.shape[0]


class JointOutputs(NamedTuple):
    """
    entity_logits (Tensor): Column 0 is "none". Shape: (S, E + 1).
    pairs (Tensor): The given pairs, or the proposed ones in both orders. Shape: (P,
        2).
    relation_logits (Tensor): One independent logit per label. Shape: (P, R).
    n_truncated (Tensor): Number of windows with more entities than were paired.
        Scalar.
    tag_logits (Tensor | None): Logits of the token tags, only with given pairs and only
        if the network predicts tags. Shape: (T, tags).
    """

    entity_logits: Tensor
    pairs: Tensor
    relation_logits: Tensor
    n_truncated: Tensor
    tag_logits: Tensor | None = None


class Targets(NamedTuple):
    """The expected outputs: numpy arrays, or tensors inside a network.

    entities (Any): Column of each span, 0 for "none". Shape: (S,), int64.
    relations (Any): 1 for each label of a pair. Shape: (P, R), float32.
    tags (Any): Column of each token's tag, -100 if the token is unannotated. None if
        the network predicts no tags. Shape: (T,), int64.
    """

    entities: Any
    relations: Any
    tags: Any = None
