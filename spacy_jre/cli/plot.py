"""`spacy jre plot`: pictures of the reports of `spacy jre evaluate`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import srsly

from ..display.curves import draw_report
from ..errors import Errors, JREError


def plot(reports: Sequence[Path], output: Path, *, format: str = "svg") -> list[Path]:
    """Draw the pictures of reports.

    reports (Sequence[Path]): JSON files of `spacy jre evaluate --output`. The legends
        have the names of the files, with the names of folders if they are required to
        distinguish files.
    output (Path): The folder of the pictures.
    format (str): "svg" or "png".
    RETURNS (list[Path]): The files.
    RAISES (ValueError): J799 if a file cannot be read, and those of ``draw_report``.
    """
    read = []
    for path, name in zip(reports, short_names(reports), strict=True):
        try:
            content = srsly.read_json(path)
        except (OSError, ValueError) as error:
            raise JREError(Errors.J799.format(path=path, error=error)) from error
        read.append((name, content))
    return draw_report(read, output, format=format)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Get the shortest different names of files.

    paths (Sequence[Path]): The files.
    RETURNS (list[str]): For each file, its name without the suffix, preceded by the
        folders that distinguish it from the other files.
    """
    files = [path.absolute() for path in paths]
    names = [file.with_suffix("").parts for file in files]
    if len(set(names)) < len(set(files)):  # some only differ in the suffix
        names = [file.parts for file in files]
    return [_short_name(name, set(names) - {name}) for name in names]


def _short_name(name: tuple[str, ...], others: Iterable[tuple[str, ...]]) -> str:
    for length in range(1, len(name)):
        if all(other[-length:] != name[-length:] for other in others):
            return "/".join(name[-length:])
    return str(Path(*name))
