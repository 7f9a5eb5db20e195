"""Estimators in skops files: without pickle, and with equal bytes for equal estimators.

skops writes a zip with the current time, and with memory addresses as the names of objects, so DVC would regard the
result of each training as a new model. This module replaces both by constants.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import skops.io

from slipway.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable
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
        names: dict[str, str] = {}
        content = _renumbered(schema, {}, names)
        members = {new: archive.read(old) for old, new in names.items()}
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


def _renumbered(node: Any, ids: dict[int, int], names: dict[str, str]) -> Any:
    """Return `node` with object IDs and file names numbered in order of appearance; `names` maps old to new files."""
    if isinstance(node, list):
        return [_renumbered(item, ids, names) for item in node]
    if not isinstance(node, dict):
        return node
    renumbered: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__":
            renumbered[key] = ids.setdefault(value, len(ids))
        elif key == "file" and isinstance(value, str):
            renumbered[key] = names.setdefault(value, f"{len(names)}.{value.rsplit('.', 1)[-1]}")
        else:
            renumbered[key] = _renumbered(value, ids, names)
    return renumbered
