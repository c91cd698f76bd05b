"""Header fields of a transformer: its configuration and the JSON of its tokenizer.

Only model types that transformers ships are loaded. transformers selects the classes by
type. Fields that can run other code or read other files are invalid.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args

from pydantic import PositiveInt
from tokenizers import Tokenizer
from transformers import PretrainedConfig, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ..errors import Errors, JREError
from .header import Fields, SavedTensors, blame, wrong

# Text encoders, and decoders that are used as encoders, of the supported versions of
# transformers. The list is explicit, because the lists of transformers change. They
# include models for images and audio, and models that compile kernels (mra, yoso) or
# load them from a hub (gpt_oss). fnet is excluded: it has no attention mask, so the
# vectors of a window would depend on the padding of its batch.
MODEL_TYPES = frozenset(
    {
        *("albert", "bart", "bert", "big_bird", "bloom", "camembert", "convbert"),
        *("data2vec-text", "deberta", "deberta-v2", "distilbert", "electra", "ernie"),
        *("esm", "eurobert", "flaubert", "funnel", "gemma", "gemma2", "gpt2"),
        *("gpt_neo", "gpt_neox", "gte", "ibert", "jina_embeddings_v3", "llama"),
        *("longformer", "luke", "mbart", "megatron-bert", "mistral", "mobilebert"),
        *("modernbert", "mpnet", "nezha", "nomic_bert", "nystromformer", "phi"),
        *("phi3", "qwen2", "qwen3", "rembert", "roberta", "roberta-prelayernorm"),
        *("roc_bert", "roformer", "smollm3", "squeezebert", "stablelm", "xlm"),
        *("xlm-roberta", "xlm-roberta-xl", "xlnet", "xmod"),
    }
)
# the implementations in transformers; it loads other names from a hub
ATTENTION = ("eager", "sdpa", "flash_attention_2", "flex_attention")
DTYPES = ("float32", "float16", "bfloat16")
# the name of the setting depends on the version of transformers; headers use the first
DTYPE_NAMES = ("dtype", "torch_dtype")
DTYPE = "torch_dtype" if "torch_dtype" in vars(PretrainedConfig()) else "dtype"
# not written and not allowed in a header: these settings can run code, read files or
# change the output of the forward pass
REFUSED = frozenset(
    {
        *("auto_map", "custom_pipelines", "trust_remote_code", "code_revision"),
        *("quantization_config", "attn_implementation", "experts_implementation"),
        *("backbone", "backbone_config", "backbone_kwargs", "use_timm_backbone"),
        *("use_pretrained_backbone", "name_or_path", "return_dict", "torchscript"),
    }
)
# not written and not allowed in a header: these settings have no effect here
DROPPED = frozenset(
    {
        *("architectures", "transformers_version", "id2label", "label2id"),
        *("task_specific_params", "finetuning_task", "problem_type", "tokenizer_class"),
    }
)
DEPTH, ENTRIES = 3, 10_000
# limit for other integers of a tokenizer, such as the maximum characters per word
MAX_SETTING = 1000

SpecialToken = Literal[
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
]


class TokenizerFields(Fields):
    """The fields of a tokenizer.

    serialisation (dict): The JSON of the tokenizers library.
    special_tokens (dict): The special token of each role.
    additional_special_tokens (list[str]): Special tokens without a role.
    model_max_length (int): Maximum number of wordpieces, with special tokens.
    """

    serialisation: dict[str, Any]
    special_tokens: dict[SpecialToken, str]
    additional_special_tokens: list[str]
    model_max_length: PositiveInt


class EncoderFields(Fields):
    """The fields of a transformer and its tokenizer.

    config (dict): The settings of the PretrainedConfig.
    tokenizer (TokenizerFields): The fields of the tokenizer.
    auto_map (dict[str, str]): Class references of an encoder with custom code.
    """

    config: dict[str, Any]
    tokenizer: TokenizerFields
    auto_map: dict[str, str] = {}


def check_model_type(name: str, model_type: Any) -> None:
    """RAISES (JREError): J325 if the type is not a supported text encoder."""
    if model_type not in MODEL_TYPES or model_type not in CONFIG_MAPPING:
        raise JREError(Errors.J325.format(name=name, model_type=model_type))


def write_config(config: PretrainedConfig) -> dict[str, Any]:
    """RETURNS (dict): The input of ``read_config``. It does not contain the folder of
    the encoder."""
    values = rename_dtype(json.loads(config.to_json_string(use_diff=True)), "dtype")
    return {key: value for key, value in values.items() if not _is_left_out(key)}


def rename_dtype(settings: dict[str, Any], name: str = DTYPE) -> dict[str, Any]:
    """RETURNS (dict): The settings of a transformer with one name for its dtype. The
    default is the name in the installed version of transformers."""
    return {name if key in DTYPE_NAMES else key: v for key, v in settings.items()}


def _is_left_out(key: str) -> bool:
    return key in DROPPED or _is_refused(key)


def _is_refused(key: str) -> bool:
    return key in REFUSED or key.startswith("_") or "timm" in key or "kernel" in key


def read_config(values: dict[str, Any], tensors: SavedTensors) -> PretrainedConfig:
    """Create a configuration from the values of a header.

    values (dict): The field "config" of a header.
    tensors (SavedTensors): The tensors of the file.
    RAISES (JREError): J317 with the invalid field; J325 for an unsupported model type.
    """
    model_type = values.get("model_type")
    if not isinstance(model_type, str):
        raise wrong("config.model_type", f"is {model_type!r}, must be a string")
    check_model_type("of the saved pipeline", model_type)
    with blame("config.model_type"):
        config_class = CONFIG_MAPPING[model_type]
        default = config_class()
    values = rename_dtype(values)
    n_entries = 0
    for key, value in values.items():
        field = f"config.{key}"
        if _is_left_out(key):
            raise wrong(field, "is not allowed in a saved pipeline")
        if key != "model_type" and not _is_setting(default, key):
            raise wrong(field, f"is not a setting of {model_type}")
        n_entries += _check_value(field, value, tensors)
        if n_entries > ENTRIES:
            raise wrong(field, f"brings the configuration to {n_entries} values")
        _check_type(field, value, getattr(default, key, None))
    dtype = values.get(DTYPE)
    if dtype not in (None, *DTYPES):
        raise wrong("config.dtype", f"is {dtype!r}, must be one of {', '.join(DTYPES)}")
    names = config_class.attribute_map
    layers = names.get("num_hidden_layers", "num_hidden_layers")
    count, limit = values.get(layers), len(tensors.shapes)
    if isinstance(count, int) and count > limit:
        raise wrong(f"config.{layers}", f"is {count}, but the file has {limit} tensors")
    with blame("config"):
        return config_class.from_dict(values)


def _is_setting(default: PretrainedConfig, key: str) -> bool:
    """Check whether a key is allowed. Unknown keys are allowed, because some models use
    settings that their configuration class does not define."""
    if not key.isidentifier():
        return False
    known = key in vars(default) or key in default.attribute_map
    return known or not hasattr(type(default), key)


def _check_value(field: str, value: Any, tensors: SavedTensors, depth: int = 0) -> int:
    """RETURNS (int): The number of values in a value, including nested ones."""
    if isinstance(value, int):
        tensors.check_size(field, value)
    elif isinstance(value, (list, dict)):
        if depth == DEPTH:
            raise wrong(field, "is nested too deeply")
        items = enumerate(value) if isinstance(value, list) else value.items()
        count = 0
        for name, item in items:
            if isinstance(name, str) and (_is_refused(name) or name == "model_type"):
                raise wrong(f"{field}.{name}", "is not allowed in a saved pipeline")
            count += _check_value(f"{field}.{name}", item, tensors, depth + 1)
        return count
    return 1


def _check_type(field: str, value: Any, default: Any) -> None:
    kinds: tuple[type, ...] = {
        bool: (bool,),
        int: (int,),
        float: (float, int),
        str: (str,),
        list: (list,),
        tuple: (list,),
        dict: (dict,),
    }.get(type(default), (object,))
    is_number = isinstance(value, bool) and bool not in kinds and object not in kinds
    if value is not None and (is_number or not isinstance(value, kinds)):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise wrong(field, f"must be of type {names}, is {value!r:.60}")


def write_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """Get the header fields of a tokenizer.

    tokenizer (PreTrainedTokenizerFast): Any fast tokenizer.
    RETURNS (dict): The fields of TokenizerFields.
    """
    serialisation = json.loads(tokenizer.backend_tokenizer.to_str())
    # both are the state of the last call
    serialisation.update(truncation=None, padding=None)
    roles = {role: getattr(tokenizer, role, None) for role in get_args(SpecialToken)}
    named = {role: str(token) for role, token in roles.items() if token is not None}
    return {
        "serialisation": serialisation,
        "special_tokens": named,
        # transformers 5 has another name for the attribute additional_special_tokens
        "additional_special_tokens": [
            str(token)
            for token in tokenizer.all_special_tokens
            if str(token) not in named.values()
        ],
        "model_max_length": int(tokenizer.model_max_length),
    }


def _numbers(value: Any) -> Iterator[int]:
    """Get all integers in a JSON value. They must be limited, because the tokenizers
    library allocates memory for gaps between wordpiece IDs."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)
    elif isinstance(value, int):
        yield abs(value)


