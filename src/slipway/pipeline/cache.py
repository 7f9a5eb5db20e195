"""DVC's cache, when it came from elsewhere: DVC takes what lies in it for what its name says, so somebody must look."""

from __future__ import annotations

import hashlib
from pathlib import Path

CACHE = Path(".dvc/cache/files/md5")


def drop_poisoned(cache: Path = CACHE) -> list[Path]:
    """Hash every object in `cache`, and remove those whose content is not what their name says; returns them."""
    objects = sorted(path for path in cache.glob("??/*") if path.is_file() or path.is_symlink())
    poisoned = [path for path in objects if _digest(path) != path.parent.name + path.name.removesuffix(".dir")]
    for path in poisoned:
        path.unlink()
    return poisoned


def _digest(path: Path) -> str:
    """MD5, as DVC names objects; a link could lead anywhere, and is nothing that DVC put there."""
    if path.is_symlink():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
