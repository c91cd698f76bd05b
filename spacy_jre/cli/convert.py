"""`spacy jre convert`: convert annotated files to .spacy and other formats."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar, get_args

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
from ..annotations.build import Alignment
from ..corpora.dataset import FILE as DATASET_FILE
from ..corpora.dataset import Dataset, find_dataset, write_facts
from ..corpora.formats import find_format, guess_format
from ..corpora.formats.brat import write_brat
from ..corpora.formats.docbin import RelationDocBin
from ..corpora.formats.inline import write_inline
from ..corpora.formats.label_studio import write_label_studio
from ..corpora.formats.prodigy import write_prodigy
from ..corpora.formats.spert_json import write_spert_json
from ..corpora.formats.surface import Repeats
from ..corpora.shaping import Sentences, with_sentences, with_words
from ..corpora.sources import Discontinuous, OnSkip
from ..corpora.splits import (
    By,
    choose_by_id,
    find_splits,
    parse_shares,
    split_records,
)
from ..errors import Errors, JREError

Target = Literal["spacy", "spert", "prodigy", "brat", "label-studio", "inline"]
ENDINGS: dict[str, str] = {
    "spacy": ".spacy",
    "spert": ".json",
    "prodigy": ".jsonl",
    "brat": "",
    "label-studio": ".json",
    "inline": ".txt",
}
# writers of formats without tokens
WRITERS: dict[str, Callable[[Iterable[Record], Path, OnSkip], None]] = {
    "prodigy": lambda records, path, skip: write_prodigy(records, path),
    "brat": lambda records, path, skip: write_brat(records, path),
    "label-studio": lambda records, path, skip: write_label_studio(records, path),
    "inline": write_inline,
}

# control characters of a terminal, and halves of surrogate pairs
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Settings:
    """Settings of a conversion. See ``spacy jre convert --help``.

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


class TooLong(NamedTuple):
    """A record with a text that is too long for the tokenizer."""

    reason: str
    entities: int
    relations: int


Built = TypeVar("Built")


@dataclass
class Conversion:
    """The sources of a target, and the counts of what was converted and lost.

    records (int): Records read from the sources. ``records`` plus ``skipped`` are all
        records of the sources.
    skipped (list[LeftOut]): Records that were skipped. If the data is split, the first
        target has those of all targets.
    too_long (list[TooLong]): Records that were read, but are not in the target because
        their text is too long.
    """

    sources: list[Path]
    target: Path
    records: int = 0
    skipped: list[LeftOut] = field(default_factory=list)
    too_long: list[TooLong] = field(default_factory=list)
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
                self.too_long.append(TooLong(str(error), *counts))
                continue
            yield built

    @property
    def lost(self) -> list[str]:
        """One line for each item that is not in the target."""
        lines = [
            *(left_out.reason for left_out in self.skipped),
            *(too_long.reason for too_long in self.too_long),
            *(left_out.reason for left_out in self.report.left_out),
            *self.report.misaligned,
            *self.report.lost_relations,
        ]
        return [_printable(line) for line in lines]

    def has_no_relations(self) -> bool:
        """Whether there are entities, but no relations: often an incomplete export."""
        report = self.report
        return bool(report.entities) and not report.relations

    def summary(self) -> str:
        report, losses = self.report, self.losses()
        sources = ", ".join(map(str, self.sources))
        skipped = len(self.skipped) + len(self.too_long)
        return _printable(
            f"{sources} -> {self.target}: {self.records} records read "
            f"({skipped} skipped), {report.docs} documents, "
            f"{report.entities} entities ({losses['entities'][0]} lost, including "
            f"{len(report.misaligned)} misaligned; {report.not_in_ents} overlapping, "
            f"not in doc.ents), {report.relations} relations "
            f"({losses['relations'][0]} lost, {report.duplicates} duplicates)"
        )

    def losses(self) -> dict[str, tuple[int, int]]:
        """Get the number of lost records, entities and relations, and their totals.

        Rejected and unannotated records do not count as lost.
        """
        report = self.report
        kinds = [left_out.kind for left_out in report.left_out]
        whole: list[LeftOut | TooLong] = [*self.skipped, *self.too_long]
        entities = kinds.count("entity") + sum(x.entities for x in whole)
        relations = kinds.count("relation") + sum(x.relations for x in whole)
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
                len(report.misaligned) + entities,
                report.entities + entities,
            ),
            "relations": (
                len(report.lost_relations) + relations,
                report.relations + relations,
            ),
        }


def _printable(line: str) -> str:
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], line)


def convert_path(
    source: Path, target: Path, settings: Settings, also: Sequence[Path] = ()
) -> list[Conversion]:
    """Convert a file or folder of annotated texts.

    source (Path): A file; a folder in a format such as brat's; a folder with a file or
        folder for each of train, dev and test; or a folder with a dataset.json.
    target (Path): The output file, or the output folder for several splits.
    settings (Settings): The settings.
    also (Sequence[Path]): Additional sources for the same target.
    RETURNS (list[Conversion]): One per target.
    RAISES (ValueError): J601 for a missing file, J607 for a wrong checksum, J701 for
        an unknown format, J610 and J611 if the format can't be detected, J707 for
        settings that can't be combined, and the errors of the readers.
    """
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
    if dataset is not None:
        if settings.split or also or settings.ids:
            raise JREError(Errors.J707.format(path=source))
        jobs = _read_dataset(dataset, target, settings, nlp)
    elif settings.split:
        jobs = _read_and_split([source, *also], target, settings, nlp)
    else:
        conversion = Conversion([source, *also], target)
        jobs = [(conversion, _read_all(conversion, settings, nlp))]
    for conversion, records in jobs:
        conversion.target.parent.mkdir(parents=True, exist_ok=True)
        _write(conversion, records, settings, nlp)
    if dataset is not None and (source / DATASET_FILE).is_file():
        # `spacy jre train` reads it from the folder of its data
        write_facts(dataset, target / DATASET_FILE)
    return [conversion for conversion, _ in jobs]


