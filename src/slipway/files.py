"""Write files whole or not at all, also through a loss of power, and JSON so that git shows small differences.

Every file that something later relies on is written here; tests/contract/test_durability.py finds other writers.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import TYPE_CHECKING, Any

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECIMALS = 6  # of every number that git keeps; differences below are rounding of the machine, not of the model
SYNCED_SINGLY_MAX = 100  # files of a folder; a sync of the whole system is faster than one for each of more files
NO_FOLDER_SYNC = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOTSUP, errno.EPERM}
"""Errors of systems and file systems that open no folder, or sync none: the rename is as durable as they make it."""


def write_json(path: Path, content: Any) -> None:
    """Write `content`, numbers rounded, keys in their order, with a line feed at the end; makes the folder."""
    write_text(path, json.dumps(_rounded(content), indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` as `replacing` does."""
    with replacing(path) as aside:
        aside.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to fill, and put it in place of `path` after the block; make the folder.

    A process that is killed, a disk that is full and a loss of power leave the old file or the new one. Raises OSError,
    which names `path`.
    """
    aside = path.with_name(f".{path.name}.incoming")  # the same each time: killed writers leave one at most
    try:
        make_folder(path.parent)
        yield aside
        move(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, with the permissions `mode`. Raises FileExistsError when it is."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or a folder of the same file system, so that a loss of power leaves it whole at one of the two.

    The content is on the disk before the name changes, since file systems may write the two in the other order.
    """
    sync(source)
    source.replace(target)
    _sync_folder(target.parent)


def sync(path: Path) -> None:
    """Return once a file, or all that a folder holds, is on the disk."""
    if not path.is_dir():
        _sync_file(path)
        return
    inside = list(path.rglob("*"))
    if len(inside) > SYNCED_SINGLY_MAX:
        os.sync()  # on Linux it returns once all is written
        return
    for one in inside:
        if not one.is_symlink():
            _sync_folder(one) if one.is_dir() else _sync_file(one)
    _sync_folder(path)


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it, so that a loss of power does not remove them."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync_folder(made.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Write the names in `folder` to the disk, where the system can open folders and sync them."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in NO_FOLDER_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return round(content, DECIMALS) if isinstance(content, float) else content


def read_json(path: Path) -> Any:
    """Read `path`. Raises UserError when it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; the step that writes it did not run") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON ({error}); run the step that writes it again") from None
