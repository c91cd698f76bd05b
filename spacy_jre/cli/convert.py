"""`spacy jre convert`: annotated files to .spacy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import spacy
import srsly
from spacy.tokens import DocBin

from ..annotations import (
    AlignmentReport,
    Record,
    build_doc,
    register_extension,
)
from ..annotations.build import Alignment
from ..corpora.inline import read_inline
from ..corpora.spert_json import read_spert_json
from ..corpora.validate import SPLITS
from ..errors import Errors
from ..util import md5_of

READERS: dict[str, Callable[[Path], Iterator[Record]]] = {
    "inline": read_inline,
    "spert": read_spert_json,
}
SUFFIXES = {".json": "spert", ".txt": "inline"}


@dataclass
class Conversion:
    """What one file became."""

    source: Path
    target: Path
    report: AlignmentReport = field(default_factory=AlignmentReport)

    @property
    def lost(self) -> list[str]:
        return self.report.misaligned + self.report.lost_relations


def convert_path(
    source: Path,
    target: Path,
    *,
    format: str = "auto",
    lang: str = "en",
    alignment: Alignment = "strict",
    checksums: Path | None = None,
) -> list[Conversion]:
    """Convert one file, or train, dev and test of a folder.

    source (Path): A file; or a folder with one file train.*, dev.*, test.* each.
    target (Path): The .spacy file, or the folder for them.
    format (str): "inline", "spert", or "auto" by the file's ending.
    lang (str): Language of the tokenizer.
    alignment (str): See ``build_doc``.
    checksums (Path): A project.yml; a source among its assets must have the
        checksum given there. (weasel prints a mismatch and goes on.)
    RETURNS (list[Conversion]): One per file.
    RAISES (ValueError): J601 for a missing file, J607 for a wrong checksum, J701 for
        an unknown format, and what the readers raise.
    """
    if source.is_dir():
        pairs = [
            (_only_file(source, split), target / f"{split}.spacy") for split in SPLITS
        ]
    else:
        pairs = [(source, target)]
    if format != "auto" and format not in READERS:
        raise ValueError(Errors.J701.format(value=format, known=", ".join(READERS)))
    expected = _checksums(checksums) if checksums else {}
    register_extension()
    nlp = spacy.blank(lang)
    conversions = []
    for path, output in pairs:
        if not path.is_file():
            raise ValueError(Errors.J601.format(path=path))
        wanted = expected.get(path.resolve())
        found = md5_of(path)
        if wanted and found != wanted:
            raise ValueError(
                Errors.J607.format(path=path, found=found, expected=wanted)
            )
        kind = SUFFIXES.get(path.suffix, path.suffix) if format == "auto" else format
        if kind not in READERS:
            raise ValueError(Errors.J701.format(value=kind, known=", ".join(READERS)))
        conversion = Conversion(path, output)
        docs = DocBin(store_user_data=True)
        for record in READERS[kind](path):
            docs.add(
                build_doc(record, nlp, alignment=alignment, report=conversion.report)
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        docs.to_disk(output)
        conversions.append(conversion)
    return conversions


def _only_file(folder: Path, split: str) -> Path:
    found = sorted(p for p in folder.glob(f"{split}.*") if p.suffix in SUFFIXES)
    if not found:
        raise ValueError(Errors.J601.format(path=folder / f"{split}.json (or .txt)"))
    if len(found) > 1:
        raise ValueError(
            Errors.J705.format(first=found[0], second=found[1], split=split)
        )
    return found[0]


def _checksums(project: Path) -> dict[Path, str]:
    if not project.is_file():
        raise ValueError(Errors.J601.format(path=project))
    assets = srsly.read_yaml(project).get("assets") or []
    return {
        (project.parent / asset["dest"]).resolve(): asset["checksum"]
        for asset in assets
        if "checksum" in asset
    }
