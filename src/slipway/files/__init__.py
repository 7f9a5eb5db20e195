"""Atomic and durable writes of files, which also survive a power loss, and JSON that gives small diffs.

Every file that a later step relies on is written here; tests/engine/test_durability.py rejects other writers.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from slipway.errors import MissingFileError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECIMALS = 6  # of every number in git; smaller differences come from the machine's rounding, not from the model
SYNCED_SINGLY_MAX = 100  # files in a folder; for more files, one sync of the whole system is faster
FOLDER_SYNC_UNSUPPORTED = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOTSUP, errno.EPERM}
"""Errors of file systems that cannot open or sync a folder; there a rename is as durable as the system makes it."""


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON and create the folder: floats rounded, key order preserved, newline at the end."""
    write_text(path, json.dumps(_rounded(content), indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` atomically, encoded as UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` atomically; see `replacing`."""
    with replacing(path) as incoming:
        incoming.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` after the block; create the folder.

    A killed process, a full disk or a power loss leaves either the old file or the new one. Raises OSError naming
    `path`.
    """
    incoming = path.with_name(f".{path.name}.incoming")  # a fixed name, so killed writers leave at most one file
    try:
        make_folder(path.parent)
        yield incoming
        move(incoming, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            incoming.unlink()
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        incoming.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a new file with the permissions `mode`. Raises FileExistsError when `path` exists."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or folder within one file system; after a power loss it is complete at one of the two paths.

    The content is synced before the rename, because a file system may write the two in the opposite order.
    """
    sync(source)
    source.replace(target)
    _sync_folder(target.parent)


def sync(path: Path) -> None:
    """Block until a file, or everything in a folder, is on the disk."""
    if not path.is_dir():
        _sync_file(path)
        return
    children = list(path.rglob("*"))
    if len(children) > SYNCED_SINGLY_MAX:
        os.sync()  # on Linux it returns only after everything is written
        return
    for child in children:
        if not child.is_symlink():
            _sync_folder(child) if child.is_dir() else _sync_file(child)
    _sync_folder(path)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents, durable through a power loss."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for created in missing:
        _sync_folder(created.parent)


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Sync the directory entries of `folder` to the disk, on systems that support it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in FOLDER_SYNC_UNSUPPORTED:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in FOLDER_SYNC_UNSUPPORTED:
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
    """Return the content of a JSON file. Raises UserError when it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: not found; the step that writes it did not run") from None
    except json.JSONDecodeError as error:
        raise UnreadableFileError(f"{path}: not JSON ({error}); run the step that writes it again") from None
