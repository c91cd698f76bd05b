"""Every included config can be loaded, and values of a wrong type fail."""

import inspect
import io
import math

import pytest
import spacy
import torch
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Config

from spacy_jre.networks.iser import ISER
from spacy_jre.networks.lainet import LAINet
from spacy_jre.networks.sinet import SINET
from spacy_jre.networks.spert import SpERT
from spacy_jre.networks.stsn import STSN

from .conftest import ROOT

CONFIGS = sorted(ROOT.glob("configs/**/*.cfg"))
PATHS = {"paths.train": "x", "paths.dev": "x"}
IDS = [str(path.relative_to(ROOT)) for path in CONFIGS]


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_config_builds_a_pipeline(path):
    config = load_config(path, overrides=PATHS)
    nlp = load_model_from_config(config, auto_fill=True)
    assert nlp.pipe_names == ["sentencizer", "jre"]


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_training_block_can_be_resolved(path):
    config = load_config(path, overrides=PATHS)
    config = load_model_from_config(config, auto_fill=True).config.interpolate()
    resolved = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    is_sinets = path.parent.name == "paper" and path.stem == "sinet"
    assert resolved["optimizer"].grad_clip == (0.25 if is_sinets else 1.0)
    weights = resolved["score_weights"]
    assert set(weights) >= {"ents_f", "rel_f", "rel_strict_f"}
    # the sentencizer is not trained, so its scores do not select the epoch
    assert weights["rel_strict_f"] == 1.0
    assert sum(weight or 0.0 for weight in weights.values()) == 1.0


@pytest.mark.parametrize(
    ("model", "epochs", "batch_size", "rate", "warmup", "weight_decay"),
    [
        ("spert", 20, 2, 5e-5, 0.1, 0.01),
        ("sinet", 100, 20, 2e-5, 0.0, 0.01),
        ("stsn", 100, 4, 5e-5, 0.1, 0.01),
        ("iser", 70, 2, 2e-5, 0.0, 0.0),
    ],
)
def test_config_of_a_paper_has_its_training(
    model, epochs, batch_size, rate, warmup, weight_decay
):
    config = load_config(ROOT / "configs" / "paper" / f"{model}.cfg")
    recipe, optimizer = config["recipe"], config["training"]["optimizer"]
    assert (recipe["epochs"], recipe["batch_size"]) == (epochs, batch_size)
    assert recipe["warmup"] == warmup
    assert optimizer["learn_rate"]["initial_rate"] == rate
    assert optimizer["weight_decay"] == weight_decay
    # one rate for all weights
    assert "rates" not in optimizer


def factors(model: str, names: list[str]) -> set[float]:
    """Get the learning-rate factors of parameters from the config of a model."""
    nlp = load_model_from_config(
        load_config(ROOT / f"configs/{model}.cfg", overrides=PATHS), auto_fill=True
    )
    training = nlp.config.interpolate()["training"]
    optimizer = registry.resolve(training, schema=ConfigSchemaTraining)["optimizer"]
    # keys are the ID of a thinc node and the name of a parameter
    return {optimizer._factor((0, name)) for name in names}


# model types with different parameter names
FAMILIES = ["bert", "albert", "deberta-v2", "distilbert", "electra", "mpnet", "xlnet"]


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("family", FAMILIES)
def test_pretrained_weights_of_iser_have_a_lower_rate(family):
    from transformers import AutoConfig, AutoModel

    with torch.device("meta"):
        transformer = AutoModel.from_config(AutoConfig.for_model(family))
    # names in a shared transformer. An inline transformer adds the prefix "encoder."
    shared = [name for name, _ in transformer.named_parameters()]
    assert len(shared) > 20
    assert factors("iser", shared) == {0.1}
    assert factors("iser", [f"encoder.{name}" for name in shared]) == {0.1}


def test_pretrained_weights_of_lainet_have_a_lower_rate():
    names = ["encoder.0.encoder.layer.0.x", "encoder.1.embeddings.x"]
    assert factors("lainet", names) == {0.125}


@pytest.mark.parametrize("model", ["spert", "sinet", "stsn"])
def test_weights_of_an_inline_transformer_have_the_rate_1e_4(model):
    training = load_config(ROOT / f"configs/{model}.cfg")["training"]
    rate = training["optimizer"]["learn_rate"]["initial_rate"]
    (factor,) = factors(model, ["encoder.embeddings.x", "encoder.encoder.layer.0.x"])
    assert rate * factor == pytest.approx(1e-4)


