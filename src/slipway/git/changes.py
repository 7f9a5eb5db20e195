"""Changes of a pull request according to git and DVC: parameters, data, files and row counts.

The list of changed files, by which checks are skipped, has both paths of every rename. If the base cannot be read,
nothing is skipped.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from slipway import output, yaml12
from slipway.git import Git, GitError
from slipway.git.changed_paths import ABSENT, FILE, ChangedPath, renamed
from slipway.schema.bounds import FILES_MAX, ITEMS_MAX, Count, Name, Pairs, Text, max_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PARAMS, DATA, ROWS, PIPELINE, BENTO = (
    "params.yaml",
    "data.dvc",
    "metrics/prepare.json",
    "dvc.yaml",
    "bentofile.yaml",
)
UNKNOWN = "?"
"""Mode of a file that is not committed."""
TEMPLATE = re.compile(r"[$][{][^}]*[}]")
DOCS = "docs"
PAGES = frozenset({".md"})
PAGE_PARTS = PAGES | {".css", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}
"""Suffixes of pages and their assets in DOCS; no other file there counts as documentation."""

Commit = Annotated[str, Field(pattern="^[0-9a-f]{40,64}$")]


Kind = Literal["added", "deleted", "modified", "mode changed", "renamed"]


class Changes(BaseModel):
    """Difference between the base of a pull request and the work tree. None stands for a missing value."""

    model_config = ConfigDict(extra="forbid")

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


def since(reference: str) -> Changes:
    """Return the changes since the work tree's branch left `reference`, such as `origin/main`.

    Raises nothing, so that a report is always written: what cannot be read is among the problems.
    """
    git, head = Git(Path()), None
    try:
        head = git.head()
        base = merge_base(git, reference)
        changes = changed_files(git, base, untracked=False)
    except GitError as error:
        return Changes(base=None, head=head, problems=[str(error)])
    former = renamed(changes)
    problems: list[str] = []
    moved = {*former, *former.values()}
    return Changes(
        base=base,
        head=head,
        parameters=_compared(git, base, PARAMS, flat, problems),
        data=_compared(git, base, DATA, _data, problems),
        files=[change.path for change in changes],
        kinds={change.path: "renamed" if change.path in moved else change.kind for change in changes},
        renamed=former,
        base_rows=_at_base(git, base, ROWS, problems).get("rows", {}),
        problems=problems,
    )


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


def documentation_only(reference: str) -> bool:
    """Return whether the branch changes documentation only; if that cannot be read, print why and return False."""
    git = Git(Path())
    try:
        base = merge_base(git, reference)
        changes, inputs = changed_files(git, base), {*_inputs(git, base), *_inputs(git, "HEAD")}
    except (GitError, ValueError) as error:
        output.warn(f"{reference}: cannot be compared with ({error}), so nothing is skipped")
        return False
    return bool(changes) and all(_is_documentation(change, inputs) for change in changes)


def _is_documentation(change: ChangedPath, inputs: set[str]) -> bool:
    """Return whether the path is a page or asset on both sides, a regular file, and no input of a stage."""
    path = PurePosixPath(change.path)
    is_file = {change.before, change.after} <= {ABSENT, FILE}  # no link, submodule or executable
    is_hidden = any(part.startswith(".") for part in path.parts)
    suffixes = PAGE_PARTS if path.parts[0] == DOCS else PAGES if len(path.parts) == 1 else frozenset()
    places = [str(place) for place in (path, *path.parents)]
    is_used = any(fnmatchcase(place, used) for used in inputs for place in places)
    return is_file and not is_hidden and path.suffix in suffixes and not is_used


def _inputs(git: Git, commit: str) -> Iterator[str]:
    """Yield patterns of the paths in dvc.yaml and bentofile.yaml at a commit. Raises GitError, ValueError."""
    pipeline = yaml12.parse(git.read_text(commit, f"./{PIPELINE}") or "{}") or {}
    bento = yaml12.parse(git.read_text(commit, f"./{BENTO}") or "{}") or {}
    for text in (*_strings(pipeline), *_strings(bento.get("include", []))):
        for word in text.split():
            yield str(PurePosixPath(TEMPLATE.sub("*", word.strip("'\""))))


def _strings(content: Any) -> Iterator[str]:
    """Yield every string in the content of a YAML file, keys included, since a stage can name a path in any of them."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        yield from (text for pair in content.items() for part in pair for text in _strings(part))
    elif isinstance(content, list):
        yield from (text for part in content for text in _strings(part))


def base_branch() -> str | None:
    """Return the target branch of the pull request that is checked; None outside of a pull request."""
    return os.environ.get("GITHUB_BASE_REF") or os.environ.get("SLIPWAY_BASE") or None


def _data(pointer: dict[str, Any]) -> dict[str, Any]:
    outs = pointer.get("outs")
    out = outs[0] if isinstance(outs, list) and outs and isinstance(outs[0], dict) else {}
    return {"version": out.get("md5"), "files": out.get("nfiles"), "bytes": out.get("size")}


def _compared(
    git: Git, base: str, path: str, values: Callable[[dict[str, Any]], dict[str, Any]], problems: list[str]
) -> dict[str, tuple[Any, Any]]:
    """Return the differences in a YAML file; none if the base's cannot be read, which is added to `problems`."""
    count = len(problems)
    before = _at_base(git, base, path, problems)
    after = _parsed(Path(path).read_text(encoding="utf-8")) if Path(path).exists() else {}
    return {} if len(problems) > count else differences(values(before), values(after or {}))


def _at_base(git: Git, base: str, path: str, problems: list[str]) -> dict[str, Any]:
    """Return a mapping file of the base, empty if there is none; a failure to read is added to `problems`."""
    try:
        text = git.read_text(base, f"./{path}")
    except GitError as error:
        problems.append(str(error))
        return {}
    content = _parsed(text or "{}")
    if content is None:
        problems.append(f"{path}: the version at the base, {base[:12]}, is not a YAML or JSON mapping")
    return content or {}


def _parsed(text: str) -> dict[str, Any] | None:
    """Return the mapping in YAML or JSON; None if it is invalid, which the stage that needs the file reports."""
    try:
        content = yaml12.parse(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


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
