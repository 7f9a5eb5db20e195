"""`slipway doctor`: what this machine has and lacks, and how to mend it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE_GIGABYTES = 3  # for the packages, the data and one demo
TOOLS = ("act", "dvc", "gh", "git", "traefik", "uv")
SETTINGS = ("SLIPWAY_STORE", "SLIPWAY_HOME", "STAGING_URL", "PRODUCTION_URL")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked for, what was found, and what to do; no mend means that all is well."""

    subject: str
    found: str
    mend: str = ""
    needed: bool = True


def doctor() -> None:
    """Print every finding. Raises UserError when something is missing that everybody needs."""
    findings = list(examine(Path()))
    for finding in findings:
        mark = "ok" if not finding.mend else "MISSING" if finding.needed else "-"
        print(f"{mark:<8}{finding.subject:<16}{finding.found}{f'; {finding.mend}' if finding.mend else ''}")
    missing = [finding.subject for finding in findings if finding.mend and finding.needed]
    if missing:
        raise UserError(f"doctor: {', '.join(missing)} missing; the lines above say how to mend it")


def examine(root: Path) -> Iterator[Finding]:
    """Look at the machine, and at the checkout in `root`."""
    yield Finding("Python", sys.version.split()[0])
    yield from (_tool(name) for name in TOOLS)
    yield _there("data checks", root / ".venv-checks", "make setup")
    yield _there("data", root / "data", "uv run dvc pull data.dvc")
    if shutil.which("git"):
        yield _identity(root)
    yield _disk(root)
    for name in SETTINGS:
        yield Finding(name, os.environ.get(name) or "not set, so the default holds")


def _tool(name: str) -> Finding:
    here = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    path = shutil.which(name, path=os.pathsep.join(here))
    return Finding(name, path) if path else Finding(name, "not found", "install git" if name == "git" else "make setup")


def _there(subject: str, path: Path, mend: str) -> Finding:
    return Finding(subject, str(path)) if path.exists() else Finding(subject, f"{path} is not there", f"`{mend}`")


def _identity(root: Path) -> Finding:
    """The demo has an author of its own; commits of one's own need a name."""
    command = ["git", "-C", str(root), "config", "user.email"]
    email = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    mend = "" if email else "`git config --global user.email YOU@EXAMPLE.COM`, before you commit"
    return Finding("git identity", email or "none", mend, needed=False)


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    mend = "" if free >= FREE_GIGABYTES else f"free {FREE_GIGABYTES} GB"
    return Finding("disk", f"{free:.0f} GB free", mend)
