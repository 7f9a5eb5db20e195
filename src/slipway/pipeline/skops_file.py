"""Estimators in skops files: without pickle, and with equal bytes for equal estimators.

skops writes a zip with the current time, and with memory addresses as the names of objects, so DVC would regard the
result of each training as a new model. This module replaces both by constants. An immutable value has a name at each
place, because whether two places share one object is chance: after a checkpoint they do not.
"""

from __future__ import annotations

import io
import json
import zipfile
from itertools import count
from typing import TYPE_CHECKING, Any

import skops.io

from slipway.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sklearn.base import BaseEstimator

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest timestamp of a zip


def dump(estimator: BaseEstimator, path: Path) -> None:
    """Write `estimator` to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dumps(estimator))


def dumps(estimator: BaseEstimator) -> bytes:
    """Return the content of the file of `estimator`."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        schema = json.loads(archive.read("schema.json"))
        names = _Names()
        content = names.renumbered(schema)
        members = {new: archive.read(old) for new, old in names.files.items()}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"schema.json": json.dumps(content).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return written.getvalue()


def load(path: Path, trusted: list[str]) -> BaseEstimator:
    """Return the estimator at `path`. Raises UserError for types that neither skops nor `trusted` allows."""
    require_trusted(str(path), skops.io.get_untrusted_types(file=path), trusted)
    return skops.io.load(path, trusted=trusted)


def require_trusted(name: str, types: Iterable[str], trusted: list[str]) -> None:
    """Raise UserError if `trusted` lacks `types` of the file `name`, with the complete list to paste."""
    if unknown := sorted(set(types) - set(trusted)):
        count = "one type" if len(unknown) == 1 else f"{len(unknown)} types"
        raise SettingError(
            f"{name}: skops does not trust {count} of the model; review the source of {', '.join(unknown)},"
            f" then paste into section export of params.yaml: trusted_types: [{', '.join([*trusted, *unknown])}]"
        )


def types(content: bytes) -> list[str]:
    """Return the types in the output of `dumps` that skops does not trust."""
    untrusted: list[str] = skops.io.get_untrusted_types(data=content)
    return untrusted


class _Names:
    """Object IDs and file names, numbered in order of appearance."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        """The name of each file in the archive of skops, by its new name."""
        self._ids = count()
        self._shared: dict[Any, Any] = {}

    def renumbered(self, node: Any) -> Any:
        """Return `node` of the schema with new object IDs and file names."""
        if isinstance(node, list):
            return [self.renumbered(item) for item in node]
        if not isinstance(node, dict):
            return node
        shared = {} if _is_immutable(node) else self._shared
        renumbered: dict[str, Any] = {}
        for key, value in node.items():
            if key == "__id__":
                renumbered[key] = self._new(shared, value, self._id)
            elif key == "file" and isinstance(value, str):
                renumbered[key] = self._new(shared, value, self._file)
            else:
                renumbered[key] = self.renumbered(value)
        return renumbered

    def _new(self, shared: dict[Any, Any], old: Any, make: Callable[[Any], Any]) -> Any:
        if old not in shared:
            shared[old] = make(old)
        return shared[old]

    def _id(self, _: int) -> int:
        return next(self._ids)

    def _file(self, old: str) -> str:
        new = f"{len(self.files)}.{old.rsplit('.', 1)[-1]}"
        self.files[new] = old
        return new


def _is_immutable(node: dict[str, Any]) -> bool:
    """Return whether a node is a number, a string, or a scalar of numpy."""
    is_scalar = node.get("__loader__") == "NdArrayNode" and node.get("__class__") != "ndarray"
    return node.get("__loader__") == "JsonNode" or (is_scalar and node.get("__module__") == "numpy")
