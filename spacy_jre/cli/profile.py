"""`spacy jre profile`: parameters, operations, memory and time of a pipeline."""

from itertools import islice
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.cli._util import setup_gpu
from wasabi import msg

from ..errors import Errors, JREError
from ..profiling import Profile, profile
from .components import choose_component, read_corpus
from .printable import print_table


def profile_model(
    model: str,
    data: Path,
    *,
    component: str = "",
    limit: int = 0,
    batch_sizes: str = "1",
    rounds: int = 1,
    threads: int = 0,
    gpu_id: int = -1,
) -> Profile:
    """Measure a pipeline on the tokens and sentences of a corpus, and on its gold
    entities if the component gets them in training.

    model (str): Name or path of the pipeline.
    data (Path): Data (.spacy).
    component (str): Name of the component. Can be empty if there is only one.
    limit (int): Maximum number of Docs. 0: all.
    batch_sizes (str): Docs per batch, comma-separated.
    rounds (int): Measurements of each batch size.
    threads (int): CPU threads of PyTorch. 0: as they are.
    RETURNS (Profile): The measurements.
    RAISES (ValueError): J736 for an invalid number, and the errors of ``profile``,
        ``Corpus`` and ``choose_component``.
    """
    sizes = _read_sizes(batch_sizes)
    for name, value, lowest in (("limit", limit, 0), ("rounds", rounds, 1)):
        if value < lowest:
            expected = f"at least {lowest}"
            raise JREError(
                Errors.J736.format(name=name, expected=expected, value=value)
            )
    setup_gpu(gpu_id, silent=True)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        nlp = spacy.load(model)
        name = choose_component(nlp, model, component)
        pipe: Any = nlp.get_pipe(name)
        examples = read_corpus(nlp, name, data)(nlp)
        docs = [example.predicted for example in islice(examples, limit or None)]
        return profile(nlp, pipe, docs, batch_sizes=sizes, rounds=rounds)
    finally:
        torch.set_num_threads(before)


def _read_sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        expected = "a list of numbers of at least 1, such as 1,8,32"
        raise JREError(
            Errors.J736.format(name="batch-sizes", expected=expected, value=text)
        )
    return sizes


def print_profile(found: Profile) -> None:
    """Print the tables of a profile."""
    msg.info(
        f"{found.docs} Docs, {found.sentences} sentences, {found.tokens} tokens. "
        f"{found.device}"
    )
    total = sum(found.parameters.values())
    counts = [(name, f"{count:,}") for name, count in found.parameters.items()]
    print_table("Parameters", ("", "number"), [*counts, ("total", f"{total:,}")])

    per_sentence = {
        name: count / found.sentences / 1e6 for name, count in found.flops.items()
    }
    print_table(
        "Floating-point operations",
        ("", "MFLOPs per sentence", "share"),
        _shares(per_sentence, ".1f"),
    )

    rows = [
        (
            f"{one.batch_size}{' (best)' if one.batch_size == found.best else ''}",
            f"{one.seconds:.2f}",
            f"{one.docs_per_second:.1f}",
            f"{one.sentences_per_second:.1f}",
            f"{one.tokens_per_second:.0f}",
            "" if one.peak_memory is None else f"{one.peak_memory / 2**20:.0f}",
        )
        for one in found.batches
    ]
    header = ("Docs per batch", "s", "Docs/s", "sentences/s", "tokens/s", "MiB")
    print_table(f"Time, and peak memory ({found.memory_kind})", header, rows)
    for size, seconds in found.seconds.items():
        title = f"Where the time goes, {size} Doc(s) per batch"
        print_table(title, ("", "s", "share"), _shares(seconds, ".3f"))


def _shares(values: dict[str, float], form: str) -> list[tuple[str, ...]]:
    """RETURNS (list): The values that are not zero, with their shares, and the sum."""
    total = sum(values.values())
    rows = [
        (name, format(value, form), f"{100 * value / total:.1f}%")
        for name, value in values.items()
        if value
    ]
    return [*rows, ("total", format(total, form), "")]
