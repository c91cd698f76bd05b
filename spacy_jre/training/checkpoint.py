"""The state of a training: everything that is required to continue it later.

A state is a folder of its own, so that it is replaced as a whole. It has the weights
again, because model-last has the averages of an optimizer that computes them, and can
be changed by the callback ``before_to_disk``. Nothing in it is a pickle.
"""

import base64
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors.torch
import torch
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import Model, Optimizer, get_current_ops, torch2xp, xp2torch
from torch import Tensor

from ..annotations.relations import storage_key
from ..errors import Errors, JREError
from .folders import complete_folder, replace_folder
from .optimizer import AdamW

FOLDER = "training-state"
PIPELINE, TENSORS, STATE = "pipeline", "tensors.safetensors", "state.json"
# config values that do not change the training
NEUTRAL = ("paths.", "training.logger.", "system.gpu_allocator")
# start of the keys of relations in doc.user_data
STORED = storage_key("")
# attributes of thinc's optimizer
TABLES = ("mom1", "mom2", "averages", "nr_update", "last_seen")


@dataclass
class Progress:
    """The progress of a training after a step.

    step (int): The last finished step, from 0.
    epoch (int): Its epoch, from 0.
    results (list): Score and step of each evaluation.
    losses (dict): The losses since the last evaluation, by component.
    words (int): Words seen.
    seconds (float): Time since the start.
    digest (str): The digest of the batches of all finished steps.
    finished (bool): Whether the training is finished.
    """

    step: int = -1
    epoch: int = 0
    results: list[tuple[float, int]] = field(default_factory=list)
    losses: dict[str, float] = field(default_factory=dict)
    words: int = 0
    seconds: float = 0.0
    digest: str = ""
    finished: bool = False


def digest_batch(before: str, batch: Sequence[Example]) -> str:
    """Get a digest of the training data that was read until now.

    before (str): The digest of the earlier batches. Empty for the first batch.
    batch (Sequence[Example]): The next batch.
    RETURNS (str): A digest of the texts, entities, span groups and relations, in order.
    """
    digest = hashlib.sha256(before.encode())
    for example in batch:
        doc = example.reference
        values = (
            doc.text,
            _rows(doc.ents),
            sorted((name, _rows(group)) for name, group in doc.spans.items()),
            sorted(
                (key, repr(value))
                for key, value in doc.user_data.items()
                if isinstance(key, str) and key.startswith(STORED)
            ),
        )
        digest.update(repr(values).encode("utf8", "replace"))
    return digest.hexdigest()


def _rows(spans: Iterable[Span]) -> list[tuple[int, int, str]]:
    return [(span.start_char, span.end_char, span.label_) for span in spans]


def read_progress(output: Path) -> Progress | None:
    """Read the progress of the training of an output folder.

    output (Path): The output folder.
    RETURNS (Progress | None): None if there is no saved state.
    RAISES (ValueError): J423 if it cannot be read.
    """
    # the process can have ended while the state was replaced
    path = complete_folder(output / FOLDER) / STATE
    if not path.is_file():
        return None
    return _read_progress(_read(path), path)


def save_state(
    output: Path,
    nlp: Language,
    optimizer: Optimizer,
    progress: Progress,
    epochs: Mapping[int, Any],
) -> None:
    """Save the state of a training.

    output (Path): The output folder.
    nlp (Language): The pipeline, with the weights and not their averages.
    optimizer (Optimizer): The optimizer.
    progress (Progress): The progress.
    epochs (Mapping): The ``random_states`` before the first batch of each epoch, by its
        step.
    RAISES (ValueError): J422 if it cannot be written, J424 for an optimizer with the
        moments of a parameter that is not part of the pipeline.
    """
    state = {
        "progress": _to_json(progress),
        "config": comparable_config(nlp),
        "epochs": list(epochs.items()),
        "random": random_states(),
        "components": {
            name: proc.random_state
            for name, proc in nlp.components
            if hasattr(proc, "random_state")
        },
    }
    tensors = _optimizer_tensors(nlp, optimizer)
    tensors["random:torch"] = torch.get_rng_state()
    # not is_available: a training on the CPU would take memory on all GPUs
    if torch.cuda.is_initialized():
        for number, device_state in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"random:cuda:{number}"] = device_state
    for place, scaler in _grad_scalers(nlp).items():
        tensors[f"scaler:scale:{place}"] = scaler._scale.cpu()
        tensors[f"scaler:growth:{place}"] = scaler._growth_tracker.cpu()
    with replace_folder(output / FOLDER) as folder:
        nlp.to_disk(folder / PIPELINE)
        safetensors.torch.save_file(tensors, folder / TENSORS)
        _write(folder / STATE, state)


def mark_finished(output: Path, nlp: Language, progress: Progress) -> None:
    """Replace the state of a finished training by its progress and its settings, which
    are small."""
    with replace_folder(output / FOLDER) as folder:
        state = {
            "progress": {**_to_json(progress), "finished": True},
            "config": comparable_config(nlp),
            "epochs": [],
        }
        _write(folder / STATE, state)


