"""Run a command of ours and read what it says."""

from click.testing import Result
from typer.testing import CliRunner

from spacy_jre.cli.app import jre_cli


def run(*arguments) -> Result:
    return CliRunner().invoke(jre_cli, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    """The output on one line, however it was wrapped."""
    return " ".join(result.output.split())


def assert_plain_error(result: Result, code: str, *parts: str) -> None:
    """It exits 1 with one message, which has the code; and not with a traceback."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1
    text = said(result)
    assert text.count("[J") == text.count(f"[{code}]") == 1
    assert "Traceback" not in text
    for part in parts:
        assert part in text
