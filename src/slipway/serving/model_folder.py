"""The folder that a service serves: the model's files, and `release.json`, which says what they must be.

The release builder writes `release.json`: {"version", "commit", "data", "model", "built", "files": {name: SHA-256}}.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.errors import UserError
from slipway.schema import columns

if TYPE_CHECKING:
    from pydantic import BaseModel

RELEASE = "release.json"
SIGNATURE = "signature.json"  # the predictor's, whose import would bring numpy into the supervisor
DEVELOPMENT = {"version": "development"}
"""What a service without a `release.json` says it is: a developer's run, not a release."""


def root() -> Path:
    """Where `params.yaml` and `model/` are: the top of the repository, or the Bento's own folder."""
    here = Path(__file__).resolve()
    return next((parent for parent in here.parents if (parent / "params.yaml").exists()), Path.cwd())


def locate() -> Path:
    """Folder of the model: $SLIPWAY_MODEL_DIR, else `model/`. Raises UserError when there is no model in it."""
    folder = Path(os.environ.get("SLIPWAY_MODEL_DIR") or root() / "model")
    if not (folder / SIGNATURE).exists():
        raise UserError(
            f"{folder}: holds no {SIGNATURE}; run `slipway train`, or set SLIPWAY_MODEL_DIR to a model's folder"
        )
    return folder


def verify(folder: Path) -> dict[str, Any]:
    """Read what is released, after checking each file of `folder` against its SHA-256.

    Raises UserError for a file that differs, is missing, or is not listed. Without `release.json` there is nothing to
    check against, and the answer is DEVELOPMENT.
    """
    path = folder / RELEASE
    if not path.exists():
        return DEVELOPMENT
    release = _read(path)
    listed = release["files"]
    present = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} - {RELEASE}
    for name in sorted(present | set(listed)):
        _check(folder / name, listed.get(name))
    return release


def refuse_other_columns(folder: Path, row: type[BaseModel]) -> None:
    """Raise UserError when the model takes other columns than `row` has."""
    taken = {column["name"] for column in json.loads((folder / SIGNATURE).read_text(encoding="utf-8"))["columns"]}
    difference = taken ^ {column.name for column in columns(row)}
    if difference:
        names = ", ".join(sorted(difference))
        raise UserError(f"{folder / SIGNATURE}: the model and problem.Row differ in {names}; run `slipway train`")


def _read(path: Path) -> dict[str, Any]:
    try:
        release = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); fetch the release again") from None
    if not (
        isinstance(release, dict) and isinstance(release.get("version"), str) and isinstance(release.get("files"), dict)
    ):
        raise UserError(f"{path}: names no version and files; fetch the release again")
    return release


def _check(file: Path, expected: str | None) -> None:
    if expected is None:
        raise UserError(f"{file}: not in {RELEASE}; refused, fetch the release again")
    if not file.is_file():
        raise UserError(f"{file}: named in {RELEASE} but missing; fetch the release again")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise UserError(f"{file}: SHA-256 is {found}, released was {expected}; refused, fetch the release again")
