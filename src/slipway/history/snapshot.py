"""The snapshot of a run, read from the files of a commit: parameters, metrics, data, outputs by hash, packages."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from slipway import yaml12
from slipway.dvc.files import LOCK, parse_lock, parse_pointer
from slipway.git.changes import flat
from slipway.report.release import leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.git import Git

T = TypeVar("T")
PARAMS, PACKAGES, METRICS = "params.yaml", "uv.lock", "metrics/"


@dataclass(frozen=True)
class Snapshot:
    """The inputs and outputs of a run; hashes are those of DVC."""

    parameters: dict[str, Any]
    metrics: dict[str, float]
    data: dict[str, str]
    outputs: dict[str, str]
    packages: dict[str, str]


def read(git: Git, commit: str | None) -> Snapshot:
    """Read the snapshot of a commit, or of the work tree for None. Absent and broken files leave their part empty."""
    files = Files(git, commit)
    lock = files.parsed(LOCK, parse_lock)
    pointers = [files.parsed(name, parse_pointer) for name in files.names("") if name.endswith(".dvc")]
    metrics = {
        Path(name).stem: files.parsed(name, json.loads) for name in files.names(METRICS) if name.endswith(".json")
    }
    packages = tomllib.loads(files.text(PACKAGES)).get("package", [])
    return Snapshot(
        parameters=flat(files.parsed(PARAMS, yaml12.parse_mapping) or {}),
        metrics=dict(leaves(metrics)),
        data={out.path: out.md5 or "" for pointer in pointers if pointer for out in pointer.outs},
        outputs=lock.outputs if lock else {},
        packages={package["name"]: package.get("version", "") for package in packages},
    )


@dataclass(frozen=True)
class Files:
    """The files of a commit, or of the work tree if `commit` is None."""

    git: Git
    commit: str | None

    def names(self, folder: str) -> list[str]:
        """Return the paths of the tracked files in a folder; `""` is the root."""
        listed = self.git.entries(self.commit or "HEAD", *([folder] if folder else []))
        return [name for name in listed if name.rpartition("/")[0] == folder.rstrip("/") and not name.startswith(".")]

    def text(self, path: str) -> str:
        """Return the content of a file; empty if it does not exist."""
        if self.commit is None:
            file = self.git.folder / path
            return file.read_text(encoding="utf-8") if file.is_file() else ""
        return self.git.read_text(self.commit, path) or ""

    def parsed(self, path: str, parse: Callable[[str], T]) -> T | None:
        """Return the content of a file; None if it is absent or broken."""
        try:
            text = self.text(path)
            return parse(text) if text else None
        except ValueError:
            return None
