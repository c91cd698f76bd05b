"""Partial attention: an attention mask by the kinds of tokens."""

from typing import Literal

import torch
from torch import Tensor, nn

from .checks import check_choice

# the kinds of tokens in the input of an encoder
TEXT, ANNOTATION, MARKER, PADDING = range(4)
# the kind of a marker in the rows of its own pair; other markers are MARKER
_OWN_PAIR = 4
# the pair of a token that is not a marker
NO_PAIR = -1

Mask = Literal["invisible", "visible", "full"]
MarkersSee = Literal["all", "pair"]
MASKS = ("invisible", "visible", "full")
MARKERS_SEE = ("all", "pair")


class PartialAttention(nn.Module):
    """Compute the attention mask from the kinds of the tokens.

    Source: LAI-Net, section 3.2 and appendix B.11. ``markers_see = "pair"`` is the
    mask of levitated markers in PL-Marker (Ye et al. 2022), section 3.1. Rows are
    queries, columns are keys::

        query       text             annotation       own pair     other markers
        text        yes              visible, full    setting      setting
        annotation  visible, full    yes              full         full
        marker      yes              yes              yes          setting

    Padding is masked. Only a padded row attends to itself, because a softmax without
    keys is not defined.
    """

    seen_kinds: Tensor

    def __init__(
        self,
        *,
        mask: Mask = "invisible",
        text_sees_markers: bool = True,
        markers_see: MarkersSee = "all",
    ):
        """
        mask (str): Attention between text and annotations: "invisible" or "visible".
            "full": all tokens attend to each other (table 5).
        text_sees_markers (bool): Whether text attends to markers (appendix B.11:
            yes).
        markers_see (str): Markers attend to "all" markers or only to those of their
            own "pair".
        RAISES (ValueError): J202 for an unknown value.
        """
        super().__init__()
        check_choice("mask", mask, MASKS)
        check_choice("markers_see", markers_see, MARKERS_SEE)
        full = mask == "full"
        mutual = mask in ("visible", "full")
        markers = text_sees_markers or full
        others = markers_see == "all" or full
        # rows: queries; columns: keys (text, annotation, marker, padding, own pair)
        table = [
            [True, mutual, markers, False, markers],
            [mutual, True, full, False, full],
            [True, True, others, False, True],
            [False, False, False, False, False],
        ]
        # not saved: it follows from the settings
        self.register_buffer("seen_kinds", torch.tensor(table), persistent=False)

    def forward(self, kinds: Tensor, pairs: Tensor) -> Tensor:
        """
        kinds (Tensor): TEXT, ANNOTATION, MARKER or PADDING. Shape: (B, L).
        pairs (Tensor): Index of the pair of a marker, NO_PAIR for all other tokens.
            Shape: (B, L).
        RETURNS (Tensor): Whether a token (second axis) attends to another token
            (third axis). Shape: (B, L, L), bool.
        """
        own = (pairs.unsqueeze(2) == pairs.unsqueeze(1)) & (pairs >= 0).unsqueeze(2)
        seen = torch.where(own, _OWN_PAIR, kinds.unsqueeze(1))
        visible = self.seen_kinds[kinds.unsqueeze(2), seen]
        itself = torch.eye(kinds.shape[1], dtype=torch.bool, device=kinds.device)
        return visible | itself