EXTRAS = {"views": 2, "recurrent": "per_task", "relation_hidden": 8}


@pytest.mark.parametrize(
    ("model", "network", "settings", "prefix"),
    [
        ("spert", SpERT, EXTRAS, ""),
        ("sinet", SINET, EXTRAS, ""),
        ("stsn", STSN, {**EXTRAS, "n_tags": 4}, ""),
        ("iser", ISER, EXTRAS, ""),
        ("lainet", LAINet, {}, "network."),
    ],
)
def test_other_weights_have_the_full_rate(model, network, settings, prefix):
    module = network(16, 3, 2, **settings)
    names = [prefix + name for name, _ in module.named_parameters()]
    # case features and mixed layers of an inline transformer
    names += ["shapes.weight", "mix.logits"]
    # W and b are the weights of thinc's layers
    assert factors(model, [*names, "W", "b"]) == {1.0}


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_steps_of_the_schedule_follow_from_the_recipe(path):
    """`spacy train` has the steps that `spacy jre train` computes."""
    config = load_config(path)
    recipe, training = config["recipe"], config["training"]
    schedule = training["optimizer"]["learn_rate"]
    total = recipe["epochs"] * training["eval_frequency"]
    assert training["max_epochs"] == recipe["epochs"]
    assert training["batcher"]["size"] == recipe["batch_size"]
    assert schedule["total_steps"] == total
    assert schedule["warmup_steps"] == round(recipe["warmup"] * total)
    cold_start = config["components"]["jre"]["model"].get("cold_start", 0)
    assert cold_start == round(recipe.get("cold_start", 0) * total)
    if path.parent.name in ("configs", "paper"):
        # CoNLL04
        assert training["eval_frequency"] == math.ceil(922 / recipe["batch_size"])


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_within_an_epoch_is_only_shown_in_a_terminal(path, is_terminal):
    config = load_config(path, overrides=PATHS)
    nlp = load_model_from_config(config, auto_fill=True)
    block = {"logger": config["training"]["logger"]}
    logger = registry.resolve(block)["logger"]
    out, err = io.StringIO(), io.StringIO()
    err.isatty = lambda: is_terminal
    log_step, finalize = logger(nlp, out, err)
    scores = dict.fromkeys(nlp.config["training"]["score_weights"], 0.0)
    info = {"epoch": 1, "step": 4, "losses": {"jre": 1.0}, "other_scores": scores}
    log_step({**info, "score": 0.0})
    log_step(None)
    finalize()
    assert ("Epoch 2" in err.getvalue()) == is_terminal
    assert "Epoch 2" not in out.getvalue()


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_config_has_a_recipe_for_the_schedule(path):
    recipe = load_config(path)["recipe"]
    optional = {"tok2vec_rate", "cold_start"}
    assert recipe.keys() - optional == {"epochs", "batch_size", "warmup"}


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_config_with_a_transformer_has_a_rate_for_tok2vec(path):
    config = load_config(path)
    encoder = config["components"]["jre"]["model"]["tok2vec"]["@architectures"]
    is_transformer = encoder == "spacy-jre.TransformerEncoder.v1"
    model = config["components"]["jre"]["model"]["@architectures"]
    # LAI-Net requires a transformer
    allows_tok2vec = is_transformer and model != "spacy-jre.LAINet.v1"
    assert ("tok2vec_rate" in config["recipe"]) == allows_tok2vec


@pytest.mark.parametrize("name", ["SpERT", "SINET", "STSN", "ISER", "LAINet"])
def test_every_network_has_a_test_config(name):
    text = "".join(p.read_text() for p in ROOT.glob("configs/test/*.cfg"))
    assert f"spacy-jre.{name}.v1" in text


