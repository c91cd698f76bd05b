"""What the benchmarks share: the bare encoder, and interleaved measurements."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from spacy_jre.architectures.hf_encoder import HFEncoder
from spacy_jre.architectures.lainet.module import MarkingTransformer
from spacy_jre.architectures.transformer import cut_into_pieces
from spacy_jre.pipeline.joint_extractor import JointRelationExtractor

BATCH = 32


class Times(NamedTuple):
    """
    wall, cpu (list[float]): Seconds of each round.
    """

    wall: list[float]
    cpu: list[float]


class Seconds(NamedTuple):
    """The time of one run: on the clock, and of the CPU."""

    wall: float
    cpu: float


def interleave(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    prepare: Callable[[], object] = lambda: None,
    synchronize: Callable[[], object] = lambda: None,
) -> dict[str, Times]:
    """Measure variants in turn, so that a change of the machine affects all of them.

    variants (Mapping): The functions to measure, by name. A function that returns
        Seconds measures itself.
    rounds (int): Measurements of each variant. An additional first round warms up.
    prepare (Callable): Called before each measurement.
    synchronize (Callable): Waits for the device.
    RETURNS (dict[str, Times]): The times by name.
    """
    times = {name: Times([], []) for name in variants}
    for number in range(rounds + 1):
        for name, run in variants.items():
            prepare()
            synchronize()
            wall, cpu = time.perf_counter(), time.process_time()
            seconds = run()
            synchronize()
            if not isinstance(seconds, Seconds):
                seconds = Seconds(time.perf_counter() - wall, time.process_time() - cpu)
            if number:
                times[name].wall.append(seconds.wall)
                times[name].cpu.append(seconds.cpu)
    return times


def describe(values: Sequence[float], form: str = ".2f") -> str:
    """RETURNS (str): Minimum, median and maximum."""
    chosen = (min(values), median(values), max(values))
    return " / ".join(format(value, form) for value in chosen)


def find_component(nlp: Language) -> JointRelationExtractor:
    """RETURNS (JointRelationExtractor): The first one of a pipeline.
    RAISES (SystemExit): If the pipeline has none."""
    for _, component in nlp.pipeline:
        if isinstance(component, JointRelationExtractor):
            return component
    raise SystemExit(f'The pipeline has no component "jre": {nlp.pipe_names}')


def find_encoder(component: JointRelationExtractor) -> HFEncoder | None:
    """RETURNS (HFEncoder | None): The transformer of a component that is not shared.
    LAI-Net: the one of its first stage."""
    for node in component.model.walk():
        for shim in node.shims:
            module = getattr(shim, "_model", None)
            if isinstance(module, HFEncoder):
                return module
            if isinstance(module, MarkingTransformer):
                return HFEncoder(module.encoder[0], module.tokenizer)
    return None


class BareEncoder:
    """The transformer alone: sentences sorted by length, in batches of 32.

    The wordpieces are computed before, so the time is only that of the transformer,
    without case features and without a mix of its layers.
    """

    def __init__(self, encoder: HFEncoder, docs: Sequence[Doc]):
        _, pieces, _ = cut_into_pieces(docs, encoder.tokenizer, encoder.max_pieces)
        device = next(encoder.parameters()).device
        rows = sorted(
            (
                torch.tensor([*encoder.prefix, *ids, *encoder.suffix])
                for ids in pieces
                if ids
            ),
            key=len,
        )
        self.encoder = encoder
        self.batches: list[tuple[Tensor, Tensor]] = []
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            lengths = torch.tensor([len(row) for row in part])
            ids = pad_sequence(part, True, encoder.tokenizer.pad_token_id or 0)
            mask = torch.arange(ids.shape[1]) < lengths.unsqueeze(1)
            self.batches.append((ids.to(device), mask.long().to(device)))

    def __call__(self) -> None:
        transformer = self.encoder.encoder
        transformer.eval()
        with torch.inference_mode():
            for ids, mask in self.batches:
                transformer(input_ids=ids, attention_mask=mask)


def copy_docs(nlp: Language, docs: Sequence[Doc]) -> list[Doc]:
    """RETURNS (list[Doc]): Docs with the tokens and sentence starts, unannotated."""
    return [
        Doc(
            nlp.vocab,
            words=[token.text for token in doc],
            spaces=[bool(token.whitespace_) for token in doc],
            sent_starts=[bool(token.is_sent_start) for token in doc],
        )
        for doc in docs
    ]


def fresh_examples(nlp: Language, examples: Sequence[Example]) -> list[Example]:
    """RETURNS (list[Example]): The examples with new predicted Docs."""
    references = [example.reference for example in examples]
    return [
        Example(predicted, reference)
        for predicted, reference in zip(copy_docs(nlp, references), references)
    ]
