"""docs/settings.md is what the docstrings say."""

import importlib.util

import pytest

from .conftest import ROOT


@pytest.fixture(scope="module")
def generator():
    path = ROOT / "docs" / "generate_settings.py"
    spec = importlib.util.spec_from_file_location("generate_settings", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_up_to_date(generator):
    # it creates the registry of span getters
    pytest.importorskip("spacy_transformers")
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf8")
    assert page == generator.render(), "run: python docs/generate_settings.py"


def test_setting_without_description_is_an_error(generator):
    def build(rate: float = 0.1):
        """Has a setting that it does not describe."""

    section = generator.Section("x", "[x]", build, (build,), build)
    with pytest.raises(ValueError, match="setting rate has no description"):
        generator._render_section(section)


def test_description_continues_on_indented_lines(generator):
    def build(rate, size):
        """A thing.

        rate (float): The first line,
            and the second.
        size (int): Another.
        """

    assert generator.describe(build, "rate") == "The first line, and the second."
    assert generator.describe(build, "size") == "Another."


def test_reference_to_another_docstring_is_not_a_description(generator):
    def build(rate):
        """
        rate (float): See ``Other``.
        """

    assert generator.describe(build, "rate") == ""
