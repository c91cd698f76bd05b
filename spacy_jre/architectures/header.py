"""The header of saved weights: data from a file that is checked before it is used.

A pipeline may come from a stranger. Its header holds numbers, strings and lists, never
files. Nothing is allocated, written or imported before the fields are known, have the
right types and fit the tensors of the file.
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
# the limit of safetensors itself
MAX_BYTES = 100_000_000
# integers of a header that are no larger need no tensor of that size: they cost nothing
HARMLESS = 1 << 20
# modules per tensor of a file; transformers have two or three
MODULES_PER_TENSOR = 64

Schema = TypeVar("Schema", bound="Fields")


class Fields(BaseModel):
    """A part of a header: only known fields, each of exactly its type."""

    model_config = ConfigDict(strict=True, extra="forbid")


class SavedTensors:
    """The tensors that a file holds, before they are read.

    shapes (dict[str, tuple[int, ...]]): By name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]):
        self.shapes = dict(shapes)

    @property
    def largest_size(self) -> int:
        """The largest dimension of a tensor."""
        return max((n for shape in self.shapes.values() for n in shape), default=0)

    def check_size(self, field: str, value: int) -> None:
        """RAISES (JREError): J317 where no tensor is as large as a field says."""
        limit = max(self.largest_size, HARMLESS)
        if abs(value) > limit:
            raise wrong(
                field,
                f"is {value}, but the largest dimension of a saved tensor is "
                f"{self.largest_size}",
            )

    def check_module(self, module: nn.Module) -> None:
        """RAISES (JREError): J308 where the tensors of a module have other names or
        shapes than those of the file."""
        wanted = {name: tuple(t.shape) for name, t in module.state_dict().items()}
        problems = [f"{name} is missing" for name in wanted.keys() - self.shapes.keys()]
        problems += [
            f"{name} is unknown" for name in self.shapes.keys() - wanted.keys()
        ]
        problems += [
            f"{name} has shape {self.shapes[name]}, expected {shape}"
            for name, shape in wanted.items()
            if self.shapes.get(name, shape) != shape
        ]
        if problems:
            found = "; ".join(sorted(problems)[:3])
            raise JREError(Errors.J308.format(count=len(problems), problems=found))

    @contextmanager
    def limit_modules(self) -> Iterator[None]:
        """Stop the making of a module that cannot be the one of the file.

        Modules made inside live on the "meta" device: they have shapes and no memory.

        RAISES (JREError): J308 for a parameter larger than the whole file, or for far
            more modules than the file has tensors.
        """
        largest = sum(math.prod(shape) for shape in self.shapes.values())
        most = MODULES_PER_TENSOR * (len(self.shapes) + MODULES_PER_TENSOR)
        made, thread = 0, threading.get_ident()

        def count_module(*args: Any) -> None:
            nonlocal made
            made += threading.get_ident() == thread
            if made > most:
                problem = f"more than {most} modules for {len(self.shapes)} tensors"
                raise JREError(Errors.J308.format(count=1, problems=problem))

        def check_tensor(module: nn.Module, name: str, tensor: Tensor | None) -> None:
            if threading.get_ident() != thread or tensor is None:
                return
            if tensor.numel() > max(largest, HARMLESS):
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
    """fields (dict): What describes the module. sha256 (str): Of fields and tensors."""

    fields: dict[str, Any]
    tensors: SavedTensors
    sha256: str


def write_header(
    fields: dict[str, Any], tensors: Mapping[str, Tensor]
) -> dict[str, str]:
    """RETURNS (dict[str, str]): The metadata of a safetensors file. One key, because
    safetensors writes several in random order, and equal pipelines are equal files."""
    header = {
        "format": FORMAT,
        "module": fields,
        "sha256": compute_digest(fields, tensors),
    }
    return {KEY: json.dumps(header, sort_keys=True)}


def compute_digest(fields: dict[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of header and tensors. It finds damage; it proves nothing about who
    wrote the file."""
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode("utf8"))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # bfloat16 is unknown to numpy
        flat = tensor.contiguous().reshape(-1).view(torch.uint8)
        digest.update(cast(Any, flat.numpy()))
    return digest.hexdigest()


def read_header(data: bytes) -> Header:
    """
    data (bytes): A safetensors file.
    RAISES (JREError): J309 for a file that this package did not write, or of another
        format; J317 for a tensor of an impossible shape.
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
    except Exception as error:  # any value may have any type
        raise JREError(Errors.J309) from error
    if not known or header["format"] != FORMAT or not isinstance(fields, dict):
        raise JREError(Errors.J309)
    n_elements = 0
    for name, shape in shapes.items():
        # a dimension may be huge where another one is zero
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
    """Check the fields of a header against a schema.

    RAISES (JREError): J317 with the first field that is unknown, missing or of another
        type.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        field, problem = first_problem(error)
        raise wrong(field, problem) from error


def first_problem(error: ValidationError) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The path of a field, and why it is refused; a field
    that is not known before one that is missing."""
    found = error.errors(include_url=False, include_input=False)
    found.sort(key=lambda item: item["type"] != "extra_forbidden")
    path = ".".join(str(part) for part in found[0]["loc"])
    return path, f"is refused: {found[0]['msg']}"


def wrong(field: str, problem: str) -> JREError:
    """RETURNS (JREError): J317, to be raised."""
    return JREError(Errors.J317.format(field=field, problem=problem))


@contextmanager
def blame(field: str) -> Iterator[None]:
    """Turn whatever a library raises about a field of the header into J317.

    Errors of ours pass. A panic of a Rust library is no Exception.
    """
    try:
        yield
    except (JREError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        kind = type(error).__name__
        raise wrong(field, f"cannot be used: {kind}: {str(error)[:200]}") from error