class SavedState:
    """A saved state of a training.

    progress (Progress): The progress.
    epochs (dict): The random states before the first batch of each epoch, by its step.
    """

    def __init__(self, output: Path):
        """RAISES (ValueError): J423 if the state cannot be read."""
        self.folder = output / FOLDER
        path = self.folder / STATE
        self._state = _read(path)
        self.progress = _read_progress(self._state, path)
        try:
            self.epochs: dict[int, Any] = dict(self._state["epochs"])
            self._config: dict[str, Any] = self._state["config"]
        except (KeyError, TypeError, ValueError) as error:
            raise JREError(Errors.J423.format(path=path, error=error)) from error

    def check_config(self, nlp: Language) -> None:
        """RAISES (ValueError): J421 if the settings have changed."""
        old, new = self._config, comparable_config(nlp)
        changed = [
            f"{name} was {old.get(name)!r} and is {new.get(name)!r}"
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        if changed:
            raise JREError(
                Errors.J421.format(
                    path=self.folder, count=len(changed), changed="; ".join(changed[:3])
                )
            )

    def skip_batches(self, batches: Iterator[tuple[int, list[Example]]]) -> None:
        """Read the batches of the finished steps again, without training on them.

        An update can draw random numbers, too (spaCy's ``ner`` and ``parser`` do), so
        that the order of an epoch depends on Python's random state before its first
        batch. If the reader itself draws numbers later in an epoch (an augmenter with
        max_epochs = -1), the texts can differ.

        batches (Iterator): Epoch and batch of each step.
        RAISES (ValueError): J423 if the state is damaged, J425 if the batches are not
            the same as before.
        """
        digest = ""
        for step in range(self.progress.step + 1):
            if step in self.epochs:
                try:
                    set_random_states(self.epochs[step])
                except (KeyError, TypeError, ValueError) as error:
                    message = Errors.J423.format(path=self.folder / STATE, error=error)
                    raise JREError(message) from error
            _, batch = next(batches, (0, []))
            digest = digest_batch(digest, batch)
        if digest != self.progress.digest:
            step = self.progress.step
            raise JREError(Errors.J425.format(path=self.folder, step=step))

    def restore(self, nlp: Language, optimizer: Optimizer) -> None:
        """Restore the pipeline, the optimizer and the random states.

        RAISES (ValueError): J423 if the state is damaged.
        """
        path = self.folder / TENSORS
        try:
            tensors = safetensors.torch.load_file(path)
            nlp.from_disk(self.folder / PIPELINE)
            _restore_optimizer(nlp, optimizer, tensors)
            for _ in range(self.progress.step + 1):
                optimizer.step_schedules()
            for place, scaler in _grad_scalers(nlp).items():
                scaler._scale = tensors[f"scaler:scale:{place}"].clone()
                scaler._growth_tracker = tensors[f"scaler:growth:{place}"].clone()
            for name, value in self._state["components"].items():
                cast(Any, nlp.get_pipe(name)).random_state = value
            set_random_states(self._state["random"])
            torch.set_rng_state(tensors["random:torch"])
            if torch.cuda.is_available():
                for number in range(torch.cuda.device_count()):
                    if (state := tensors.get(f"random:cuda:{number}")) is not None:
                        torch.cuda.set_rng_state(state, number)
        except JREError:
            raise
        except Exception as error:  # each value can be damaged
            raise JREError(Errors.J423.format(path=path, error=error)) from error
        ops = get_current_ops()
        if ops.name == "cupy":
            # cupy's state cannot be read. The numbers differ, but do not repeat
            cast(Any, ops.xp).random.seed(self.progress.step + 1)


def comparable_config(nlp: Language) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The settings that determine the training, by dotted
    name."""
    flat: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, part in value.items():
                add(f"{name}.{key}" if name else str(key), part)
        elif not name.startswith(NEUTRAL) and not (
            name.startswith("corpora.") and name.endswith(".path")
        ):
            flat[name] = value

    add("", nlp.config.interpolate())
    # as it is read from the file
    return json.loads(json.dumps(flat))


def random_states() -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The states of Python's and numpy's global generators,
    as JSON."""
    version, numbers, gauss = random.getstate()
    kind, keys, *others = cast(tuple[Any, ...], np.random.get_state())
    return {
        "python": [version, _pack(numbers), gauss],
        "numpy": [kind, _pack(keys), *others],
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Set the states of Python's and numpy's global generators.

    states (Mapping): The result of ``random_states``.
    """
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(_unpack(numbers).tolist()), gauss))
    kind, keys, *others = states["numpy"]
    np.random.set_state((kind, _unpack(keys), *others))


def _pack(numbers: Any) -> str:
    # a third of the size of a list of numbers. There are two per epoch
    return base64.b64encode(np.asarray(numbers, dtype="<u4").tobytes()).decode()


def _unpack(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), dtype="<u4").astype(np.uint32)


def _write(path: Path, state: Any) -> None:
    # srsly rounds numbers
    path.write_text(json.dumps(state), encoding="utf8")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (ValueError, OSError) as error:
        raise JREError(Errors.J423.format(path=path, error=error)) from error


def _to_json(progress: Progress) -> dict[str, Any]:
    # the losses of spaCy's parser are numbers of numpy
    losses = {name: float(loss) for name, loss in progress.losses.items()}
    return {**asdict(progress), "losses": losses}


def _read_progress(state: Any, path: Path) -> Progress:
    try:
        progress = Progress(**state["progress"])
        progress.results = [(score, step) for score, step in progress.results]
    except (KeyError, TypeError, ValueError) as error:
        raise JREError(Errors.J423.format(path=path, error=error)) from error
    return progress


# optimizer ----------------------------------------------------------------------------


class _Places:
    """The places of parameters in a pipeline.

    thinc identifies a parameter by a number of its node or shim, which is different in
    another process. Its place is the name of the component and the number of the node
    in it.
    """

    def __init__(self, nlp: Language):
        self.nodes: dict[int, str] = {}
        self.shims: dict[int, str] = {}
        self._param_names: dict[int, tuple[str, ...]] = {}
        for place, node in _walk(nlp):
            self.nodes[node.id] = place
            self._param_names[node.id] = node.param_names
            for number, shim in enumerate(node.shims):
                self.shims[shim.id] = f"{place}.{number}"

    def find(self, key: Any) -> tuple[str, str] | None:
        """RETURNS (tuple[str, str] | None): The place of the node or shim with its
        kind, and the name of the parameter. None for another key."""
        if not isinstance(key, tuple):
            # the shims of thinc and spacy-transformers: pytorch_<number>_<name>
            prefix, _, rest = str(key).partition("_")
            number, _, name = rest.partition("_")
            if prefix != "pytorch" or not number.isdigit():
                return None
            place = self.shims.get(int(number))
            return None if place is None else (f"text/{place}", name)
        number, name = key
        if name in self._param_names.get(number, ()):
            return f"node/{self.nodes[number]}", name
        place = self.shims.get(number)
        return None if place is None else (f"shim/{place}", name)

    def key(self, place: str, name: str) -> Any:
        """RETURNS (Any): The key of a parameter in this process."""
        kind, _, place = place.partition("/")
        numbers = self.nodes if kind == "node" else self.shims
        number = {value: key for key, value in numbers.items()}[place]
        return f"pytorch_{number}_{name}" if kind == "text" else (number, name)


def _walk(nlp: Language) -> list[tuple[str, Model[Any, Any]]]:
    found = []
    for pipe, proc in nlp.components:
        model = getattr(proc, "model", None)
        if isinstance(model, Model):
            found += [(f"{pipe}/{i}", node) for i, node in enumerate(model.walk())]
    return found


def _grad_scalers(nlp: Language) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The gradient scalers (for float16) by their place."""
    return {
        f"{place}.{number}": shim._grad_scaler
        for place, node in _walk(nlp)
        for number, shim in enumerate(node.shims)
        if hasattr(shim, "_grad_scaler")
    }


def _tables(optimizer: Optimizer) -> dict[str, dict[Any, Any]]:
    """RETURNS (dict): The state of an optimizer: tables by the key of a parameter."""
    if isinstance(optimizer, AdamW):
        return optimizer.tables()
    tables = {name: getattr(optimizer, name) for name in TABLES}
    return {name: dict(table) for name, table in tables.items() if table is not None}


def _optimizer_tensors(nlp: Language, optimizer: Optimizer) -> dict[str, Tensor]:
    places = _Places(nlp)
    tensors: dict[str, Tensor] = {}
    for table, values in _tables(optimizer).items():
        for key, value in values.items():
            found = places.find(key)
            if found is None:
                raise JREError(Errors.J424.format(key=key))
            if isinstance(value, int):
                tensor = torch.tensor(value)
            else:
                tensor = value if isinstance(value, Tensor) else xp2torch(value)
            name = ":".join(("optimizer", table, *found))
            tensors[name] = tensor.detach().cpu().contiguous()
    return tensors


def _restore_optimizer(
    nlp: Language, optimizer: Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    places = _Places(nlp)
    tables: dict[str, dict[Any, Any]] = {name: {} for name in _tables(optimizer)}
    for full_name, tensor in tensors.items():
        if full_name.startswith("optimizer:"):
            _, table, place, name = full_name.split(":", 3)
            tables[table][places.key(place, name)] = tensor
    if isinstance(optimizer, AdamW):
        optimizer.set_tables(tables)
        return
    ops = get_current_ops()
    for table, values in tables.items():
        for key, tensor in values.items():
            # the counts are numbers
            if tensor.ndim:
                value: Any = ops.asarray(torch2xp(tensor.clone()))
            else:
                value = int(tensor)
            getattr(optimizer, table)[key] = value
