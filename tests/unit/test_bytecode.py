"""Bytecode that the clones of a demo share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.local import bytecode
from slipway.local.repository import BYTECODE_SCRIPT


@pytest.fixture
def installed(tmp_path) -> Path:
    """An installation with one module, and one package in its environment."""
    (tmp_path / "installed/src").mkdir(parents=True)
    (tmp_path / "installed/src/module.py").write_text("value = 1\n")
    packages = tmp_path / "installed/.venv/lib/python3/site-packages"
    (packages / bytecode.CACHE).mkdir(parents=True)
    (packages / bytecode.CACHE / f"package{bytecode.SUFFIX}").write_bytes(b"compiled")
    bytecode.fill(tmp_path / "installed", tmp_path / "shared", tmp_path / "prefix")
    return tmp_path


def value(folder: Path, text: str) -> str:
    """Return what `module` prints in a clone at `folder` in which it is `text`."""
    clone = folder / "tree"
    (clone / "src").mkdir(parents=True, exist_ok=True)
    (clone / "src/module.py").write_text(text)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPYCACHEPREFIX": str(folder / "prefix"),
        "SLIPWAY_BYTECODE": str(folder / "shared"),
    }
    subprocess.run(["bash", BYTECODE_SCRIPT, bytecode.SOURCE], cwd=clone, env=env, check=True)
    command = [sys.executable, "-c", "import module; print(module.value)"]
    return subprocess.run(command, cwd=clone / "src", env=env, capture_output=True, text=True, check=True).stdout


def written(folder: Path) -> tuple[int, int]:
    """Return inode and time of the shared bytecode of `module`; an inode alone may be used again for the next file."""
    status = (folder / "shared/src" / f"module{bytecode.SUFFIX}").stat()
    return status.st_ino, status.st_ctime_ns


def test_a_clone_with_other_dates_uses_the_bytecode_of_the_source(installed):
    before = written(installed)
    assert "1\n" == value(installed, "value = 1\n")
    assert before == written(installed)


def test_a_changed_module_of_the_same_size_is_compiled_again(installed):
    before = written(installed)
    assert ["2\n", "1\n"] == [value(installed, f"value = {number}\n") for number in (2, 1)]
    assert before != written(installed)


def test_the_bytecode_of_packages_is_linked_in_the_layout_of_a_prefix(installed):
    shared = installed / f"shared/.venv/lib/python3/site-packages/package{bytecode.SUFFIX}"
    assert b"compiled" == shared.read_bytes()


def test_the_standard_library_is_in_the_prefix_of_the_demo(installed):
    module = Path(os.__file__)
    prefix = installed / "prefix" / module.parent.relative_to(module.anchor)
    assert (prefix / f"os{bytecode.SUFFIX}").is_file()
