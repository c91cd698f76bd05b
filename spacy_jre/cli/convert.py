"""`spacy jre convert`: convert annotated files to .spacy and other formats."""

import math
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import spacy
import srsly
from spacy.language import Language
from weasel.util import get_checksum

from ..annotations import (
    AlignmentReport,
    LeftOut,
    Record,
    TextTooLongError,
    build_doc,
    read_record,
    register_extension,
    split_sentences,
)
from ..annotations.build import MERGED, MISALIGNED, Alignment
from ..corpora.dataset import FILE as DATASET_FILE
from ..corpora.dataset import Dataset, find_dataset, set_language, write_facts
from ..corpora.formats import FORMATS, find_format, guess_format
from ..corpora.formats.brat import write_brat
from ..corpora.formats.docbin import RelationDocBin
from ..corpora.formats.inline import write_inline
from ..corpora.formats.label_studio import write_label_studio
from ..corpora.formats.prodigy import write_prodigy
from ..corpora.formats.registry import Format, take_sample
from ..corpora.formats.spert_json import write_spert_json
from ..corpora.formats.surface import Repeats
from ..corpora.labels import Labels
from ..corpora.shaping import Sentences, with_sentences, with_words
from ..corpora.sources import Discontinuous, OnSkip
from ..corpora.splits import (
    SPLITS,
    By,
    choose_by_id,
    find_only_file,
    find_splits,
    parse_shares,
    split_records,
    splits_missing,
)
from ..errors import Errors, JREError
from .printable import printable

Target = Literal["spacy", "spert", "prodigy", "brat", "label-studio", "inline"]
ENDINGS: dict[str, str] = {
    "spacy": ".spacy",
    "spert": ".json",
    "prodigy": ".jsonl",
    "brat": "",
    "label-studio": ".json",
    "inline": ".txt",
}
WRITERS: dict[str, Callable[[Iterable[Record], Path, OnSkip], None]] = {
    "spert": lambda records, path, skip: write_spert_json(records, path),
    "prodigy": lambda records, path, skip: write_prodigy(records, path),
    "brat": lambda records, path, skip: write_brat(records, path),
    "label-studio": lambda records, path, skip: write_label_studio(records, path),
    "inline": write_inline,
}

# how a folder with a single file is split
ONLY_FILE_SPLIT = "80/10/10"
# options that can keep more of the data
REMEDIES: dict[str, tuple[Any, ...]] = {
    "alignment": ("expand", "contract"),
    "discontinuous": ("cover",),
    "events": (True,),
}


@dataclass(frozen=True)
class Settings:
    """Settings of a conversion. See ``spacy jre convert --help``.

    map (tuple[str, ...]): Labels to rename, as "OLD=NEW".
    drop (tuple[str, ...]): Labels of entities and relations to drop.
    checksums (Path | None): A project.yml. Sources that are listed in its assets must
        have the checksum given there. (weasel only prints a warning.)
    """

    format: str = "auto"
    to: Target = "spacy"
    lang: str = ""
    alignment: Alignment = "strict"
    sentences: Sentences = "record"
    per_sentence: bool = False
    tokenized: bool = False
    repeats: Repeats = "nearest"
    discontinuous: Discontinuous = "skip"
    events: bool = True
    features: tuple[str, ...] = ()
    text_field: str = ""
    relation_label: str = "related"
    predictions: bool = False
    ids: Path | None = None
    split: str = ""
    by: By = "doc"
    seed: int = 0
    fold: int = 0
    checksums: Path | None = None
    map: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


Built = TypeVar("Built")


