"""A release's way into a folder and into an archive: aside first, verified, then renamed."""

from __future__ import annotations

import shutil
import tarfile
import time
import uuid
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from slipway.delivery import release
from slipway.delivery.release import Release
from slipway.delivery.versions import VERSION, order
from slipway.errors import UserError
from slipway.files import make_folder, move

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ARCHIVE = "release.tar.gz"
EVIDENCE = "evidence"
LEFT_BEHIND = 86_400  # seconds after which no upload is still under way


def only_versions(names: Iterable[str]) -> list[str]:
    """The versions among `names`, oldest first."""
    return sorted((name for name in names if VERSION.fullmatch(name)), key=order)


def pack(folder: Path, archive: Path) -> None:
    """Make one file of a release, for stores that hold files."""
    with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
        tar.add(folder, arcname=".")


def unpack(archive: Path, folder: Path) -> None:
    """The contrary of `pack`. Raises UserError when it is no archive, or was cut off."""
    try:
        with tarfile.open(archive) as tar:
            extract(tar, folder)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{archive.name}: cannot be unpacked ({error}); refused") from None


def refuse_other(built: Release, there: str, where: str) -> None:
    """Raise UserError when the digest `there` is not that of `built`."""
    if there != built.digest:
        raise UserError(
            f"{where}: holds {there}, this one is {built.digest}; a version is never built twice: commit, then build"
        )


def arrive(target: Path, fill: Callable[[Path], object], verify: Callable[[Path], Release] = release.verify) -> Release:
    """Fill a folder next to `target`, verify it, and rename it: what is at `target` is whole."""
    make_folder(target.parent)
    aside = target.with_name(f".incoming-{uuid.uuid4().hex}")
    try:
        fill(aside)
        arrived = verify(aside)
        move(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Release(target, arrived.digest, arrived.manifest)


def replace(target: Path, fill: Callable[[Path], object]) -> Release:
    """As `arrive`, where another release may be: that stays until the new one is whole, also when there is no room."""
    sweep(target.parent)
    new, old = (target.with_name(f".incoming-{uuid.uuid4().hex}") for _ in range(2))
    arrived = arrive(new, fill)
    if target.exists():
        target.rename(old)
    move(new, target)
    shutil.rmtree(old, ignore_errors=True)
    return Release(target, arrived.digest, arrived.manifest)


def sweep(folder: Path) -> None:
    """Remove what was killed on its way into `folder`, once nobody can be at work on it any more."""
    for aside in folder.glob(".incoming-*"):
        if time.time() - aside.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(aside, ignore_errors=True)


def extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Unpack what cannot leave `folder`; raises tarfile.TarError for the rest.

    Python has its filter since 3.11.4, and Debian 12 has 3.11.2: there only plain files and folders are taken.
    """
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
        return
    for member in tar.getmembers():
        path = PurePosixPath(member.name)
        if not (member.isreg() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"{member.name}: neither a file nor a folder below")
        member.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
    tar.extractall(folder)  # noqa: S202  each member was looked at
