"""The attention of a transformer's sentence vector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model

from ..layers.attention_map import AttentionMap, AxisLabel, TokenAxis
from .torch_node import device_of, to_tensor
from .transformer import encoder_of, pad_sequences, read_sequences


def cls_attention(model: Model[Any, Any], docs: Sequence[Doc]) -> list[AttentionMap]:
    """Compute the attention of the sentence vector in the last layer.

    model (Model): The result of ``build_transformer_encoder_v1``.
    docs (Sequence[Doc]): The Docs.
    RETURNS (list[AttentionMap]): One per window, with the columns "[CLS]" and "other"
        for the sequence's remaining units: special tokens and context. Empty if the
        transformer has no [CLS] or does not return its weights.
    """
    module = encoder_of(model)
    if module.cls_position is None:
        return []
    device = device_of(model.layers[0])
    sequences = read_sequences(model, docs)
    token_units = to_tensor(sequences.token_units, device)
    windows = sequences.windows
    maps, first_unit = [], 0
    module.eval()
    for number, count in enumerate(sequences.counts.tolist()):
        padded = pad_sequences(module, sequences, np.asarray([number]))
        with torch.inference_mode():
            weights = module.attention(*(to_tensor(one, device) for one in padded))
        if weights is None:
            return []
        row = weights[0, :, module.cls_position].float()
        first = int(sequences.skip[number])
        of_units, own = row[:, first : first + count], row[:, module.cls_position]
        token = int(windows.first_token[number])
        own_tokens = token_units[token : token + int(windows.counts[number])]
        tokens = TokenAxis(own_tokens - first_unit, count)
        rest = row.sum(1) - of_units.sum(1) - own
        columns = torch.cat(
            [tokens.keys(of_units), torch.stack([own, rest], 1)], 1
        ).unsqueeze(1)
        labels: tuple[AxisLabel, ...] = (*tokens.labels, "[CLS]", "other")
        maps.append(AttentionMap(columns, ("[CLS]",), labels))
        first_unit += count
    return maps
