"""Measure prediction and training, beside the bare encoder, in one interleaved run.

Usage: python benchmarks/speed.py --model PIPELINE_OR_CONFIG --texts FILE...

The variants are measured in turn, so that a change of the machine affects all of them:

- bare encoder: the same transformer alone, on wordpieces that are computed before, with
  the sentences sorted by length, in batches of 32
- nlp.pipe: the pipeline on Docs with tokens, in the order of the files
- nlp.pipe, half precision: the same with half_precision = "always"
- update: one training update. The annotation is that of the files or, for texts without
  annotation, the predictions of the pipeline

- peer: with --peer, the published code, run in processes of their own through its
  command line. The time to start it is subtracted. It needs its own trained model,
  which --peer-config names, and its own environment, which --peer-python names

A config is trained with --updates updates on the files first: an untrained network
predicts an entity for most spans, which is slow.
"""

import argparse
import copy
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import spacy
import torch
from measure import (
    BareEncoder,
    Times,
    copy_docs,
    describe,
    find_component,
    find_encoder,
    fresh_examples,
    interleave,
)
from peer import Peer
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import Optimizer

from spacy_jre import register_extension
from spacy_jre.annotations import has_relations
from spacy_jre.corpora.reader import Corpus
from spacy_jre.training.optimizer import create_adamw_v1

BARE = "bare encoder"
PIPE = "nlp.pipe"
HALF = "nlp.pipe, half precision"
UPDATE = "update"
PEER = "peer"


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure and print. RETURNS (dict): The results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        required=True,
        help="a trained pipeline (folder or package), or a config (.cfg)",
    )
    parser.add_argument(
        "--texts",
        required=True,
        nargs="+",
        type=Path,
        metavar="FILE",
        help=".spacy files, or text files with one sentence per line",
    )
    parser.add_argument(
        "--limit", type=int, default=200, help="number of sentences (default: 200)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="measurements of each (default: 5)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, help="sentences of an update (default: 8)"
    )
    parser.add_argument(
        "--updates",
        type=int,
        default=100,
        help="updates before the measurement, for a config only (default: 100)",
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of PyTorch (default: 1)"
    )
    parser.add_argument(
        "--peer", type=Path, metavar="DIR", help="a checkout of the published code"
    )
    parser.add_argument(
        "--peer-config",
        type=Path,
        metavar="FILE",
        help="its configuration of a prediction, e.g. configs/example_predict.conf",
    )
    parser.add_argument(
        "--peer-python",
        default=sys.executable,
        metavar="PYTHON",
        help="the Python of its environment (default: the current one)",
    )
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    options = parser.parse_args(arguments)
    if options.peer and not options.peer_config:
        parser.error("--peer requires --peer-config")
    torch.set_num_threads(options.threads)
    register_extension()
    examples = read_examples(options.texts, options.limit)
    if not examples:
        parser.error("the files have no sentences")
    if options.model.endswith(".cfg"):
        nlp = train_config(
            Path(options.model), examples, options.updates, options.batch_size
        )
    else:
        nlp = spacy.load(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        peer = None
        if options.peer:
            peer = Peer(
                options.peer.resolve(),
                options.peer_config,
                [[token.text for token in example.reference] for example in examples],
                python=options.peer_python,
                threads=options.threads,
                temporary=Path(temporary),
            )
        results = measure(nlp, examples, options.rounds, options.batch_size, peer)
    if options.output:
        options.output.write_text(json.dumps(results, indent=2))
    return results


def read_examples(paths: Sequence[Path], limit: int) -> list[Example]:
    """Read the sentences. The annotation of texts without annotation is missing."""
    nlp = spacy.blank("en")
    examples: list[Example] = []
    for path in paths:
        if path.suffix == ".spacy":
            examples.extend(Corpus(path)(nlp))
        else:
            lines = path.read_text(encoding="utf8").splitlines()
            docs = [nlp.make_doc(line.strip()) for line in lines if line.strip()]
            examples.extend(Example(doc, doc) for doc in docs)
    return examples[:limit]


def train_config(
    path: Path, examples: Sequence[Example], n_updates: int, size: int
) -> Language:
    """Train a pipeline for a few updates. RETURNS (Language): The pipeline."""
    spacy.util.fix_random_seed(0)
    # required by the schema, but not read
    overrides = {"paths.train": "train.spacy", "paths.dev": "dev.spacy"}
    config = load_config(path, overrides=overrides, interpolate=True)
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: examples)
    optimizer = create_adamw_v1(1e-3, rates={"^encoder": 0.1})
    for number in range(n_updates):
        first = number * size % len(examples)
        nlp.update(fresh_examples(nlp, examples[first : first + size]), sgd=optimizer)
    return nlp


