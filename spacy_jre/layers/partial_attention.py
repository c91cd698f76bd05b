"""Partial attention: which kinds of tokens see which."""

from typing import Literal

import torch
from torch import Tensor, nn

from .checks import check_choice

# the kinds of tokens, as numbers in the input of an encoder
TEXT, ANNOTATION, MARKER, PADDING = range(4)
# what a marker of the viewer's own pair is to it; other markers are MARKER
_OWN_PAIR = 4
# the pair of a token that is no marker
NO_PAIR = -1

Mask = Literal["invisible", "visible", "full"]
MarkersSee = Literal["all", "pair"]
MASKS = ("invisible", "visible", "full")
MARKERS_SEE = ("all", "pair")


class PartialAttention(nn.Module):
    """Who sees whom, from the kinds of the tokens.

    Source: LAI-Net, section 3.2 and appendix B.11; ``markers_see = "pair"`` is the
    levitated markers of PL-Marker (Ye et al. 2022), section 3.1. ::

        viewer      text             annotation       own pair     other markers
        text        yes              visible, full    by switch    by switch
        annotation  visible, full    yes              full         full
        marker      yes              yes              yes          by switch

    Padding is seen by nobody. A padded row sees itself, because a softmax over
    nothing is not a number.
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
        mask (str): Whether text and annotations see each other; "full": everything
            sees everything (table 5).
        text_sees_markers (bool): Whether text sees markers (appendix B.11: yes).
        markers_see (str): "all" markers, or those of their own "pair" only.
        RAISES (ValueError): J202 for an unknown value.
        """
        super().__init__()
        check_choice("mask", mask, MASKS)
        check_choice("markers_see", markers_see, MARKERS_SEE)
        full = mask == "full"
        mutual = mask in ("visible", "full")
        markers = text_sees_markers or full
        others = markers_see == "all" or full
        # rows: viewers, columns: seen; text, annotation, marker, padding, own pair
        table = [
            [True, mutual, markers, False, markers],
            [mutual, True, full, False, full],
            [True, True, others, False, True],
            [False, False, False, False, False],
        ]
        # no weight: it follows from the settings
        self.register_buffer("seen_kinds", torch.tensor(table), persistent=False)

    def forward(self, kinds: Tensor, pairs: Tensor) -> Tensor:
        """
        kinds (Tensor): TEXT, ANNOTATION, MARKER or PADDING. Shape: (B, L).
        pairs (Tensor): Number of the pair of a marker, NO_PAIR for all other tokens.
            Shape: (B, L).
        RETURNS (Tensor): Whether a token (second axis) sees another one (third
            axis). Shape: (B, L, L), bool.
        """
        own = (pairs.unsqueeze(2) == pairs.unsqueeze(1)) & (pairs >= 0).unsqueeze(2)
        seen = torch.where(own, _OWN_PAIR, kinds.unsqueeze(1))
        visible = self.seen_kinds[kinds.unsqueeze(2), seen]
        itself = torch.eye(kinds.shape[1], dtype=torch.bool, device=kinds.device)
        return visible | itself
