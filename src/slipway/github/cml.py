"""Calls of CML in an isolated process.

A call of CML 0.20.6 adds settings such as `safe.directory = *` to the user's global git configuration, and writes an
identifier to the user's configuration folder. Each call here therefore gets configuration of its own. It also gets
$GITHUB_SHA, without which CML does not find its own comment, and a timeout, since CML waits for minutes where GitHub
limits the rate of requests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from slipway.errors import ToolError

CALL_TIMEOUT_SECONDS = 120


class CmlError(ToolError):
    """CML is not installed, or failed. The message is one line."""


def is_installed() -> bool:
    """Return whether CML is on the PATH."""
    return shutil.which("cml") is not None


def call(arguments: list[str], sha: str, folder: Path | None = None) -> str:
    """Run `cml ARGUMENTS` in `folder` for the commit `sha`, and return its output. Raises CmlError."""
    return run(["cml", *arguments], folder, {"GITHUB_SHA": sha})


def run(command: list[str], folder: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command that is CML, and return its output. Raises CmlError with the last line of its errors."""
    with TemporaryDirectory() as scratch:
        environment = {**os.environ, **_configuration(Path(scratch)), "ITERATIVE_DO_NOT_TRACK": "1", **(env or {})}
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                timeout=CALL_TIMEOUT_SECONDS,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise CmlError(f"cml: cannot be run ({error.strerror})") from None
        except subprocess.TimeoutExpired:
            raise CmlError(f"cml: no response within {CALL_TIMEOUT_SECONDS:g} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise CmlError(f"cml failed ({lines[-1]})")
    return done.stdout.decode(errors="replace")


def _configuration(scratch: Path) -> dict[str, str]:
    """Return variables for a global git configuration that includes the user's and takes what CML adds."""
    own, config = scratch / "gitconfig", Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    given = os.environ.get("GIT_CONFIG_GLOBAL")
    files = [Path(given)] if given else [config / "git" / "config", Path.home() / ".gitconfig"]
    quoted = (json.dumps(str(path.absolute()), ensure_ascii=False) for path in files if path.is_file())
    own.write_text("".join(f"[include]\n\tpath = {path}\n" for path in quoted), encoding="utf-8")
    return {"GIT_CONFIG_GLOBAL": str(own), "XDG_CONFIG_HOME": str(scratch)}
