"""The installation of CML for a job: its source at a pinned commit, and npm packages that are verified by hash.

The lock file is our own, in .github/actions/cml, because CML 0.20.6 locks 221 of its 261 packages without a hash.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from slipway.github import cml
from slipway.github.cml import CmlError
from slipway.local import npm

VERSION = "0.20.6"
COMMIT = "a3a66c74b218b08710f42bf599b066e37cb4cba7"
"""Commit of the tag v0.20.6, which .github/actions/cml/action.yml checks out."""

FOLDER = Path("build/cml")
SOURCE = FOLDER / "source"
ACTION = Path(".github/actions/cml")
FALLBACK = "so gh replaces CML"
LAUNCHER = '#!/bin/sh\nexec node "{program}" "$@"\n'


def install() -> str:
    """Add `cml` to the PATH of the job's next steps, unless it is there. Return a line on the program in use.

    Raises UserError if the checkout is missing, has another commit or cannot be installed.
    """
    if program := shutil.which("cml"):
        return f"{program} is already installed"
    if not (SOURCE / "package.json").is_file():
        raise CmlError(f"{SOURCE}: no checkout of iterative/cml, {FALLBACK}")
    if _head() != COMMIT:
        raise CmlError(f"{SOURCE}: not at commit {COMMIT} of v{VERSION}, {FALLBACK}")
    npm.install(ACTION, FOLDER, "CML")
    launcher = _launcher()
    if (version := cml.run([str(launcher), "--version"]).strip()) != VERSION:
        raise CmlError(f"{launcher}: is version {version}, not {VERSION}, {FALLBACK}")
    if path := os.environ.get("GITHUB_PATH"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{launcher.parent}\n")
    return f"{launcher} is CML {VERSION}"


def _head() -> str:
    """Return the content of HEAD in SOURCE: a commit if it is detached. Empty without a repository."""
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
