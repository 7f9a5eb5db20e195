"""The packages of an image: what a service never reads is left out."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
import uvloop

from slipway.image import packages

MODULE = next(Path(uvloop.__file__).parent.glob("loop.*.so"))
"""A compiled module with debug information."""
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}
UNUSED = {"toy/tests/test_toy.py": "", "toy/include/toy.h": "", "toy/toy.pyi": ""}


@pytest.fixture
def pylock(tmp_path) -> Path:
    """Lock file of a wheel with a compiled module, tests, headers and type stubs."""
    wheel = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(MODULE, f"toy/{MODULE.name}")
        for name, text in {"toy/__init__.py": "", **UNUSED}.items():
            archive.writestr(name, text)
        for name, text in METADATA.items():
            archive.writestr(f"toy-1.0.dist-info/{name}", text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    source = f'{{ name = "{wheel.name}", path = "{wheel}", hashes = {{ sha256 = "{digest}" }} }}'
    lock = tmp_path / "pylock.toml"
    lock.write_text(
        f'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "toy"\nversion = "1.0"\nwheels = [{source}]\n'
    )
    return lock


@pytest.fixture
def installed(pylock, tmp_path, monkeypatch) -> dict[str, Path]:
    """Files of the wheel in an image, by their name in the wheel."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    python = SimpleNamespace(version="3.12", path=PurePosixPath("usr/bin/python3.12"), compile=lambda *_: None)
    packages.fill(pylock, python, tmp_path / "root")
    library = tmp_path / "root" / packages.VENV / "lib/python3.12/site-packages"
    return {path.relative_to(library).as_posix(): path for path in library.rglob("*") if path.is_file()}


def test_compiled_modules_have_no_debug_information(installed):
    assert installed[f"toy/{MODULE.name}"].stat().st_size < MODULE.stat().st_size / 4


def test_files_that_no_service_reads_are_left_out(installed):
    assert "toy/__init__.py" in installed
    assert set() == UNUSED.keys() & installed.keys()
