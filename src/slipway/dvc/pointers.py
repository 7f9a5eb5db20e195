"""Content of the `*.dvc` files: data by hash, restricted to paths for data."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from slipway.dvc import cache as dvc_cache
from slipway.dvc.files import parse_pointer
from slipway.errors import RejectedError, UnreadableFileError, restore_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.dvc.files import DvcEntry


def pointers() -> list[Path]:
    """Return the `*.dvc` files of this folder."""
    return sorted(path for path in Path().glob("?*.dvc") if path.is_file())


def outputs(pointer: Path) -> list[DvcEntry]:
    """Return the outputs that `pointer` names. Raises UserError for an invalid file or a path that is not for data."""
    try:
        content = parse_pointer(pointer.read_text(encoding="utf-8"))
    except ValueError:
        raise UnreadableFileError(f"{pointer}: not a file of `dvc add`; {restore_command(pointer)}") from None
    for out in content.outs:
        if content.wdir is not None or not _is_inside(out.path) or out.path.startswith("."):
            raise RejectedError(f"{pointer}: names {out.path}, which is not a path for data; rejected")
    return content.outs


def missing(pointer: Path, cache: Path) -> Iterator[tuple[str, str]]:
    """Yield (path, MD5) of the outputs of `pointer`, and the files in their folders, that `cache` lacks.

    Raises UserError when the list of a folder's files leads out of that folder.
    """
    return (entry for entry in objects(pointer, cache) if not dvc_cache.has(cache, entry[1]))


def objects(pointer: Path, cache: Path) -> Iterator[tuple[str, str]]:
    """Yield (path, MD5) of the outputs of `pointer`, and of the files in each folder whose list is in `cache`.

    Raises UserError when the list of a folder's files leads out of that folder.
    """
    for out in outputs(pointer):
        if out.md5 is not None:
            yield from _objects(out.path, out.md5, cache)


def _objects(path: str, digest: str, cache: Path) -> Iterator[tuple[str, str]]:
    yield path, digest
    if digest.endswith(".dir") and dvc_cache.has(cache, digest):
        for entry in json.loads(dvc_cache.path_of(cache, digest).read_bytes()):
            if not _is_inside(entry["relpath"]):
                raise RejectedError(
                    f"{path}: its list of files names {entry['relpath']}, outside of the folder; rejected"
                )
            yield from _objects(f"{path}/{entry['relpath']}", entry["md5"], cache)


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts
