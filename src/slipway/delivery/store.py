"""Where releases are kept: a folder, or GitHub Releases. A release in a store is whole, and is never changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from slipway.delivery import release
from slipway.delivery.release import Release
from slipway.delivery.versions import VERSION, order, version_tag
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

ARCHIVE = "release.tar.gz"


class Store(Protocol):
    """A place for releases."""

    def put(self, folder: Path) -> None:
        """Keep the release in `folder`; nothing happens when it is there already.

        Raises UserError when another release has its version: a version is never built twice.
        """

    def get(self, version: str, target: Path) -> Release:
        """Copy a release into the new folder `target` and verify it. Raises UserError when it is missing or differs."""

    def versions(self) -> list[str]:
        """Versions that are there, oldest first."""


def open_store(url: str) -> Store:
    """Open the store at `file:///…` or `github:` (the repository of the current folder). Raises UserError."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "github":
        return GitHubStore()
    raise UserError(f"SLIPWAY_STORE={url}: unknown kind of store; use file:///FOLDER or github:")


class FolderStore:
    """Releases as folders, named by version."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: Path) -> None:
        """See `Store.put`. Written aside and renamed, so that a killed copy is never taken for a release."""
        built = release.verify(folder)
        target = self.root / built.version
        if target.exists():
            _refuse_other(built, release.digest_of(target), str(target))
            return
        aside = self.root / f".incoming-{uuid.uuid4().hex}"
        shutil.copytree(folder, aside)
        try:
            aside.rename(target)
        except OSError:  # somebody else was quicker
            shutil.rmtree(aside)
            _refuse_other(built, release.digest_of(target), str(target))

    def get(self, version: str, target: Path) -> Release:
        """See `Store.get`."""
        source = self.root / version
        if not source.is_dir():
            raise UserError(f"{source}: no such release; `slipway release list` shows those that are there")
        return _arrive(target, lambda aside: shutil.copytree(source, aside))

    def versions(self) -> list[str]:
        """See `Store.versions`."""
        names = (entry.name for entry in self.root.iterdir()) if self.root.is_dir() else ()
        return sorted((name for name in names if VERSION.fullmatch(name)), key=order)


class GitHubStore:
    """Releases as GitHub Releases of the current folder's repository, through `gh`, which needs a login or GH_TOKEN."""

    def put(self, folder: Path) -> None:
        """See `Store.put`. `gh` uploads into a draft that it publishes last: a killed upload is never a release."""
        built = release.verify(folder)
        with TemporaryDirectory() as scratch:
            if built.version in self.versions():
                there = self.get(built.version, Path(scratch) / "there").digest
                _refuse_other(built, there, f"GitHub Release {version_tag(built.version)}")
            else:
                self._create(built, Path(scratch) / ARCHIVE)

    def _create(self, built: Release, archive: Path) -> None:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(built.folder, arcname=".")
        words = ["--title", f"Release {built.version}", "--notes", f"Digest: {built.digest}"]
        _gh("release", "create", version_tag(built.version), str(archive), "--verify-tag", *words)

    def get(self, version: str, target: Path) -> Release:
        """See `Store.get`."""

        def download(aside: Path) -> None:
            with TemporaryDirectory() as scratch:
                _gh("release", "download", version_tag(version), "--pattern", ARCHIVE, "--dir", scratch)
                with tarfile.open(Path(scratch) / ARCHIVE) as tar:
                    tar.extractall(aside, filter="data")

        return _arrive(target, download)

    def versions(self) -> list[str]:
        """See `Store.versions`."""
        tags = _gh(
            "release", "list", "--exclude-drafts", "--limit", "1000", "--json", "tagName", "--jq", ".[].tagName"
        ).split()
        prefix = version_tag("")
        names = (tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))
        return sorted((name for name in names if VERSION.fullmatch(name)), key=order)


def _refuse_other(built: Release, there: str, where: str) -> None:
    if there != built.digest:
        raise UserError(
            f"{where}: holds {there}, this one is {built.digest}; a version is never built twice: commit, then build"
        )


def _arrive(target: Path, fill: Callable[[Path], object]) -> Release:
    """Fill a folder beside `target`, verify it, and rename it: what is at `target` is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".incoming-{uuid.uuid4().hex}")
    try:
        fill(aside)
        arrived = release.verify(aside)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Release(target, arrived.digest, arrived.manifest)


def _gh(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["gh", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GH_PROMPT_DISABLED": "1"},
        )
    except FileNotFoundError:
        raise UserError("gh: not found; install GitHub's command line, or set SLIPWAY_STORE=file:///FOLDER") from None
    if done.returncode:
        raise UserError(f"gh {' '.join(arguments[:3])}: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")
    return done.stdout
