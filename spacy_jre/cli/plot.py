"""`spacy jre plot`: pictures of the reports of `spacy jre evaluate`."""

from collections.abc import Sequence
from pathlib import Path

import srsly

from ..display.curves import draw_report
from ..errors import Errors, JREError


def plot(reports: Sequence[Path], output: Path, *, format: str = "svg") -> list[Path]:
    """Draw the pictures of reports.

    reports (Sequence[Path]): JSON files of `spacy jre evaluate --output`.
    output (Path): The folder of the pictures.
    format (str): "svg" or "png".
    RETURNS (list[Path]): The files.
    RAISES (ValueError): J799 if a file cannot be read, and those of ``draw_report``.
    """
    read = []
    for path in reports:
        try:
            content = srsly.read_json(path)
            name = str(content["model"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JREError(Errors.J799.format(path=path, error=error)) from error
        read.append((name, content))
    names = [name for name, _ in read]
    # two reports of one model, for example for two corpora
    named = [
        (name if names.count(name) == 1 else path.stem, content)
        for path, (name, content) in zip(reports, read, strict=True)
    ]
    return draw_report(named, output, format=format)
