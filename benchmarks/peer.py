"""Run the published code of a model from a checkout, through its own command line.

The code is neither imported nor copied. SpERT (lavis-nlp/spert) and its forks predict
with ``python spert.py predict --config FILE``.
"""

import json
import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from measure import Seconds

SCRIPTS = ("spert.py", "sinet.py")


class Peer:
    """A checkout that predicts the entities and relations of sentences.

    A call starts two processes: one for all sentences, and one for the first sentence.
    The difference of their times is the time for the other sentences, without the time
    to start Python and to load the model.
    """

    def __init__(
        self,
        folder: Path,
        config: Path,
        sentences: Sequence[Sequence[str]],
        *,
        python: str,
        threads: int,
        temporary: Path,
    ):
        """
        folder (Path): The checkout.
        config (Path): The checkout's own configuration of a prediction, with the
            trained model, its types and its settings. Relative paths in it start at
            the checkout. The paths of dataset and predictions are replaced.
        sentences (Sequence): The words of each sentence, at least two sentences.
        python (str): The interpreter of the checkout's environment.
        threads (int): Threads of the process.
        temporary (Path): A folder for temporary files.
        RAISES (SystemExit): If the checkout has no known script.
        """
        scripts = [name for name in SCRIPTS if (folder / name).is_file()]
        if not scripts:
            expected = " or ".join(SCRIPTS)
            raise SystemExit(f"{folder} does not have {expected}")
        self.folder = folder
        self._command = [python, scripts[0], "predict", "--config"]
        count = str(threads)
        self._environment = {
            **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
        }
        lines = config.read_text(encoding="utf8").splitlines()
        replaced = ("dataset_path", "predictions_path")
        lines = [line for line in lines if line.split("=")[0].strip() not in replaced]
        self._configs = []
        for name, part in (("all", sentences), ("first", sentences[:1])):
            dataset = temporary / f"{name}.json"
            dataset.write_text(json.dumps([list(words) for words in part]))
            own = temporary / f"{name}.conf"
            added = [
                f"dataset_path = {dataset}",
                f"predictions_path = {temporary / 'predictions.json'}",
            ]
            own.write_text("\n".join([*filter(str.strip, lines), *added, ""]))
            self._configs.append(own)

    def __call__(self) -> Seconds:
        every, first = (self._run(config) for config in self._configs)
        return Seconds(every.wall - first.wall, every.cpu - first.cpu)

    def _run(self, config: Path) -> Seconds:
        wall, cpu = time.perf_counter(), _children_seconds()
        done = subprocess.run(
            [*self._command, str(config)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        seconds = Seconds(time.perf_counter() - wall, _children_seconds() - cpu)
        # SpERT predicts in a process of its own, and ignores its exit status
        if done.returncode or "Traceback" in done.stderr:
            raise SystemExit(f"{self.folder} failed:\n{done.stderr[-2000:]}")
        return seconds


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
