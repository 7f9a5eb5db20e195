from __future__ import annotations

from pathlib import Path

import pytest

from slipway.checks import files
from slipway.settings import read_settings

DATA = Path("data")
FILES_COPIED = 3  # the newest; enough for a reference of several files, and quick


@pytest.fixture(scope="session")
def settings():
    return read_settings()


@pytest.fixture(scope="session")
def newest():
    return files.listed(DATA)[-1]


@pytest.fixture(scope="session")
def frame(newest):
    return files.load(DATA, newest)


@pytest.fixture(scope="session")
def copied():
    """Return a function that copies the newest files into a new folder of `parent`."""

    def copy(parent: Path) -> Path:
        folder = parent / "data"
        folder.mkdir()
        for name in files.listed(DATA)[-FILES_COPIED:]:
            (folder / name).write_bytes((DATA / name).read_bytes())
        return folder

    return copy


@pytest.fixture
def folder(tmp_path, copied):
    """Return a folder with a copy of the newest files, which a test may corrupt."""
    return copied(tmp_path)
