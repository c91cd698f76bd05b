"""`spacy jre train`: spaCy's training with a computed number of schedule steps."""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import srsly
import torch
from spacy.cli._util import import_code, setup_gpu, show_validation_error
from spacy.language import DEFAULT_CONFIG, Language
from spacy.training.initialize import init_nlp
from spacy.util import (
    load_config,
    load_config_from_str,
    load_model_from_config,
    registry,
    resolve_dot_names,
)
from thinc.api import Config
from wasabi import MarkdownRenderer, msg

from ..about import __version__
from ..corpora.dataset import Dataset, find_dataset
from ..corpora.reader import Corpus, find_docbins, load_docbin
from ..errors import Errors, JREError, Warnings
from ..pipeline.defaults import FACTORY
from ..pipeline.defaults import TOK2VEC as TOK2VEC_BLOCK
from ..pipeline.joint_extractor import JointRelationExtractor
from ..pipeline.label_sets import collect_labels
from ..training.checkpoint import read_progress
from ..training.loop import check_output
from ..training.loop import train as train_nlp
from .cpu import fast_cpu

TOK2VEC = "tok2vec"
TRANSFORMER = "spacy-jre.TransformerEncoder.v1"
BATCHER = "spacy.batch_by_sequence.v1"
# values of the recipe that options override
RECIPE_SIZES = ("epochs", "batch_size")
# spaCy's defaults in meta.json
UNNAMED, UNVERSIONED = "pipeline", "0.0.0"
FIRST_VERSION = "0.1.0"


def schedule_overrides(
    n_sentences: int, batch_size: int, epochs: int, warmup: float
) -> dict[str, Any]:
    """Compute the config values that depend on corpus, batch size and epochs.

    n_sentences (int): Number of Docs in the training data.
    batch_size (int): Docs per step.
    epochs (int): Number of epochs.
    warmup (float): Share of all steps in which the learning rate increases.
    RETURNS (dict[str, Any]): Config overrides for the steps of the schedule and one
        evaluation per epoch. Early stopping is disabled. spaCy counts steps from 0 and
        evaluates after the update, so training ends with one additional step, at a
        learning rate of 0.
    """
    per_epoch = math.ceil(n_sentences / batch_size)
    total = per_epoch * epochs
    return {
        "training.max_epochs": 0,
        "training.max_steps": total,
        "training.patience": 0,
        "training.eval_frequency": per_epoch,
        "training.batcher.size": batch_size,
        "training.optimizer.learn_rate.warmup_steps": round(total * warmup),
        "training.optimizer.learn_rate.total_steps": total,
    }


def check_numbers(**numbers: int) -> None:
    """Check numbers of the command line.

    numbers (int): The values by the names of their options.
    RAISES (ValueError): J736 for a value below 0.
    """
    for name, value in numbers.items():
        if value < 0:
            option = name.replace("_", "-")
            raise JREError(
                Errors.J736.format(name=option, expected="at least 0", value=value)
            )


def check_recipe(path: Path, recipe: Mapping[str, Any]) -> None:
    """Check the values that are used to compute the steps of the schedule.

    path (Path): The config, for the error message.
    recipe (Mapping[str, Any]): The section [recipe] of the config.
    RAISES (ValueError): J731 with the invalid value.
    """
    for name in RECIPE_SIZES:
        value = recipe.get(name)
        if type(value) is not int or value < 1:
            expected = "a whole number of at least 1"
            raise JREError(_wrong_recipe(path, name, expected, value))
    for name in ("warmup", "cold_start"):
        value = recipe.get(name, 0 if name == "cold_start" else None)
        if type(value) not in (int, float) or not 0 <= value <= 1:
            expected = "a share from 0 to 1"
            raise JREError(_wrong_recipe(path, name, expected, value))


def _wrong_recipe(path: Path, name: str, expected: str, value: Any) -> str:
    return Errors.J731.format(
        path=path, name=f"{name} in [recipe]", expected=expected, value=value
    )


def check_batcher(path: Path, config: Config) -> None:
    """Check that the size of a batch is a number of sentences, as the batch size of the
    recipe.

    RAISES (ValueError): J731 for another batcher.
    """
    batcher = config["training"].get("batcher", {}).get("@batchers")
    if batcher != BATCHER:
        expected = f"{BATCHER}, whose size is a number of sentences"
        name = "@batchers in [training.batcher]"
        raise JREError(
            Errors.J731.format(path=path, name=name, expected=expected, value=batcher)
        )


def check_encoder(encoder: str) -> None:
    """RAISES (ValueError): J733 for another spelling of tok2vec."""
    if encoder != TOK2VEC and encoder.lower() == TOK2VEC:
        raise JREError(Errors.J733.format(value=encoder))


