"""The fork's work tree: clean before anything is written, and the commands that run in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from slipway.errors import UserError
from slipway.git import Git

REMADE = re.compile(r"(^|/)__pycache__/|\.pyc$")
"""Files that Python writes again."""
BIN = Path(sys.executable).parent
QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait make a busy machine ten times slower
    "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
}


def require_clean() -> None:
    """Raise UserError unless git and DVC have everything that is here, so that nothing can be lost."""
    if not Path(".git").exists():
        raise UserError(f"{Path.cwd()}: not the root of a git repository; run this in the root of your fork")
    if changed := list(Git(Path()).edited()):
        raise UserError(f"{_shown(changed)}: not committed; commit or stash first, so that nothing can be lost")
    if Path("data").exists() and json.loads(dvc("status", "--json", "data.dvc") or "{}"):
        raise UserError("data: differs from data.dvc; `dvc add data` and commit, or `dvc checkout data.dvc`")


def require_nothing_else(*folders: Path) -> None:
    """Raise UserError when a folder that is to be replaced holds files that only exist there, ignored ones included."""
    paths = [path for path in Git(Path()).untracked(*map(str, folders)) if not REMADE.search(path)]
    if paths:
        raise UserError(f"{_shown(paths)}: not in git, and its folder is replaced; commit it or move it out")


def _shown(paths: list[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else paths[0]


def require_outside(path: Path) -> None:
    """Raise UserError for a table in the repository: its rows go to DVC, and git is not to have them too."""
    if path.resolve().is_relative_to(Path.cwd()):
        raise UserError(f"{path}: lies in the repository; move it out, its rows come back as data/ under DVC")


def dvc(*arguments: str) -> str:
    """What `dvc ARGUMENTS` prints. Raises UserError with its last words when it fails."""
    return run([str(BIN / "dvc"), *arguments])


def uv(*arguments: str) -> str:
    """What `uv ARGUMENTS` prints. Raises UserError with its last words when it fails."""
    return run([str(BIN / "uv"), *arguments])


def run(command: list[str]) -> str:
    """What `command` prints. Raises UserError with its last words when it fails."""
    done = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no reason given"]
        raise UserError(f"{Path(command[0]).name} {' '.join(command[1:])}: {said[-1].strip()}")
    return done.stdout
