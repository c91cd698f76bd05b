"""`spacy jre debug-data`: what a config would make of its corpora."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from confection import ConfigValidationError
from spacy.language import Language
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Config
from thinc.layers import noop

from ..architectures.bridge import MAX_PAIRED_ENTITIES
from ..corpora.dataset import settings_of_data
from ..errors import Errors, JREError
from ..inspection import (
    Finding,
    Inspection,
    Leak,
    Settings,
    choose_samples,
    compare_with,
    find_leaks,
    inspect_split,
    judge,
    render_sample,
)
from ..pipeline.joint_extractor import JointRelationExtractor

FACTORY = "jre"
# settings that say what can be learnt and predicted
READ = (
    "max_span_width",
    "negative_spans",
    "negative_pairs",
    "symmetric",
    "threshold",
    "label_thresholds",
    "attr",
)


@dataclass(frozen=True)
class Report:
    """What there is to say of the corpora of a config.

    config (Path), component (str): What was looked at.
    settings (Settings): Of the component.
    splits (dict[str, Inspection]): "train", "dev" and, if given, "test".
    leaks (list[Leak]): One per two splits.
    findings (list[Finding]): Errors first.
    samples (list): Doc and markup of a few sentences of the training data.
    """

    config: Path
    component: str
    settings: Settings
    splits: dict[str, Inspection]
    leaks: list[Leak]
    findings: list[Finding]
    samples: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        """RETURNS (dict): Figures and findings as plain values."""
        splits = {}
        for name, found in self.splits.items():
            repeats = found.repeats
            splits[name] = {
                "size": _plain(found.size),
                "entities": _plain(found.entities),
                "overlaps": _plain(found.overlaps),
                "relations": _plain(found.relations),
                "pairs": _plain(found.pairs),
                "repeats": {
                    "repeated": repeats.repeated,
                    "inconsistent": repeats.inconsistent,
                },
                "compared": compare_with(found, self.splits["train"]),
            }
        return {
            "config": str(self.config),
            "component": self.component,
            "settings": _plain(self.settings),
            "splits": splits,
            "leaks": _plain(self.leaks),
            "findings": _plain(self.findings),
            "samples": [{"doc": doc, "markup": markup} for doc, markup in self.samples],
        }


def debug_data(
    path: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    test: Path | None = None,
    component: str = "",
) -> Report:
    """Read the corpora of a config with its own readers, measure and judge them.

    No encoder is loaded and nothing is trained.

    path (Path): A training config.
    overrides (Mapping): Config values by their dotted names.
    test (Path): A .spacy file, read as the dev data are.
    component (str): Name of the component; empty: the only one.
    RETURNS (Report): Figures and findings.
    RAISES (ValueError): J601 without a config, J720 for a broken one, J721 or J722
        for the component, J723 for a corpus without a path, J503 or J506 for its
        settings, and what the reader raises.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    given = dict(overrides or {})
    if isinstance(given.get("paths.train"), str):
        # as `spacy jre train` does
        given = {**settings_of_data(Path(given["paths.train"])), **given}
    with _config_errors(path):
        # as it will be used: variables replaced
        config = load_config(path, overrides=given, interpolate=True)
        # tokenizer and vocab are all that reading takes
        bare = {**config.get("nlp", {}), "pipeline": [], "disabled": []}
        nlp = load_model_from_config({"nlp": bare}, auto_fill=True)
    name = _choose_component(path, config, component)
    settings = _read_settings(path, config, name, nlp)
    training = config.get("training", {})
    blocks = {
        split: _corpus_block(path, config, training, split)
        for split in ("train", "dev")
    }
    if test is not None:
        blocks["test"] = _at_path(blocks["dev"], test, settings)
    splits: dict[str, Inspection] = {}
    findings: list[Finding] = []
    for split, block in blocks.items():
        with _config_errors(path):
            reader = registry.resolve({"corpus": block})["corpus"]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            splits[split] = inspect_split(reader(nlp), settings, name=split)
        messages = dict.fromkeys(str(warning.message) for warning in caught)
        findings += [Finding("warning", "reader", message) for message in messages]
    annotating = training.get("annotating_components")
    if annotating:
        findings.append(
            Finding(
                "advice",
                "annotating-components",
                f"In training, {', '.join(annotating)} may set other sentence "
                "boundaries. The sentences here are those of the data.",
            )
        )
    return Report(
        path,
        name,
        settings,
        splits,
        find_leaks({split: found.repeats for split, found in splits.items()}),
        judge(splits, settings, findings),
        [
            (sample.name, render_sample(sample.record))
            for sample in choose_samples(splits["train"].samples)
        ],
    )


