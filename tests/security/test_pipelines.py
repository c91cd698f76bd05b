"""Loading an untrusted pipeline does not write files or run code."""

import copy
import io
import shutil
import sys
from pathlib import Path

import pytest
import spacy
import srsly

from spacy_jre import register_extension
from spacy_jre.architectures.hf_encoder import check_settings

from ..conftest import STORY
from ..pipeline.helpers import MODELS, make_nlp, model_config, predictions_of
from ..pipeline.test_listeners import make_shared
from .helpers import change_model, install

HUGE = 10**13
MARKER = "untrusted_marker"


@pytest.fixture(scope="module")
def folders(tiny_bert, wide_bert, tmp_path_factory):
    """A saved pipeline of each model."""
    register_extension()
    top = tmp_path_factory.mktemp("saved")
    for name in MODELS:
        nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert))
        nlp.to_disk(top / name)
    return top


@pytest.fixture(params=MODELS)
def saved(request, folders):
    return folders / request.param


@pytest.fixture
def one(folders):
    """One saved pipeline, to test code that all models share."""
    return folders / "SINET"


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """The path of a file that an importable module writes when it runs."""
    site = tmp_path / "site"
    site.mkdir()
    path = tmp_path / "marker.txt"
    code = f"open({str(path)!r}, 'w').write('ran')\nclass Thing: pass\n"
    (site / f"{MARKER}.py").write_text(code)
    monkeypatch.syspath_prepend(site)
    yield path
    assert not path.exists()
    assert MARKER not in sys.modules


def from_disk(folder: Path, tmp_path: Path):
    return spacy.load(folder)


def from_bytes(folder: Path, tmp_path: Path):
    config = spacy.util.load_config(folder / "config.cfg")
    pipe = spacy.blank("en").from_config(config).get_pipe("jre")
    cfg = (folder / "jre" / "cfg").read_bytes()
    model = (folder / "jre" / "model").read_bytes()
    message = srsly.msgpack_dumps({"cfg": cfg.decode(), "model": model})
    return pipe.from_bytes(message, exclude=["vocab"])


def from_wheel(folder: Path, tmp_path: Path):
    site = tmp_path / "wheel"
    site.mkdir()
    sys.path.insert(0, str(site))
    try:
        return spacy.load(install(folder, site))
    finally:
        sys.path.remove(str(site))


ROUTES = [from_disk, from_bytes, from_wheel]


def crafted(saved: Path, tmp_path: Path, change, part: str = "config") -> Path:
    folder = tmp_path / "crafted"
    shutil.copytree(saved, folder)
    path = folder / "jre" / "model"
    path.write_bytes(change_model(path.read_bytes(), change, part=part))
    return folder


def put(*path_and_value):
    """Create a change that sets the field at a path."""
    *path, last, value = path_and_value

    def change(fields):
        for key in path:
            fields = fields[key]
        fields[last] = value

    return change


def drop(*path):
    def change(fields):
        for key in path[:-1]:
            fields = fields[key]
        del fields[path[-1]]

    return change


def test_unchanged_pipeline_loads_by_every_route(saved, tmp_path):
    def unchanged(fields):
        pass

    folder = crafted(saved, tmp_path, unchanged)
    wanted = predictions_of(spacy.load(saved))
    assert predictions_of(from_disk(folder, tmp_path)) == wanted
    assert predictions_of(from_wheel(folder, tmp_path)) == wanted
    pipe = from_bytes(folder, tmp_path)
    nlp = spacy.load(folder)
    docs = [nlp.make_doc(" ".join(s["words"])) for s in STORY]
    nlp.remove_pipe("jre")
    assert pipe.predict(docs) == spacy.load(saved).get_pipe("jre").predict(docs)


# files --------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_files_of_the_old_header_are_refused_and_not_written(
    saved, tmp_path, marker, route
):
    target = tmp_path / "written.txt"
    files = {str(target): "bWFyaw==", "../../written.txt": "bWFyaw=="}
    folder = crafted(saved, tmp_path, lambda fields: {"files": files})
    with pytest.raises(ValueError, match=r"J317.*field 'files' is refused"):
        route(folder, tmp_path)
    assert not target.exists()


@pytest.mark.parametrize("name", ["/tmp/x.json", "../x.json", "tokenizer.json"])
def test_unknown_field_with_file_name_is_refused(saved, tmp_path, name):
    folder = crafted(saved, tmp_path, put(name, "text"))
    with pytest.raises(ValueError, match="J317") as caught:
        spacy.load(folder)
    assert name in str(caught.value)


