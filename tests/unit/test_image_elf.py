"""Debug information is removed from compiled modules, which load and work as before."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from slipway.image import elf

MODULE = next(Path(uvloop.__file__).parent.glob("loop.*.so"))
RUN = "import asyncio, uvloop; assert 4 == uvloop.run(asyncio.sleep(0, 4)); print(uvloop.__file__)"


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of a package whose compiled module has debug information."""
    return Path(shutil.copytree(MODULE.parent, tmp_path / "uvloop"))


def test_a_stripped_module_is_small_and_runs(copied):
    elf.strip(copied.parent)
    (module,) = copied.glob("loop.*.so")
    assert module.stat().st_size < MODULE.stat().st_size / 4
    done = subprocess.run(
        [sys.executable, "-c", RUN], env={"PYTHONPATH": str(copied.parent)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(copied))


def test_a_stripped_module_is_not_changed_again(copied):
    elf.strip(copied)
    (module,) = copied.glob("loop.*.so")
    content = module.read_bytes()
    elf.strip(copied)
    assert content == module.read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"", b"not a library" * 9, MODULE.read_bytes()[:4096], MODULE.read_bytes() + b"an archive after the library"],
    ids=["empty", "text", "truncated", "with other data"],
)
def test_any_other_file_stays(content):
    assert elf.without_sections(content) is None
