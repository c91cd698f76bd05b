"""The header of saved weights: untrusted data that is validated before it is used.

A pipeline may come from an untrusted source. Its header contains numbers, strings,
lists and objects, never files. Nothing is allocated, written or imported until the
fields are known, have the right types and match the tensors of the file.
"""

import hashlib
import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar, cast

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from ..errors import Errors, JREError

KEY = "spacy_jre"
FORMAT = 1
# the maximum size of a header, the same as in safetensors
MAX_BYTES = 100_000_000
# an integer of a header up to this value needs no tensor of that size, because it
# cannot allocate much memory
HARMLESS = 1 << 20
# maximum number of modules per tensor of a file; transformers have two or three
MODULES_PER_TENSOR = 64

Schema = TypeVar("Schema", bound="Fields")


class Fields(BaseModel):
    """A part of a header. Unknown fields and type conversions are not allowed."""

    model_config = ConfigDict(strict=True, extra="forbid")


class SavedTensors:
    """The names and shapes of the tensors of a file, before the tensors are loaded.

    shapes (dict[str, tuple[int, ...]]): The shape of each tensor by name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]):
        self.shapes = dict(shapes)

    @property
    def largest_size(self) -> int:
        """The largest dimension of all tensors."""
        return max((n for shape in self.shapes.values() for n in shape), default=0)

    def check_size(self, field: str, value: int) -> None:
        """RAISES (JREError): J317 if a value is larger than all dimensions."""
        limit = max(self.largest_size, HARMLESS)
        if abs(value) > limit:
            raise wrong(
                field,
                f"is {value}, but the largest dimension of a saved tensor is "
                f"{self.largest_size}",
            )

    def check_module(self, module: nn.Module) -> None:
        """RAISES (JREError): J308 if the tensors of a module and of the file have
        different names or shapes."""
        expected = {name: tuple(t.shape) for name, t in module.state_dict().items()}
        problems = [
            f"{name} is missing" for name in expected.keys() - self.shapes.keys()
        ]
        problems += [
            f"{name} is unknown" for name in self.shapes.keys() - expected.keys()
        ]
        problems += [
            f"{name} has shape {self.shapes[name]}, expected {shape}"
            for name, shape in expected.items()
            if self.shapes.get(name, shape) != shape
        ]
        if problems:
            first = "; ".join(sorted(problems)[:3])
            raise JREError(Errors.J308.format(count=len(problems), problems=first))

    @contextmanager
    def limit_modules(self) -> Iterator[None]:
        """Stop the creation of a module that cannot match the file.

        Modules that are created in this context are on the "meta" device: they have
        shapes, but allocate no memory.

        RAISES (JREError): J308 if a parameter is larger than all tensors of the file
            together, or if there are many more modules than tensors.
        """
        total = sum(math.prod(shape) for shape in self.shapes.values())
        limit = MODULES_PER_TENSOR * (len(self.shapes) + MODULES_PER_TENSOR)
        n_modules, thread = 0, threading.get_ident()

        def count_module(*args: Any) -> None:
            nonlocal n_modules
            n_modules += threading.get_ident() == thread
            if n_modules > limit:
                problem = f"more than {limit} modules for {len(self.shapes)} tensors"
                raise JREError(Errors.J308.format(count=1, problems=problem))

        def check_tensor(module: nn.Module, name: str, tensor: Tensor | None) -> None:
            if threading.get_ident() != thread or tensor is None:
                return
            if tensor.numel() > max(total, HARMLESS):
                problem = f"{name} would have shape {tuple(tensor.shape)}"
                raise JREError(Errors.J308.format(count=1, problems=problem))

        handles = [
            torch_module.register_module_module_registration_hook(count_module),
            torch_module.register_module_parameter_registration_hook(check_tensor),
            torch_module.register_module_buffer_registration_hook(check_tensor),
        ]
        try:
            with torch.device("meta"):
                yield
        finally:
            for handle in handles:
                handle.remove()


class Header(NamedTuple):
    """The header of a file.

    fields (dict): The description of the module.
    tensors (SavedTensors): The names and shapes of the tensors.
    sha256 (str): The digest of the fields and the tensors.
    """

    fields: dict[str, Any]
    tensors: SavedTensors
    sha256: str


def write_header(
    fields: dict[str, Any], tensors: Mapping[str, Tensor]
) -> dict[str, str]:
    """RETURNS (dict[str, str]): The metadata of a safetensors file. It has one key,
    because safetensors writes keys in random order, and equal pipelines must give equal
    files."""
    header = {
        "format": FORMAT,
        "module": fields,
        "sha256": compute_digest(fields, tensors),
    }
    return {KEY: json.dumps(header, sort_keys=True)}


def compute_digest(fields: dict[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 of the fields and the tensors. It detects a damaged file. It
    does not authenticate the author."""
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode("utf8"))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # numpy does not support bfloat16
        flat = tensor.contiguous().reshape(-1).view(torch.uint8)
        digest.update(cast(Any, flat.numpy()))
    return digest.hexdigest()


def read_header(data: bytes) -> Header:
    """Read the header of a safetensors file.

    data (bytes): The content of the file.
    RAISES (JREError): J309 if this package did not write the file, or in another
        format; J317 if the shape of a tensor is invalid.
    """
    size = int.from_bytes(data[:8], "little")
    if not 0 < size <= min(len(data), MAX_BYTES):
        raise JREError(Errors.J309)
    try:
        table = _parse(data[8 : 8 + size])
        header = _parse(table.pop("__metadata__")[KEY])
        fields, sha256 = header["module"], header["sha256"]
        known = header.keys() == {"format", "module", "sha256"}
        shapes = {name: tuple(entry["shape"]) for name, entry in table.items()}
    except Exception as error:  # each value can have any type
        raise JREError(Errors.J309) from error
    if not known or header["format"] != FORMAT or not isinstance(fields, dict):
        raise JREError(Errors.J309)
    n_elements = 0
    for name, shape in shapes.items():
        # if one dimension is zero, another one can be arbitrarily large
        if not all(type(n) is int and n > 0 for n in shape):
            raise wrong(f"{name}.shape", f"is {list(shape)}, must be positive numbers")
        n_elements += math.prod(shape)
    if n_elements > len(data):
        raise wrong(
            "shape", f"says {n_elements} numbers, the file has {len(data)} bytes"
        )
    return Header(fields, SavedTensors(shapes), str(sha256))


def _parse(text: str | bytes) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_fields(schema: type[Schema], values: dict[str, Any]) -> Schema:
    """Validate the fields of a header with a schema.

    RAISES (JREError): J317 with the first field that is unknown, is missing or has the
        wrong type.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        field, problem = first_problem(error)
        raise wrong(field, problem) from error


def first_problem(error: ValidationError) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The path of the first invalid field and the problem.
    Unknown fields come before all others."""
    details = error.errors(include_url=False, include_input=False)
    details.sort(key=lambda item: item["type"] != "extra_forbidden")
    path = ".".join(str(part) for part in details[0]["loc"])
    return path, f"is refused: {details[0]['msg']}"


def wrong(field: str, problem: str) -> JREError:
    """RETURNS (JREError): J317 for the caller to raise."""
    return JREError(Errors.J317.format(field=field, problem=problem))


@contextmanager
def blame(field: str) -> Iterator[None]:
    """Raise J317 with the name of a header field if a library raises an error.

    A JREError is not converted. BaseException is caught, because a panic of a Rust
    library is not a subclass of Exception.
    """
    try:
        yield
    except (JREError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        kind = type(error).__name__
        raise wrong(field, f"cannot be used: {kind}: {str(error)[:200]}") from error
