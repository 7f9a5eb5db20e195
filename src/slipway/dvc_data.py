"""What the `*.dvc` files name: data by hash, in a place of its own, and in no other."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from slipway import dvc_cache, yaml12
from slipway.errors import UserError, restore_command

if TYPE_CHECKING:
    from collections.abc import Iterator


def pointers() -> list[Path]:
    """The `*.dvc` files of this folder."""
    return sorted(path for path in Path().glob("?*.dvc") if path.is_file())


def outputs(pointer: Path) -> list[dict[str, Any]]:
    """What `pointer` names. Raises UserError when it cannot be read, or when a path leads elsewhere than to data."""
    try:
        content = yaml12.parse(pointer.read_text(encoding="utf-8"))
        outs = [{**out, "path": str(out["path"])} for out in content["outs"]]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{pointer}: not what `dvc add` writes; {restore_command(pointer)}") from None
    for out in outs:
        if "wdir" in content or not _is_inside(out["path"]) or out["path"].startswith("."):
            raise UserError(f"{pointer}: names {out['path']}, which is no place for data; refused")
    return outs


def missing(pointer: Path, cache: Path) -> Iterator[tuple[str, str]]:
    """Yield (path, MD5) of what `pointer` names, the files of its folders too, and `cache` does not hold.

    Raises UserError when the list of a folder's files leads out of that folder.
    """
    return (entry for entry in objects(pointer, cache) if not dvc_cache.has(cache, entry[1]))


def objects(pointer: Path, cache: Path) -> Iterator[tuple[str, str]]:
    """Yield (path, MD5) of what `pointer` names, and of the files of each folder whose list `cache` holds.

    Raises UserError when the list of a folder's files leads out of that folder.
    """
    for out in outputs(pointer):
        if "md5" in out:
            yield from _objects(out["path"], out["md5"], cache)


def _objects(path: str, digest: str, cache: Path) -> Iterator[tuple[str, str]]:
    yield path, digest
    if digest.endswith(".dir") and dvc_cache.has(cache, digest):
        for entry in json.loads(dvc_cache.path_of(cache, digest).read_bytes()):
            if not _is_inside(entry["relpath"]):
                raise UserError(f"{path}: its list of files names {entry['relpath']}, outside of it; refused")
            yield from _objects(f"{path}/{entry['relpath']}", entry["md5"], cache)


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts
