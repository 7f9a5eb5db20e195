"""What the files of a commit tell of a run: parameters, metrics, data, outputs by hash, packages."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import yaml12
from slipway.changes import flat
from slipway.report.release import leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.git import Git

LOCK, PARAMS, PACKAGES, METRICS = "dvc.lock", "params.yaml", "uv.lock", "metrics/"


@dataclass(frozen=True)
class Snapshot:
    """What was made of what; hashes as DVC knows them."""

    parameters: dict[str, Any]
    metrics: dict[str, float]
    data: dict[str, str]
    outputs: dict[str, str]
    packages: dict[str, str]


def read(git: Git, commit: str | None) -> Snapshot:
    """Read the files of a commit, or for None of the work tree. What is not there, or is broken, tells nothing."""
    files = Files(git, commit)
    lock = files.yaml(LOCK).get("stages", {})
    pointers = [files.yaml(name) for name in files.names("") if name.endswith(".dvc")]
    metrics = {Path(name).stem: files.json(name) for name in files.names(METRICS) if name.endswith(".json")}
    packages = tomllib.loads(files.text(PACKAGES)).get("package", [])
    return Snapshot(
        parameters=flat(files.yaml(PARAMS)),
        metrics=dict(leaves(metrics)),
        data={out["path"]: out["md5"] for pointer in pointers for out in pointer.get("outs", [])},
        outputs={out["path"]: out.get("md5", "") for stage in lock.values() for out in stage.get("outs", [])},
        packages={one["name"]: one.get("version", "") for one in packages},
    )


@dataclass(frozen=True)
class Files:
    """The files of a commit, or for None of the work tree."""

    git: Git
    commit: str | None

    def names(self, folder: str) -> list[str]:
        """Paths of the files that git knows in a folder, `""` for the root."""
        listed = self.git.entries(self.commit or "HEAD", *([folder] if folder else []))
        return [name for name in listed if name.rpartition("/")[0] == folder.rstrip("/") and not name.startswith(".")]

    def text(self, path: str) -> str:
        """A file; empty where there is none."""
        if self.commit is None:
            file = self.git.folder / path
            return file.read_text(encoding="utf-8") if file.is_file() else ""
        return self.git.read_text(self.commit, path) or ""

    def yaml(self, path: str) -> dict[str, Any]:
        """A file in YAML; empty where there is none, or it is broken."""
        return _mapping(yaml12.parse, self.text(path))

    def json(self, path: str) -> dict[str, Any]:
        """A file in JSON; empty where there is none, or it is broken."""
        return _mapping(json.loads, self.text(path) or "{}")


def _mapping(parse: Callable[[str], Any], text: str) -> dict[str, Any]:
    try:
        found = parse(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