@dataclass
class Conversion:
    """The sources of a target, and the counts of what was converted and lost.

    records (int): Records read from the sources. ``records`` plus ``skipped`` are all
        records of the sources.
    skipped (list[LeftOut]): Records that were skipped. If the data is split, the first
        target has those of all targets.
    too_long (list[LeftOut]): Records that were read, but are not in the target because
        their text is too long.
    """

    sources: list[Path]
    target: Path
    records: int = 0
    skipped: list[LeftOut] = field(default_factory=list)
    too_long: list[LeftOut] = field(default_factory=list)
    report: AlignmentReport = field(default_factory=AlignmentReport)

    def build_each(
        self, build: Callable[[Record], Built], records: Iterable[Record]
    ) -> Iterator[Built]:
        """Apply a function to each record, and add those that fail to `too_long`."""
        for record in records:
            try:
                built = build(record)
            except TextTooLongError as error:
                counts = len(record.entities), len(record.relations)
                cause = "the text is too long"
                self.too_long.append(
                    LeftOut("record", str(error), True, cause, *counts)
                )
                continue
            yield built

    @property
    def all_lost(self) -> list[LeftOut]:
        """Everything that is not in the target."""
        return [
            *self.skipped,
            *self.too_long,
            *self.report.left_out,
            *self.report.lost,
        ]

    @property
    def lost(self) -> list[str]:
        """One line for each item that is not in the target."""
        return [printable(left_out.reason) for left_out in self.all_lost]

    def has_no_relations(self) -> bool:
        """Whether there are entities, but no relations: often an incomplete export."""
        return bool(self.report.entities) and not self.losses()["relations"][1]

    def summary(self) -> str:
        """One line with the counts. The target has the entities and relations that are
        not lost. Duplicates are counted apart."""
        report, losses = self.report, self.losses()
        sources = ", ".join(map(str, self.sources))
        skipped = len(self.skipped) + len(self.too_long)
        causes = [left_out.cause for left_out in report.lost]
        entities = losses["entities"][1] - report.duplicate_entities
        relations = losses["relations"][1] - report.duplicates
        changes = (
            (causes.count(MERGED), "merged"),
            (report.duplicate_entities, "duplicates"),
            (report.widened, "widened"),
            (report.narrowed, "narrowed"),
            (report.trimmed, "without whitespace at their edges"),
        )
        merged, *others = (
            f"{count} {name}" if count else "" for count, name in changes
        )
        lost = f"{causes.count(MISALIGNED)} misaligned" + f" and {merged}" * bool(
            merged
        )
        details = [
            f"{losses['entities'][0]} lost, including {lost}",
            *filter(None, others),
            f"{report.not_in_ents} overlapping, not in doc.ents",
        ]
        return printable(
            f"{sources} -> {self.target}: {self.records} records read "
            f"({skipped} skipped), {report.docs} documents, "
            f"{entities} entities ({'; '.join(details)}), {relations} relations "
            f"({losses['relations'][0]} lost, {report.duplicates} duplicates)"
        )

    def losses(self) -> dict[str, tuple[int, int]]:
        """Get the number of lost records, entities and relations, and their totals.

        Rejected and unannotated records do not count as lost.
        """
        report = self.report
        whole = [*self.skipped, *self.too_long]
        lost = {
            kind: sum(one.kind == kind for one in (*report.left_out, *report.lost))
            for kind in ("entity", "relation")
        }
        before = {
            kind: sum(one.kind == kind for one in report.left_out)
            for kind in ("entity", "relation")
        }
        entities = sum(one.entities for one in whole)
        relations = sum(one.relations for one in whole)
        broken = [
            left_out
            for left_out in (*self.skipped, *report.left_out)
            if left_out.broken and left_out.kind not in ("entity", "relation")
        ]
        return {
            "records": (
                len(broken) + len(self.too_long),
                self.records + len(self.skipped),
            ),
            "entities": (
                lost["entity"] + entities,
                report.entities + before["entity"] + entities,
            ),
            "relations": (
                lost["relation"] + relations,
                report.relations + before["relation"] + relations,
            ),
        }


Job = tuple[Conversion, Iterable[Record]]


