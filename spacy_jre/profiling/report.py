"""Measure a pipeline on a corpus: SINET's table 5 and LAI-Net's table 3."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.sentences import sentence_ranges
from ..architectures.bridge import network_of
from ..errors import Errors, JREError
from ..pipeline.joint_extractor import JointRelationExtractor
from .flops import count_flops
from .machine import cpu_name
from .memory import PeakMemory
from .parts import count_parameters
from .stages import run_stages

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
ROUNDS = 3


@dataclass(frozen=True)
class BatchCost:
    """The cost of a prediction with a batch size.

    batch_size (int): Docs per batch.
    seconds (float): The time for all Docs: the median of the rounds.
    docs_per_second, sentences_per_second, tokens_per_second (float): The speed.
    peak_memory (int | None): Bytes.
    """

    batch_size: int
    seconds: float
    docs_per_second: float
    sentences_per_second: float
    tokens_per_second: float
    peak_memory: int | None


@dataclass(frozen=True)
class Profile:
    """
    device (str): Name of the GPU, or the CPU and the number of threads.
    docs, sentences, tokens (int): Size of the data.
    parameters (dict[str, int]): "encoder" and "network".
    flops (dict[str, int]): Floating-point operations by stage, for all Docs, one Doc
        per batch. See ``count_flops``.
    memory_kind (str): See ``PeakMemory``.
    batches (list[BatchCost]): One per batch size.
    best (int): The fastest batch size.
    seconds (dict[int, dict[str, float]]): Seconds by stage, for the smallest and the
        best batch size. See ``run_stages``.
    """

    device: str
    docs: int
    sentences: int
    tokens: int
    parameters: dict[str, int]
    flops: dict[str, int]
    memory_kind: str
    batches: list[BatchCost]
    best: int
    seconds: dict[int, dict[str, float]]

    def as_json(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): All fields."""
        return asdict(self)


def profile(
    nlp: Language,
    component: JointRelationExtractor,
    docs: Sequence[Doc],
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    rounds: int = ROUNDS,
) -> Profile:
    """Measure the cost of a prediction.

    The batch sizes are measured in turn in each round, so that a change of the machine
    affects all of them. A first round warms up and measures the memory.

    nlp (Language): The pipeline. Components after the component do not run.
    component (JointRelationExtractor): The component.
    docs (Sequence[Doc]): Docs without annotations. They are not changed.
    batch_sizes (Sequence[int]): Numbers of Docs per batch.
    rounds (int): Measurements of each batch size.
    RETURNS (Profile): The measurements.
    RAISES (ValueError): J332 without Docs with tokens, J301 if the component is not
        initialized.
    """
    docs = [doc for doc in docs if len(doc)]
    if not docs:
        raise JREError(Errors.J332)
    sizes = sorted(set(batch_sizes))
    device = next(network_of(component.model).parameters()).device
    memory = PeakMemory(device)
    clock = _clock(device)
    later = nlp.pipe_names[nlp.pipe_names.index(component.name) + 1 :]
    times: dict[int, list[float]] = {size: [] for size in sizes}
    peaks: dict[int, int | None] = {}
    with nlp.select_pipes(disable=later):
        # the memory of a larger batch can stay reserved, so the sizes are ascending
        for number in range(rounds + 1):
            for size in sizes:
                copies = [doc.copy() for doc in docs]
                memory.reset()
                start = clock()
                for _ in nlp.pipe(copies, batch_size=size):
                    pass
                seconds = clock() - start
                if number:
                    times[size].append(seconds)
                else:
                    peaks[size] = memory.read()
    medians = {size: median(values) for size, values in times.items()}
    best = min(sizes, key=lambda size: medians[size])
    stages = {
        size: _stages(nlp, component, docs, size, rounds)
        for size in dict.fromkeys((sizes[0], best))
    }
    n_sentences = sum(len(list(sentence_ranges(doc))) for doc in docs)
    n_tokens = sum(len(doc) for doc in docs)
    return Profile(
        device=_describe(device),
        docs=len(docs),
        sentences=n_sentences,
        tokens=n_tokens,
        parameters=count_parameters(nlp, component),
        flops=count_flops(nlp, component, [doc.copy() for doc in docs]),
        memory_kind=memory.kind,
        batches=[
            BatchCost(
                size,
                seconds,
                len(docs) / seconds,
                n_sentences / seconds,
                n_tokens / seconds,
                peaks[size],
            )
            for size, seconds in medians.items()
        ],
        best=best,
        seconds=stages,
    )


def _stages(
    nlp: Language,
    component: JointRelationExtractor,
    docs: Sequence[Doc],
    size: int,
    rounds: int,
) -> dict[str, float]:
    """RETURNS (dict[str, float]): The median of each stage."""
    clock = _clock(next(network_of(component.model).parameters()).device)
    found = [
        run_stages(nlp, component, [doc.copy() for doc in docs], size, clock)
        for _ in range(rounds)
    ]
    return {name: median(one[name] for one in found) for name in found[0]}


def _clock(device: torch.device) -> Any:
    """RETURNS (Callable): A clock that waits until a GPU has finished."""
    if device.type != "cuda":
        return time.perf_counter

    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()}, {torch.get_num_threads()} thread(s)"