# code ---------------------------------------------------------------------------------

CODE = {
    "config": put("config", "auto_map", {"AutoModel": f"{MARKER}.Thing"}),
    "config with a repository": put(
        "config", "auto_map", {"AutoModel": f"org/evil--{MARKER}.Thing"}
    ),
    "header": put("auto_map", {"AutoConfig": f"{MARKER}.Thing"}),
    "tokenizer": put("tokenizer", "auto_map", {"AutoTokenizer": f"{MARKER}.Thing"}),
    "tokenizer class": put("config", "tokenizer_class", f"{MARKER}.Thing"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("change", CODE.values(), ids=CODE.keys())
def test_code_is_refused_without_a_prompt(
    saved, tmp_path, marker, route, change, monkeypatch
):
    # any prompt would be confirmed
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    folder = crafted(saved, tmp_path, change)
    with pytest.raises(ValueError, match=r"J317.*(auto_map|tokenizer_class)|J318"):
        route(folder, tmp_path)
    assert sys.stdin.tell() == 0


def test_code_is_refused_if_standard_input_is_closed(
    saved, tmp_path, marker, monkeypatch
):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stdin", closed)
    folder = crafted(saved, tmp_path, CODE["header"])
    with pytest.raises(ValueError, match=r"J318.*SPACY_JRE_TRUST_REMOTE_CODE"):
        spacy.load(folder)


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ("transformer_config", "trust_remote_code"),
        ("transformer_config", "weights_only"),
        ("tokenizer_config", "trust_remote_code"),
        ("tokenizer_config", "code_revision"),
    ],
)
def test_config_of_pipeline_cannot_enable_code(one, tmp_path, section, setting):
    folder = crafted(one, tmp_path, CODE["header"])
    config = spacy.util.load_config(folder / "config.cfg")
    config["components"]["jre"]["model"]["tok2vec"][section] = {setting: True}
    config.to_disk(folder / "config.cfg")
    with pytest.raises(ValueError, match=rf"J319.*{section}.{setting}.*trust"):
        spacy.load(folder)


def test_attention_kernel_from_hub_is_refused():
    with pytest.raises(ValueError, match=r"J202.*attn_implementation.*sdpa"):
        check_settings({}, {"attn_implementation": "kernels-community/flash-attn"})


@pytest.mark.parametrize(
    "key",
    [
        "quantization_config",
        "attn_implementation",
        "_attn_implementation",
        "use_timm_backbone",
        "backbone",
        "use_kernels",
        "trust_remote_code",
        "return_dict",
    ],
)
def test_setting_that_could_run_code_is_refused(one, tmp_path, key):
    folder = crafted(one, tmp_path, put("config", key, "eager"))
    with pytest.raises(ValueError, match=rf"J317.*config\.{key}.*not allowed"):
        spacy.load(folder)


@pytest.mark.parametrize("key", ["to_dict", "from_dict", "num_labels", "__class__"])
def test_setting_that_overrides_a_method_is_refused(one, tmp_path, key):
    folder = crafted(one, tmp_path, put("config", key, 1))
    with pytest.raises(ValueError, match=rf"J317.*config\.{key}"):
        spacy.load(folder)


@pytest.mark.parametrize(
    "kind",
    [
        *("timm_wrapper", "encoder-decoder", "rag", "no such type"),
        # these compile kernels, load them from a hub, or are not limited to text
        *("mra", "gpt_oss", "qwen3_next", "modernvbert", "qwen3_asr", "layoutlmv2"),
    ],
)
def test_model_type_that_is_not_a_text_encoder_is_refused(one, tmp_path, kind):
    folder = crafted(one, tmp_path, put("config", "model_type", kind))
    with pytest.raises(ValueError, match=rf"J325.*{kind}"):
        spacy.load(folder)


# sizes and types ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "max_position_embeddings",
        "num_hidden_layers",
        "num_attention_heads",
    ],
)
def test_size_larger_than_any_tensor_is_refused(one, tmp_path, key):
    folder = crafted(one, tmp_path, put("config", key, HUGE))
    with pytest.raises(ValueError, match=rf"J317.*config\.{key}.*{HUGE}"):
        spacy.load(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("vocab_size", 99), ("hidden_size", 1024), ("intermediate_size", 1 << 20)],
)
def test_size_that_does_not_match_tensors_is_refused(one, tmp_path, key, value):
    folder = crafted(one, tmp_path, put("config", key, value))
    with pytest.raises(ValueError, match=r"J308.*shape"):
        spacy.load(folder)


