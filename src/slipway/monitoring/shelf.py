"""What was learned of a reference, kept on disk: a look then takes two seconds, not twenty.

A file is named by the hash of everything that it is made of, and begins with a hash of its name and its content. One of
another reference is not found, and one that is damaged, or was renamed, is learned anew.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway import features, schema
from slipway.files import write_bytes
from slipway.monitoring import expectation, profile, relations, spans
from slipway.monitoring.expectation import Expectation, Learned, Range

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE_BY = (expectation, profile, relations, spans, features, schema)
"""Code that another result may come from."""
KEPT = 4  # files at most, the newest; of the sample each has 19 MB
TREE = "sklearn.tree._tree.Tree"
"""The nodes of a tree. A forged one may crash its reader; these are ours, or their hash differs."""


def learn(frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int, folder: Path | None) -> Expectation:
    """An expectation, by what `folder` keeps of the very same; without a folder nothing is kept."""
    if folder is None:
        return Expectation(frame, predictions, days, seed)
    path = folder / f"{key(frame, predictions, days, seed)}.skops"
    known = read(path)
    made = Expectation(frame, predictions, days, seed, known)
    if known is None:
        with contextlib.suppress(OSError):  # a full disk costs time, and no look
            write(path, made.learned)
    return made


def key(frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int) -> str:
    """Hash of all that an expectation is made of: rows, predictions, numbers, and the code with its libraries."""
    return _hash(*_parts(frame, predictions, days, seed))


def _parts(frame: pd.DataFrame, predictions: np.ndarray, days: float, seed: int) -> Iterator[bytes]:
    import sklearn
    import skops

    rows = frame[[*problem.Row.model_fields, *([problem.TIME_COLUMN] if problem.TIME_COLUMN else [])]]
    yield repr((days, seed, schema.columns(problem.Row), sklearn.__version__, skops.__version__)).encode()
    yield from (Path(module.__file__).read_bytes() for module in MADE_BY)
    yield pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()
    yield np.ascontiguousarray(predictions).tobytes()


def read(path: Path) -> Learned | None:
    """What is kept at `path`; None where nothing is, or something else than was written there."""
    import skops.io

    try:
        digest, content = path.read_bytes().split(b"\n", 1)
    except (OSError, ValueError):
        return None
    if digest.decode(errors="replace") != _hash(path.name.encode(), content):
        return None
    kept = skops.io.loads(content, trusted=[TREE])
    ranges = {(what, column): Range(low, high) for what, column, low, high in kept["ranges"]}
    return Learned(kept["forests"], kept["scale"], ranges)


def write(path: Path, learned: Learned) -> None:
    """Keep it at `path`, whole or not at all, and remove what is older than the newest. Raises OSError."""
    import skops.io

    ranges = [[*name, one.low, one.high] for name, one in learned.ranges.items()]
    content = skops.io.dumps({"forests": dict(learned.forests), "scale": learned.scale, "ranges": ranges})
    write_bytes(path, _hash(path.name.encode(), content).encode() + b"\n" + content)
    for old in sorted(path.parent.glob("*.skops"), key=lambda one: -one.stat().st_mtime)[KEPT:]:
        old.unlink(missing_ok=True)


def _hash(*parts: bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(hashlib.sha256(part).digest())
    return found.hexdigest()
