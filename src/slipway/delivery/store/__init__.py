"""Where releases are kept: a folder, GitHub Releases, or S3. A release in a store is whole, and is never changed.

Evidence about a release (load tests, reports) comes when it is already there, so it is kept beside it.
`fetch` is the only way to read a release: it takes the digest that git names and verifies each byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from slipway.delivery import release
from slipway.delivery.store.files import arrive
from slipway.delivery.store.folder import FolderStore
from slipway.delivery.store.github import GitHubStore
from slipway.errors import UserError
from slipway.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slipway.delivery.release import Release


class Store(Protocol):
    """A place for releases."""

    def put(self, folder: Path, beside: Sequence[Path] = ()) -> None:
        """Keep the release in `folder`; nothing happens when it is there already. `beside` is kept with it, and before.

        Raises UserError when another release has its version: a version is never built twice.
        """

    def unpack_release(self, version: str, folder: Path) -> None:
        """Copy a release into the new `folder`, unverified: for `fetch`. Raises UserError when it is missing."""

    def versions(self) -> list[str]:
        """Versions that are there, oldest first."""

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """Keep files beside a release as evidence, each under its own name; one that is there already stays."""

    def evidence_names(self, version: str) -> list[str]:
        """Names of the evidence about a release."""

    def read_evidence(self, version: str, name: str) -> bytes:
        """One piece of the evidence. Raises UserError when it is not there."""

    def remove(self, version: str) -> None:
        """Remove a release and its evidence; the release goes first, and as a whole."""


class WrongReleaseError(UserError):
    """The store holds another release than the one that git names by its digest."""


def fetch(store: Store, version: str, digest: str, target: Path) -> Release:
    """Copy the release `version` with `digest` (`sha256:` and 64 digits) from `store` into the new folder `target`.

    Raises WrongReleaseError when the store holds another one, and UserError when it is missing or a file differs; then
    nothing is at `target`.
    """

    def verify(folder: Path) -> Release:
        found = release.digest_of(folder)
        if found != digest:
            raise WrongReleaseError(f"{version}: the store holds {found}, expected {digest}; refused")
        verified = release.verify(folder, digest)
        if verified.version != version:
            raise WrongReleaseError(f"{version}: the store holds {verified.version} under this name; refused")
        return verified

    return arrive(target, lambda folder: store.unpack_release(version, folder), verify)


def open_store(url: str) -> Store:
    """Open the store at `file:///…`, `github:` (the repository of the current folder) or `s3://BUCKET/…`.

    Raises UserError.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "github":
        return GitHubStore()
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc:
        from slipway.delivery.store.s3 import S3Store

        return S3Store(f"{parts.netloc}{parts.path}".rstrip("/"))
    raise UserError(
        f"SLIPWAY_STORE={redacted(url)}: unknown kind of store; use file:///FOLDER, github: or s3://BUCKET/FOLDER"
    )
