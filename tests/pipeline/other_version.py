"""Load, train and save a pipeline, in a process with another version of transformers.

::

    python -m tests.pipeline.other_version PIPELINE OUTPUT
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import spacy

from spacy_jre.training.optimizer import create_adamw_v1

from .helpers import logits, story_examples

STEPS = 10
RESULT = "result.json"


class Result(NamedTuple):
    """What one version of transformers computes with a saved pipeline.

    loaded, trained (list): The scores of ``logits`` before and after the updates, as
        lists of numbers.
    losses (list[float]): The loss of each update.
    """

    version: str
    loaded: list
    losses: list[float]
    trained: list


def load_and_train(pipeline: Path, output: Path) -> Result:
    """Train a saved pipeline on the story, and save it again.

    pipeline (Path): The saved pipeline.
    output (Path): Folder of the trained pipeline and the result.
    """
    import transformers

    nlp = spacy.load(pipeline)
    loaded = scores(nlp)
    examples = story_examples(nlp)
    optimizer = create_adamw_v1(0.001)
    losses = []
    for _ in range(STEPS):
        losses.append(nlp.update(examples, sgd=optimizer)["jre"])
    result = Result(transformers.__version__, loaded, losses, scores(nlp))
    nlp.to_disk(output)
    (output / RESULT).write_text(json.dumps(result._asdict()), encoding="utf8")
    return result


def read_result(folder: Path) -> Result:
    return Result(**json.loads((folder / RESULT).read_text(encoding="utf8")))


def scores(nlp) -> list:
    return [np.asarray(part).tolist() for part in logits(nlp)]


if __name__ == "__main__":
    load_and_train(Path(sys.argv[1]), Path(sys.argv[2]))
