"""A store in a bucket of S3, Google or Azure: a release is one object, which the service writes atomically."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway.errors import NoReleaseError, ToolError
from slipway.git.redact import redacted
from slipway.release import manifest
from slipway.release.store.files import ARCHIVE, EVIDENCE, only_versions, pack, refuse_other, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from slipway.environment.buckets import Service


class BucketStore:
    """Releases as `BUCKET/FOLDER/<version>/release.tar.gz`, evidence as `…/<version>/evidence/<name>`."""

    def __init__(self, service: Service, root: str) -> None:
        self.service, self.root = service, root
        self._files = service.connect()

    def put(self, folder: Path, evidence: Sequence[Path] = ()) -> None:
        """Upload the release in `folder`. An upload in parts is invisible until it is completed."""
        built = manifest.verify(folder)
        key = self._archive(built.version)
        with TemporaryDirectory() as scratch, self._user_errors():
            if not self._exists(key):
                self.add_evidence(built.version, evidence)
                pack(folder, Path(scratch) / ARCHIVE)
                self._create(Path(scratch) / ARCHIVE, key)
            self.unpack_release(built.version, Path(scratch) / "stored")
            stored = manifest.verify(Path(scratch) / "stored").digest
        refuse_other(built, stored, self._url(key))
        self.add_evidence(built.version, evidence)

    def _create(self, archive: Path, key: str) -> None:
        """Upload an archive unless another process has created the key in the meantime."""
        try:
            self._files.put_file(str(archive), key, mode="create", **self.service.upload)
        except OSError:
            if not self._exists(key):
                raise

    def unpack_release(self, version: str, folder: Path) -> None:
        """Download a release into the new `folder`. Raises NoReleaseError when it is missing."""
        key = self._archive(version)
        with self._user_errors(), TemporaryDirectory() as scratch:
            if not self._exists(key):
                raise NoReleaseError(f"{self._url(key)}: no such release; see `slipway release list`")
            self._files.get_file(key, str(Path(scratch) / ARCHIVE))
            unpack(Path(scratch) / ARCHIVE, folder)

    def versions(self) -> list[str]:
        """Return the versions in the bucket, oldest first."""
        with self._user_errors():
            paths = self._files.find(self.root)  # a glob would send one request for each release
            return only_versions(path.split("/")[-2] for path in paths if path.endswith(f"/{ARCHIVE}"))

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """Upload files next to a release, each under its name; existing evidence stays."""
        new = list(files)
        stored = set(self.evidence_names(version)) if new else set()
        with self._user_errors():
            for file in new:
                if file.name not in stored:
                    self._files.put_file(str(file), f"{self.root}/{version}/{EVIDENCE}/{file.name}")

    def evidence_names(self, version: str) -> list[str]:
        """Return the names of the objects next to a release."""
        with self._user_errors():
            return sorted(path.split("/")[-1] for path in self._files.find(f"{self.root}/{version}/{EVIDENCE}"))

    def read_evidence(self, version: str, name: str) -> bytes:
        """Return the content of one file of evidence. Raises ToolError when it is missing."""
        with self._user_errors():
            return bytes(self._files.cat_file(f"{self.root}/{version}/{EVIDENCE}/{name}"))

    def remove(self, version: str) -> None:
        """Delete a release and then its evidence."""
        with self._user_errors():
            self._files.rm_file(self._archive(version))
            for path in self._files.find(f"{self.root}/{version}"):
                self._files.rm_file(path)

    def _exists(self, key: str) -> bool:
        self._files.invalidate_cache()
        return bool(self._files.exists(key))

    def _archive(self, version: str) -> str:
        return f"{self.root}/{version}/{ARCHIVE}"

    def _url(self, key: str) -> str:
        return f"{self.service.scheme}://{key}"

    @contextmanager
    def _user_errors(self) -> Iterator[None]:
        """Convert errors of the service and of the network into a UserError that names the store."""
        self._files.invalidate_cache()
        try:
            yield
        except self.service.exceptions as error:
            reason = redacted(" ".join(str(error).split())) or type(error).__name__
            raise ToolError(
                f"{self._url(self.root)}: {reason}; check that the bucket exists and {self.service.credentials}"
            ) from None
