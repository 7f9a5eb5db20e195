"""The checkpoint of `problem.train`: a file from which a killed training continues.

Its name is a hash of rows, parameters, code and packages, so that a training never continues another one. It starts
with a hash of its content, so a damaged file is not used.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

import problem
from slipway import output
from slipway.files import sha256, write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER_VARIABLE = "SLIPWAY_CHECKPOINTS"
"""Variable with the URL of a folder for checkpoints that outlive the machine, such as `s3://flights/checkpoints`."""


def key(rows: Path, params: Mapping[str, Any]) -> str:
    """Return the hash of all inputs of a training: the file of `rows`, `params`, the code of the problem, packages."""
    folder = Path(str(problem.__file__)).parent
    content = {
        "rows": sha256(rows),
        "params": dict(params),
        "code": {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*.py")},
        "packages": sorted({f"{package.name} {package.version}" for package in distributions()}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


class Checkpoint:
    """The latest state of one training, as bytes that `problem.train` defines."""

    def __init__(self, folder: str, name: str) -> None:
        """`folder` is a path, or the URL of a folder for fsspec; `name` is the key of the training."""
        self._files, root = fsspec.core.url_to_fs(folder)
        self._path, self._name = f"{root}/{name}", name
        self.resumed = 0
        """How often this training continued from a checkpoint, earlier runs included."""

    def load(self) -> bytes | None:
        """Return the bytes that the latest `save` of an equal training stored, or None without a valid checkpoint."""
        try:
            header, content = self._files.cat_file(self._path).split(b"\n", 1)
            digest, resumed = header.decode().split(" ")
        except (OSError, ValueError):
            return None
        if digest != self._digest(resumed, content):
            return None
        self.resumed = int(resumed) + 1
        return bytes(content)

    def save(self, content: bytes) -> None:
        """Replace the checkpoint. A failure, such as a full disk, is reported and does not end the training."""
        resumed = str(self.resumed)
        try:
            self._write(f"{self._digest(resumed, content)} {resumed}\n".encode() + content)
        except OSError as error:
            output.warn(f"train: the checkpoint cannot be saved ({error}); a killed training would start again")

    def _write(self, content: bytes) -> None:
        if self._files.protocol[0] == "file":
            write_bytes(Path(self._path), content)
        else:
            self._files.pipe_file(self._path, content)  # an object store replaces an object as a whole

    def _digest(self, resumed: str, content: bytes) -> str:
        return hashlib.sha256(b"\n".join([self._name.encode(), resumed.encode(), content])).hexdigest()

    def remove(self) -> None:
        """Remove the checkpoint after the training."""
        with suppress(OSError):
            self._files.rm_file(self._path)


def folder(default: Path) -> str:
    """Return the path or URL of the folder for checkpoints: $SLIPWAY_CHECKPOINTS, or `default`."""
    return os.environ.get(FOLDER_VARIABLE) or str(default)