@dataclass
class Run:
    """A conversion of one or more targets.

    source, target, settings, also: See ``convert_path``. If `split` is not set and the
        source is a folder with a single file, `split` is set.
    nlp (Language): The pipeline with the tokenizer.
    labels (Labels): Counts of the labels of all sources.
    dataset (Dataset | None): The dataset, if the source is one.
    jobs (list[Job]): The conversion of each target, and its records.
    note (str): What the user did not ask for.
    """

    source: Path
    target: Path
    settings: Settings
    also: Sequence[Path]
    nlp: Language
    labels: Labels
    dataset: Dataset | None = None
    jobs: list[Job] = field(default_factory=list)
    note: str = ""

    @property
    def conversions(self) -> list[Conversion]:
        return [conversion for conversion, _ in self.jobs]

    def advise(self) -> str:
        """Convert again in memory with other options, and describe what they keep."""
        now = _kept(self.conversions)
        parts = [f"Kept now: {_format_kept(now)}."]
        better: dict[str, list[Any]] = {}
        for name, value in self._remedies():
            kept = self._try({name: value})
            if kept is not None and sum(kept[:2]) > sum(now[:2]):
                better.setdefault(name, []).append(value)
                parts.append(f"{_format_option(name, value)}: {_format_kept(kept)}.")
        if len(better) > 1:
            tried = [
                (self._try(dict(zip(better, values))), dict(zip(better, values)))
                for values in product(*better.values())
            ]
            results = [(kept, options) for kept, options in tried if kept is not None]
            if results:
                kept, options = max(results, key=lambda result: sum(result[0][:2]))
                names = " ".join(_format_option(*option) for option in options.items())
                parts.append(f"{names}: {_format_kept(kept)}.")
        losses = [conversion.losses() for conversion in self.conversions]
        share = max(
            sum(loss[kind][0] for loss in losses)
            / (sum(loss[kind][1] for loss in losses) or 1)
            for kind in losses[0]
        )
        limit = math.ceil(share * 1000) / 1000
        return " ".join([*parts, f"--max-loss {limit:g} accepts these losses."])

    def _remedies(self) -> Iterator[tuple[str, Any]]:
        """The options that can affect what was lost."""
        names = {one.name for one in fields(Settings)}
        sources = {path for one in self.conversions for path in one.sources}
        of_readers = {
            name for path in sources for name in _format_of(path, self.settings).options
        }
        if any(conversion.report.lost for conversion in self.conversions):
            of_readers.add("alignment")
        for name, values in REMEDIES.items():
            if name in names and name in of_readers:
                for value in values:
                    if getattr(self.settings, name) != value:
                        yield name, value

    def _try(self, options: dict[str, Any]) -> tuple[int, int, int] | None:
        """What is kept with other options. None if the conversion fails."""
        settings = replace(self.settings, **options)
        try:
            run = _plan(self.source, self.target, settings, self.also)
            for conversion, records in run.jobs:
                _write(conversion, records, settings, run.nlp, None)
        except JREError:
            return None
        return _kept(run.conversions)


def _kept(conversions: Sequence[Conversion]) -> tuple[int, int, int]:
    """The number of entities and relations that are not lost, and of moved entities."""
    losses = [conversion.losses() for conversion in conversions]
    entities, relations = (
        sum(loss[kind][1] - loss[kind][0] for loss in losses)
        for kind in ("entities", "relations")
    )
    reports = [conversion.report for conversion in conversions]
    return entities, relations, sum(one.widened + one.narrowed for one in reports)


def _format_kept(kept: tuple[int, int, int]) -> str:
    moved = f" ({kept[2]} with other boundaries)" if kept[2] else ""
    return f"{kept[0]} entities{moved} and {kept[1]} relations"


def _format_option(name: str, value: Any) -> str:
    option = f"--{name.replace('_', '-')}"
    return option if value is True else f"{option} {value}"


def convert_path(
    source: Path, target: Path, settings: Settings, also: Sequence[Path] = ()
) -> list[Conversion]:
    """Convert a file or folder of annotated texts. See ``converting``.

    RETURNS (list[Conversion]): One per target.
    """
    with converting(source, target, settings, also) as run:
        return run.conversions


