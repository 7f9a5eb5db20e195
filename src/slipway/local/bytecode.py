"""Compiled modules that the processes of a demo share.

A demo has many copies of the same modules, because each job has its own clone and environment. Without a shared folder,
the first demo compiles for half a minute. All folders of bytecode have the layout of PYTHONPYCACHEPREFIX.
"""

from __future__ import annotations

import os
import py_compile
import shutil
import sys
import sysconfig
from pathlib import Path

ENVIRONMENTS = (".venv", ".venv-checks")
CACHE = "__pycache__"
SUFFIX = f".{sys.implementation.cache_tag}.pyc"
SOURCE = "src"
NOT_SHARED = {"site-packages", "test", "tests"}  # below the standard library, or rarely imported


def fill(installed: Path, shared: Path, prefix: Path) -> None:
    """Fill `shared`, the bytecode of all demos, and `prefix`, that of one, from the folder `installed`.

    Python compares the bytecode of a package with the date of its module, which uv links into each environment. Each
    clone has its own dates, so the bytecode of the source has the hash of its module instead.
    """
    standard_library = Path(sysconfig.get_path("stdlib"))
    _link(standard_library, prefix / standard_library.relative_to(standard_library.anchor))
    for environment in ENVIRONMENTS:
        if not (shared / environment).exists():
            for packages in (installed / environment).glob("lib/python*/site-packages"):
                _link(packages, shared / packages.relative_to(installed))
    for module in (installed / SOURCE).rglob("*.py"):
        target = (shared / SOURCE / module.relative_to(installed / SOURCE)).with_suffix(SUFFIX)
        if not target.exists():
            mode = py_compile.PycInvalidationMode.CHECKED_HASH
            py_compile.compile(str(module), str(target), invalidation_mode=mode)


def _link(modules: Path, target: Path) -> None:
    """Link the bytecode of every module below `modules` into `target`."""
    for folder, folders, names in os.walk(modules):
        folders[:] = [name for name in folders if name not in NOT_SHARED]
        if Path(folder).name != CACHE:
            continue
        below = target / Path(folder).parent.relative_to(modules)
        below.mkdir(parents=True, exist_ok=True)
        for name in names:
            if name.endswith(SUFFIX):
                _link_file(f"{folder}/{name}", f"{below}/{name}")


def _link_file(file: str, target: str) -> None:
    try:
        os.link(file, target)
    except OSError:  # on another disk
        shutil.copyfile(file, target)