def test_more_layers_than_tensors_is_refused(one, tmp_path):
    folder = crafted(one, tmp_path, put("config", "num_hidden_layers", 4000))
    with pytest.raises(ValueError, match=r"J317.*num_hidden_layers.*4000.*tensors"):
        spacy.load(folder)


@pytest.mark.parametrize("part", ["n_entity_labels", "n_relation_labels"])
@pytest.mark.parametrize(("value", "code"), [(9, "J308|J317"), (HUGE, "J317")])
def test_more_labels_than_heads_have_is_refused(saved, tmp_path, part, value, code):
    folder = crafted(saved, tmp_path, put(part, value), part=part)
    with pytest.raises(ValueError, match=code):
        spacy.load(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("config", "hidden_act"), 3),
        (("config", "hidden_size"), "32"),
        (("config", "hidden_size"), True),
        (("config", "layer_norm_eps"), "small"),
        (("config", "use_cache"), 1),
        (("config", "hidden_act"), "no such function"),
        (("config", "num_attention_heads"), 0),
        (("config", "num_attention_heads"), None),
        (("config", "pad_token_id"), 5000),
        (("config", "torch_dtype"), "load"),
        (("config", "rope_scaling"), {"a": {"b": {"c": {"d": 1}}}}),
        (("config", "rope_scaling"), list(range(20_000))),
        (("config",), []),
        (("tokenizer",), {}),
        (("tokenizer", "model_max_length"), 0),
        (("tokenizer", "model_max_length"), 1),
        (("tokenizer", "model_max_length"), "64"),
        (("tokenizer", "special_tokens"), {"root_token": "x"}),
        (("tokenizer", "special_tokens"), {"cls_token": 3}),
        (("tokenizer", "serialisation"), {}),
        (("tokenizer", "serialisation"), {"model": {"type": "WordPiece"}}),
        (("tokenizer", "serialisation", "model", "vocab", "x"), 4 * 10**9),
        (("tokenizer", "serialisation", "added_tokens", 0, "id"), 4 * 10**9),
        (("tokenizer", "serialisation", "padding"), {"strategy": {"Fixed": HUGE}}),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_error_names_invalid_field(one, tmp_path, path, value):
    folder = crafted(one, tmp_path, put(*path, value))
    with pytest.raises(ValueError, match=rf"J317.*field '{path[0]}"):
        spacy.load(folder)


@pytest.mark.parametrize("path", [("config",), ("tokenizer", "model_max_length")])
def test_error_names_missing_field(one, tmp_path, path):
    folder = crafted(one, tmp_path, drop(*path))
    with pytest.raises(ValueError, match=rf"J317.*{'.'.join(path)}.*required"):
        spacy.load(folder)


# fields of LAI-Net --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("markers", [1, 2, 3], "has 3 ids, not 6"),
        ("markers", [1, 2, 3, 4, 5, 9999], "have no vector"),
        ("markers", [1, 2, 3, 4, 5, -1], "greater than or equal to 0"),
        ("annotations", [[], []], "must have"),
        ("annotations", [[[9999]] * 3, [[1]] * 4], "have no vector"),
        ("symmetric", [4], "has labels from 4 on"),
        ("symmetric", "all", "valid list"),
    ],
)
def test_invalid_field_of_lainet_is_refused(folders, tmp_path, name, value, problem):
    folder = crafted(folders / "LAINet", tmp_path, put(name, value))
    with pytest.raises(ValueError, match=rf"J317.*{name}.*{problem}"):
        spacy.load(folder)


# other data of a component ------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("entity_labels", ["A"], "has 1 labels, but the network has 3"),
        ("relation_labels", ["a"] * 4, "has a label twice"),
        ("relation_labels", [1, 2, 3, 4], "valid string"),
        ("threshold", 3.0, "less than or equal to 1"),
        ("threshold", "0.4", "valid number"),
        ("max_span_width", 0, "greater than 0"),
        ("attr", "user_data", "'relations' in the config"),
        ("evil", 1, "not permitted"),
    ],
)
def test_invalid_setting_of_saved_component_is_refused(
    one, tmp_path, field, value, problem
):
    folder = tmp_path / "crafted"
    shutil.copytree(one, folder)
    path = folder / "jre" / "cfg"
    srsly.write_json(path, {**srsly.read_json(path), field: value})
    with pytest.raises(ValueError, match=rf"J520.*{field}.*{problem}"):
        spacy.load(folder)


