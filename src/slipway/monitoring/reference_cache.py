"""The cache of learned expectations on disk: an assessment with it takes two seconds instead of twenty.

A file is named after the hash of all its inputs, and starts with a hash of its name and content. A file of another
reference is therefore never found, and a damaged or renamed one is learned again.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.batch import profile, relations
from slipway.files import write_bytes
from slipway.monitoring import expectation, spans
from slipway.monitoring.expectation import Expectation, Learned, Range
from slipway.schema import columns, features

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE_MODULES = (expectation, profile, relations, spans, features, columns)
"""Modules whose code determines the result."""
CACHED_FILES_MAX = 4  # the newest; one takes 19 MB for the sample
TREE_TYPE = "sklearn.tree._tree.Tree"
"""The nodes of a tree. A forged one may crash its reader; the hash proves that these are our own."""


def learn(frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int, folder: Path | None) -> Expectation:
    """Return the expectation, from the cache in `folder` if it has the same inputs; None disables the cache."""
    if folder is None:
        return Expectation(frame, predictions, days, seed)
    path = folder / f"{key(frame, predictions, days, seed)}.skops"
    cached = read(path)
    learned = Expectation(frame, predictions, days, seed, cached)
    if cached is None:
        with contextlib.suppress(OSError):  # a full disk costs time, but fails no assessment
            write(path, learned.learned)
    return learned


def key(frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int) -> str:
    """Return the hash of all inputs of an expectation: rows, predictions, numbers, code and library versions."""
    return _hash(*_inputs(frame, predictions, days, seed))


def _inputs(frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int) -> Iterator[bytes]:
    import sklearn
    import skops

    rows = frame[[*problem.Row.model_fields, *([problem.TIME_COLUMN] if problem.TIME_COLUMN else [])]]
    yield repr((days, seed, columns.columns(problem.Row), sklearn.__version__, skops.__version__)).encode()
    yield from (Path(inspect.getfile(module)).read_bytes() for module in SOURCE_MODULES)
    yield pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()
    yield np.ascontiguousarray(predictions).tobytes()


def read(path: Path) -> Learned | None:
    """Return what `write` stored at `path`; None if the file is absent, damaged or renamed."""
    import skops.io

    try:
        digest, content = path.read_bytes().split(b"\n", 1)
    except (OSError, ValueError):
        return None
    if digest.decode(errors="replace") != _hash(path.name.encode(), content):
        return None
    stored = skops.io.loads(content, trusted=[TREE_TYPE])
    ranges = {(statistic, column): Range(low, high) for statistic, column, low, high in stored["ranges"]}
    return Learned(stored["forests"], stored["scale"], ranges)


def write(path: Path, learned: Learned) -> None:
    """Write `learned` to `path` atomically, and remove the oldest files beyond CACHED_FILES_MAX. Raises OSError."""
    import skops.io

    ranges = [[*name, limits.low, limits.high] for name, limits in learned.ranges.items()]
    content = skops.io.dumps({"forests": dict(learned.forests), "scale": learned.scale, "ranges": ranges})
    write_bytes(path, _hash(path.name.encode(), content).encode() + b"\n" + content)
    for old in sorted(path.parent.glob("*.skops"), key=lambda file: -file.stat().st_mtime)[CACHED_FILES_MAX:]:
        old.unlink(missing_ok=True)


def _hash(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()
