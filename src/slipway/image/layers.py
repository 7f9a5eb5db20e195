"""Layers of an image: deterministic archives of a folder, and their extraction.

Equal files give equal archives: members are sorted, and owner, time and permissions are fixed. The compression depends
on the machine's zlib, so a layer is identified by its archive (`diff_id`) wherever two machines are compared.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import UnreadableFileError
from slipway.files import sha256

COMPRESSION_LEVEL = 6
SHARED_FOLDERS = {"tmp"}  # writable by every user
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"


@dataclass(frozen=True)
class Layer:
    """A compressed archive on disk."""

    file: Path
    digest: str
    diff_id: str
    """Digest of the archive before its compression."""

    @property
    def size(self) -> int:
        """Return the compressed size in bytes."""
        return self.file.stat().st_size


class _Hashing:
    """A file for writing that hashes what it passes on."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.hash.update(content)
        return self._file.write(content)


def pack(folder: Path, file: Path) -> Layer:
    """Write the content of `folder`, which becomes the root of the image, as a layer to `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as output, gzip.GzipFile("", "wb", COMPRESSION_LEVEL, output, mtime=0) as compressed:
        hashing = _Hashing(compressed)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts):
                _add(tar, path, path.relative_to(folder).as_posix())
    return Layer(file, f"sha256:{sha256(file)}", f"sha256:{hashing.hash.hexdigest()}")


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    if path.is_symlink():
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
        tar.addfile(member)
    elif path.is_dir():
        member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name in SHARED_FOLDERS else 0o755
        tar.addfile(member)
    else:
        state = path.stat()
        member.size, member.mode = state.st_size, 0o755 if state.st_mode & 0o100 else 0o644
        with path.open("rb") as content:
            tar.addfile(member, content)


def diff_id(file: Path) -> str:
    """Return the digest of the archive in a compressed layer. Raises UserError."""
    digest = hashlib.sha256()
    try:
        with gzip.open(file) as archive:
            while chunk := archive.read(1 << 20):
                digest.update(chunk)
    except (OSError, EOFError) as error:
        raise UnreadableFileError(f"sha256:{file.name}: not a gzip archive ({error}); refused") from None
    return f"sha256:{digest.hexdigest()}"


def hashes(file: Path) -> dict[str, str]:
    """Return the SHA-256 of each regular file in a layer, and the target of each link, by path."""
    listed: dict[str, str] = {}
    with tarfile.open(file) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            listed[member.name] = hashlib.sha256(content.read()).hexdigest() if content else member.linkname
    return listed


def extract_layer(file: Path, root: Path) -> None:
    """Extract a layer over `root`, without owners and permissions, and apply its whiteouts. Raises UserError."""
    try:
        with tarfile.open(file) as tar:
            for member in tar:
                if not _is_whiteout(root / member.name):
                    extract(tar, member, root)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UnreadableFileError(f"sha256:{file.name}: cannot be unpacked ({error}); refused") from None


def extract(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    """Extract one member, unless it is a device. Raises tarfile.TarError when its folder is outside of `root`."""
    path = root / member.name
    if member.isdev() or (member.isdir() and path.is_dir()):
        return
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise tarfile.TarError(f"{member.name}: outside of the image")
    remove(path)
    checked: Any = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    tar.extract(member, root, set_attrs=False, **checked)
    if member.isreg():
        path.chmod(0o755 if member.mode & 0o100 else 0o644)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_whiteout(path: Path) -> bool:
    """Return whether a member only hides files of the layers below, and remove these."""
    if path.name == OPAQUE:
        for hidden in path.parent.glob("*"):
            remove(hidden)
    elif path.name.startswith(WHITEOUT):
        remove(path.with_name(path.name.removeprefix(WHITEOUT)))
    return path.name.startswith(WHITEOUT)
