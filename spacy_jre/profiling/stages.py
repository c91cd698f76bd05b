"""Run a component in stages, and read a meter between them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from torch import nn

from ..architectures.bridge import network_of
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
    meter = _Meter(read, totals, WORDPIECES if transformers else ENCODER)
    with ExitStack() as stack:
        for module in transformers:
            stack.enter_context(meter.inside(module, ENCODER))
        stack.enter_context(meter.inside(network_of(component.model), NETWORK))
        for first in range(0, len(docs), batch_size):
            batch = list(docs[first : first + batch_size])
            meter.start()
            for doc in batch:
                nlp.make_doc(doc.text)
            meter.stop(TOKENIZER)
            for name, pipe in earlier:
                batch = list(_run(pipe, batch, batch_size))
                meter.stop(name)
            component.set_annotations(batch, component.predict(batch))
            meter.stop(DECODING)
    return totals


class _Meter:
    """Adds the differences of a meter to the stages.

    The stages of the component follow from hooks: what comes before a call of the
    network belongs to the stage before, what comes after the last call to decoding.
    """

    def __init__(
        self, read: Callable[[], float], totals: dict[str, float], before: str
    ):
        """
        before (str): The stage before the network.
        """
        self._read = read
        self._totals = totals
        self._before = before
        self._last = 0.0
        self._stack: list[str] = []

    def start(self) -> None:
        self._last = self._read()

    def stop(self, name: str) -> None:
        """Add the difference since the last reading."""
        self._totals[name] += self._step()

    @contextmanager
    def inside(self, module: nn.Module, name: str) -> Iterator[None]:
        """Measure the calls of a module in the context."""

        def enter(*_: Any) -> None:
            outside = self._stack[-1] if self._stack else self._before
            self._totals[outside] += self._step()
            self._stack.append(name)

        def leave(*_: Any) -> None:
            self._totals[self._stack.pop()] += self._step()

        hooks = [
            module.register_forward_pre_hook(enter),
            module.register_forward_hook(leave),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _step(self) -> float:
        now = self._read()
        step, self._last = now - self._last, now
        return step


def _run(pipe: Any, docs: list[Doc], batch_size: int) -> Any:
    if hasattr(pipe, "pipe"):
        return pipe.pipe(docs, batch_size=batch_size)
    return map(pipe, docs)
