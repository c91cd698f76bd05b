"""The scripts in benchmarks/, which are not part of the package."""

import sys
from importlib import import_module
from types import ModuleType

from ..conftest import ROOT


def load(name: str) -> ModuleType:
    """Import a module of benchmarks/."""
    folder = str(ROOT / "benchmarks")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module(name)
