"""A training loop that can be interrupted and resumed.

It makes the same updates as ``spacy train``: data order, evaluation, patience and
metadata are functions of spaCy. spaCy's own loop cannot start at a later step, and
writes the pipelines in place.
"""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import (
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    subdivide_batch,
    update_meta,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import Optimizer, fix_random_seed, set_gpu_allocator
from wasabi import Printer

from ..errors import Errors, JREError, NotFinite
from .checkpoint import (
    FOLDER,
    Progress,
    SavedState,
    digest_batch,
    mark_finished,
    random_states,
    save_state,
)
from .finite import check_loss
from .folders import check_folder, recover_folder, remove_folder, replace_folder

BEST, LAST = "model-best", "model-last"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPING = b"\nStopping after this step. Press Ctrl-C again to stop without saving.\n"


class TrainingStopped(KeyboardInterrupt):
    """The training was stopped by a signal, after saving.

    number (int): The number of the signal.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number


class StopRequest:
    """Notes SIGINT (Ctrl-C) and SIGTERM, so that the training ends after a step.

    A second signal raises KeyboardInterrupt at once. In other threads than the main
    thread, which gets the signals, this does nothing.

    number (int): The number of the signal. 0 without a signal.
    """

    number = 0

    def __enter__(self) -> "StopRequest":
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            raise KeyboardInterrupt
        self.number = number
        # print is not safe in a signal handler
        os.write(2, STOPPING)


def train(
    nlp: Language,
    output: Path,
    *,
    use_gpu: int = -1,
    resume: bool = False,
    resumable: bool = True,
    keep_last: bool = False,
    complete: Callable[[Path], None] = lambda folder: None,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
) -> None:
    """Train an initialized pipeline and save model-best and model-last.

    At each evaluation, model-last, model-best (if it is the best one) and the state of
    the training are saved, one after another. Each folder is written beside the old one
    and renamed.

    nlp (Language): The initialized pipeline.
    output (Path): The output folder.
    use_gpu (int): The GPU ID, or -1 for the CPU.
    resume (bool): Whether to continue from the saved state in the output. On one
        CPU thread, the result is the same as without the interruption. If the training
        is finished, only the settings are compared.
    resumable (bool): Whether to save the state of the training, and to end after the
        current step on SIGINT and SIGTERM.
    keep_last (bool): Whether model-best is the last pipeline instead of the best one.
    complete (Callable): Called with the folder of each pipeline before it gets its
        name.
    stdout, stderr (IO): Files for the output of the logger. Default: those of sys.
    RAISES (ValueError): J420 and J426 if a loss or a score is not finite, J421, J423 or
        J425 for a state that cannot be used, J422 if a file cannot be written, J785 for
        a file in the place of a folder. (TrainingStopped): After a signal.
    """
    stdout, stderr = stdout or sys.stdout, stderr or sys.stderr
    config = nlp.config.interpolate()
    settings = config["training"]
    if settings["seed"] is not None:
        fix_random_seed(settings["seed"])
    if use_gpu >= 0 and settings["gpu_allocator"]:
        set_gpu_allocator(settings["gpu_allocator"])
    T = registry.resolve(settings, schema=ConfigSchemaTraining)
    train_corpus, dev_corpus = resolve_dot_names(
        config, [T["train_corpus"], T["dev_corpus"]]
    )
    optimizer: Optimizer = T["optimizer"]
    before_to_disk = create_before_to_disk_callback(T["before_to_disk"])
    evaluate = create_evaluation_callback(nlp, dev_corpus, T["score_weights"])
    frozen: list[str] = T["frozen_components"]
    annotating: list[str] = T["annotating_components"]
    batches = create_train_batches(nlp, train_corpus, T["batcher"], T["max_epochs"])
    patience, max_steps = T["patience"], T["max_steps"]
    progress = Progress()
    # the random states before the first batch of each epoch, by its step
    epochs: dict[int, Any] = {}

    for name in (BEST, LAST, FOLDER):
        recover_folder(output / name)
    if resume:
        state = SavedState(output)
        state.check_config(nlp)
        progress, epochs = state.progress, state.epochs
        if progress.finished:
            text = f"The training in {output} is finished: step {progress.step}"
            stdout.write(Printer(no_print=True).good(text) + "\n")
            return
        state.skip_batches(batches)
        state.restore(nlp, optimizer)
    else:
        # the pipelines of an earlier training are replaced at the first evaluation
        remove_folder(output / FOLDER)
    began = time.monotonic() - progress.seconds

    def save_last() -> None:
        with replace_folder(output / LAST) as folder:
            with nlp.use_params(optimizer.averages):
                before_to_disk(nlp).to_disk(folder)
            complete(folder)

    def save_best() -> None:
        with replace_folder(output / BEST) as folder:
            shutil.copytree(output / LAST, folder, dirs_exist_ok=True)

    def save_progress() -> None:
        if resumable:
            save_state(output, nlp, optimizer, progress, epochs)

    def next_batch() -> tuple[int, list[Example]] | None:
        before = random_states() if resumable else None
        drawn: tuple[int, list[Example]] | None = next(batches, None)
        if drawn is not None and (not epochs or drawn[0] != progress.epoch):
            epochs[progress.step + 1] = before
        return drawn

    def is_done() -> bool:
        if not progress.results:
            return False
        # the earliest step with the best score
        best = -max((score, -step) for score, step in progress.results)[1]
        return bool(
            (patience and progress.step - best >= patience)
            or (max_steps and progress.step >= max_steps)
        )

    msg = Printer(no_print=True)
    stdout.write(msg.info(f"Pipeline: {nlp.pipe_names}") + "\n")
    if frozen:
        stdout.write(msg.info(f"Frozen components: {frozen}") + "\n")
    if annotating:
        text = f"Set annotations on update for: {annotating}"
        stdout.write(msg.info(text) + "\n")
    stdout.write(msg.info(f"Initial learn rate: {optimizer.learn_rate}") + "\n")
    with nlp.select_pipes(disable=frozen):
        log_step, finalize_logger = T["logger"](nlp, stdout, stderr)
    request = StopRequest()
    is_saved = resume
    try:
        with request if resumable else nullcontext():
            while not is_done() and (drawn := next_batch()) is not None:
                epoch, batch = drawn
                step = progress.step + 1
                if T["before_update"]:
                    T["before_update"](nlp, {"step": step, "epoch": epoch})
                try:
                    for part in subdivide_batch(batch, T["accumulate_gradient"]):
                        nlp.update(
                            part,
                            drop=T["dropout"],
                            losses=progress.losses,
                            sgd=False,  # type: ignore[arg-type]
                            exclude=frozen,
                            annotates=annotating,
                        )
                        for name, loss in progress.losses.items():
                            check_loss(name, loss, part)
                    _finish_update(nlp, optimizer, frozen)
                    optimizer.step_schedules()
                    score, scores, is_best = None, None, None
                    if step % T["eval_frequency"] == 0:
                        with nlp.use_params(optimizer.averages):
                            score, scores = evaluate()
                        progress.results.append((score, step))
                        is_best = score == max(progress.results)[0]
                except NotFinite as error:
                    raise _stopped(error, step, epoch, output, progress) from error
                progress.step, progress.epoch = step, epoch
                progress.words += sum(len(example) for example in batch)
                progress.seconds = time.monotonic() - began
                if resumable:
                    progress.digest = digest_batch(progress.digest, batch)
                info: dict[str, Any] = {
                    "epoch": epoch,
                    "step": step,
                    "score": score,
                    "other_scores": scores,
                    "losses": progress.losses,
                    "checkpoints": progress.results,
                    "seconds": int(progress.seconds),
                    "words": progress.words,
                }
                is_saved = is_best is not None
                if is_saved:
                    with nlp.select_pipes(disable=frozen):
                        update_meta(T, nlp, info)
                    progress.losses = {}
                    save_last()
                    if is_best:
                        save_best()
                    save_progress()
                    info["output_path"] = str(output / LAST)
                log_step(info if is_saved else None)
                if request.number and not is_done():
                    if not is_saved:
                        save_last()
                        save_progress()
                    raise TrainingStopped(
                        f"Stopped after step {step}. The pipelines and the state of "
                        f"the training are in {output}. To continue, run the command "
                        "again with --resume.",
                        request.number,
                    )
    finally:
        finalize_logger()
    if not is_saved:
        save_last()
    if keep_last:
        save_best()
    if resumable:
        mark_finished(output, nlp, progress)
    stdout.write(msg.good("Saved pipeline to output directory", output / LAST) + "\n")


def check_output(output: Path) -> None:
    """Check that the folders of the output can be created.

    RAISES (ValueError): J785 if one of them is a file.
    """
    for name in (BEST, LAST, FOLDER):
        check_folder(output / name)


def _stopped(
    error: NotFinite, step: int, epoch: int, output: Path, progress: Progress
) -> JREError:
    """RETURNS (JREError): J426 for a loss or a score that is not finite."""
    kept = "No pipeline was saved before"
    if progress.results:
        kept = f"The pipelines of step {progress.results[-1][1]} in {output} are kept"
    return JREError(Errors.J426.format(step=step, epoch=epoch, error=error, kept=kept))


def _finish_update(nlp: Language, optimizer: Optimizer, frozen: list[str]) -> None:
    for name, proc in nlp.pipeline:
        if (
            name not in frozen
            and getattr(proc, "is_trainable", False)
            and proc.model not in (True, False, None)  # type: ignore[attr-defined]
        ):
            proc.finish_update(optimizer)  # type: ignore[attr-defined]
