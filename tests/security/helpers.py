"""Helpers to modify saved pipelines like an attacker."""

import json
import shutil
import sys
from pathlib import Path

import safetensors.torch
import srsly

from spacy_jre.architectures.header import KEY, compute_digest


def reseal(data: bytes, change, *, seal: bool = True) -> bytes:
    """Change the header of a safetensors file of the package.

    data (bytes): The file.
    change (Callable): Changes the fields in place or returns other fields.
    seal (bool): Whether to update the checksum.
    RETURNS (bytes): The changed file.
    """
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    header = json.loads(table["__metadata__"][KEY])
    fields = change(header["module"]) or header["module"]
    header["module"] = fields
    if seal:
        header["sha256"] = compute_digest(fields, safetensors.torch.load(data))
    table["__metadata__"][KEY] = json.dumps(header)
    head = json.dumps(table).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + data[8 + size :]


def change_model(model: bytes, change, *, part: str = "config") -> bytes:
    """Change the header of the weights with a given field in a saved component.

    model (bytes): The content of the file ``jre/model``.
    change (Callable): See ``reseal``.
    part (str): The field: "config" for a transformer, "n_entity_labels" for a network.
    RETURNS (bytes): The changed content.
    """
    message = srsly.msgpack_loads(model)
    changed = 0
    for shims in message["shims"]:
        for number, shim in enumerate(shims):
            content = srsly.msgpack_loads(shim)
            if content["state"] and part in fields_of(content["state"]):
                content["state"] = reseal(content["state"], change)
                shims[number] = srsly.msgpack_dumps(content)
                changed += 1
    assert changed == 1
    return srsly.msgpack_dumps(message)


def fields_of(data: bytes) -> dict:
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    return json.loads(table["__metadata__"][KEY])["module"]


def install(folder: Path, site: Path) -> str:
    """Install a saved pipeline like pip installs the wheel of ``spacy package``."""
    name = "en_pipeline"
    package = site / name
    shutil.copytree(folder, package / f"{name}-0.0.0")
    shutil.copy(folder / "meta.json", package / "meta.json")
    (package / "__init__.py").write_text(
        "from spacy.util import load_model_from_init_py\n\n\n"
        "def load(**overrides):\n"
        "    return load_model_from_init_py(__file__, **overrides)\n"
    )
    about = site / f"{name}-0.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: {name}\nVersion: 0.0.0\n")
    sys.modules.pop(name, None)
    return name
