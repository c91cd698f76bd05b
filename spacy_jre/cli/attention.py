"""`spacy jre attention`: heat maps of the attention on the tokens of a text."""

from pathlib import Path
from typing import Any

import spacy
from spacy.cli._util import setup_gpu
from spacy.tokens import Doc

from ..display.figure import check_format
from ..display.heat_maps import HeatMap, draw_heat_maps
from ..errors import Errors, JREError
from ..layers.attention_map import AttentionMap, AxisLabel
from ..pipeline.attention import attention_of
from .components import choose_component


def draw_attention(
    model: str, text: str, output: Path, *, component: str = "", gpu_id: int = -1
) -> list[str]:
    """Draw the attention of a pipeline for a text.

    model (str): Name or path of a pipeline.
    text (str): The text.
    output (Path): The file to write, .svg or .png.
    component (str): Name of the component. Can be empty if there is only one.
    RETURNS (list[str]): The names of the maps.
    RAISES (ValueError): J330 if the network has no attention, J331 if the text has no
        tokens, J722 or J740 for the component, and those of ``draw_heat_maps``.
    """
    check_format(output)
    setup_gpu(gpu_id, silent=True)
    nlp = spacy.load(model)
    name = choose_component(nlp, model, component)
    # the components before it can be its encoder
    with nlp.select_pipes(disable=nlp.pipe_names[nlp.pipe_names.index(name) :]):
        doc = nlp(text)
    pipe: Any = nlp.get_pipe(name)
    prediction, windows = attention_of(pipe, doc)
    if not windows:
        raise JREError(Errors.J331)
    marked = {i for start, end, *_ in prediction.entities for i in range(start, end)}
    groups = [
        (
            f"Sentence {number}" if len(windows) > 1 else "",
            [_heat_map(doc, key, one, marked) for key, one in window.maps.items()],
        )
        for number, window in enumerate(windows, 1)
    ]
    draw_heat_maps(groups, output)
    return list(dict.fromkeys(one.name for _, maps in groups for one in maps))


def _heat_map(doc: Doc, name: str, found: AttentionMap, marked: set[int]) -> HeatMap:
    """RETURNS (HeatMap): The mean over the heads, with texts as labels. The tokens of
    predicted entities are marked."""
    return HeatMap(
        name,
        found.weights.mean(0).cpu().numpy(),
        [_text(doc, label) for label in found.rows],
        [_text(doc, label) for label in found.columns],
        frozenset(
            number
            for number, label in enumerate(found.columns)
            if not isinstance(label, str) and label[0][0] in marked
        ),
        has_mean=found.rows == found.columns,
    )


def _text(doc: Doc, label: AxisLabel) -> str:
    if isinstance(label, str):
        return label
    return " → ".join(doc[start:end].text for start, end in label)