@contextmanager
def converting(
    source: Path, target: Path, settings: Settings, also: Sequence[Path] = ()
) -> Iterator[Run]:
    """Convert a file or folder of annotated texts to temporary files. At the end of the
    block, they replace the targets. If the block raises an error, nothing is changed.

    source (Path): A file; a folder in a format such as brat's; a folder with a file or
        folder for each of train, dev and test; a folder with a dataset.json; or a
        folder with a single file, which is split.
    target (Path): The output file, or the output folder for several splits.
    settings (Settings): The settings.
    also (Sequence[Path]): Additional sources for the same target.
    YIELDS (Run): The conversions and the counts.
    RAISES (ValueError): J601 for a missing file, J607 for a wrong checksum, J701 for
        an unknown format, J610 and J611 if the format can't be detected, J707 for
        settings that can't be combined, J713 and J714 for labels to rename or drop,
        J715 for a target that exists, J716 and J717 for a folder without the files of
        its splits, and the errors of the readers.
    """
    run = _plan(source, target, settings, also)
    with _temporary_folder(target) as folder:
        written = []
        for number, (conversion, records) in enumerate(run.jobs):
            (folder / str(number)).mkdir()
            path = folder / str(number) / conversion.target.name
            _write(conversion, records, settings, run.nlp, path)
            written.append((path, conversion.target))
        run.labels.check(", ".join(map(str, (source, *also))))
        yield run
        for path, goal in written:
            if path.exists():
                goal.parent.mkdir(parents=True, exist_ok=True)
                _move(path, goal)
    if run.dataset is not None and (source / DATASET_FILE).is_file():
        # `spacy jre train` reads it from the folder of its data
        write_facts(run.dataset, target / DATASET_FILE)
    elif settings.lang and settings.to == "spacy" and target.is_dir():
        set_language(target / DATASET_FILE, settings.lang)


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A folder on the file system of the target."""
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    with tempfile.TemporaryDirectory(dir=parent, prefix=".jre-convert-") as name:
        yield Path(name)


def _move(path: Path, target: Path) -> None:
    """Replace a file, or the files of a folder that are new.

    RAISES (ValueError): J617 for a file that a symbolic link would move to another
        folder.
    """
    if path.is_file():
        real = Path(os.path.realpath(target))
        same = real.parent.stat().st_dev == path.stat().st_dev
        special = real.exists() and not real.is_file() and not real.is_dir()
        if same and not special:
            path.replace(real)
        else:  # a link to another file system, or a device
            shutil.copyfile(path, real)
        return
    files = sorted(file for file in path.rglob("*") if file.is_file())
    moves = [(file, target / file.relative_to(path)) for file in files]
    for _, goal in moves:
        folder = os.path.realpath(goal.parent)
        if not Path(folder).is_relative_to(os.path.realpath(target)):
            raise JREError(Errors.J617.format(path=goal, folder=target))
    for file, goal in moves:
        goal.parent.mkdir(parents=True, exist_ok=True)
        file.replace(goal)


def _plan(source: Path, target: Path, settings: Settings, also: Sequence[Path]) -> Run:
    """Check the settings, and find the sources of each target."""
    if settings.to not in get_args(Target):
        known = ", ".join(get_args(Target))
        raise JREError(Errors.J701.format(value=settings.to, known=known))
    if settings.alignment not in get_args(Alignment):
        value = settings.alignment
        raise JREError(Errors.J110.format(source=source, value=value))
    if settings.format != "auto":
        find_format(settings.format)
    if source.resolve() == target.resolve():
        raise JREError(Errors.J708.format(path=source))
    register_extension()
    dataset = find_dataset(source)
    if dataset is None and find_splits(source):
        dataset = Dataset(source)
    if settings.fold and dataset is None:
        raise JREError(Errors.J634.format(folder=source, fold=settings.fold, folds=0))
    lang = settings.lang or (dataset.lang if dataset else "en")
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        raise JREError(Errors.J712.format(lang=lang, error=error)) from error
    settings = replace(settings, lang=lang)
    if dataset is not None and dataset.per_sentence:
        settings = replace(settings, per_sentence=True)
    labels = Labels.from_options(settings.map, settings.drop)
    run = Run(source, target, settings, also, nlp, labels, dataset)
    if dataset is not None:
        if settings.split or also or settings.ids:
            raise JREError(Errors.J707.format(path=source))
        _check_target(run, several=True)
        run.jobs = _read_dataset(run)
        return run
    if settings.format == "auto" and source.is_dir():
        _choose_only_file(run)
    _check_target(run, several=bool(run.settings.split))
    if run.settings.split:
        run.jobs = _read_and_split(run)
    else:
        conversion = Conversion([run.source, *also], target)
        run.jobs = [(conversion, _read_all(conversion, run))]
    return run


def _choose_only_file(run: Run) -> None:
    """Convert the file of a folder with a single one, in splits.

    RAISES (ValueError): J716 for a folder that is in no format and has several files.
    """
    only = find_only_file(run.source)
    if only is None:
        sample = take_sample(run.source)
        if not any(format.fits(sample) for format in FORMATS.values()):
            raise splits_missing(run.source, *SPLITS)
        return
    ending = ENDINGS[run.settings.to]
    if not run.settings.split and ending and run.target.suffix != ending:
        run.settings = replace(run.settings, split=ONLY_FILE_SPLIT)
        run.note = (
            f"{run.source} has no train.*, dev.* and test.*, but a single file. It is "
            f"split by {run.settings.by}: --split {ONLY_FILE_SPLIT}"
        )
    run.source = only


def _check_target(run: Run, several: bool) -> None:
    """RAISES (ValueError): J715 for a target that is a file instead of a folder, or the
    reverse."""
    target, to = run.target, run.settings.to
    found = needed = ""
    if several and target.is_file():
        found, needed = "a file", "train, dev and test to a folder"
    elif not several and ENDINGS[to] and target.is_dir():
        found, needed = "a folder", f"one file, such as {target / f'data{ENDINGS[to]}'}"
    elif not several and not ENDINGS[to] and target.is_file():
        found, needed = "a file", "a folder"
    if found:
        message = Errors.J715.format(path=target, found=found, needed=needed)
        raise JREError(message)


def _read_dataset(run: Run) -> list[Job]:
    dataset, settings = run.dataset, run.settings
    assert dataset is not None
    dataset.check_files(settings.fold)
    conversions = {
        split: Conversion(paths, _name(run.target, split, settings))
        for split, paths in dataset.paths(settings.fold).items()
    }
    records_of = {split: _read_all(conversions[split], run) for split in conversions}
    if not dataset.rearranges:
        return [(conversions[split], records_of[split]) for split in SPLITS]
    left_out: dict[str, list[LeftOut]] = {}
    lists = {split: list(records) for split, records in records_of.items()}
    arranged = dataset.arrange(lists, left_out)
    jobs: list[Job] = []
    # where dev comes from if it has no files
    origin = "train" if dataset.dev_share else "test"
    for split, records in arranged.items():
        conversion = conversions.get(split) or Conversion(
            conversions[origin].sources,
            _name(run.target, split, settings),
            len(records),
        )
        conversion.report.left_out += left_out.get(split, [])
        jobs.append((conversion, records))
    return jobs


def _read_and_split(run: Run) -> list[Job]:
    settings = run.settings
    shares = parse_shares(settings.split)
    sources = [run.source, *run.also]
    whole = Conversion(sources, run.target)
    records = list(_read_all(whole, run))
    parts = split_records(records, shares, by=settings.by, seed=settings.seed)
    jobs: list[Job] = [
        (Conversion(sources, _name(run.target, split, settings), len(part)), part)
        for split, part in parts.items()
    ]
    jobs[0][0].skipped, jobs[0][0].too_long = whole.skipped, whole.too_long
    return jobs


def check_losses(
    conversions: Sequence[Conversion],
    max_loss: float,
    advise: Callable[[], str] = str,
) -> None:
    """Check that no more was lost than allowed.

    max_loss (float): Maximum share of broken records, of lost entities and of lost
        relations.
    advise (Callable): Returns the end of the message: what can be done.
    RAISES (ValueError): J702 if more were lost, J711 if there is nothing to write.
    """
    for conversion in conversions:
        if not conversion.report.docs:
            sources = ", ".join(map(str, conversion.sources))
            skipped = len(conversion.skipped) + len(conversion.too_long)
            raise JREError(Errors.J711.format(source=sources, skipped=skipped))
    losses = [conversion.losses() for conversion in conversions]
    for kind in ("records", "entities", "relations"):
        lost = sum(loss[kind][0] for loss in losses)
        total = sum(loss[kind][1] for loss in losses)
        if lost > max_loss * total:
            advice = advise()
            message = Errors.J702.format(
                lost=lost, total=total, kind=kind, limit=max_loss, advice=advice
            )
            raise JREError(message.rstrip())


def convert_again(
    source: Path, target: Path, settings: Settings, max_loss: float
) -> None:
    """Convert a dataset to a folder that can have the files of an earlier conversion.

    source, target (Path): See ``converting``.
    settings (Settings): The settings.
    max_loss (float): See ``check_losses``.
    RAISES (ValueError): See ``converting`` and ``check_losses``.
    """
    with converting(source, target, settings) as run:
        check_losses(run.conversions, max_loss, run.advise)
        # the source may have none now
        (target / DATASET_FILE).unlink(missing_ok=True)


def _name(target: Path, split: str, settings: Settings) -> Path:
    return target / f"{split}{ENDINGS[settings.to]}"


def _read_all(conversion: Conversion, run: Run) -> Iterator[Record]:
    """Read the records of the sources, with labels, sentences and words as in the
    settings."""
    settings = run.settings
    expected = _checksums(settings.checksums) if settings.checksums else {}
    for path in conversion.sources:
        checksum = expected.get(path.resolve())
        if checksum and path.is_file() and get_checksum(path) != checksum:
            raise JREError(
                Errors.J607.format(
                    path=path, found=get_checksum(path), expected=checksum
                )
            )
    skip = conversion.skipped.append

    def read() -> Iterator[Record]:
        for path in conversion.sources:
            for record in _read(path, settings, skip):
                conversion.records += 1
                yield record

    records: Iterable[Record] = read()
    if settings.ids is not None:
        ids = _read_ids(settings.ids)
        records = choose_by_id(records, ids, str(settings.ids))
    records = map(run.labels.change, records)
    divide = partial(with_sentences, how=settings.sentences, nlp=run.nlp)
    for record in conversion.build_each(divide, records):
        if settings.tokenized:
            record = with_words(record)  # also adjusts the sentences
        yield from split_sentences(record) if settings.per_sentence else (record,)


def _read(path: Path, settings: Settings, skip: OnSkip) -> Iterator[Record]:
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    format = _format_of(path, settings)
    options = {name: getattr(settings, name) for name in format.options}
    return format.read(path, skip=skip, **options)


def _format_of(path: Path, settings: Settings) -> Format:
    auto = settings.format == "auto"
    return guess_format(path) if auto else find_format(settings.format)


def _read_ids(path: Path) -> set[str]:
    """Read IDs from a file: the text before the first colon or whitespace per line."""
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    lines = path.read_text(encoding="utf8", errors="replace").splitlines()
    return {line.replace(":", " ").split()[0] for line in lines if line.strip()}


def _write(
    conversion: Conversion,
    records: Iterable[Record],
    settings: Settings,
    nlp: Language,
    path: Path | None,
) -> None:
    """Write the records to a path. None: only count what is kept and lost."""
    report = conversion.report
    build = partial(build_doc, nlp=nlp, alignment=settings.alignment, report=report)
    if settings.to == "spacy":
        built = conversion.build_each(build, records)
        if path is None:
            deque(built, maxlen=0)
            return
        docs = RelationDocBin()
        for doc in built:
            docs.add(doc)
        docs.to_disk(path)
        return
    if settings.to == "spert":

        def with_tokens(record: Record) -> Record:
            return read_record(build(record), words=True, source=record.source)

        tokenized = conversion.build_each(with_tokens, records)
        results = _counted_sentences(tokenized, report)
    else:
        results = _counted(records, report)
    if path is None:
        deque(results, maxlen=0)
    else:
        WRITERS[settings.to](results, path, report.left_out.append)


def _counted(records: Iterable[Record], report: AlignmentReport) -> Iterator[Record]:
    for record in records:
        report.add_record(record)
        yield record


def _counted_sentences(
    records: Iterable[Record], report: AlignmentReport
) -> Iterator[Record]:
    """Split records into sentences, as in SpERT's format, and report what is lost."""
    for record in records:
        for sentence in split_sentences(record):
            report.lost += sentence.left_out
            yield sentence


def _checksums(project: Path) -> dict[Path, str]:
    if not project.is_file():
        raise JREError(Errors.J601.format(path=project))
    assets = srsly.read_yaml(project).get("assets") or []
    return {
        (project.parent / asset["dest"]).resolve(): asset["checksum"]
        for asset in assets
        if "checksum" in asset
    }
