"""Run a component in stages, and read a meter between them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..architectures.bridge import score_all
from ..pipeline.joint_extractor import JointRelationExtractor
from .parts import transformers_of

# of the component; components before it follow "tokenizer" with their names
TOKENIZER = "tokenizer"
WORDPIECES = "wordpieces and batches"
ENCODER = "encoder"
NETWORK = "network"
DECODING = "decoding"


def run_stages(
    nlp: Language,
    component: JointRelationExtractor,
    docs: Sequence[Doc],
    batch_size: int,
    read: Callable[[], float],
) -> dict[str, float]:
    """Predict Docs, and measure each stage.

    nlp (Language): The pipeline.
    component (JointRelationExtractor): A component of the pipeline.
    docs (Sequence[Doc]): Docs without annotations, which get the predictions.
    batch_size (int): Number of Docs per batch.
    read (Callable): Reads the meter: for example a clock that waits for the device.
    RETURNS (dict[str, float]): The difference of the meter in each stage: the
        tokenizer, the components before the component by their names, and the stages
        of the component. "encoder" is the transformer itself, also where it runs inside
        the network (LAI-Net). Without a transformer of its own, it is all that comes
        before the network.
    """
    earlier = nlp.pipeline[: nlp.pipe_names.index(component.name)]
    transformers = transformers_of(component.model)
    names = [TOKENIZER, *(name for name, _ in earlier)]
    totals = dict.fromkeys([*names, WORDPIECES, ENCODER, NETWORK, DECODING], 0.0)
    meter = _Meter(read, totals)
    max_width = component.cfg["max_span_width"]
    with ExitStack() as stack:
        for module in transformers:
            stack.callback(module.register_forward_pre_hook(meter.enter).remove)
            stack.callback(module.register_forward_hook(meter.leave).remove)
        for first in range(0, len(docs), batch_size):
            batch = list(docs[first : first + batch_size])
            meter.start()
            for doc in batch:
                nlp.make_doc(doc.text)
            meter.stop(TOKENIZER)
            for name, pipe in earlier:
                batch = list(_run(pipe, batch, batch_size))
                meter.stop(name)
            encoded = component.model.get_ref("encoder").predict(batch)
            meter.stop(WORDPIECES if transformers else ENCODER)
            scores = score_all(component.model, encoded, max_width)
            meter.stop(NETWORK)
            component.set_annotations(batch, component.decode(scores, batch))
            meter.stop(DECODING)
    return totals


class _Meter:
    """Adds the differences of a meter to the stages."""

    def __init__(self, read: Callable[[], float], totals: dict[str, float]):
        self._read = read
        self._totals = totals
        self._started = self._entered = self._inside = 0.0

    def start(self) -> None:
        self._started = self._read()

    def stop(self, name: str) -> None:
        """Add the difference since the last stage, without that of the transformers."""
        now = self._read()
        self._totals[name] += now - self._started - self._inside
        self._totals[ENCODER] += self._inside
        self._started, self._inside = now, 0.0

    def enter(self, *_: Any) -> None:
        self._entered = self._read()

    def leave(self, *_: Any) -> None:
        self._inside += self._read() - self._entered


def _run(pipe: Any, docs: list[Doc], batch_size: int) -> Any:
    if hasattr(pipe, "pipe"):
        return pipe.pipe(docs, batch_size=batch_size)
    return map(pipe, docs)
