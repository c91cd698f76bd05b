"""The units and sentence vectors of the two tasks, which the networks start from."""

from typing import Literal, NamedTuple

from torch import Tensor, nn

from ..layers.checks import check_choice, check_range
from ..layers.layout import Layout
from ..layers.residual_lstm import ResidualBiLSTM
from .base import pool_units_to_tokens

Recurrent = Literal["shared", "per_task"]
# number of LSTMs
RECURRENT = {None: 0, "shared": 1, "per_task": 2}


class TaskUnits(NamedTuple):
    """
    entity, relation (Tensor): Units for entities and for relations. The same tensor if
        the tasks share encoder view and LSTM. Shape of each: (U, D).
    entity_sentence, relation_sentence (Tensor): Their sentence vectors. Shape of each:
        (W, D).
    """

    entity: Tensor
    relation: Tensor
    entity_sentence: Tensor
    relation_sentence: Tensor


class TaskInputs(nn.Module):
    """Split the output of the encoder into the inputs of the two tasks.

    Not part of the papers, except for the pooling. With the default settings, both
    tasks get the units of the encoder.
    """

    def __init__(
        self,
        width: int,
        *,
        views: int = 1,
        pooling: Literal["max"] | None = None,
        recurrent: Recurrent | None = None,
        dropout: float = 0.0,
    ):
        """
        width (int): D, the width of a view.
        views (int): Number of views in the output of the encoder. 2: the first is for
            entities, the second for relations.
        pooling (str | None): "max" pools the wordpieces of each token.
        recurrent (str | None): A residual BiLSTM over the tokens: one for both tasks
            ("shared") or one for each task ("per_task"). It pools the wordpieces of
            each token, too. The sentence vectors remain those of the encoder.
        dropout (float): Rate on the input of the LSTM.
        RAISES (ValueError): J202 or J203 for invalid settings.
        """
        super().__init__()
        check_choice("pooling", pooling, ("max", None))
        check_choice("recurrent", recurrent, tuple(RECURRENT))
        check_range("views", views, views in (1, 2), "1 or 2")
        self.views = views
        self.pools = pooling == "max" or recurrent is not None
        self.recurrent = nn.ModuleList(
            ResidualBiLSTM(width, dropout=dropout) for _ in range(RECURRENT[recurrent])
        )

    def forward(
        self, units: Tensor, sentence: Tensor, layout: Layout
    ) -> tuple[TaskUnits, Layout]:
        """
        units (Tensor): Shape: (U, views * D).
        sentence (Tensor): Shape: (W, views * D).
        layout (Layout): Windows, tokens, spans and pairs.
        RETURNS (tuple[TaskUnits, Layout]): The inputs of the tasks, and the layout
            over their units.
        """
        if self.pools:
            units, layout = pool_units_to_tokens(units, layout)
        entity = relation = units
        entity_sentence = relation_sentence = sentence
        if self.views == 2:
            entity, relation = units.chunk(2, 1)
            entity_sentence, relation_sentence = sentence.chunk(2, 1)
        if len(self.recurrent):
            counts = layout.unit_counts, layout.host_counts
            of_entity, of_relation = self.recurrent[0], self.recurrent[-1]
            shared = entity is relation and of_entity is of_relation
            entity = of_entity(entity, *counts)
            relation = entity if shared else of_relation(relation, *counts)
        return TaskUnits(entity, relation, entity_sentence, relation_sentence), layout
