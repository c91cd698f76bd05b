"""`spacy jre debug-data`: check the corpora of a training config."""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from confection import ConfigValidationError
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Config
from thinc.layers import noop

from ..annotations.given import PREDICT
from ..architectures.bridge import MAX_PAIRED_ENTITIES
from ..corpora.dataset import settings_of_data
from ..errors import Errors, JREError
from ..inspection import (
    Finding,
    Inspection,
    Leak,
    Settings,
    choose_samples,
    collect_findings,
    compare_with,
    find_leaks,
    inspect_split,
    render_sample,
)
from ..pipeline.defaults import FACTORY
from ..pipeline.joint_extractor import JointRelationExtractor
from ..pipeline.label_sets import check_label_data
from ..pipeline.sentence_check import has_several_sentences

# factories of components that set sentence boundaries
SENTENCE_SETTERS = ("sentencizer", "senter", "parser")
# settings of the component that limit what can be trained and predicted
READ = (
    "max_span_width",
    "negative_spans",
    "negative_pairs",
    "symmetric",
    "threshold",
    "label_thresholds",
    "overlaps",
    "constraints",
    "attr",
    "spans_key",
    "entities",
    "windows",
)


@dataclass(frozen=True)
class Report:
    """Statistics and findings for the corpora of a config.

    config (Path): The training config.
    component (str): Name of the component.
    settings (Settings): Settings of the component.
    splits (dict[str, Inspection]): "train", "dev" and optionally "test".
    leaks (list[Leak]): One per pair of splits.
    findings (list[Finding]): Findings, errors first.
    samples (list): Doc and markup of a few training sentences.
    """

    config: Path
    component: str
    settings: Settings
    splits: dict[str, Inspection]
    leaks: list[Leak]
    findings: list[Finding]
    samples: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        """RETURNS (dict): Statistics and findings as JSON-serializable values."""
        splits = {}
        for name, inspection in self.splits.items():
            repeats = inspection.repeats
            splits[name] = {
                "size": _plain(inspection.size),
                "entities": _plain(inspection.entities),
                "overlaps": _plain(inspection.overlaps),
                "relations": _plain(inspection.relations),
                "pairs": _plain(inspection.pairs),
                "reach": _plain(inspection.reach),
                "repeats": {
                    "repeated": repeats.repeated,
                    "inconsistent": repeats.inconsistent,
                },
                "compared": compare_with(inspection, self.splits["train"]),
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
    """Read the corpora of a config with the config's readers and check them.

    No encoder is loaded and nothing is trained.

    path (Path): A training config.
    overrides (Mapping): Config overrides by dotted name.
    test (Path): A .spacy file. It is read with the reader of the dev data.
    component (str): Name of the component. Can be empty if there is only one.
    RETURNS (Report): Statistics and findings.
    RAISES (ValueError): J601 for a missing config, J720 for an invalid one, J721 or
        J722 for the component, J723 for a corpus without a path, J503 or J506 for the
        component's settings, and the errors of the reader.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    given = dict(overrides or {})
    if isinstance(given.get("paths.train"), str):
        # like `spacy jre train`
        given = {**settings_of_data(Path(given["paths.train"])), **given}
    with _config_errors(path):
        # variables are replaced, as in training
        config = load_config(path, overrides=given, interpolate=True)
        # reading only requires the tokenizer and the vocab
        without_pipes = {**config.get("nlp", {}), "pipeline": [], "disabled": []}
        nlp = load_model_from_config({"nlp": without_pipes}, auto_fill=True)
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
    unsplit: Counter[str] = Counter()
    for split, block in blocks.items():
        with _config_errors(path):
            reader = registry.resolve({"corpus": block})["corpus"]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            examples = _count_unsplit(reader(nlp), split, unsplit)
            splits[split] = inspect_split(examples, settings, name=split)
        messages = dict.fromkeys(str(warning.message) for warning in caught)
        findings += [Finding("warning", "reader", message) for message in messages]
    annotating = training.get("annotating_components") or []
    findings += _check_unsplit(config, name, unsplit, annotating)
    if annotating:
        findings.append(
            Finding(
                "advice",
                "annotating-components",
                f"In training, {', '.join(annotating)} may set different sentence "
                "boundaries. This report uses the sentences of the data.",
            )
        )
    return Report(
        path,
        name,
        settings,
        splits,
        find_leaks({split: one.repeats for split, one in splits.items()}),
        collect_findings(splits, settings, findings),
        [
            (sample.name, render_sample(sample.record))
            for sample in choose_samples(splits["train"].samples)
        ],
    )


# sentences ----------------------------------------------------------------------------


def _count_unsplit(
    examples: Iterable[Example], split: str, counts: Counter[str]
) -> Iterator[Example]:
    """Count the Docs of several sentences without boundaries, as they are read."""
    for example in examples:
        counts[split] += has_several_sentences(example.predicted)
        yield example


def _check_unsplit(
    config: Config, name: str, counts: Counter[str], annotating: Sequence[str]
) -> Iterator[Finding]:
    """Check for Docs that are one sentence in training and several ones afterwards."""
    pipeline = list(config.get("nlp", {}).get("pipeline", []))
    before = pipeline[: pipeline.index(name)] if name in pipeline else []
    setters = [
        one
        for one in before
        if one not in annotating
        and config["components"].get(one, {}).get("factory") in SENTENCE_SETTERS
    ]
    if counts.total() and setters:
        found = ", ".join(f"{split} {count}" for split, count in counts.items())
        yield Finding(
            "warning",
            "unsplit-texts",
            f"Docs of several sentences without sentence boundaries: {found}. Each is "
            f"one sentence in training, but {', '.join(setters)} splits it in "
            "evaluation and prediction. Convert the data with --sentences rules, or "
            f"set annotating_components = {json.dumps(setters)} in [training].",
        )


# the config ---------------------------------------------------------------------------


@contextmanager
def _config_errors(path: Path) -> Iterator[None]:
    """Add the path of the config to errors of spaCy, thinc or confection."""
    try:
        yield
    except JREError:
        raise
    except Exception as error:  # they raise different types
        message = str(error)
        if isinstance(error, ConfigValidationError):
            problems = [
                f"{' -> '.join(str(part) for part in one['loc'])}: {one['msg']}"
                for one in error.errors or ()
            ]
            message = "; ".join(problems) or error.desc or message
        message = " ".join(message.split())
        raise JREError(Errors.J720.format(path=path, error=message)) from error


def _choose_component(path: Path, config: Config, name: str) -> str:
    names = [
        pipe_name
        for pipe_name, block in config.get("components", {}).items()
        if block.get("factory") == FACTORY
    ]
    known = ", ".join(names) or "none"
    if not names or (name and name not in names):
        raise JREError(Errors.J721.format(path=path, name=name or FACTORY, known=known))
    if not name and len(names) > 1:
        raise JREError(Errors.J722.format(path=path, known=known))
    return name or names[0]


def _read_settings(path: Path, config: Config, name: str, nlp: Language) -> Settings:
    """Read the component's settings, with the checks of spaCy and the component."""
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
    labels = _fixed_labels(path, config, name) or {}
    overlaps, constraints = cfg["overlaps"], cfg["constraints"]
    if overlaps == "auto":
        overlaps = labels.get("overlapping", overlaps)
    if constraints == "infer":
        constraints = labels.get("triples", constraints)
    return Settings(
        max_span_width=cfg["max_span_width"],
        negative_pairs=cfg["negative_pairs"],
        max_entities=MAX_PAIRED_ENTITIES,
        symmetric=tuple(cfg["symmetric"]),
        label_thresholds=tuple(cfg["label_thresholds"]),
        overlaps=_rows(overlaps),
        constraints=_rows(constraints),
        attr=cfg["attr"],
        windows=cfg["windows"],
        given=cfg["entities"] != PREDICT,
        entity_labels=tuple(labels["entities"]) if labels else None,
        relation_labels=tuple(labels["relations"]) if labels else None,
    )


def _rows(value: str | Sequence[Sequence[str]]) -> str | tuple[tuple[str, ...], ...]:
    """RETURNS (str | tuple): A name, or rows of labels as tuples."""
    return value if isinstance(value, str) else tuple(map(tuple, value))


def _fixed_labels(path: Path, config: Config, name: str) -> dict[str, Any] | None:
    components = config.get("initialize", {}).get("components", {})
    block = components.get(name, {})
    if block.get("labels") is None:
        return None
    with _config_errors(path):
        resolved = registry.resolve({"block": {"labels": block["labels"]}})
    labels: Any = resolved["block"]["labels"]
    if labels is not None:
        check_label_data(name, labels)
    return labels


def _corpus_block(
    path: Path, config: Config, training: Mapping[str, Any], split: str
) -> dict[str, Any]:
    dotted = training.get(f"{split}_corpus") or f"corpora.{split}"
    block: Any = config
    for part in dotted.split("."):
        block = block.get(part) if isinstance(block, dict) else None
    if not isinstance(block, dict):
        raise JREError(
            Errors.J720.format(path=path, error=f"section [{dotted}] is missing")
        )
    # other readers may not have a path
    if "path" in block and not block["path"]:
        raise JREError(Errors.J723.format(path=path, section=dotted, split=split))
    # keep the order of the file, so that train[12] is its Doc 12
    return {**block, "shuffle": False} if "shuffle" in block else dict(block)


def _at_path(
    block: Mapping[str, Any], path: Path, settings: Settings
) -> dict[str, Any]:
    """Copy a corpus block and change its path."""
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
