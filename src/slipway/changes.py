"""What a pull request changes, as git and DVC tell it: parameters, data, code, metrics."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from slipway import yaml12

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMS, DATA, ROWS = "params.yaml", "data.dvc", "metrics/prepare.json"


Commit = Annotated[str, Field(pattern="^[0-9a-f]{40,64}$")]


class Changes(BaseModel):
    """The difference between the base of a pull request and the work tree. Values are None where there was none."""

    model_config = ConfigDict(extra="forbid")

    base: Commit | None
    """Commit that the work tree is compared with; None when git does not know it."""
    head: Commit | None
    """Commit of the work tree; None outside of git."""
    parameters: dict[str, tuple[Any, Any]] = {}
    data: dict[str, tuple[Any, Any]] = {}
    files: list[str] = []
    base_rows: dict[str, int] = {}


def since(reference: str) -> Changes:
    """Changes since the work tree's branch left `reference`, such as `origin/main`."""
    head = _git("rev-parse", "HEAD") or None
    base = _git("merge-base", reference, "HEAD")
    if not base:
        return Changes(base=None, head=head)
    return Changes(
        base=base,
        head=head,
        parameters=differences(flat(_yaml_at(base, PARAMS)), flat(_yaml(Path(PARAMS)))),
        data=differences(_data(_yaml_at(base, DATA)), _data(_yaml(Path(DATA)))),
        files=_git("diff", "--name-only", base).splitlines(),
        base_rows=_json_at(base, ROWS).get("rows", {}),
    )


def documentation_only(reference: str) -> bool:
    """Whether the branch differs from `reference`, and in Markdown and docs/ alone."""
    base = _git("merge-base", reference, "HEAD")
    files = _git("diff", "--name-only", base).splitlines() if base else []
    return bool(files) and all(file.endswith(".md") or file.startswith("docs/") for file in files)


def base_branch() -> str | None:
    """Branch that a pull request is to be merged into; None where no pull request is checked."""
    return os.environ.get("GITHUB_BASE_REF") or os.environ.get("SLIPWAY_BASE") or None


def _data(pointer: dict[str, Any]) -> dict[str, Any]:
    (out,) = pointer.get("outs") or [{}]
    return {"version": out.get("md5"), "files": out.get("nfiles"), "bytes": out.get("size")}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """(before, after) of each name whose value differs; None where there is none."""
    names = [*after, *(name for name in before if name not in after)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {
        key: value
        for name, branch in tree.items()
        for key, value in flat(branch, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _yaml(path: Path) -> dict[str, Any]:
    return _parsed(yaml12.parse, path.read_text(encoding="utf-8")) if path.exists() else {}


def _yaml_at(commit: str, path: str) -> dict[str, Any]:
    return _parsed(yaml12.parse, _git("show", f"{commit}:{path}"))


def _json_at(commit: str, path: str) -> dict[str, Any]:
    return _parsed(json.loads, _git("show", f"{commit}:{path}"))


def _parsed(parse: Any, text: str) -> dict[str, Any]:
    """A file that is broken has no content here; the step that needs it says what is wrong with it."""
    try:
        content = parse(text) if text else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
