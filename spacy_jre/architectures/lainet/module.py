"""LAI-Net as a torch module: transformers that read marked text, and the network."""

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
from ..bridge import MAX_PAIRED_ENTITIES
from ..hf_encoder import HFEncoder
from ..transformer import cut_into_pieces, pack
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

# spans and annotations whose vectors are held at once in prediction; bounds its memory
ROWS_PER_CHUNK = 4096
# minimum length of a pass, relative to the longest of its batch
ALIKE = 0.8
ENTITY, RELATION = 0, 1


@dataclass(frozen=True)
class Reading:
    """How a transformer is fed.

    max_length (int): Most tokens of a pass, markers not counted.
    max_candidates (int): Most spans marked in a pass.
    shared_encoder (bool): One transformer for both stages.
    annotations (dict[str, str] | None): Words for labels; None: no annotations.
    max_batch_pieces (int): Tokens, padding included, of one forward.
    """

    max_length: int
    max_candidates: int
    shared_encoder: bool
    annotations: dict[str, str] | None
    max_batch_pieces: int


class MarkingTransformer(JointNetwork):
    """One or two transformers, their input, and the network that reads the output.

    Parameter names of the transformers start with ``encoder.``, so that an
    optimizer's rates can name them.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        tokenizer: Any,
        forms: Sequence[InputFormat],
        network: LAINet,
        dims: dict[str, Any],
        reading: Reading,
    ):
        """
        encoders (Sequence[Module]): Of both stages, or one that both share.
        forms (Sequence[InputFormat]): Of both stages.
        dims (dict[str, Any]): Arguments that shape the network, for the header.
        RAISES (ValueError): J312 if the annotations leave no room for text.
        """
        super().__init__()
        self.encoder = nn.ModuleList(encoders)
        self.network = network
        self.tokenizer = tokenizer
        self.forms = list(forms)
        self.dims = dims
        self.reading = reading
        # both stages have room for a window
        self.max_pieces = room_for_text(encoders[0], tokenizer, forms, reading)

    @property
    def metadata(self) -> dict[str, Any]:
        """What rebuilds the module, for the header of the weights."""
        first = HFEncoder(self.encoder[0], self.tokenizer)
        return {
            **first.metadata,
            **self.dims,
            "markers": self.markers,
            "annotations": [form.annotations for form in self.forms],
        }

    @property
    def markers(self) -> list[int]:
        """Ids of start and end marker of entities, of subjects, of objects."""
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
        """Both stages, where each has a transformer of its own."""
        if len(self.encoder) == 1:
            return ()
        heads = (self.network.entity, self.network.relation)
        return [
            [*encoder.parameters(), *head.parameters()]
            for encoder, head in zip(self.encoder, heads, strict=True)
        ]

    def read(self, docs: Sequence[Any]) -> Texts:
        """Cut Docs into windows that fit beside the annotations."""
        return Texts.of(*cut_into_pieces(docs, self.tokenizer, self.max_pieces))

    def forward(
        self, texts: Texts, candidates: Candidates, is_entity: Tensor | None
    ) -> LAINetOutputs:
        """
        texts (Texts): The windows.
        candidates (Candidates): Spans; without pairs, those of the entities that the
            first stage finds are scored.
        is_entity (Tensor | None): In learning, which spans are entities. Shape: (S,),
            bool.
        """
        spans = candidates.spans
        rows = find_readable(texts, spans)
        index = self._tensor(rows)
        gold = None if is_entity is None else is_entity[index]
        found = self._classify(texts, spans[rows], gold)
        logits = torch.full(
            (len(spans), self.network.entity.classify.out_features),
            -torch.inf,
            device=self.device,
        )
        # "none" is certain where nothing was classified
        logits[:, 0] = 0.0
        classified = index[found.nodes]
        logits[classified] = found.entity_logits.float()
        pairs, n_truncated = candidates.pairs, logits.new_zeros(())
        if pairs is None:
            pairs, n_truncated = self._propose(texts, spans, logits)
        # positions in the text of subject and object
        position = np.argsort(np.lexsort((spans[:, 1], spans[:, 0])))[pairs]
        return LAINetOutputs(
            entity_logits=logits,
            pairs=self._tensor(pairs),
            relation_logits=self._relate(
                texts, spans, pairs, learning=is_entity is not None
            ),
            n_truncated=n_truncated,
            subject_first=self._tensor(position[:, 0] < position[:, 1]),
            filter_logits=found.filter_logits,
            filtered=index,
            classified=classified,
        )

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _classify(
        self, texts: Texts, spans: np.ndarray, is_entity: Tensor | None
    ) -> EntityOutputs:
        """Run the first stage.

        spans (ndarray): Of ``find_readable``. Shape: (C, 2).
        is_entity (Tensor | None): In learning, which of them are entities.
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
        self, texts: Texts, spans: np.ndarray, logits: Tensor
    ) -> tuple[np.ndarray, Tensor]:
        """RETURNS (tuple): All ordered pairs of the entities of each window, shape:
        (P, 2), and how many windows have more entities than are paired."""
        windows = texts.windows
        span_windows = windows.token_window[spans[:, 0]]
        limits = np.minimum(windows.counts, MAX_PAIRED_ENTITIES)
        entities, entity_windows, n_truncated = choose_entities(
            logits, self._tensor(span_windows), self._tensor(limits)
        )
        chosen = entities.cpu().numpy()
        return chosen[pair_entities(entity_windows.cpu().numpy())], n_truncated

    def _relate(
        self, texts: Texts, spans: np.ndarray, pairs: np.ndarray, *, learning: bool
    ) -> Tensor:
        """Run the second stage.

        spans (ndarray): Token ranges. Shape: (S, 2).
        pairs (ndarray): Positions of subject and object in the spans. Shape: (P, 2).
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
        """Divide what is read, in prediction; the gradient of all of it is needed at
        once."""
        if learning:
            return [graphs] if len(graphs.windows) else []
        return graphs.chunks(
            self.forms[stage], self.reading.max_candidates, ROWS_PER_CHUNK
        )

    # the transformers

    def encode(self, stage: int, graphs: Graphs) -> MarkedSpans:
        """Run the passes of some graphs through the transformer of a stage.

        RETURNS (MarkedSpans): What the network reads, in the order of the graphs.
        """
        encoder: Any = self.encoder[min(stage, len(self.encoder) - 1)]
        passes, pass_graphs = graphs.passes(
            self.forms[stage], self.reading.max_candidates
        )
        lengths = np.asarray([len(p.ids) for p in passes], dtype=np.int64)
        batches = pack_alike(lengths, self.reading.max_batch_pieces)
        answers: tuple[list[Tensor], ...] = ([], [], [])
        for batch in batches:
            padded = pad_passes(
                [passes[number] for number in batch], self.tokenizer.pad_token_id or 0
            )
            ids, positions, kinds, pairs, *places = (
                torch.from_numpy(array).to(self.device) for array in padded
            )
            hidden = encoder(
                input_ids=ids,
                position_ids=positions,
                attention_mask=attention_mask(
                    self.network.attention(kinds, pairs), encoder.dtype
                ),
                # given, since a pass may be longer than the encoder has positions
                token_type_ids=torch.zeros_like(ids),
            ).last_hidden_state.flatten(0, 1)
            for rows, where in zip(answers, places, strict=True):
                rows.append(hidden[where])
        spans, subjects, annotations = (torch.cat(rows) for rows in answers)
        counts = np.asarray([len(p.spans) for p in passes], dtype=np.int64)
        # back from sorted by length
        by_pass, by_span = (
            torch.from_numpy(order).to(self.device)
            for order in undo_order(np.concatenate(batches), counts)
        )
        numbers = np.repeat(np.arange(len(passes)), counts)
        return MarkedSpans(
            spans=spans[by_span],
            passes=torch.from_numpy(numbers).to(self.device),
            pass_graphs=torch.from_numpy(pass_graphs).to(self.device),
            n_graphs=len(graphs.windows),
            annotations=annotations[by_pass],
            subjects=subjects[by_pass],
        )


def attention_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert LAI-Net's mask to the mask that the installed transformers expects.

    visible (Tensor): Whether a position attends to another. Shape: (B, L, L), bool.
    dtype (torch.dtype): The dtype of the transformer.
    RETURNS (Tensor): The same before transformers 5. Since then the values that are
        added to the attention scores, because "eager" adds a boolean mask, too.
        Shape: (B, 1, L, L).
    """
    if int(transformers.__version__.split(".")[0]) < 5:
        return visible
    added = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return added.masked_fill(~visible, torch.finfo(dtype).min).unsqueeze(1)


def pack_alike(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """As ``pack``, with passes of much the same length only.

    Most of a pass are markers, whose number grows with the window: a short one beside
    a long one would be padding for the most part, and attention grows with the square.
    """
    batches = []
    for batch in pack(lengths, budget):
        while len(batch):
            size = int((lengths[batch] >= ALIKE * lengths[batch[0]]).sum())
            batches.append(batch[:size])
            batch = batch[size:]
    return batches


def room_for_text(
    encoder: nn.Module, tokenizer: Any, forms: Sequence[InputFormat], reading: Reading
) -> int:
    """RETURNS (int): Most pieces of a window. RAISES (ValueError): J312 for none."""
    whole = HFEncoder(encoder, tokenizer)
    positions = whole.max_pieces + len(whole.prefix) + len(whole.suffix)
    room = min(form.room(reading.max_length, positions) for form in forms)
    if room < 1:
        raise JREError(
            Errors.J312.format(
                sizes=" and ".join(str(form.n_fixed) for form in forms),
                max_length=reading.max_length,
                positions=positions,
            )
        )
    return room
