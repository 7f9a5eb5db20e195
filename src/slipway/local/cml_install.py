"""Install CML for the next steps of a job: its source at a pinned commit, npm packages by the hashes of a lock file.

The lock file is ours, in .github/actions/cml: that of CML 0.20.6 has no hash for 221 of its 261 packages.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from slipway import cml
from slipway.cml import CmlError
from slipway.local import npm

VERSION = "0.20.6"
COMMIT = "a3a66c74b218b08710f42bf599b066e37cb4cba7"
"""Of the tag v0.20.6; .github/actions/cml/action.yml checks out the same."""

FOLDER = Path("build/cml")
SOURCE = FOLDER / "source"
ACTION = Path(".github/actions/cml")
WITHOUT = "so gh takes the place of CML"
LAUNCHER = '#!/bin/sh\nexec node "{program}" "$@"\n'


def install() -> str:
    """Put `cml` on the PATH of a job's next steps, unless one is there. Return what is used. Raises UserError."""
    if there := shutil.which("cml"):
        return f"{there} is there already"
    if not (SOURCE / "package.json").is_file():
        raise CmlError(f"{SOURCE}: no checkout of iterative/cml, {WITHOUT}")
    if _head() != COMMIT:
        raise CmlError(f"{SOURCE}: not at {COMMIT} of v{VERSION}, {WITHOUT}")
    npm.install(ACTION, FOLDER, "CML")
    launcher = _launcher()
    if (version := cml.run([str(launcher), "--version"]).strip()) != VERSION:
        raise CmlError(f"{launcher}: is version {version}, not {VERSION}, {WITHOUT}")
    if path := os.environ.get("GITHUB_PATH"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{launcher.parent}\n")
    return f"{launcher} is CML {VERSION}"


def _head() -> str:
    """The commit that is checked out in SOURCE; empty where it is on a branch, or no repository at all."""
    try:
        return (SOURCE / ".git" / "HEAD").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _launcher() -> Path:
    launcher = (FOLDER / "bin" / "cml").absolute()
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_text(LAUNCHER.format(program=(SOURCE / "bin" / "cml.js").absolute()), encoding="utf-8")
    launcher.chmod(0o755)
    return launcher
