"""The engine of a fork: which files are the template's, and whether the fork has changed any of them.

`slipway new` and `slipway upgrade` write engine.lock, a list of the template's files by content. As long as a pull
request keeps to that list, the tests of the engine would repeat what the template's own CI has run.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from slipway.errors import UnreadableFileError
from slipway.files import write_text
from slipway.git import Git, GitError, changes
from slipway.git.client import TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOCK = Path("engine.lock")
HEADER = (
    "# The template's files: mode, git's id of the content, path. Written by `slipway new` and `slipway upgrade`.\n"
)
OWN = ("src/problem", "tests/problem", "metrics", ".dvcstore", "data.dvc", "dvc.lock", "README.md")
"""The fork's own; `slipway upgrade` keeps them."""
MERGED = (
    *("params.yaml", "pyproject.toml", "uv.lock", ".dvc/config"),
    *(".github/CODEOWNERS", "SECURITY.md", "CHANGELOG.md", str(LOCK)),
)
"""The template's and the fork's; `slipway upgrade` merges them line by line."""
DEPENDENCIES = ("pyproject.toml", "uv.lock")
"""Files that decide which versions the engine runs with."""


def write_lock(git: Git, tree: str) -> None:
    """Write engine.lock from the template's files in a commit or tree. Raises GitReadError."""
    files = {path: entry for path, entry in git.entries(tree).items() if not _is_forks(path)}
    write_text(
        git.folder / LOCK,
        HEADER + "".join(f"{entry.mode} {entry.id} {path}\n" for path, entry in sorted(files.items())),
    )


def read_lock() -> dict[str, TreeEntry]:
    """Return the template's files by path. Raises UserError for a line that is no entry."""
    entries = {}
    for number, line in enumerate(LOCK.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#"):
            continue
        fields = line.split(" ", 2)
        if len(fields) != 3:
            raise UnreadableFileError(f"{LOCK}:{number}: not `mode id path`; run `git checkout -- {LOCK}`")
        entries[fields[2]] = TreeEntry(fields[0], fields[1])
    return entries


def why_tested(reference: str) -> str | None:
    """Return why the engine's tests must run for the changes since `reference`; None when they need not.

    The engine's files must have the locked content, and the branch must leave the lock and the dependencies alone.
    """
    if not LOCK.exists():
        return f"{LOCK}: not found, as in the template itself"
    git = Git(Path())
    try:
        branch = {change.path for change in changes.changed_files(git, changes.merge_base(git, reference))}
        changed = _changed(read_lock(), git.entries("HEAD"), git.edited())
    except GitError as error:
        return str(error)
    if touched := sorted(branch & {str(LOCK), *DEPENDENCIES}):
        return f"{_first(touched)}: changed by this branch"
    return f"{_first(changed)}: not as in the template" if changed else None


def _changed(locked: Mapping[str, TreeEntry], files: Mapping[str, TreeEntry], edited: Iterable[str]) -> list[str]:
    """Return the engine's paths that differ from the lock, in the commit or in the work tree."""
    folders = {PurePosixPath(path).parts[0] for path in locked}
    differing = {path for path in {*locked, *files} if locked.get(path) != files.get(path)} | {*edited}
    return sorted(path for path in differing if path in locked or _is_engines(path, folders))


def _is_engines(path: str, folders: set[str]) -> bool:
    """Return whether a path may affect the engine although the template lacks it: in its folders, or at the top."""
    parts = PurePosixPath(path).parts
    return not _is_forks(path) and (len(parts) == 1 or parts[0] in folders)


def _is_forks(path: str) -> bool:
    return any(is_in(path, place) for place in (*OWN, *MERGED))


def is_in(path: str, place: str) -> bool:
    """Return whether `path` is the file or folder `place`, or in it."""
    return path == place or path.startswith(f"{place}/")


def _first(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