def choose_encoder(
    config: Config, encoder: str, source: str = "The option --encoder"
) -> None:
    """Set the encoder of the component, and the learning rate if required.

    config (Config): The config. It is modified in place.
    encoder (str): Hub name, folder or ``package:<module>`` of a transformer, which
        keeps the other settings of the current transformer; or "tok2vec" for spaCy's
        Tok2Vec, with the learning rate ``tok2vec_rate`` in ``[recipe]``.
    source (str): Origin of the value, for the error message.
    RAISES (ValueError): J710 for "tok2vec" if the recipe has no rate for it, J733 for
        another spelling of it.
    """
    check_encoder(encoder)
    model = config["components"]["jre"]["model"]
    if encoder == TOK2VEC:
        if "tok2vec_rate" not in config["recipe"]:
            raise JREError(Errors.J710.format(source=source))
        model["tok2vec"] = dict(TOK2VEC_BLOCK)
        schedule = config["training"]["optimizer"]["learn_rate"]
        schedule["initial_rate"] = config["recipe"]["tok2vec_rate"]
    elif model["tok2vec"].get("@architectures") == TRANSFORMER:
        model["tok2vec"]["name"] = encoder
    else:
        model["tok2vec"] = {"@architectures": TRANSFORMER, "name": encoder}


def choose_language(config: Config, lang: str) -> None:
    """Set the language of the pipeline and remove the tokenizer of the old language.

    A config that was auto-filled by spaCy contains a tokenizer. Custom tokenizers are
    kept.
    """
    nlp = config["nlp"]
    tokenizer = str(nlp.get("tokenizer", {}).get("@tokenizers", ""))
    if nlp["lang"] != lang and tokenizer.startswith("spacy."):
        del nlp["tokenizer"]
        config.get("initialize", {}).pop("tokenizer", None)
    nlp["lang"] = lang


def network_settings(about: Dataset, config: Config) -> dict[str, Any]:
    """Get the arguments of the architecture that a dataset.json defines.

    RETURNS (dict[str, Any]): Config overrides by dotted name, without arguments that
        the architecture of the config does not have.
    """
    if not about.network:
        return {}
    name = config["components"]["jre"]["model"]["@architectures"]
    accepted = inspect.signature(registry.get("architectures", name)).parameters
    return {
        f"components.jre.model.{argument}": value
        for argument, value in about.network.items()
        if argument in accepted
    }


def plan_training(
    config_path: Path,
    about: Dataset | None,
    n_sentences: int | Callable[[Config], int],
    *,
    text: str | None = None,
    encoder: str = "",
    epochs: int = 0,
    batch_size: int = 0,
    lang: str = "",
    overrides: Mapping[str, Any],
) -> tuple[Config, dict[str, Any]]:
    """Get the config of a training, and the values that depend on the data.

    about (Dataset | None): The dataset.json of the data.
    n_sentences (int | Callable): Number of Docs in the training data, or a function
        that counts them for the config.
    text (str | None): The content of the config file, if it was read before.
    RETURNS (tuple[Config, dict[str, Any]]): The config with the overrides, and
        further overrides by dotted name: the settings of the dataset.json and the
        steps of the schedule. The given overrides take precedence over them. The
        config has the epochs and the batch size that are used in [recipe].
    RAISES (ValueError): J706 or J731 for the config, J710 or J733 for the encoder,
        and confection's error for overrides that the config has no section for.
    """
    given = dict(overrides)
    if text is None:
        config = load_config(config_path, overrides=given, interpolate=False)
    else:
        config = load_config_from_str(text, overrides=given, interpolate=False)
    if "recipe" not in config:
        raise JREError(Errors.J706.format(path=config_path))
    recipe = dict(config["recipe"])
    # the overrides are already in the recipe
    if epochs and "recipe.epochs" not in overrides:
        recipe["epochs"] = epochs
    if batch_size and "recipe.batch_size" not in overrides:
        recipe["batch_size"] = batch_size
    # --training.batcher.size sets the batch size, too
    if "training.batcher.size" in overrides:
        recipe["batch_size"] = overrides["training.batcher.size"]
    check_recipe(config_path, recipe)
    check_batcher(config_path, config)
    config["recipe"] = recipe
    if encoder:
        choose_encoder(config, encoder)
    elif about is not None and about.encoder:
        choose_encoder(config, about.encoder, "The dataset.json of the data")
    lang = lang or (about.lang if about is not None else "")
    if lang:
        choose_language(config, lang)
    if not isinstance(n_sentences, int):
        n_sentences = n_sentences(config)
    computed: dict[str, Any] = {
        **(about.settings if about is not None else {}),
        **(network_settings(about, config) if about is not None else {}),
        **schedule_overrides(
            n_sentences, recipe["batch_size"], recipe["epochs"], recipe["warmup"]
        ),
    }
    if "cold_start" in recipe:
        # a share of all updates. LAI-Net counts updates
        steps = computed["training.max_steps"]
        cold = round(steps * recipe["cold_start"])
        computed["components.jre.model.cold_start"] = cold
    return config, computed