def measure(
    nlp: Language,
    examples: Sequence[Example],
    rounds: int,
    size: int,
    peer: Peer | None,
) -> dict[str, Any]:
    """Measure all variants, and print their speeds and ratios.

    size (int): Sentences of an update.
    peer (Peer | None): The published code.
    RETURNS (dict): Seconds, sentences per second, ratios, and the variants that were
        skipped with their reasons.
    """
    docs = [example.reference for example in examples]
    stream: list[Any] = []
    counts = {PIPE: len(docs)}
    variants: dict[str, Callable[[], object]] = {}
    skipped: dict[str, str] = {}
    encoder = find_encoder(find_component(nlp))
    if encoder is None:
        skipped[BARE] = "the component has no transformer of its own"
    else:
        variants[BARE] = BareEncoder(encoder, docs)
        counts[BARE] = len(docs)
    variants[PIPE] = lambda: list(nlp.pipe(stream))
    half = copy_pipeline(nlp, {"half_precision": "always"})
    variants[HALF] = lambda: list(half.pipe(stream))
    counts[HALF] = len(docs)
    # a pipeline of its own: an update changes the weights
    learner = copy_pipeline(nlp, {})
    batch = with_annotation(learner, examples[:size])
    # a rate of 0 raises a warning
    optimizer = create_adamw_v1(1e-12)
    variants[UPDATE] = lambda: update(learner, batch, optimizer)
    counts[UPDATE] = len(batch)

    if peer is not None:
        variants[PEER] = peer
        # without the first sentence, which is subtracted
        counts[PEER] = len(docs) - 1

    def prepare() -> None:
        stream[:] = copy_docs(nlp, docs)

    times = interleave(variants, rounds, prepare=prepare)
    return report(times, counts, skipped)


def copy_pipeline(nlp: Language, settings: dict[str, Any]) -> Language:
    """RETURNS (Language): A copy with other settings of the component."""
    config = copy.deepcopy(nlp.config)
    for section in config["components"].values():
        if section.get("factory") == "jre":
            section.update(settings)
    return load_model_from_config(config).from_bytes(nlp.to_bytes())


def with_annotation(nlp: Language, examples: Sequence[Example]) -> list[Example]:
    """RETURNS (list[Example]): The examples, annotated by the pipeline if they have no
    relation annotation."""
    attr = find_component(nlp).cfg["attr"]
    if all(has_relations(example.reference, attr) for example in examples):
        return fresh_examples(nlp, examples)
    docs = copy_docs(nlp, [example.reference for example in examples])
    return [Example(doc, doc) for doc in nlp.pipe(docs)]


def update(nlp: Language, batch: Sequence[Example], optimizer: Optimizer) -> None:
    """One update, with new predicted Docs."""
    nlp.update(fresh_examples(nlp, batch), sgd=optimizer)


def report(
    times: dict[str, Times], counts: dict[str, int], skipped: dict[str, str]
) -> dict[str, Any]:
    """Print the measurements. RETURNS (dict): The same as values."""
    rounds = len(times[PIPE].cpu)
    print(f"{rounds} rounds, {torch.get_num_threads()} threads. Minimum / median / ")
    print("maximum of the rounds. Ratios: CPU time per sentence divided by that of the")
    print("other.")
    results: dict[str, Any] = {"skipped": skipped}
    for name, one in times.items():
        cpu = [counts[name] / seconds for seconds in one.cpu]
        wall = [counts[name] / seconds for seconds in one.wall]
        ratios = {
            other: [
                (a / counts[name]) / (b / counts[other])
                for a, b in zip(one.cpu, times[other].cpu, strict=True)
            ]
            for other in (BARE, PIPE)
            if other in times and other != name and name != UPDATE
        }
        results[name] = {
            "seconds": one._asdict(),
            "sentences_per_cpu_second": median(cpu),
            "sentences_per_second": median(wall),
            "ratios": ratios,
        }
        print(f"{name} ({counts[name]} sentences)")
        print(f"    sentences per CPU second: {describe(cpu, '.1f')}")
        print(f"    sentences per second:     {describe(wall, '.1f')}")
        for other, values in ratios.items():
            print(f"    ratio to {other}: {describe(values, '.3f')}")
    for name, reason in skipped.items():
        print(f"{name}: skipped, {reason}")
    return results


if __name__ == "__main__":
    main()
