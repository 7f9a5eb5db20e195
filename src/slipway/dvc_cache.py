"""DVC's cache, wherever it came from: DVC takes what lies in it for what its name says, so somebody must look."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from slipway.errors import UserError

OBJECTS = "files/md5"
NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")  # others are on their way, of a DVC at work or killed


def folder() -> Path:
    """The cache of this repository: in `.dvc`, or where `dvc cache dir` was told, perhaps a shared disk.

    Raises UserError where DVC knows none.
    """
    done = subprocess.run(["dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["no reason given"]
        raise UserError(f"dvc cache dir: {said[0].removeprefix('ERROR: ')}")
    return Path(done.stdout.strip())


def has(cache: Path, digest: str) -> bool:
    """Whether the cache holds the object `digest`, which ends in `.dir` for the list of a folder's files."""
    return path_of(cache, digest).is_file()


def path_of(cache: Path, digest: str) -> Path:
    """Where the cache keeps the object `digest`."""
    return cache / OBJECTS / digest[:2] / digest[2:]


def drop_poisoned(cache: Path) -> list[Path]:
    """Hash every object in `cache`, and remove those whose content is not what their name says; returns them.

    Raises UserError when one cannot be removed.
    """
    # DVC 3 reads what DVC 2 kept one folder higher, too.
    found = (path for place in (cache / OBJECTS, cache) for path in place.glob("??/*") if _is_object(path))
    poisoned = [path for path in sorted(found) if _digest(path) != path.parent.name + path.name.removesuffix(".dir")]
    for path in poisoned:
        try:
            path.unlink()
        except OSError as error:
            raise UserError(
                f"{path}: its content is not what its name says, and it cannot be removed ({error.strerror});"
                " remove it, or take another cache (`dvc cache dir --local FOLDER`)"
            ) from None
    return poisoned


def _is_object(path: Path) -> bool:
    return bool(NAME.fullmatch(f"{path.parent.name}/{path.name}")) and (path.is_file() or path.is_symlink())


def _digest(path: Path) -> str:
    """MD5, as DVC names objects; a link could lead anywhere, and is nothing that DVC put there."""
    if path.is_symlink():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
