"""Layers that this machine has built before, each named by everything that determines its content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import files
from slipway.files import locks, sha256
from slipway.image import layers
from slipway.image.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def folder() -> Path:
    """Return the folder of built layers: `slipway/layers` in $XDG_CACHE_HOME, or by default in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway" / "layers"


def layer(facts: Sequence[object], fill: Callable[[Path], None]) -> Layer:
    """Return the layer that `facts` determine. `fill` writes its files into a new folder, unless they are cached.

    A cached layer that differs from its recorded hash is built again.
    """
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    file, record = folder() / f"{key}.tar.gz", folder() / f"{key}.json"
    with locks.take(folder() / f"{key}.lock"):
        if (stored := _read(file, record)) is not None:
            return stored
        with TemporaryDirectory() as scratch:
            root = Path(scratch) / "root"
            root.mkdir()
            fill(root)
            built = layers.pack(root, Path(scratch) / "layer.tar.gz")
            with files.replacing(file) as incoming:
                shutil.copyfile(built.file, incoming)
        files.write_json(record, {"digest": built.digest, "diff_id": built.diff_id})
        return Layer(file, built.digest, built.diff_id)


def _read(file: Path, record: Path) -> Layer | None:
    if not (record.is_file() and file.is_file()):
        return None
    stored = files.read_json(record)
    return Layer(file, **stored) if stored["digest"] == f"sha256:{sha256(file)}" else None
