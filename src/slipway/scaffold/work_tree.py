"""The fork's work tree: checks before anything is written, and the commands that run in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import output
from slipway.dvc import command
from slipway.errors import ArgumentError, ToolError, UserError, WorkTreeError
from slipway.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway import preloaded

UNDO = "run `git checkout . && git clean -fd src tests metrics .dvcstore engine.lock && dvc checkout`"
GENERATED = re.compile(r"(^|/)__pycache__/|\.pyc$")
"""Files that Python generates."""
BIN = Path(sys.executable).parent
QUIET = {
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads slow a busy machine down by a factor of ten
    "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
}


def require_clean() -> None:
    """Raise UserError unless git and DVC track every file, so that nothing can be lost."""
    if not Path(".git").exists():
        raise WorkTreeError(f"{Path.cwd()}: not the root of a git repository; run this in the root of your fork")
    if changed := list(Git(Path()).edited()):
        raise WorkTreeError(f"{_listed(changed)}: not committed; commit or stash first, so that nothing can be lost")
    if Path("data").exists() and json.loads(dvc("status", "--json", "data.dvc") or "{}"):
        raise WorkTreeError("data: differs from data.dvc; `dvc add data` and commit, or `dvc checkout data.dvc`")


def require_no_untracked(*folders: Path) -> None:
    """Raise UserError when a folder to be replaced has files that git does not track, including ignored ones."""
    paths = [path for path in Git(Path()).untracked(*map(str, folders)) if not GENERATED.search(path)]
    if paths:
        raise WorkTreeError(f"{_listed(paths)}: not in git, and its folder will be replaced; commit it or move it out")


@contextmanager
def restored_on_error(*written: Path) -> Iterator[None]:
    """Restore the last commit if the body ends in any error or an interrupt, and remove new files in `written`.

    The work tree must be clean before, and `written` without files that git does not track.
    """
    try:
        yield
    except BaseException as error:
        try:
            _restore(*written)
        except UserError as failure:
            result = f"the changes remain ({failure}); {UNDO}"
        else:
            result = "every file was restored"
        if isinstance(error, UserError):
            error.args = (f"{error}; {result}",)
        else:
            output.warn(f"new: {result}")
        raise


def _restore(*written: Path) -> None:
    git = Git(Path())
    git.run("checkout", "--quiet", "HEAD", "--", ".")
    git.run("clean", "--quiet", "--force", "-d", "--", *map(str, written))
    if Path("data.dvc").exists():
        dvc("checkout", "--quiet", "--force", "--allow-missing")


def _listed(paths: list[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else paths[0]


def require_outside(path: Path) -> None:
    """Raise UserError for a table in the repository: its rows go to DVC, and must not be in git too."""
    if path.resolve().is_relative_to(Path.cwd()):
        raise ArgumentError(f"{path}: inside the repository; move it out, because DVC will track its rows in data/")


def dvc(*arguments: str, server: preloaded.Server | None = None) -> str:
    """Run `dvc ARGUMENTS` and return its output. Raises ToolError with its reason when it fails.

    DVC and the stages of dvc.yaml run in processes of `server`, by default in new ones.
    """
    if server is None:
        return command.read(*arguments, env=QUIET)
    path = {"PATH": server.path(QUIET["PATH"])}
    return command.read(*arguments, env=QUIET | path, program=[str(server.python), "-m", "dvc"])


def uv(*arguments: str) -> str:
    """Run `uv ARGUMENTS` and return its output. Raises UserError with its last line when it fails."""
    return run([str(BIN / "uv"), *arguments])


def run(command: list[str]) -> str:
    """Run `command` and return its output. Raises UserError with its last line when it fails."""
    done = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no error output"]
        raise ToolError(f"{Path(command[0]).name} {' '.join(command[1:])}: {lines[-1].strip()}")
    return done.stdout
