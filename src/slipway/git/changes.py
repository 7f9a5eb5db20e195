"""Changes of a branch since its base, according to git, and the differences of two mappings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from slipway.git import Git, GitError
from slipway.git.changed_paths import ABSENT, FILE, ChangedPath
from slipway.schema.bounds import FILES_MAX, ITEMS_MAX, Count, Name, Pairs, Text, max_items

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "?"
"""Mode of a file that is not committed."""

Commit = Annotated[str, Field(pattern="^[0-9a-f]{40,64}$")]


Kind = Literal["added", "deleted", "modified", "mode changed", "renamed"]


class Changes(BaseModel):
    """Difference between the base of a pull request and the work tree. None stands for a missing value."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    base: Commit | None
    """Commit that the work tree is compared with; None when it cannot be determined."""
    head: Commit | None
    """Commit of the work tree; None outside of git."""
    parameters: Pairs = {}
    data: Pairs = {}
    files: Annotated[list[Text], max_items(FILES_MAX)] = []
    """Every path that differs; both paths of a renamed file."""
    kinds: Annotated[dict[Text, Kind], max_items(FILES_MAX)] = {}
    """Kind of change of each path in `files`."""
    renamed: Annotated[dict[Text, Text], max_items(FILES_MAX)] = {}
    """Former path of each renamed file, by its new path."""
    base_rows: Annotated[dict[Name, Count], max_items(ITEMS_MAX)] = {}
    problems: Annotated[list[Text], max_items(ITEMS_MAX)] = []
    """Files or commits that could not be read, so that their changes are unknown."""


def merge_base(git: Git, reference: str) -> str:
    """Return the merge base of the branch and `reference`. Raises GitError if this clone does not have it."""
    if git.resolve(reference) is None:
        raise GitError(f"{reference}: no such branch in this clone; run `git fetch origin`")
    base = git.merge_base(reference, "HEAD")
    if base is None:
        fix = "run `git fetch --unshallow`" if git.is_shallow() else "the two have no commit in common"
        raise GitError(f"{reference}: this clone lacks the merge base with the branch; {fix}")
    return base


def changed_files(git: Git, base: str, *, untracked: bool = True) -> list[ChangedPath]:
    """Return every path that differs between `base`, HEAD and the work tree; both paths of a rename.

    Raises GitError.
    """
    changes = {change.path: change for change in git.changed(base, "HEAD")}
    edited = git.edited(untracked=untracked).items()
    return sorted((changes | {path: _edit(path, state) for path, state in edited if path not in changes}).values())


def _edit(path: str, state: str) -> ChangedPath:
    """Return an uncommitted change from git's two-letter status; its mode after a commit is unknown."""
    if "D" in state:
        return ChangedPath(path, FILE, ABSENT)
    return ChangedPath(path, ABSENT if state == "??" or "A" in state else FILE, UNKNOWN)


def base_branch() -> str | None:
    """Return the target branch of the pull request that is checked; None outside of a pull request."""
    return os.environ.get("GITHUB_BASE_REF") or os.environ.get("SLIPWAY_BASE") or None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return (before, after) for each name whose value differs; None stands for a missing value."""
    names = [*after, *(name for name in before if name not in after)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings with dotted keys: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {
        key: value
        for name, branch in tree.items()
        for key, value in flat(branch, f"{prefix}.{name}" if prefix else str(name)).items()
    }
