"""Stores of releases: a folder, GitHub Releases or a bucket. A release in a store is complete and never changes.

Evidence about a release, such as load tests and reports, is stored separately, because it comes later. `fetch` is the
only way to read a release: it takes the digest recorded in git and verifies every byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from slipway.environment import buckets
from slipway.environment.place import store_url
from slipway.errors import DigestMismatchError, SettingError
from slipway.git.redact import redacted
from slipway.release import manifest
from slipway.release.store.bucket import BucketStore
from slipway.release.store.files import place_verified
from slipway.release.store.folder import FolderStore
from slipway.release.store.github import GitHubStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slipway.release.manifest import Release


class Store(Protocol):
    """A store of releases and of the evidence about them."""

    def put(self, folder: Path, evidence: Sequence[Path] = ()) -> None:
        """Store the release in `folder`, after its `evidence`; do nothing when it is already stored.

        Raises UserError when another release has its version, because a version is never built twice.
        """

    def unpack_release(self, version: str, folder: Path) -> None:
        """Copy a release unverified into the new `folder`, for `fetch` only. Raises UserError when it is missing."""

    def versions(self) -> list[str]:
        """Return the stored versions, oldest first."""

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """Store files as evidence about a release, each under its name; existing evidence stays."""

    def evidence_names(self, version: str) -> list[str]:
        """Return the names of the evidence about a release."""

    def read_evidence(self, version: str, name: str) -> bytes:
        """Return the content of one file of evidence. Raises UserError when it is missing."""

    def remove(self, version: str) -> None:
        """Remove a release and then its evidence; the release is removed as a whole."""


class WrongReleaseError(DigestMismatchError):
    """The store has a release whose digest or version differs from the one recorded in git."""


def fetch(store: Store, version: str, digest: str, target: Path) -> Release:
    """Fetch the release `version` with `digest` (`sha256:` and 64 digits) into the new folder `target`, verified.

    Raises WrongReleaseError when the store has a different release, and UserError when it is missing or a file differs.
    After an error nothing is at `target`.
    """

    def verify(folder: Path) -> Release:
        actual = manifest.digest_of(folder)
        if actual != digest:
            raise WrongReleaseError(f"{version}: digest in the store is {actual}, expected {digest}; refused")
        verified = manifest.verify(folder, digest)
        if verified.version != version:
            raise WrongReleaseError(f"{version}: the store has {verified.version} under this name; refused")
        return verified

    return place_verified(target, lambda folder: store.unpack_release(version, folder), verify)


def open_store(url: str | None = None) -> Store:
    """Open the store at `url`, by default the configured one.

    url: `file:///…`, `github:` (the repository of the current folder), `s3://BUCKET/…`, `gs://BUCKET/…` or
        `az://CONTAINER/…`. Raises UserError.
    """
    url = url or store_url()
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "github":
        return GitHubStore()
    service = buckets.service_of(url)
    if service and parts.netloc and "@" not in parts.netloc:
        return BucketStore(service, f"{parts.netloc}{parts.path}".rstrip("/"))
    raise SettingError(
        f"SLIPWAY_STORE={redacted(url)}: unsupported URL; use file:///FOLDER, github:, s3://BUCKET/FOLDER,"
        " gs://BUCKET/FOLDER or az://CONTAINER/FOLDER"
    )
