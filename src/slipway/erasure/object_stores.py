"""The objects of DVC in this clone's cache and in every remote of the repository, by their MD5."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from slipway.errors import DigestMismatchError, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class ObjectStores:
    """The cache, then the remotes, as databases of DVC."""

    def __init__(self, databases: Sequence[Any]) -> None:
        self._databases = databases

    def read(self, digest: str) -> bytes | None:
        """Return an object from the first place that has it; None if none does. Raises UserError if it is corrupt."""
        for database in self._databases:
            content = _content(database, digest)
            if content is None:
                continue
            if md5(content) != digest.removesuffix(".dir"):
                raise DigestMismatchError(
                    f"{database.oid_to_path(digest)}: corrupt, its content does not match its name; remove it, or run"
                    " `slipway pull`; nothing was changed"
                )
            return content
        return None

    def put(self, digest: str, content: bytes) -> None:
        """Write an object to every place that lacks it, or has part of it."""
        for database in self._databases:
            if _content(database, digest) != content:
                database.add_bytes(digest, content)

    def delete(self, digest: str) -> None:
        """Remove an object from every place, remotes first: a killed run finds what is left in the cache."""
        for database in reversed(self._databases):
            if database.exists(digest):
                database.delete(digest)

    def has(self, digest: str) -> bool:
        """Return whether any place has an object."""
        return any(database.exists(digest) for database in self._databases)


def _content(database: Any, digest: str) -> bytes | None:
    try:
        with database.fs.open(database.oid_to_path(digest), "rb") as file:
            content: bytes = file.read()
            return content
    except FileNotFoundError:
        return None


@contextmanager
def opened(root: Path) -> Iterator[ObjectStores]:
    """Open the stores of the repository `root`. Raises ToolError when DVC or a remote fails."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            remotes = [repo.cloud.get_remote_odb(name) for name in repo.config["remote"]]
            yield ObjectStores([repo.cache.local, *remotes])
    except (DvcException, OSError) as error:
        raise ToolError(f".dvc/config: cannot reach a remote ({error}); run the command again to continue") from None


def md5(content: bytes) -> str:
    """Return DVC's digest of a file's content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
