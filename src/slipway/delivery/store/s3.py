"""Releases in S3, or in what speaks its language: a release is one object, which S3 keeps whole or not at all.

Who may do it is found as boto does: AWS_ACCESS_KEY_ID and the like, a profile, or the role of the machine;
AWS_ENDPOINT_URL names another service than Amazon's. Nothing of it is ever part of SLIPWAY_STORE or of a message.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from slipway.delivery import release
from slipway.delivery.store.files import ARCHIVE, EVIDENCE, only_versions, pack, refuse_other, unpack
from slipway.errors import UserError
from slipway.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


PART = 16 * 2**20  # bytes that are sent at a time; a smaller release goes in one


class S3Store:
    """Releases as `BUCKET/FOLDER/<version>/release.tar.gz`, evidence as `…/<version>/evidence/<name>`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._s3 = _connect()

    def put(self, folder: Path, beside: Sequence[Path] = ()) -> None:
        """See `Store.put`. An upload of several parts is not there until S3 was told that it is complete."""
        built = release.verify(folder)
        where = self._archive(built.version)
        with TemporaryDirectory() as scratch, self._named():
            if not self._s3.exists(where):
                self.add_evidence(built.version, beside)
                pack(folder, Path(scratch) / ARCHIVE)
                self._create(Path(scratch) / ARCHIVE, where)
            self.unpack_release(built.version, Path(scratch) / "there")
            there = release.verify(Path(scratch) / "there").digest
        refuse_other(built, there, f"s3://{where}")
        self.add_evidence(built.version, beside)

    def _create(self, archive: Path, where: str) -> None:
        """Upload unless somebody else was quicker; who was is compared with what we have."""
        try:
            self._s3.put_file(str(archive), where, mode="create", chunksize=PART)
        except OSError:
            if not self._s3.exists(where):
                raise

    def unpack_release(self, version: str, folder: Path) -> None:
        """See `Store.unpack_release`."""
        where = self._archive(version)
        with self._named(), TemporaryDirectory() as scratch:
            if not self._s3.exists(where):
                raise UserError(f"s3://{where}: no such release; `slipway release list` shows those that are there")
            self._s3.get_file(where, str(Path(scratch) / ARCHIVE))
            unpack(Path(scratch) / ARCHIVE, folder)

    def versions(self) -> list[str]:
        """See `Store.versions`."""
        with self._named():
            return only_versions(path.split("/")[-2] for path in self._s3.glob(f"{self.root}/*/{ARCHIVE}"))

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """See `Store.add_evidence`."""
        new = list(files)
        there = set(self.evidence_names(version)) if new else set()
        with self._named():
            for file in new:
                if file.name not in there:
                    self._s3.put_file(str(file), f"{self.root}/{version}/{EVIDENCE}/{file.name}")

    def evidence_names(self, version: str) -> list[str]:
        """See `Store.evidence_names`."""
        with self._named():
            return sorted(path.split("/")[-1] for path in self._s3.find(f"{self.root}/{version}/{EVIDENCE}"))

    def read_evidence(self, version: str, name: str) -> bytes:
        """See `Store.read_evidence`."""
        with self._named():
            return self._s3.cat_file(f"{self.root}/{version}/{EVIDENCE}/{name}")

    def remove(self, version: str) -> None:
        """See `Store.remove`."""
        with self._named():
            self._s3.rm_file(self._archive(version))
            for path in self._s3.find(f"{self.root}/{version}"):
                self._s3.rm_file(path)

    def _archive(self, version: str) -> str:
        return f"{self.root}/{version}/{ARCHIVE}"

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn what S3 or the way to it refuses into one line that names the store."""
        from botocore.exceptions import BotoCoreError

        self._s3.invalidate_cache()
        try:
            yield
        except (BotoCoreError, OSError) as error:
            said = redacted(" ".join(str(error).split())) or type(error).__name__
            raise UserError(
                f"s3://{self.root}: {said}; the bucket must be there, and AWS_ACCESS_KEY_ID, AWS_PROFILE or a role"
                " must be allowed to use it"
            ) from None


def _connect() -> Any:
    try:
        import s3fs
    except ImportError:
        raise UserError("SLIPWAY_STORE=s3://…: s3fs is not installed; `uv sync --group s3`") from None
    return s3fs.S3FileSystem(skip_instance_cache=True)
