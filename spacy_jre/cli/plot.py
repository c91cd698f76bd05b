"""`spacy jre plot`: pictures of the reports of `spacy jre evaluate`."""

from collections.abc import Sequence
from pathlib import Path

import srsly

from ..display.curves import draw_report
from ..errors import Errors, JREError


def plot(reports: Sequence[Path], output: Path, *, format: str = "svg") -> list[Path]:
    """Draw the pictures of reports.

    reports (Sequence[Path]): JSON files of `spacy jre evaluate --output`. The legends
        have the names of the files.
    output (Path): The folder of the pictures.
    format (str): "svg" or "png".
    RETURNS (list[Path]): The files.
    RAISES (ValueError): J799 if a file cannot be read, and those of ``draw_report``.
    """
    read = []
    for path in reports:
        try:
            content = srsly.read_json(path)
        except (OSError, ValueError) as error:
            raise JREError(Errors.J799.format(path=path, error=error)) from error
        read.append((path.stem, content))
    return draw_report(read, output, format=format)
