"""DVC's cache, with verification: DVC trusts that the content of an object matches its name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from slipway.dvc import in_process
from slipway.errors import ToolError

OBJECTS = "files/md5"
NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")  # other files are incomplete, from a running or killed DVC


def folder() -> Path:
    """Return the cache of this repository. Raises ToolError where DVC has no cache."""
    return in_process.cache_folder()


def has(cache: Path, digest: str) -> bool:
    """Return whether the cache has the object `digest`, which ends in `.dir` for the list of a folder's files."""
    return path_of(cache, digest).is_file()


def path_of(cache: Path, digest: str) -> Path:
    """Return the path of the object `digest` in the cache."""
    return cache / OBJECTS / digest[:2] / digest[2:]


def drop_poisoned(cache: Path) -> list[Path]:
    """Hash every object in `cache`, remove those whose content does not match their name, and return their paths.

    Raises UserError when an object cannot be removed.
    """
    # DVC 3 also reads the objects of DVC 2, one folder higher.
    objects = (path for place in (cache / OBJECTS, cache) for path in place.glob("??/*") if _is_object(path))
    poisoned = [path for path in sorted(objects) if _digest(path) != path.parent.name + path.name.removesuffix(".dir")]
    for path in poisoned:
        try:
            path.unlink()
        except OSError as error:
            raise ToolError(
                f"{path}: corrupt, its content does not match its name, and it cannot be removed ({error.strerror});"
                " remove it, or set another cache (`dvc cache dir --local FOLDER`)"
            ) from None
    return poisoned


def _is_object(path: Path) -> bool:
    return bool(NAME.fullmatch(f"{path.parent.name}/{path.name}")) and (path.is_file() or path.is_symlink())


def _digest(path: Path) -> str:
    """Return the MD5 by which DVC names an object; empty for a link, which DVC never creates and may lead anywhere."""
    if path.is_symlink():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
