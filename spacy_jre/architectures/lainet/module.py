"""LAI-Net as a torch module: transformers that encode marked text, and the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from ...errors import Errors, JREError
from ...layers.layout import Targets
from ...layers.pairs import choose_entities
from ...networks.base import JointNetwork, Loss
from ...networks.lainet import EntityOutputs, LAINet, LAINetOutputs, MarkedSpans
from ...types import Candidates
from ..bridge import pair_limits
from ..hf_encoder import HFEncoder
from ..torch_node import to_tensor
from ..transformer import cut_into_pieces, pack, pass_overhead
from ..windows import SENTENCES, WindowSettings
from .input import (
    Graphs,
    InputFormat,
    Texts,
    candidate_graphs,
    find_readable,
    pad_passes,
    pair_entities,
    relation_graphs,
    undo_order,
)

# maximum number of spans and annotations of a chunk in prediction; limits the memory
ROWS_PER_CHUNK = 4096
ENTITY, RELATION = 0, 1


@dataclass(frozen=True)
class InputSettings:
    """Settings of the transformer's input.

    max_length (int): Maximum number of tokens of a pass, without markers.
    max_candidates (int): Maximum number of spans marked in a pass.
    shared_encoder (bool): Whether both stages share one transformer.
    annotations (dict[str, str] | None): Words for labels; None: no annotations.
    max_batch_pieces (int): Maximum number of tokens of a batch, including padding.
    """

    max_length: int
    max_candidates: int
    shared_encoder: bool
    annotations: dict[str, str] | None
    max_batch_pieces: int


class MarkingTransformer(JointNetwork):
    """One or two transformers, their input, and the network on top of them.

    Parameter names of the transformers start with ``encoder.``, so that an optimizer
    can set their learning rate.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        tokenizer: Any,
        forms: Sequence[InputFormat],
        network: LAINet,
        dims: dict[str, Any],
        input_settings: InputSettings,
    ):
        """
        encoders (Sequence[Module]): The transformers of both stages, or a shared one.
        tokenizer (Any): The tokenizer of the transformers.
        forms (Sequence[InputFormat]): The input formats of both stages.
        network (LAINet): The network.
        dims (dict[str, Any]): Arguments of the network that the header saves.
        input_settings (InputSettings): The settings of the input.
        RAISES (ValueError): J312 if a text does not fit beside the annotations.
        """
        super().__init__()
        self.encoder = nn.ModuleList(encoders)
        self.network = network
        self.tokenizer = tokenizer
        self.forms = list(forms)
        self.dims = dims
        self.input_settings = input_settings
        # a window must fit into the input of both stages
        self.max_pieces = max_window_pieces(
            encoders[0], tokenizer, forms, input_settings
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """The fields of the header of saved weights."""
        first = HFEncoder(self.encoder[0], self.tokenizer)
        return {
            **first.metadata,
            **self.dims,
            "markers": self.markers,
            "annotations": [form.annotations for form in self.forms],
        }

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def markers(self) -> list[int]:
        """IDs of the start and end markers of entities, subjects and objects."""
        entity, relation = self.forms
        return [*entity.markers, *relation.solid, *relation.markers]

    @property
    def device(self) -> torch.device:
        return self.network.relation.inverses.device

    def loss(self, outputs: LAINetOutputs, targets: Targets) -> Loss:
        return self.network.loss(outputs, targets)

    def relation_scores(self, outputs: LAINetOutputs) -> Tensor:
        return self.network.relation_scores(outputs)

    def count_update(self) -> None:
        self.network.count_update()

    def stages(self) -> Sequence[Sequence[nn.Parameter]]:
        """The parameters of both stages; empty if they share a transformer."""
        if len(self.encoder) == 1:
            return ()
        heads = (self.network.entity, self.network.relation)
        return [
            [*encoder.parameters(), *head.parameters()]
            for encoder, head in zip(self.encoder, heads, strict=True)
        ]

    def read(self, docs: Sequence[Any], windows: WindowSettings = SENTENCES) -> Texts:
        """Split Docs into windows that fit beside the annotations."""
        return Texts.of(
            *cut_into_pieces(docs, self.tokenizer, self.max_pieces, windows)
        )

    def forward(
        self, texts: Texts, candidates: Candidates, is_entity: Tensor | None
    ) -> LAINetOutputs:
        """Run both stages.

        texts (Texts): The windows.
        candidates (Candidates): Spans and pairs. Without pairs, the pairs of the
            entities that the first stage predicts are scored.
        is_entity (Tensor | None): Whether each span is an entity in the gold
            annotation; None in prediction. Shape: (S,), bool.
        RETURNS (LAINetOutputs): The outputs of both stages.
        """
        spans = candidates.spans
        rows = find_readable(texts, spans)
        if candidates.classified is not None:
            rows = rows[candidates.classified[rows]]
        index = self._tensor(rows)
        gold = None if is_entity is None else is_entity[index]
        entities = self._classify(texts, spans[rows], gold)
        logits = torch.full(
            (len(spans), self.network.entity.classify.out_features),
            -torch.inf,
            device=self.device,
        )
        # spans that were not classified get the label "none"
        logits[:, 0] = 0.0
        classified = index[entities.nodes]
        logits[classified] = entities.entity_logits.float()
        pairs, n_truncated = candidates.pairs, logits.new_zeros(())
        if pairs is None:
            limits = pair_limits(texts.windows, candidates)
            pairs, n_truncated = self._propose(texts, spans, logits, limits)
        # rank of the subject and object in the order of the text
        position = np.argsort(np.lexsort((spans[:, 1], spans[:, 0])))[pairs]
        return LAINetOutputs(
            entity_logits=logits,
            pairs=self._tensor(pairs),
            relation_logits=self._relate(
                texts, spans, pairs, learning=is_entity is not None
            ),
            n_truncated=n_truncated,
            subject_first=self._tensor(position[:, 0] < position[:, 1]),
            filter_logits=entities.filter_logits,
            filtered=index,
            classified=classified,
        )

    def _tensor(self, array: np.ndarray) -> Tensor:
        return to_tensor(array, self.device)

    def _classify(
        self, texts: Texts, spans: np.ndarray, is_entity: Tensor | None
    ) -> EntityOutputs:
        """Run the first stage.

        spans (ndarray): Spans that ``find_readable`` selected. Shape: (C, 2).
        is_entity (Tensor | None): Whether each span is an entity in the gold
            annotation; None in prediction.
        RETURNS (EntityOutputs): The outputs, with indices into the spans.
        """
        stage = self.network.entity
        graphs = candidate_graphs(texts, spans)
        parts = self._parts(ENTITY, graphs, learning=is_entity is not None)
        cold = is_entity is not None and self.network.is_cold()
        outputs, first = [], 0
        for part in parts:
            last = first + sum(len(rows) for rows in part.spans)
            gold = None if is_entity is None else is_entity[first:last]
            marked = self.encode(ENTITY, part)
            output = stage(marked, gold, cold=cold)
            outputs.append(output._replace(nodes=output.nodes + first))
            first = last
        if not outputs:
            empty = stage.classify.weight.new_zeros((0, stage.classify.out_features))
            nodes = torch.zeros(0, dtype=torch.long, device=self.device)
            return EntityOutputs(None, nodes, empty)
        filtered = [o.filter_logits for o in outputs if o.filter_logits is not None]
        return EntityOutputs(
            filter_logits=torch.cat(filtered) if filtered else None,
            nodes=torch.cat([output.nodes for output in outputs]),
            entity_logits=torch.cat([output.entity_logits for output in outputs]),
        )

    def _propose(
        self, texts: Texts, spans: np.ndarray, logits: Tensor, limits: np.ndarray
    ) -> tuple[np.ndarray, Tensor]:
        """Pair the predicted entities of each window.

        limits (ndarray): Maximum number of entities of each window. Shape: (W,).
        RETURNS (tuple): All ordered pairs of the entities of each window, shape:
            (P, 2), and the number of windows with more entities than the limit.
        """
        windows = texts.windows
        span_windows = windows.token_window[spans[:, 0]]
        best = choose_entities(logits, *to_device([span_windows, limits], self.device))
        chosen, of_window = torch.stack([best.entities, best.windows]).cpu().numpy()
        return chosen[pair_entities(of_window)], best.n_truncated

    def _relate(
        self, texts: Texts, spans: np.ndarray, pairs: np.ndarray, *, learning: bool
    ) -> Tensor:
        """Run the second stage.

        spans (ndarray): Token ranges. Shape: (S, 2).
        pairs (ndarray): Indices of the subject and object of each pair. Shape: (P, 2).
        RETURNS (Tensor): Logits in the order of the pairs. Shape: (P, K).
        """
        stage = self.network.relation
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        windows = texts.windows.token_window[spans[:, 0]]
        graphs = relation_graphs(texts, spans, windows, pairs[order])
        parts = self._parts(RELATION, graphs, learning=learning)
        if not parts:
            return stage.classify.weight.new_zeros((0, stage.classify.out_features))
        logits = torch.cat([stage(self.encode(RELATION, part)) for part in parts])
        return logits[self._tensor(np.argsort(order))]

    def _parts(self, stage: int, graphs: Graphs, *, learning: bool) -> list[Graphs]:
        """Divide the graphs in prediction.

        They stay together in training, because backprop needs all activations.
        """
        if learning:
            return [graphs] if len(graphs.windows) else []
        return graphs.chunks(
            self.forms[stage], self.input_settings.max_candidates, ROWS_PER_CHUNK
        )

    # the transformers

    def encode(self, stage: int, graphs: Graphs) -> MarkedSpans:
        """Run the passes of some graphs through the transformer of a stage.

        RETURNS (MarkedSpans): The input of the network, in the order of the graphs.
        """
        encoder: Any = self.encoder[min(stage, len(self.encoder) - 1)]
        passes, pass_graphs = graphs.passes(
            self.forms[stage], self.input_settings.max_candidates
        )
        lengths = np.asarray([len(p.ids) for p in passes], dtype=np.int64)
        batches = pack(
            lengths, self.input_settings.max_batch_pieces, pass_overhead(self.device)
        )
        outputs: tuple[list[Tensor], ...] = ([], [], [])
        for batch in batches:
            padded = pad_passes(
                [passes[number] for number in batch], self.tokenizer.pad_token_id or 0
            )
            ids, positions, kinds, pairs, *indices = to_device(padded, self.device)
            hidden = encoder(
                input_ids=ids,
                position_ids=positions,
                attention_mask=attention_mask(
                    self.network.attention(kinds, pairs), encoder.dtype
                ),
                # required if a pass is longer than the maximum number of positions
                token_type_ids=torch.zeros_like(ids),
            ).last_hidden_state.flatten(0, 1)
            for rows, index in zip(outputs, indices, strict=True):
                rows.append(hidden[index])
        spans, subjects, annotations = (torch.cat(rows) for rows in outputs)
        counts = np.asarray([len(p.spans) for p in passes], dtype=np.int64)
        numbers = np.repeat(np.arange(len(passes)), counts)
        # restore the order before sorting by length
        by_pass, by_span, span_passes, graph_numbers = to_device(
            [*undo_order(np.concatenate(batches), counts), numbers, pass_graphs],
            self.device,
        )
        return MarkedSpans(
            spans=spans[by_span],
            passes=span_passes,
            pass_graphs=graph_numbers,
            n_graphs=len(graphs.windows),
            annotations=annotations[by_pass],
            subjects=subjects[by_pass],
        )


def to_device(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """Copy arrays of integers to a device, with one copy for all of them.

    arrays (Sequence[ndarray]): The arrays. Their type is int64.
    device (torch.device): The device.
    RETURNS (list[Tensor]): The tensors, in the shapes of the arrays.
    """
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays]))
    parts = flat.to(device).split([array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]


def attention_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert LAI-Net's mask to the mask that the installed transformers expects.

    visible (Tensor): Whether a position attends to another. Shape: (B, L, L), bool.
    dtype (torch.dtype): The dtype of the transformer.
    RETURNS (Tensor): The unchanged mask for transformers < 5. For later versions, the
        values to add to the attention scores, because "eager" adds a boolean mask,
        too. Shape: (B, 1, L, L).
    """
    if int(transformers.__version__.split(".")[0]) < 5:
        return visible
    added = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return added.masked_fill(~visible, torch.finfo(dtype).min).unsqueeze(1)


def max_window_pieces(
    encoder: nn.Module,
    tokenizer: Any,
    forms: Sequence[InputFormat],
    input_settings: InputSettings,
) -> int:
    """Compute the maximum number of pieces of a window.

    RETURNS (int): The number of pieces.
    RAISES (ValueError): J312 if it is less than 1.
    """
    whole = HFEncoder(encoder, tokenizer)
    positions = whole.max_pieces + len(whole.prefix) + len(whole.suffix)
    n_pieces = min(
        form.max_text_pieces(input_settings.max_length, positions) for form in forms
    )
    if n_pieces < 1:
        raise JREError(
            Errors.J312.format(
                sizes=" and ".join(str(form.n_fixed) for form in forms),
                max_length=input_settings.max_length,
                positions=positions,
            )
        )
    return n_pieces