def count_docs(config: Config, train: Path, dev: Path) -> int:
    """Count the Docs of an epoch.

    config (Config): The config of the training.
    train, dev (Path): The data.
    RETURNS (int): Number of Docs that the corpus reader yields. If the reader of this
        package neither splits nor skips Docs, they are not created.
    RAISES (ValueError): J601, J602 or J609 for files that cannot be read, and the
        errors of the reader.
    """
    paths = {"paths.train": str(train), "paths.dev": str(dev)}
    given = Config().from_str(config.to_str(), overrides=paths, interpolate=False)
    filled = Config(DEFAULT_CONFIG).merge(given).interpolate()
    (reader,) = resolve_dot_names(filled, [filled["training"]["train_corpus"]])
    if isinstance(reader, Corpus) and reader.yields_all:
        count = sum(len(load_docbin(path)) for path in find_docbins(reader.path))
        return min(count, reader.limit or count)
    # the tokenizer is sufficient
    given["nlp"]["pipeline"] = []
    nlp = load_model_from_config(given, auto_fill=True)
    with warnings.catch_warnings():
        # the training shows them
        warnings.simplefilter("ignore")
        return sum(1 for _ in reader(nlp))


def find_replaced(path: Path, config: Config, given: Mapping[str, Any]) -> list[str]:
    """Find settings of the training that have no effect.

    path (Path): The config.
    config (Config): The config with the given overrides and the recipe that is used.
    given (Mapping[str, Any]): The overrides.
    RETURNS (list[str]): J924 for patience, and for max_epochs if it is not the number
        of epochs in [recipe].
    """
    settings, epochs = config["training"], config["recipe"]["epochs"]
    usual = load_config(path, interpolate=False)["recipe"].get("epochs")
    replaced = []
    for name, values, advice in (
        ("patience", (0,), "To use it, add --training.patience {value}."),
        ("max_epochs", (0, usual, epochs), "For another number, use --epochs."),
    ):
        value = settings.get(name, 0)
        if f"training.{name}" not in given and value not in values:
            replaced.append(
                Warnings.J924.format(
                    path=path,
                    name=name,
                    value=value,
                    epochs=epochs,
                    advice=advice.format(value=value),
                )
            )
    return replaced


def run_training(
    config_path: Path,
    output: Path,
    train_path: Path,
    dev_path: Path,
    *,
    encoder: str = "",
    epochs: int = 0,
    batch_size: int = 0,
    seed: int | None = None,
    gpu_id: int = -1,
    threads: int = 0,
    dataset: str = "",
    symmetric: Sequence[str] = (),
    lang: str = "",
    overrides: Mapping[str, Any] | None = None,
    resume: bool = False,
    resumable: bool = True,
) -> None:
    """Train a pipeline. See ``spacy jre train --help`` for the arguments.

    Defaults are in ``[recipe]`` of the config, and in the dataset.json in the folder of
    the training data.

    seed (int | None): Random seed. None: that of the config.
    overrides (Mapping[str, Any]): Config overrides by dotted name. They take precedence
        over the config, the dataset.json, the computed values and the other arguments.
    resume (bool): Whether to continue from the saved state in the output. Without
        one, the training starts at the first step.
    resumable (bool): Whether to save the state of the training at each evaluation.
    RAISES (ValueError): J706 or J731 for the config, J710 or J733 for the encoder, J785
        for an output folder that is a file, and the errors of the readers and the
        training. (KeyboardInterrupt): If the training is stopped by a signal.
    """
    import_code(None)
    check_output(output)
    if resume:
        progress = read_progress(output)
        if progress is None:
            resume = False
            msg.info(f"{output} has no saved state: the training starts at step 0")
        elif not progress.finished:
            msg.info(f"Resuming after step {progress.step}")
    given = dict(overrides or {})
    about = find_dataset(Path(train_path).parent)
    with show_validation_error(config_path):
        config, computed = plan_training(
            config_path,
            about,
            partial(count_docs, train=Path(train_path), dev=Path(dev_path)),
            encoder=encoder,
            epochs=epochs,
            batch_size=batch_size,
            lang=lang,
            overrides=given,
        )
    computed["paths.train"] = str(train_path)
    computed["paths.dev"] = str(dev_path)
    for line in find_replaced(config_path, config, given):
        msg.warn(line)
    if seed is not None:
        computed["system.seed"] = seed
    if symmetric:
        computed["components.jre.symmetric"] = list(symmetric)
    if threads:
        torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    config.to_disk(output / "config.cfg")
    # [recipe] of the config has the values that are used
    recipe = {f"recipe.{name}": config["recipe"][name] for name in RECIPE_SIZES}
    overrides = {**computed, **given, **recipe}
    with fast_cpu(gpu_id):
        train(
            output / "config.cfg",
            output,
            use_gpu=gpu_id,
            overrides=overrides,
            resume=resume,
            resumable=resumable,
            keep_last=about is not None and about.keep == "last",
            complete=partial(complete_meta, dataset=dataset),
        )


