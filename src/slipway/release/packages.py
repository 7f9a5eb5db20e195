"""Python environments that hold what a release installs and nothing else, and the command of its service in one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from slipway import tools
from slipway.errors import ToolError, UserError
from slipway.release import manifest
from slipway.release.signing import keys

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.release.manifest import Release

NOT_INHERITED = {
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "SLIPWAY_MODEL_DIR"),
    "PYTHONDONTWRITEBYTECODE",  # set in many containers; each start of a release would compile its packages again
    keys.SIGNING_KEY,
}


def install(release: Release, target: Path) -> None:
    """Install the packages of `release` into a new environment at `target`, which is replaced. Raises UserError.

    uv first tries its cache, which needs no network.
    """
    shutil.rmtree(target, ignore_errors=True)
    _uv("venv", "--quiet", "--python", _python(release), str(target))
    arguments = ["pip", "install", "--quiet", "--require-hashes", "--python", str(target / "bin" / "python")]
    arguments += ["--requirements", str(release.folder / manifest.LOCKED)]
    try:
        _uv(*arguments, "--offline")
    except UserError:
        _uv(*arguments)


def command(release: Release, environment: Path, port: int, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command line and environment variables of the release's manifest for a service at `port`.

    `environment` has its packages, and `scratch` is a folder of this service alone, because its metrics would add up.
    """
    names = {
        "python": str(environment / "bin" / "python"),
        "release": str(release.folder),
        "port": str(port),
        "scratch": str(scratch),
    }
    service = release.manifest.service
    own = {name: value.format(**names) for name, value in service.environment.items()}
    cache = {"PYTHONPYCACHEPREFIX": str(environment / "pycache")}  # outside of the release, whose files are hashed
    return [part.format(**names) for part in service.command], {**_inherited(), **cache, **own}


def _python(release: Release) -> str:
    required = release.manifest.build.python
    return sys.executable if required == f"{sys.version_info.major}.{sys.version_info.minor}" else required


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}


def _uv(*arguments: str) -> None:
    command = [tools.require("uv"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_inherited())
    if done.returncode:
        raise ToolError(f"uv {' '.join(arguments[:2])}: {' '.join(done.stderr.split())[:500]}")
