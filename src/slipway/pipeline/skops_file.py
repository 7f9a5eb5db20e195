"""Estimators on disk without pickle, and the same bytes for the same estimator.

skops writes a zip with the time of day in it and the memory addresses of the objects as their names, so that DVC would
take each training for a new model. This renumbers both.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import skops.io

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sklearn.base import BaseEstimator

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


def dump(estimator: BaseEstimator, path: Path) -> None:
    """Write `estimator`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dumps(estimator))


def dumps(estimator: BaseEstimator) -> bytes:
    """The file's content."""
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
    """Read an estimator. Raises UserError when it holds types that neither skops nor `trusted` names."""
    require_trusted(str(path), skops.io.get_untrusted_types(file=path), trusted)
    return skops.io.load(path, trusted=trusted)


def require_trusted(name: str, types: Iterable[str], trusted: list[str]) -> None:
    """Raise UserError in one line that names every type of `types` that `trusted` lacks; `name` is the file's."""
    if unknown := sorted(set(types) - set(trusted)):
        raise UserError(
            f"{name}: holds types that skops does not load by itself: {', '.join(unknown)};"
            " read their source, then add them to export.trusted_types in params.yaml"
        )


def types(content: bytes) -> list[str]:
    """Return the types of an estimator, as `dumps` wrote it, that skops does not load by itself."""
    return skops.io.get_untrusted_types(data=content)


def _renumbered(node: Any, ids: dict[int, int], names: dict[str, str]) -> Any:
    """`node` with object numbers and file names counted in order of appearance; `names` collects old file → new."""
    if isinstance(node, list):
        return [_renumbered(item, ids, names) for item in node]
    if not isinstance(node, dict):
        return node
    renumbered = {}
    for key, value in node.items():
        if key == "__id__":
            renumbered[key] = ids.setdefault(value, len(ids))
        elif key == "file" and isinstance(value, str):
            renumbered[key] = names.setdefault(value, f"{len(names)}.{value.rsplit('.', 1)[-1]}")
        else:
            renumbered[key] = _renumbered(value, ids, names)
    return renumbered
