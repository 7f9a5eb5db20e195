"""Packages of npm, at the versions and hashes of a committed lock file, in a folder that is not in git."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from typing import TYPE_CHECKING

from slipway import tools
from slipway.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
LOCK = "package-lock.json"
INSTALLED = "installed.json"  # copy of the lock file that was installed last, written when npm has succeeded


def install(source: Path, target: Path, purpose: str) -> Path:
    """Return `target` with the files of `source`, a folder with a lock file, and the packages that it locks.

    npm runs only where the lock file changed; a second process waits for the first. Raises UserError without npm and,
    naming the `purpose`, when a package cannot be fetched or is not the one that was locked.
    """
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
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
        subprocess.run([npm, *INSTALL], cwd=folder, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip() or "no reason given").splitlines()[0]
        raise UserError(f"npm: {reason}; {purpose} needs the packages of {folder / LOCK}") from None
