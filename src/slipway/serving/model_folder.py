"""Folder of the served model: its files, and `release.json` with their hashes.

The release builder writes `release.json`: {"version", "commit", "data", "model", "built", "files": {name: SHA-256}}.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.errors import DataError, DigestMismatchError, MissingFileError, UnreadableFileError
from slipway.schema.columns import columns

if TYPE_CHECKING:
    from pydantic import BaseModel

RELEASE = "release.json"
SIGNATURE = "signature.json"  # equal to predictor.SIGNATURE, whose import would load numpy in the supervisor
DEVELOPMENT = {"version": "development"}
"""Release that is reported without a `release.json`, as in development."""


def root() -> Path:
    """Return the folder of `params.yaml` and `model/`: the root of the repository, or that of the Bento."""
    here = Path(__file__).resolve()
    return next((parent for parent in here.parents if (parent / "params.yaml").exists()), Path.cwd())


def locate() -> Path:
    """Return the folder of the model: $SLIPWAY_MODEL_DIR, else `model/`. Raises UserError if it has no model."""
    folder = Path(os.environ.get("SLIPWAY_MODEL_DIR") or root() / "model")
    if not (folder / SIGNATURE).exists():
        raise MissingFileError(
            f"{folder}: {SIGNATURE} is missing; run `slipway train`, or set SLIPWAY_MODEL_DIR to the folder of a model"
        )
    return folder


def verify(folder: Path) -> dict[str, Any]:
    """Return the content of `release.json` after verifying the SHA-256 of each file of `folder`.

    Raises UserError for a file that differs, is missing, or is not listed. Returns DEVELOPMENT without `release.json`.
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
    """Raise UserError if the columns of the model differ from those of `row`."""
    taken = {column["name"] for column in json.loads((folder / SIGNATURE).read_text(encoding="utf-8"))["columns"]}
    difference = taken ^ {column.name for column in columns(row)}
    if difference:
        names = ", ".join(sorted(difference))
        raise DataError(f"{folder / SIGNATURE}: the model and problem.Row differ in {names}; run `slipway train`")


def _read(path: Path) -> dict[str, Any]:
    try:
        release = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnreadableFileError(f"{path}: not JSON ({error}); fetch the release again") from None
    if not (
        isinstance(release, dict) and isinstance(release.get("version"), str) and isinstance(release.get("files"), dict)
    ):
        raise UnreadableFileError(f"{path}: version or files are missing; fetch the release again")
    return release


def _check(file: Path, expected: str | None) -> None:
    if expected is None:
        raise DigestMismatchError(f"{file}: not in {RELEASE}; refused, fetch the release again")
    if not file.is_file():
        raise DigestMismatchError(f"{file}: listed in {RELEASE} but missing; fetch the release again")
    actual = hashlib.sha256(file.read_bytes()).hexdigest()
    if actual != expected:
        raise DigestMismatchError(
            f"{file}: SHA-256 is {actual}, the release has {expected}; refused, fetch the release again"
        )
