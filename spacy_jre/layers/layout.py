"""What goes into a joint network and what comes out, beside the vectors."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Where windows, tokens, spans and pairs lie in a flat batch.

    Windows lie one after the other; token and unit numbers run over the whole batch
    and a token range never leaves its window.

    unit_counts (Tensor): Units per window. Shape: (W,).
    token_counts (Tensor): Tokens per window. Shape: (W,).
    token_units (Tensor): Unit range of each token, end exclusive; empty for a token
        without units. Shape: (T, 2).
    longest_window (int): Most tokens of a window.
    longest_units (int): Most units of a window.
    longest_token (int): Most units of a token.
    spans (Tensor): Token ranges to classify, end exclusive. Shape: (S, 2).
    pairs (Tensor | None): Positions of head and tail in the spans, shape: (P, 2).
        None: the network proposes the pairs of its own entities.
    width_counts (tuple[int, ...]): Where pairs is None, the spans are all spans of
        all windows sorted by width; how many have width 1, 2, ...
    pair_limits (Tensor | None): Where pairs is None, the most entities of each
        window to pair (None: as many as it has tokens). Shape: (W,).
    pair_chunk (int): Pairs to score at once where the network proposes them.
    """

    unit_counts: Tensor
    token_counts: Tensor
    token_units: Tensor
    longest_window: int
    longest_units: int
    longest_token: int
    spans: Tensor
    pairs: Tensor | None = None
    width_counts: tuple[int, ...] = ()
    pair_limits: Tensor | None = None
    pair_chunk: int = 20000

    @property
    def n_tokens(self) -> int:
        return self.token_units.shape[0]


class JointOutputs(NamedTuple):
    """
    entity_logits (Tensor): Column 0 is "none". Shape: (S, E + 1).
    pairs (Tensor): The given pairs, or the proposed ones in both orders. (P, 2).
    relation_logits (Tensor): One independent logit per label. Shape: (P, R).
    n_truncated (Tensor): Windows that proposed more entities than were paired. Scalar.
    tag_logits (Tensor | None): In learning, of a network that learns the tags of
        tokens too. Shape: (T, tags).
    """

    entity_logits: Tensor
    pairs: Tensor
    relation_logits: Tensor
    n_truncated: Tensor
    tag_logits: Tensor | None = None


class Targets(NamedTuple):
    """What the outputs should be: arrays outside of a network, tensors inside.

    entities (Any): Column of each span, 0 for none. Shape: (S,), int64.
    relations (Any): 1 for each label that a pair has. Shape: (P, R), float32.
    tags (Any): Column of each token's tag, -100 where nobody annotated it; None for
        a network that learns no tags. Shape: (T,), int64.
    """

    entities: Any
    relations: Any
    tags: Any = None
