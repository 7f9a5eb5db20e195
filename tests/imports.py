"""Imports among the modules of this repository, and the file of a module."""

from __future__ import annotations

import functools
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]


@functools.cache
def graph() -> grimp.ImportGraph:
    """Return the graph of first-party imports, without those for types only."""
    return grimp.build_graph("slipway", "problem", exclude_type_checking_imports=True, cache_dir=None)


def file_of(module: str) -> Path:
    """Return the path of a module's file, relative to the root of the repository."""
    path = Path("src", *module.split("."))
    return path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")