WRONG = [
    ("model.width_embedding", "many"),
    ("model.dropout", "high"),
    ("model.pooling", "median"),
    ("model.mixed_precision", "perhaps"),
    ("model.recurrent", "both"),
    ("model.relation_hidden", "many"),
    ("model.start_end", "perhaps"),
    ("model.tok2vec", "text"),
    ("threshold", "low"),
    ("label_thresholds", ["a"]),
    ("max_span_width", "wide"),
    ("negative_spans", "all"),
    ("symmetric", "yes"),
    ("overwrite_ents", "perhaps"),
    ("attr", 3),
    ("overlaps", "first"),
    ("constraints", "all"),
    ("half_precision", "bf16"),
]
WRONG_SINET = [
    ("model.n_heads", "four"),
    ("model.n_layers", "one"),
    ("model.norm", "perhaps"),
    ("model.agent", "sep"),
    ("model.span_pooling", "first"),
    ("model.context_pooling", "first"),
    ("model.interaction", "some"),
    ("model.attention_dropout", "high"),
]
WRONG_STSN = [
    ("model.n_heads", "eight"),
    ("model.n_layers", "three"),
    ("model.interaction", "tap"),
    ("model.relation_loss", "max"),
    ("model.attention_dropout", "high"),
]
WRONG_ISER = [
    ("model.n_heads", "eight"),
    ("model.fusion", "perhaps"),
    ("model.global_context", "max"),
    ("model.local_context", "sea"),
    ("model.span_memory", "much"),
]
WRONG_LAINET = [
    ("model.annotations", ["a person"]),
    ("model.max_length", "long"),
    ("model.max_candidates", "all"),
    ("model.shared_encoder", "perhaps"),
    ("model.cold_start", "half"),
    ("model.annotate", "perhaps"),
    ("model.mask", "some"),
    ("model.text_sees_markers", "perhaps"),
    ("model.markers_see", "none"),
    ("model.filter", "perhaps"),
    ("model.filter_threshold", "low"),
    ("model.filter_weight", "heavy"),
    ("model.entity_layers", "one"),
    ("model.entity_heads", "four"),
    ("model.relation_layers", "two"),
    ("model.relation_heads", "two"),
    ("model.dropout", "high"),
    ("model.graph_dropout", "high"),
    ("model.agreement", "most"),
]


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("SpERT", *wrong) for wrong in WRONG]
    + [("SINET", *wrong) for wrong in WRONG_SINET]
    + [("STSN", *wrong) for wrong in WRONG_STSN]
    + [("ISER", *wrong) for wrong in WRONG_ISER],
)
def test_wrong_type_fails(name, field, value):
    config: dict = {
        "model": {
            "@architectures": f"spacy-jre.{name}.v1",
            "tok2vec": {
                "@architectures": "spacy-jre.TransformerEncoder.v1",
                "name": "x",
            },
        }
    }
    part = config
    *path, last = field.split(".")
    for key in path:
        part = part[key]
    part[last] = value
    with pytest.raises(Exception, match=last) as caught:
        spacy.blank("en").add_pipe("jre", config=config)
    assert type(caught.value).__name__ == "ConfigValidationError"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_batch_pieces", "many"),
        ("name", 7),
        ("case_features", "perhaps"),
        ("mix_layers", "both"),
        ("context_pieces", "many"),
    ],
)
def test_wrong_type_of_the_encoder_fails(field, value):
    block = {"@architectures": "spacy-jre.TransformerEncoder.v1", "name": "x"}
    with pytest.raises(Exception, match=field) as caught:
        registry.resolve({"encoder": {**block, field: value}})
    assert type(caught.value).__name__ == "ConfigValidationError"


@pytest.mark.parametrize(
    ("registry_name", "block"),
    [
        ("readers", {"@readers": "spacy-jre.Corpus.v1", "path": "x", "limit": "all"}),
        (
            "optimizers",
            {"@optimizers": "spacy-jre.AdamW.v1", "bias_correction": "perhaps"},
        ),
        ("optimizers", {"@optimizers": "spacy-jre.AdamW.v1", "rates": 3}),
    ],
)
def test_wrong_type_in_other_blocks_fails(registry_name, block):
    with pytest.raises(Exception, match="at root") as caught:
        registry.resolve({registry_name: block})
    assert type(caught.value).__name__ == "ConfigValidationError"


@pytest.mark.parametrize("name", ["sinet", "spert", "stsn", "iser", "lainet"])
def test_loggers_in_the_comments_of_a_config_exist(name):
    text = (ROOT / "configs" / f"{name}.cfg").read_text(encoding="utf8")
    comment = text[text.index("# To log to Weights & Biases") :].splitlines()
    lines = [line[4:] for line in comment if line.startswith("#   ")]
    start = lines.index("[training.logger.logger2]")
    other = lines.index("[training.logger.logger2]", start + 1)
    for block in (lines[:other], [*lines[:start], *lines[other:]]):
        # as in a config with these lines instead of the section
        config = Config().from_str("\n".join(["[training]", *block]))
        chain = config["training"]["logger"]
        for settings in (chain, chain["logger1"], chain["logger2"]):
            # the functions import the packages of the services
            function = registry.get("loggers", settings.pop("@loggers"))
            inspect.signature(function).bind(**settings)
