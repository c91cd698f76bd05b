"""A thinc model that validates saved data before it loads it."""

from pathlib import PurePath
from typing import Any, cast

import srsly
from thinc.api import Model, xp2torch
from thinc.types import Floats2d
from thinc.util import convert_recursive, is_xp_array

from ..errors import Errors, JREError
from .hf_header import check_model_type
from .shared import SHIMS
from .torch_node import check_weights

PARTS = ("nodes", "attrs", "params", "shims")


class SavedModel(Model[Any, Any]):
    """The root of a component's model.

    Saved data is compared with the model of the config. thinc does not validate it: it
    overwrites any attribute of a node, including functions.
    """

    __slots__ = ()

    def from_bytes(self, bytes_data: bytes) -> "SavedModel":
        """RAISES (JREError): J322 if the data is damaged or of another model."""
        try:
            message = srsly.msgpack_loads(bytes_data)
            message = convert_recursive(is_xp_array, self.ops.asarray, message)
        except Exception as error:  # srsly and numpy raise different types
            raise _wrong("data", f"cannot be read: {error}") from error
        return self.from_dict(message)

    def from_dict(self, msg: Any) -> "SavedModel":
        """RAISES (JREError): J322 if the data belongs to another model, J431 if a
        weight is not finite."""
        nodes = list(self.walk())
        check_message(nodes, msg)
        before = [dict(node.attrs) for node in nodes]
        try:
            super().from_dict(msg)
        except JREError:
            raise
        except Exception as error:
            problem = f"does not fit the config: {type(error).__name__}: {error}"
            raise _wrong("a node", problem) from error
        for node in nodes:
            for name in node.param_names:
                if node.has_param(name):
                    weights = cast(Floats2d, node.get_param(name))
                    check_weights(f"{node.name}.{name}", xp2torch(weights))
        for node, attrs in zip(nodes, before, strict=True):
            for name, value in attrs.items():
                loaded = node.attrs[name]
                if value is not None and type(loaded) is not type(value):
                    expected = type(value).__name__
                    raise _wrong(f"{node.name}.{name}", f"must be of type {expected}")
        return self

    def _copy(self, seen: Any = None) -> "SavedModel":
        copied = super()._copy(seen)
        # thinc returns a Model without the refs
        copied.__class__ = type(self)
        own = map(id, self.walk())
        nodes = dict(zip(own, copied.walk(), strict=True))
        for name in self.ref_names:
            copied.set_ref(name, nodes[id(self.get_ref(name))])
        return copied


def check_message(nodes: list[Model[Any, Any]], message: Any) -> None:
    """Compare saved data with a model.

    nodes (list[Model]): The nodes of the model of the config.
    message (Any): The saved data, as in ``Model.to_dict``.
    RAISES (JREError): J322 if the data does not match the nodes.
    """
    if not isinstance(message, dict) or message.keys() != {*PARTS}:
        raise _wrong("data", f"must have the parts {', '.join(PARTS)} and no other")
    for part in PARTS:
        entries = message[part]
        if not isinstance(entries, list) or len(entries) != len(nodes):
            raise _wrong(part, f"must have {len(nodes)} entries, as the config says")
    for number, node in enumerate(nodes):
        shims = message["shims"][number]
        if not isinstance(shims, list) or len(shims) != len(node.shims):
            raise _wrong(f"shims.{node.name}", f"must have {len(node.shims)} entries")
        for shim, data in zip(node.shims, shims, strict=True):
            if isinstance(shim, SHIMS):
                check_shared_transformer(data)


def check_shared_transformer(data: bytes) -> None:
    """Check that spacy-transformers writes no file outside its temporary folder.

    Its shim writes files with the names in the data, and transformers reads them. The
    model of our component contains this shim after ``nlp.replace_listeners``.

    RAISES (JREError): J322 for an invalid file name or an encoder with custom code.
    """
    try:
        message = srsly.msgpack_loads(data)
        config, files = message["config"], dict(message["tokenizer"])
        options = files.pop("kwargs", {})
        settings = srsly.json_loads(files.get("tokenizer_config.json", b"{}"))
    except Exception as error:
        raise _wrong("transformer", f"cannot be read: {error}") from error
    if not config:
        return
    check_model_type("of the saved pipeline", config.get("model_type"))
    for name in files:
        if PurePath(name).name != name or "\\" in name or name.endswith(".py"):
            raise _wrong("transformer.tokenizer", f"has a file named {name!r}")
    if options.keys() - {"use_fast"} or "auto_map" in config or "auto_map" in settings:
        raise _wrong("transformer", "has code of its own or unknown options")


def _wrong(field: str, problem: str) -> JREError:
    return JREError(Errors.J322.format(field=field, problem=problem))
