"""Codes of errors and warnings."""

import re

import pytest

from spacy_jre import errors


def codes(table) -> list[str]:
    return [name for name in vars(table) if re.fullmatch(r"J\d{3}", name)]


@pytest.mark.parametrize("table", [errors.Errors, errors.Warnings])
def test_codes_are_in_numeric_order(table):
    assert codes(table) == sorted(codes(table))


def test_docstring_describes_every_group_of_codes():
    groups = {
        f"{code[:2]}xx"
        for table in (errors.Errors, errors.Warnings)
        for code in codes(table)
    }
    assert groups == set(re.findall(r"J\dxx", errors.__doc__))


def test_message_starts_with_its_code():
    assert errors.Errors.J601.startswith("[J601] ")
    assert errors.Warnings.J901.startswith("[J901] ")
