from __future__ import annotations

from pathlib import Path

import pytest

from slipway.checks import files
from slipway.settings import read_params

DATA = Path("data")
MONTHS = 3  # files that a test copies; enough for a reference of several, and quick


@pytest.fixture(scope="session")
def params():
    return read_params()


@pytest.fixture(scope="session")
def newest():
    return files.listed(DATA)[-1]


@pytest.fixture(scope="session")
def frame(newest):
    return files.load(DATA, newest)


@pytest.fixture(scope="session")
def copied():
    """Copies the newest files into a folder in the one given, and returns it."""

    def copy(parent: Path) -> Path:
        place = parent / "data"
        place.mkdir()
        for name in files.listed(DATA)[-MONTHS:]:
            (place / name).write_bytes((DATA / name).read_bytes())
        return place

    return copy


@pytest.fixture
def folder(tmp_path, copied):
    """The newest files, alone in a folder that a test may spoil."""
    return copied(tmp_path)
