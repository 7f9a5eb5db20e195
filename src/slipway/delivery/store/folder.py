"""Releases in a folder, of this machine or of one that several share."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING

from slipway.delivery import release
from slipway.delivery.store.files import EVIDENCE, only_versions, refuse_other, sweep
from slipway.errors import UserError
from slipway.files import make_folder, move

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class FolderStore:
    """Releases as folders, named by version."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: Path, beside: Sequence[Path] = ()) -> None:
        """See `Store.put`. Written aside and renamed, so that a killed copy is never taken for a release."""
        built = release.verify(folder)
        target = self.root / built.version
        if target.exists():
            refuse_other(built, release.digest_of(target), str(target))
            self.add_evidence(built.version, beside)
            return
        sweep(self.root)
        self.add_evidence(built.version, beside)
        aside = self.root / f".incoming-{uuid.uuid4().hex}"
        try:
            shutil.copytree(folder, aside)
            move(aside, target)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            if not target.exists():
                raise
            refuse_other(built, release.digest_of(target), str(target))  # somebody else was quicker

    def unpack_release(self, version: str, folder: Path) -> None:
        """See `Store.unpack_release`."""
        source = self.root / version
        if not source.is_dir():
            raise UserError(f"{source}: no such release; `slipway release list` shows those that are there")
        shutil.copytree(source, folder)

    def versions(self) -> list[str]:
        """See `Store.versions`."""
        return only_versions(entry.name for entry in self.root.iterdir()) if self.root.is_dir() else []

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """See `Store.add_evidence`."""
        folder = self._evidence(version)
        for file in files:
            make_folder(folder)
            if not (folder / file.name).exists():
                aside = folder / f".incoming-{uuid.uuid4().hex}"
                shutil.copyfile(file, aside)
                move(aside, folder / file.name)

    def evidence_names(self, version: str) -> list[str]:
        """See `Store.evidence_names`."""
        return sorted(file.name for file in self._evidence(version).glob("[!.]*"))

    def read_evidence(self, version: str, name: str) -> bytes:
        """See `Store.read_evidence`."""
        try:
            return (self._evidence(version) / name).read_bytes()
        except OSError as error:
            raise UserError(f"{self._evidence(version) / name}: {error.strerror}") from None

    def remove(self, version: str) -> None:
        """See `Store.remove`."""
        for folder in (self.root / version, self._evidence(version)):
            aside = self.root / f".outgoing-{uuid.uuid4().hex}"
            if folder.exists():
                folder.rename(aside)
                shutil.rmtree(aside)

    def _evidence(self, version: str) -> Path:
        return self.root / f"{version}.{EVIDENCE}"