def damage(model: bytes, change) -> bytes:
    message = srsly.msgpack_loads(model)
    return srsly.msgpack_dumps(change(message) or message)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: [1], "must have the parts"),
        (lambda m: {**m, "code": 1}, "must have the parts"),
        (lambda m: {**m, "nodes": m["nodes"][1:]}, "nodes must have"),
        (lambda m: m["attrs"][0].update(learns_tags=b"\xa1x"), "type bool"),
        (
            lambda m: [a.update(settings=b"\xa1x") for a in m["attrs"]] and None,
            "settings must be of type TransformerSettings",
        ),
        (lambda m: m["shims"].__setitem__(0, [b""]), "shims"),
        (lambda m: m["nodes"][0].update(refs=3), "does not fit the config"),
    ],
)
def test_model_with_another_structure_is_refused(one, tmp_path, change, problem):
    folder = tmp_path / "crafted"
    shutil.copytree(one, folder)
    path = folder / "jre" / "model"
    path.write_bytes(damage(path.read_bytes(), change))
    with pytest.raises(ValueError, match=rf"J322.*{problem}"):
        spacy.load(folder)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"no msgpack", b"\x93\x01"])
def test_data_that_is_not_msgpack_is_refused(one, tmp_path, data):
    folder = tmp_path / "crafted"
    shutil.copytree(one, folder)
    (folder / "jre" / "model").write_bytes(data)
    with pytest.raises(ValueError, match="J322"):
        spacy.load(folder)


def test_copy_of_component_refuses_invalid_data(one):
    pipe = copy.deepcopy(spacy.load(one).get_pipe("jre"))
    with pytest.raises(ValueError, match="J322"):
        pipe.model.from_bytes(b"no msgpack")


def test_changed_weight_raises_checksum_error(one, tmp_path):
    folder = tmp_path / "crafted"
    shutil.copytree(one, folder)
    path = folder / "jre" / "model"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="J321"):
        spacy.load(folder)


def test_old_format_raises_error_with_instructions(one, tmp_path):
    """Weights without a checksum are in an old format."""
    folder = tmp_path / "crafted"
    shutil.copytree(one, folder)
    path = folder / "jre" / "model"
    path.write_bytes(path.read_bytes().replace(b'format\\": 1', b'format\\": 0'))
    with pytest.raises(ValueError, match=r"J309.*Save the pipeline again"):
        spacy.load(folder)


# a shared transformer, copied into the component --------------------------------------


@pytest.fixture(scope="module")
def copied(tiny_bert, tmp_path_factory):
    """A pipeline with a component that contains a spacy-transformers model."""
    register_extension()
    nlp, _ = make_shared("shared", tiny_bert)
    nlp.replace_listeners("transformer", "jre", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    folder = tmp_path_factory.mktemp("copied") / "model"
    nlp.to_disk(folder)
    spacy.load(folder)
    return folder


def crafted_shim(copied, tmp_path, change):
    folder = tmp_path / "crafted"
    shutil.copytree(copied, folder)
    path = folder / "jre" / "model"
    message = srsly.msgpack_loads(path.read_bytes())
    for shims in message["shims"]:
        for number, shim in enumerate(shims):
            content = srsly.msgpack_loads(shim)
            if "tokenizer" in content:
                change(content)
                shims[number] = srsly.msgpack_dumps(content)
    path.write_bytes(srsly.msgpack_dumps(message))
    return folder


@pytest.mark.parametrize("name", ["/{0}", "../{0}", "a/{0}", "..\\{0}", "x.py"])
def test_file_of_copied_transformer_is_not_written_to_another_directory(
    copied, tmp_path, name
):
    name = name.format(str(tmp_path / "written.txt").lstrip("/"))
    folder = crafted_shim(
        copied, tmp_path, lambda content: content["tokenizer"].update({name: b"x"})
    )
    with pytest.raises(ValueError, match=r"J322.*has a file named"):
        spacy.load(folder)
    assert not (tmp_path / "written.txt").exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda c: c["config"].update(auto_map={"AutoModel": "x.Y"}), "J322"),
        (lambda c: c["config"].update(model_type="timm_wrapper"), "J325"),
        (lambda c: c["tokenizer"]["kwargs"].update(trust_remote_code=True), "J322"),
        (
            lambda c: c["tokenizer"].update(
                {"tokenizer_config.json": b'{"auto_map": {"AutoTokenizer": "x.Y"}}'}
            ),
            "J322",
        ),
        (lambda c: c.pop("config"), "J322"),
    ],
)
def test_code_of_copied_transformer_is_refused(copied, tmp_path, change, code):
    folder = crafted_shim(copied, tmp_path, change)
    with pytest.raises(ValueError, match=code):
        spacy.load(folder)