# the config ---------------------------------------------------------------------------


@contextmanager
def _config_errors(path: Path) -> Iterator[None]:
    """Say of which file it is that spaCy, thinc or confection complain."""
    try:
        yield
    except JREError:
        raise
    except Exception as error:  # each of them raises its own
        message = str(error)
        if isinstance(error, ConfigValidationError):
            found = [
                f"{' -> '.join(str(part) for part in one['loc'])}: {one['msg']}"
                for one in error.errors or ()
            ]
            message = "; ".join(found) or error.desc or message
        message = " ".join(message.split())
        raise JREError(Errors.J720.format(path=path, error=message)) from error


def _choose_component(path: Path, config: Config, wanted: str) -> str:
    names = [
        name
        for name, block in config.get("components", {}).items()
        if block.get("factory") == FACTORY
    ]
    known = ", ".join(names) or "none"
    if not names or (wanted and wanted not in names):
        raise JREError(
            Errors.J721.format(path=path, name=wanted or FACTORY, known=known)
        )
    if not wanted and len(names) > 1:
        raise JREError(Errors.J722.format(path=path, known=known))
    return wanted or names[0]


def _read_settings(path: Path, config: Config, name: str, nlp: Language) -> Settings:
    """Check the component's block as spaCy does, and as the component itself does."""
    block = {k: v for k, v in config["components"][name].items() if k != "factory"}
    defaults = Language.get_factory_meta(FACTORY).default_config or {}
    with _config_errors(path):
        filled = registry.fill(
            {
                "cfg": {
                    **defaults,
                    **block,
                    "nlp": nlp,
                    "name": name,
                    "@factories": FACTORY,
                }
            }
        )["cfg"]
    values = {key: filled[key] for key in READ}
    cfg = JointRelationExtractor(nlp.vocab, noop(), name, **values).cfg
    labels = _fixed_labels(path, config, name)
    return Settings(
        max_span_width=cfg["max_span_width"],
        negative_pairs=cfg["negative_pairs"],
        max_entities=MAX_PAIRED_ENTITIES,
        symmetric=tuple(cfg["symmetric"]),
        label_thresholds=tuple(cfg["label_thresholds"]),
        attr=cfg["attr"],
        entity_labels=tuple(labels["entities"]) if labels else None,
        relation_labels=tuple(labels["relations"]) if labels else None,
    )


def _fixed_labels(path: Path, config: Config, name: str) -> dict[str, list[str]] | None:
    components = config.get("initialize", {}).get("components", {})
    block = components.get(name, {})
    if block.get("labels") is None:
        return None
    with _config_errors(path):
        labels = registry.resolve({"block": {"labels": block["labels"]}})
    found: Any = labels["block"]["labels"]
    if found is not None and (
        not isinstance(found, dict)
        or set(found) - {"tags"} != {"entities", "relations"}
    ):
        raise JREError(Errors.J503.format(name=name, value=found))
    return found


def _corpus_block(
    path: Path, config: Config, training: Mapping[str, Any], split: str
) -> dict[str, Any]:
    dotted = training.get(f"{split}_corpus") or f"corpora.{split}"
    block: Any = config
    for part in dotted.split("."):
        block = block.get(part) if isinstance(block, dict) else None
    if not isinstance(block, dict):
        raise JREError(
            Errors.J720.format(path=path, error=f"it has no section [{dotted}]")
        )
    if not block.get("path", "other readers need none"):
        raise JREError(Errors.J723.format(path=path, section=dotted, split=split))
    # the order of the file: train[12] is its Doc 12
    return {**block, "shuffle": False} if "shuffle" in block else dict(block)


def _at_path(
    block: Mapping[str, Any], path: Path, settings: Settings
) -> dict[str, Any]:
    """A corpus block that reads another file."""
    if "path" in block:
        return {**block, "path": str(path)}
    return {"@readers": "spacy-jre.Corpus.v1", "path": str(path), "attr": settings.attr}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
