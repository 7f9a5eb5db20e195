"""Environments of their own for packages that conflict with uv.lock, each from a file of hashed requirements."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from slipway import output, tools
from slipway.errors import ToolError
from slipway.files import locks

COMPLETE = "complete"
"""File that an environment has once all of its packages are installed."""


def folder(requirements: Path) -> Path:
    """Return the folder of the environment: its name changes with the requirements and with this Python."""
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway" / "environments"
    return cache / f"{requirements.stem}-{key}"


def is_installed(requirements: Path) -> bool:
    """Return whether this machine has the environment with exactly these packages."""
    return (folder(requirements) / COMPLETE).exists()


def python(requirements: Path, caller: str) -> str:
    """Return the Python of the environment, which is installed by version and hash if this machine has none.

    `caller` starts the messages. Raises UserError if uv fails.
    """
    environment = folder(requirements)
    program = environment / "bin" / "python"
    with locks.take(environment.with_name(f"{environment.name}.lock")):
        if not is_installed(requirements):
            output.progress(f"{caller}: install {requirements.stem} into {environment}")
            uv = tools.require("uv")
            _run(caller, uv, "venv", "--clear", "--python", sys.executable, str(environment))
            _run(caller, uv, "pip", "sync", "--require-hashes", "--python", str(program), str(requirements))
            (environment / COMPLETE).touch()
    return str(program)


def _run(caller: str, uv: str, *arguments: str) -> None:
    done = subprocess.run([uv, "--quiet", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{caller}: uv {arguments[0]}: {done.stderr.strip()}")