def train(
    config_path: Path,
    output: Path,
    *,
    use_gpu: int,
    overrides: Mapping[str, Any],
    resume: bool,
    resumable: bool,
    keep_last: bool,
    complete: Callable[[Path], None],
) -> None:
    """Initialize and train the pipeline of a config, like ``spacy train``.

    overrides (Mapping[str, Any]): Config overrides by dotted name.
    Other arguments: See ``spacy_jre.training.loop.train``.
    """
    setup_gpu(use_gpu)
    with show_validation_error(config_path):
        config = load_config(config_path, overrides=dict(overrides), interpolate=False)
    msg.divider("Initializing pipeline")
    with show_validation_error(config_path, hint_fill=False):
        nlp = init_nlp(config, use_gpu=use_gpu)
    msg.good("Initialized pipeline")
    for line in find_unknown_labels(nlp):
        msg.warn(line)
    msg.divider("Training pipeline")
    train_nlp(
        nlp,
        output,
        use_gpu=use_gpu,
        resume=resume,
        resumable=resumable,
        keep_last=keep_last,
        complete=complete,
    )


def find_unknown_labels(nlp: Language) -> list[str]:
    """Find labels of the dev data that a component does not predict.

    nlp (Language): The initialized pipeline.
    RETURNS (list[str]): J923 for each component with such labels.
    """
    config = nlp.config.interpolate()
    (dev_corpus,) = resolve_dot_names(config, [config["training"]["dev_corpus"]])
    examples = list(dev_corpus(nlp))
    lines = []
    for name, component in nlp.pipeline:
        if isinstance(component, JointRelationExtractor):
            found = collect_labels(examples, component.cfg["attr"])
            labels = []
            if component.cfg["entities"] == "predict":
                labels = sorted(found.entity_labels - set(component.entity_labels))
            labels += sorted(found.relation_labels - set(component.relation_labels))
            if labels:
                text = ", ".join(labels)
                lines.append(Warnings.J923.format(name=name, labels=text))
    return lines


def complete_meta(folder: Path, dataset: str = "") -> None:
    """Add the fields that `spacy package` uses to the meta.json of a pipeline.

    spaCy's default name and version are replaced. The notes list entity and relation
    labels separately, because spaCy lists them together.

    folder (Path): The folder of the pipeline.
    dataset (str): Name of the training data.
    """
    meta = srsly.read_json(folder / "meta.json")
    if meta.get("name", UNNAMED) == UNNAMED:
        meta["name"] = "jre"
    if meta.get("version", UNVERSIONED) == UNVERSIONED:
        meta["version"] = FIRST_VERSION
    data = f", trained on {dataset}" if dataset else ""
    meta["description"] = (
        f"Joint entity and relation extraction{data} with spacy-jre {__version__}"
    )
    if dataset:
        meta["sources"] = [{"name": dataset}]
    components = load_config(folder / "config.cfg")["components"]
    names = [n for n, block in components.items() if block.get("factory") == FACTORY]
    texts = [_describe_labels(n, srsly.read_json(folder / n / "cfg")) for n in names]
    meta["notes"] = "\n\n".join(texts)
    srsly.write_json(folder / "meta.json", meta)


def _describe_labels(name: str, cfg: Mapping[str, Any]) -> str:
    """RETURNS (str): Markdown for the model card of the package."""
    rows = [("Entities", cfg["entity_labels"]), ("Relations", cfg["relation_labels"])]
    if cfg["symmetric"]:
        rows.append(("Symmetric relations", cfg["symmetric"]))
    md = MarkdownRenderer()
    md.add(md.title(3, f"Entity and relation labels of {md.code(name)}"))
    cells = [
        (kind, ", ".join(md.code(label.replace("|", "\\|")) for label in labels))
        for kind, labels in rows
    ]
    md.add(md.table(cells, ["Kind", "Labels"]))
    return md.text
