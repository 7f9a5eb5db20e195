"""A store in a folder, on this machine or on a shared file system."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING

from slipway.errors import MissingFileError, NoReleaseError
from slipway.files import make_folder, move
from slipway.release import manifest
from slipway.release.store.files import EVIDENCE, only_versions, reap, refuse_other

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class FolderStore:
    """Releases as folders named by version, with their evidence in `<version>.evidence`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: Path, evidence: Sequence[Path] = ()) -> None:
        """Copy the release in `folder`, and rename the copy last, so a killed copy is never taken for a release."""
        built = manifest.verify(folder)
        target = self.root / built.version
        if target.exists():
            refuse_other(built, manifest.digest_of(target), str(target))
            self.add_evidence(built.version, evidence)
            return
        reap(self.root)
        self.add_evidence(built.version, evidence)
        incoming = self.root / f".incoming-{uuid.uuid4().hex}"
        try:
            shutil.copytree(folder, incoming)
            move(incoming, target)
        except OSError:
            shutil.rmtree(incoming, ignore_errors=True)
            if not target.exists():
                raise
            refuse_other(built, manifest.digest_of(target), str(target))  # another process stored it first

    def unpack_release(self, version: str, folder: Path) -> None:
        """Copy a release into the new `folder`. Raises NoReleaseError when it is missing."""
        source = self.root / version
        if not source.is_dir():
            raise NoReleaseError(f"{source}: no such release; see `slipway release list`")
        shutil.copytree(source, folder)

    def versions(self) -> list[str]:
        """Return the versions in the folder, oldest first."""
        return only_versions(entry.name for entry in self.root.iterdir()) if self.root.is_dir() else []

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """Copy files next to a release, each under its name; existing evidence stays."""
        folder = self._evidence(version)
        for file in files:
            make_folder(folder)
            if not (folder / file.name).exists():
                incoming = folder / f".incoming-{uuid.uuid4().hex}"
                shutil.copyfile(file, incoming)
                move(incoming, folder / file.name)

    def evidence_names(self, version: str) -> list[str]:
        """Return the names of the files next to a release."""
        return sorted(file.name for file in self._evidence(version).glob("[!.]*"))

    def read_evidence(self, version: str, name: str) -> bytes:
        """Return the content of one file of evidence. Raises MissingFileError when it is missing."""
        try:
            return (self._evidence(version) / name).read_bytes()
        except OSError as error:
            raise MissingFileError(f"{self._evidence(version) / name}: {error.strerror}") from None

    def remove(self, version: str) -> None:
        """Remove a release and then its evidence."""
        for folder in (self.root / version, self._evidence(version)):
            outgoing = self.root / f".outgoing-{uuid.uuid4().hex}"
            if folder.exists():
                folder.rename(outgoing)
                shutil.rmtree(outgoing)

    def _evidence(self, version: str) -> Path:
        return self.root / f"{version}.{EVIDENCE}"