def read_tokenizer(
    fields: TokenizerFields, tensors: SavedTensors
) -> PreTrainedTokenizerFast:
    """Create a tokenizer from the fields of a header.

    fields (TokenizerFields): The field "tokenizer" of a header.
    tensors (SavedTensors): The tensors of the file. One tensor has a row per wordpiece.
    RETURNS (PreTrainedTokenizerFast): A generic fast tokenizer. The serialisation
        includes the special tokens that the class of the original tokenizer adds.
    RAISES (JREError): J317 if the tokenizers library cannot read the serialisation.
    """
    for state in ("truncation", "padding"):
        if fields.serialisation.get(state) is not None:
            raise wrong(f"tokenizer.serialisation.{state}", "must be null")
    largest = max(_numbers(fields.serialisation), default=0)
    if largest > (limit := max(tensors.largest_size, MAX_SETTING)):
        problem = f"has the number {largest}, but there are {limit} vectors"
        raise wrong("tokenizer.serialisation", problem)
    with blame("tokenizer"):
        backend = Tokenizer.from_str(json.dumps(fields.serialisation))
        tokenizer: Any = PreTrainedTokenizerFast(
            tokenizer_object=backend,
            additional_special_tokens=fields.additional_special_tokens,
            model_max_length=fields.model_max_length,
            **fields.special_tokens,
        )
        if backend.pre_tokenizer is not None:
            # transformers resets add_prefix_space of its copy to the default
            tokenizer.backend_tokenizer.pre_tokenizer = backend.pre_tokenizer
    return tokenizer
