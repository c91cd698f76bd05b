"""Run a command and check its output."""

from click.testing import Result
from typer.testing import CliRunner

from spacy_jre.cli.app import jre_cli


def run(*arguments) -> Result:
    return CliRunner().invoke(jre_cli, [str(argument) for argument in arguments])


def output_of(result: Result) -> str:
    """Get the output on one line, without line breaks."""
    return " ".join(result.output.split())


def assert_plain_error(result: Result, code: str, *parts: str) -> None:
    """Check that a command failed with one message with this code, not a traceback."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1
    text = output_of(result)
    assert text.count("[J") == text.count(f"[{code}]") == 1
    assert "Traceback" not in text
    for part in parts:
        assert part in text
