"""Atomic placement of releases: fill a temporary folder, verify it, then rename it; and archives of releases."""

from __future__ import annotations

import shutil
import tarfile
import time
import uuid
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from slipway.environment.versions import VERSION, order
from slipway.errors import DigestMismatchError, UnreadableFileError
from slipway.files import make_folder, move
from slipway.release import manifest
from slipway.release.manifest import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ARCHIVE = "release.tar.gz"
EVIDENCE = "evidence"
ORPHAN_AGE_SECONDS = 86_400  # no copy takes longer


def only_versions(names: Iterable[str]) -> list[str]:
    """Return the versions among `names`, oldest first."""
    return sorted((name for name in names if VERSION.fullmatch(name)), key=order)


def pack(folder: Path, archive: Path) -> None:
    """Pack a release into one archive, for stores of files."""
    with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
        tar.add(folder, arcname=".")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive made by `pack`. Raises UserError when it is malformed or truncated."""
    try:
        with tarfile.open(archive) as tar:
            extract(tar, folder)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UnreadableFileError(f"{archive.name}: cannot be unpacked ({error}); refused") from None


def refuse_other(built: Release, stored_digest: str, location: str) -> None:
    """Raise UserError when the release stored at `location` has another digest than `built`."""
    if stored_digest != built.digest:
        raise DigestMismatchError(
            f"{location}: digest is {stored_digest}, the new release has {built.digest}; a version is never built"
            " twice: make a new commit, then build it"
        )


def place_verified(
    target: Path, fill: Callable[[Path], object], verify: Callable[[Path], Release] = manifest.verify
) -> Release:
    """Fill a temporary folder, verify it and rename it to `target`, so that `target` is always complete."""
    make_folder(target.parent)
    incoming = target.with_name(f".incoming-{uuid.uuid4().hex}")
    try:
        fill(incoming)
        verified = verify(incoming)
        move(incoming, target)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return Release(target, verified.digest, verified.manifest)


def replace(target: Path, fill: Callable[[Path], object]) -> Release:
    """Place a release like `place_verified`, and keep an existing one at `target` until the new one is complete."""
    reap(target.parent)
    new, old = (target.with_name(f".incoming-{uuid.uuid4().hex}") for _ in range(2))
    placed = place_verified(new, fill)
    if target.exists():
        target.rename(old)
    move(new, target)
    shutil.rmtree(old, ignore_errors=True)
    return Release(target, placed.digest, placed.manifest)


def reap(folder: Path) -> None:
    """Remove the temporary folders that killed processes left in `folder`, once they are old enough."""
    for orphan in folder.glob(".incoming-*"):
        if time.time() - orphan.stat().st_mtime > ORPHAN_AGE_SECONDS:
            shutil.rmtree(orphan, ignore_errors=True)


def extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Extract members that stay inside `folder`; raise tarfile.TarError for any other.

    The standard filter exists since Python 3.11.4. Debian 12 has 3.11.2, where only files and folders are extracted.
    """
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
        return
    for member in tar.getmembers():
        path = PurePosixPath(member.name)
        if not (member.isreg() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"{member.name}: neither a file nor a folder inside the archive")
        member.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
    tar.extractall(folder)  # noqa: S202  each member was checked
