"""npm packages, installed by the versions and hashes of a committed lock file into a folder outside git."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from slipway import tools
from slipway.errors import ToolError
from slipway.files import locks

if TYPE_CHECKING:
    from pathlib import Path

INSTALL_COMMAND = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
LOCK = "package-lock.json"
INSTALLED = "installed.json"  # copy of the installed lock file, written after npm succeeds


def install(source: Path, target: Path, purpose: str) -> Path:
    """Install the packages that `source` locks into `target`, along with the files of `source`. Return `target`.

    npm runs only after a change of the lock file, and concurrent processes wait for each other. Raises UserError
    without npm, or with the `purpose` if a package cannot be fetched or fails its hash.
    """
    with locks.take(target / ".lock"):
        shutil.copytree(source, target, dirs_exist_ok=True)
        installed, locked = target / INSTALLED, (source / LOCK).read_bytes()
        if not installed.exists() or installed.read_bytes() != locked:
            installed.unlink(missing_ok=True)
            _npm_ci(target, purpose)
            installed.write_bytes(locked)
    return target


def _npm_ci(folder: Path, purpose: str) -> None:
    npm = tools.require("npm")
    try:
        subprocess.run([npm, *INSTALL_COMMAND], cwd=folder, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip() or "no reason given").splitlines()[0]
        raise ToolError(f"npm: {reason}; {purpose} needs the packages of {folder / LOCK}") from None
