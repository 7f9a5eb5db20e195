"""A store in S3 or a compatible service: a release is one object, and S3 writes an object atomically.

Credentials are those of boto: AWS_ACCESS_KEY_ID and its companions, a profile, or the role of the machine.
AWS_ENDPOINT_URL selects another service than Amazon's. No credential is part of SLIPWAY_STORE or of a message.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from slipway.errors import MissingToolError, NoReleaseError, ToolError
from slipway.git.redact import redacted
from slipway.release import manifest
from slipway.release.store.files import ARCHIVE, EVIDENCE, only_versions, pack, refuse_other, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


PART_BYTES = 16 * 2**20  # of a multipart upload; a smaller release is uploaded in one request


class S3Store:
    """Releases as `BUCKET/FOLDER/<version>/release.tar.gz`, evidence as `…/<version>/evidence/<name>`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._s3 = _connect()

    def put(self, folder: Path, evidence: Sequence[Path] = ()) -> None:
        """Upload the release in `folder`. A multipart upload is invisible until it is completed."""
        built = manifest.verify(folder)
        key = self._archive(built.version)
        with TemporaryDirectory() as scratch, self._user_errors():
            if not self._s3.exists(key):
                self.add_evidence(built.version, evidence)
                pack(folder, Path(scratch) / ARCHIVE)
                self._create(Path(scratch) / ARCHIVE, key)
            self.unpack_release(built.version, Path(scratch) / "stored")
            stored = manifest.verify(Path(scratch) / "stored").digest
        refuse_other(built, stored, f"s3://{key}")
        self.add_evidence(built.version, evidence)

    def _create(self, archive: Path, key: str) -> None:
        """Upload an archive unless another process has created the key in the meantime."""
        try:
            self._s3.put_file(str(archive), key, mode="create", chunksize=PART_BYTES)
        except OSError:
            if not self._s3.exists(key):
                raise

    def unpack_release(self, version: str, folder: Path) -> None:
        """Download a release into the new `folder`. Raises NoReleaseError when it is missing."""
        key = self._archive(version)
        with self._user_errors(), TemporaryDirectory() as scratch:
            if not self._s3.exists(key):
                raise NoReleaseError(f"s3://{key}: no such release; see `slipway release list`")
            self._s3.get_file(key, str(Path(scratch) / ARCHIVE))
            unpack(Path(scratch) / ARCHIVE, folder)

    def versions(self) -> list[str]:
        """Return the versions in the bucket, oldest first."""
        with self._user_errors():
            return only_versions(path.split("/")[-2] for path in self._s3.glob(f"{self.root}/*/{ARCHIVE}"))

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """Upload files next to a release, each under its name; existing evidence stays."""
        new = list(files)
        stored = set(self.evidence_names(version)) if new else set()
        with self._user_errors():
            for file in new:
                if file.name not in stored:
                    self._s3.put_file(str(file), f"{self.root}/{version}/{EVIDENCE}/{file.name}")

    def evidence_names(self, version: str) -> list[str]:
        """Return the names of the objects next to a release."""
        with self._user_errors():
            return sorted(path.split("/")[-1] for path in self._s3.find(f"{self.root}/{version}/{EVIDENCE}"))

    def read_evidence(self, version: str, name: str) -> bytes:
        """Return the content of one file of evidence. Raises ToolError when it is missing."""
        with self._user_errors():
            return bytes(self._s3.cat_file(f"{self.root}/{version}/{EVIDENCE}/{name}"))

    def remove(self, version: str) -> None:
        """Delete a release and then its evidence."""
        with self._user_errors():
            self._s3.rm_file(self._archive(version))
            for path in self._s3.find(f"{self.root}/{version}"):
                self._s3.rm_file(path)

    def _archive(self, version: str) -> str:
        return f"{self.root}/{version}/{ARCHIVE}"

    @contextmanager
    def _user_errors(self) -> Iterator[None]:
        """Convert errors of S3 and of the network into a UserError that names the store."""
        from botocore.exceptions import BotoCoreError

        self._s3.invalidate_cache()
        try:
            yield
        except (BotoCoreError, OSError) as error:
            reason = redacted(" ".join(str(error).split())) or type(error).__name__
            raise ToolError(
                f"s3://{self.root}: {reason}; check that the bucket exists and that AWS_ACCESS_KEY_ID, AWS_PROFILE or"
                " the machine's role may use it"
            ) from None


def _connect() -> Any:
    try:
        import s3fs
    except ImportError:
        raise MissingToolError("SLIPWAY_STORE=s3://…: s3fs is not installed; `uv sync --group s3`") from None
    return s3fs.S3FileSystem(skip_instance_cache=True)