Job = tuple[Conversion, Iterable[Record]]


def _read_dataset(
    dataset: Dataset, target: Path, settings: Settings, nlp: Language
) -> list[Job]:
    conversions: dict[str, Conversion] = {}
    records_of: dict[str, list[Record]] = {}
    for split, paths in dataset.paths(settings.fold).items():
        conversions[split] = Conversion(paths, _name(target, split, settings))
        records_of[split] = list(_read_all(conversions[split], settings, nlp))
    left_out: dict[str, list[LeftOut]] = {}
    arranged = dataset.arrange(records_of, left_out)
    jobs: list[Job] = []
    # where dev comes from if it has no files
    origin = "train" if dataset.dev_share else "test"
    for split, records in arranged.items():
        conversion = conversions.get(split) or Conversion(
            conversions[origin].sources, _name(target, split, settings), len(records)
        )
        conversion.report.left_out += left_out.get(split, [])
        jobs.append((conversion, records))
    return jobs


def _read_and_split(
    sources: list[Path], target: Path, settings: Settings, nlp: Language
) -> list[Job]:
    shares = parse_shares(settings.split)
    whole = Conversion(sources, target)
    records = list(_read_all(whole, settings, nlp))
    parts = split_records(records, shares, by=settings.by, seed=settings.seed)
    jobs: list[Job] = [
        (Conversion(sources, _name(target, split, settings), len(part)), part)
        for split, part in parts.items()
    ]
    jobs[0][0].skipped, jobs[0][0].too_long = whole.skipped, whole.too_long
    return jobs


def check_losses(conversions: Sequence[Conversion], max_loss: float) -> None:
    """Check that no more was lost than allowed.

    max_loss (float): Maximum share of broken records, of lost entities and of lost
        relations.
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
            raise JREError(
                Errors.J702.format(lost=lost, total=total, kind=kind, limit=max_loss)
            )


def convert_again(
    source: Path, target: Path, settings: Settings, max_loss: float
) -> None:
    """Convert a dataset to a folder that can have the files of an earlier conversion.

    source, target (Path): See ``convert_path``.
    settings (Settings): The settings.
    max_loss (float): See ``check_losses``.
    RAISES (ValueError): See ``convert_path`` and ``check_losses``.
    """
    # the source may have none now
    (target / DATASET_FILE).unlink(missing_ok=True)
    check_losses(convert_path(source, target, settings), max_loss)


def _name(target: Path, split: str, settings: Settings) -> Path:
    return target / f"{split}{ENDINGS[settings.to]}"


def _read_all(
    conversion: Conversion, settings: Settings, nlp: Language
) -> Iterator[Record]:
    """Read the records of the sources, with sentences and words as in the settings."""
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
    divide = partial(with_sentences, how=settings.sentences, nlp=nlp)
    for record in conversion.build_each(divide, records):
        if settings.tokenized:
            record = with_words(record)  # also adjusts the sentences
        yield from split_sentences(record) if settings.per_sentence else (record,)


def _read(path: Path, settings: Settings, skip: OnSkip) -> Iterator[Record]:
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    auto = settings.format == "auto"
    format = guess_format(path) if auto else find_format(settings.format)
    options = {name: getattr(settings, name) for name in format.options}
    return format.read(path, skip=skip, **options)


def _read_ids(path: Path) -> set[str]:
    """Read IDs from a file: the text before the first colon or whitespace per line."""
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    lines = path.read_text(encoding="utf8", errors="replace").splitlines()
    return {line.replace(":", " ").split()[0] for line in lines if line.strip()}


def _write(
    conversion: Conversion, records: Iterable[Record], settings: Settings, nlp: Language
) -> None:
    report, target = conversion.report, conversion.target
    build = partial(build_doc, nlp=nlp, alignment=settings.alignment, report=report)
    if settings.to == "spacy":
        docs = RelationDocBin()
        for doc in conversion.build_each(build, records):
            docs.add(doc)
        docs.to_disk(target)
        return
    if settings.to == "spert":

        def with_tokens(record: Record) -> Record:
            return read_record(build(record), words=True, source=record.source)

        tokenized = conversion.build_each(with_tokens, records)
        write_spert_json(_counted_sentences(tokenized, report), target)
        return

    def unchanged() -> Iterator[Record]:
        for record in records:
            report.docs += 1
            report.entities += len(record.entities)
            report.relations += len(record.relations)
            report.left_out += record.left_out
            yield record

    WRITERS[settings.to](unchanged(), target, report.left_out.append)


def _counted_sentences(
    records: Iterable[Record], report: AlignmentReport
) -> Iterator[Record]:
    """Split records into sentences, as in SpERT's format, and report what is lost."""
    for record in records:
        for sentence in split_sentences(record):
            report.left_out += sentence.left_out
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
