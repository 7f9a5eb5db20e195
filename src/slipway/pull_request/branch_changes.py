"""Changes of a pull request according to git and DVC: parameters, data, files and row counts.

The list of changed files, by which checks are skipped, has both paths of every rename. If the base cannot be read,
nothing is skipped.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict

from slipway import output, yaml12
from slipway.dvc.files import PIPELINE, DvcEntry, parse_pointer
from slipway.git import Git, GitError
from slipway.git.changed_paths import ABSENT, FILE, renamed
from slipway.git.changes import Changes, changed_files, differences, flat, merge_base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slipway.git.changed_paths import ChangedPath

V = TypeVar("V")
PARAMS, DATA, ROWS, BENTO = "params.yaml", "data.dvc", "metrics/prepare.json", "bentofile.yaml"
TEMPLATE = re.compile(r"[$][{][^}]*[}]")
DOCS = "docs"
PAGES = frozenset({".md"})
PAGE_PARTS = PAGES | {".css", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}
"""Suffixes of pages and their assets in DOCS; no other file there counts as documentation."""


class RowCounts(BaseModel):
    """The part of metrics/prepare.json that a report compares; an older version of the template may have other keys."""

    model_config = ConfigDict(defer_build=True)

    rows: dict[str, int] = {}


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
        parameters=_compared(git, base, PARAMS, _parameters, problems),
        data=_compared(git, base, DATA, _data, problems),
        files=[change.path for change in changes],
        kinds={change.path: "renamed" if change.path in moved else change.kind for change in changes},
        renamed=former,
        base_rows=_at_base(git, base, ROWS, _rows, problems) or {},
        problems=problems,
    )


def documentation_only(reference: str) -> bool:
    """Return whether the branch changes documentation only; if that cannot be read, print why and return False."""
    return bool(changed_pages(reference))


def changed_pages(reference: str) -> list[str]:
    """Return the changed pages and assets where the branch changes nothing else.

    Returns nothing if another file changes, or, with a warning, if the changes cannot be read.
    """
    git = Git(Path())
    try:
        base = merge_base(git, reference)
        changes, inputs = changed_files(git, base), {*_inputs(git, base), *_inputs(git, "HEAD")}
    except (GitError, ValueError) as error:
        output.warn(f"{reference}: cannot be compared with ({error}), so nothing is skipped")
        return []
    return [change.path for change in changes] if all(_is_documentation(change, inputs) for change in changes) else []


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


def _data(text: str) -> dict[str, Any]:
    """Return version and size of the data in a `*.dvc` file. Raises ValueError."""
    outs = parse_pointer(text).outs if text else []
    out = outs[0] if outs else DvcEntry(path="")
    return {"version": out.md5, "files": out.nfiles, "bytes": out.size}


def _compared(
    git: Git, base: str, path: str, values: Callable[[str], dict[str, Any]], problems: list[str]
) -> dict[str, tuple[Any, Any]]:
    """Return the differences in a file; none if the base's cannot be read, which is added to `problems`.

    An invalid file of the work tree has no values: the stage that needs it reports it.
    """
    before = _at_base(git, base, path, values, problems)
    if before is None:
        return {}
    try:
        after = values(Path(path).read_text(encoding="utf-8") if Path(path).exists() else "")
    except (ValueError, RecursionError):
        after = values("")
    return differences(before, after)


def _at_base(git: Git, base: str, path: str, values: Callable[[str], V], problems: list[str]) -> V | None:
    """Return the values of a file of the base; None if it cannot be read, which is added to `problems`."""
    try:
        return values(git.read_text(base, f"./{path}") or "")
    except GitError as error:
        problems.append(str(error))
    except (ValueError, RecursionError):
        problems.append(f"{path}: the version at the base, {base[:12]}, cannot be read")
    return None


def _parameters(text: str) -> dict[str, Any]:
    return flat(yaml12.parse_mapping(text))


def _rows(text: str) -> dict[str, int]:
    """Return the number of rows by split, which the stage `prepare` wrote."""
    return RowCounts.model_validate_json(text).rows if text else {}
