"""Where releases are kept: a folder, GitHub Releases, or S3. A release in a store is whole, and is never changed.

Evidence about a release (load tests, reports) comes when it is already there, so it is kept beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import time
import uuid
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from slipway.delivery import release
from slipway.delivery.redact import redacted
from slipway.delivery.release import REPORT, Release
from slipway.delivery.versions import VERSION, order, version_tag
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ARCHIVE = "release.tar.gz"
EVIDENCE = "evidence"
LEFT_BEHIND = 86_400  # seconds after which no upload is still under way
NOTES = 100_000  # characters of a GitHub Release's text; it takes 125,000


class Store(Protocol):
    """A place for releases."""

    def put(self, folder: Path, beside: Sequence[Path] = ()) -> None:
        """Keep the release in `folder`; nothing happens when it is there already. `beside` is kept with it, and before.

        Raises UserError when another release has its version: a version is never built twice.
        """

    def get(self, version: str, target: Path) -> Release:
        """Copy a release into the new folder `target` and verify it. Raises UserError when it is missing or differs."""

    def versions(self) -> list[str]:
        """Versions that are there, oldest first."""

    def keep(self, version: str, files: Iterable[Path]) -> None:
        """Keep files beside a release as evidence, each under its own name; one that is there already stays."""

    def kept(self, version: str) -> list[str]:
        """Names of the evidence about a release."""

    def read_kept(self, version: str, name: str) -> bytes:
        """One piece of the evidence. Raises UserError when it is not there."""

    def remove(self, version: str) -> None:
        """Remove a release and its evidence; the release goes first, and as a whole."""


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
        from slipway.delivery.s3 import S3Store

        return S3Store(f"{parts.netloc}{parts.path}".rstrip("/"))
    raise UserError(
        f"SLIPWAY_STORE={redacted(url)}: unknown kind of store; use file:///FOLDER, github: or s3://BUCKET/FOLDER"
    )


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
            self.keep(built.version, beside)
            return
        sweep(self.root)
        self.keep(built.version, beside)
        aside = self.root / f".incoming-{uuid.uuid4().hex}"
        try:
            shutil.copytree(folder, aside)
            aside.rename(target)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            if not target.exists():
                raise
            refuse_other(built, release.digest_of(target), str(target))  # somebody else was quicker

    def get(self, version: str, target: Path) -> Release:
        """See `Store.get`."""
        source = self.root / version
        if not source.is_dir():
            raise UserError(f"{source}: no such release; `slipway release list` shows those that are there")
        return arrive(target, lambda aside: shutil.copytree(source, aside))

    def versions(self) -> list[str]:
        """See `Store.versions`."""
        return only_versions(entry.name for entry in self.root.iterdir()) if self.root.is_dir() else []

    def keep(self, version: str, files: Iterable[Path]) -> None:
        """See `Store.keep`."""
        folder = self._evidence(version)
        for file in files:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / file.name).exists():
                aside = folder / f".incoming-{uuid.uuid4().hex}"
                shutil.copyfile(file, aside)
                aside.rename(folder / file.name)

    def kept(self, version: str) -> list[str]:
        """See `Store.kept`."""
        return sorted(file.name for file in self._evidence(version).glob("[!.]*"))

    def read_kept(self, version: str, name: str) -> bytes:
        """See `Store.read_kept`."""
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


class GitHubStore:
    """Releases as GitHub Releases of the current folder's repository, through `gh`, which needs a login or GH_TOKEN."""

    def put(self, folder: Path, beside: Sequence[Path] = ()) -> None:
        """See `Store.put`. `gh` uploads into a draft that it publishes last: a killed upload is never a release."""
        built = release.verify(folder)
        with TemporaryDirectory() as scratch:
            if built.version in self.versions():
                there = self.get(built.version, Path(scratch) / "there").digest
                refuse_other(built, there, f"GitHub Release {version_tag(built.version)}")
                self.keep(built.version, beside)
            else:
                self._create(built, Path(scratch) / ARCHIVE, beside)

    def _create(self, built: Release, archive: Path, beside: Sequence[Path]) -> None:
        tag = version_tag(built.version)
        if tag in self._tags("--json", "tagName,isDraft", "--jq", ".[] | select(.isDraft) | .tagName"):
            gh("release", "delete", tag, "--yes")  # what a killed upload has left
        pack(built.folder, archive)
        notes = archive.with_name("notes.md")
        report = built.folder / REPORT
        text = report.read_text(encoding="utf-8")[:NOTES] if report.is_file() else ""
        notes.write_text(f"Digest: {built.digest}\n\n{text}", encoding="utf-8")
        words = ["--title", f"Release {built.version}", "--notes-file", str(notes)]
        gh("release", "create", tag, str(archive), *map(str, beside), "--verify-tag", *words)

    def get(self, version: str, target: Path) -> Release:
        """See `Store.get`."""

        def download(aside: Path) -> None:
            with TemporaryDirectory() as scratch:
                gh("release", "download", version_tag(version), "--pattern", ARCHIVE, "--dir", scratch)
                unpack(Path(scratch) / ARCHIVE, aside)

        return arrive(target, download)

    def versions(self) -> list[str]:
        """See `Store.versions`."""
        tags = self._tags("--exclude-drafts", "--json", "tagName", "--jq", ".[].tagName")
        prefix = version_tag("")
        return only_versions(tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))

    def keep(self, version: str, files: Iterable[Path]) -> None:
        """See `Store.keep`: further assets of the GitHub Release."""
        there = set(self._assets(version))
        if new := [str(file) for file in files if file.name not in there]:
            gh("release", "upload", version_tag(version), *new)

    def kept(self, version: str) -> list[str]:
        """See `Store.kept`."""
        return sorted(name for name in self._assets(version) if name != ARCHIVE)

    def read_kept(self, version: str, name: str) -> bytes:
        """See `Store.read_kept`."""
        with TemporaryDirectory() as scratch:
            gh("release", "download", version_tag(version), "--pattern", name, "--dir", scratch)
            return (Path(scratch) / name).read_bytes()

    def remove(self, version: str) -> None:
        """See `Store.remove`. The tag stays: the version is not given again."""
        gh("release", "delete", version_tag(version), "--yes")

    def _assets(self, version: str) -> list[str]:
        return gh("release", "view", version_tag(version), "--json", "assets", "--jq", ".assets[].name").split()

    def _tags(self, *which: str) -> list[str]:
        return gh("release", "list", "--limit", "1000", *which).split()


def only_versions(names: Iterable[str]) -> list[str]:
    """The versions among `names`, oldest first."""
    return sorted((name for name in names if VERSION.fullmatch(name)), key=order)


def pack(folder: Path, archive: Path) -> None:
    """Make one file of a release, for stores that hold files."""
    with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
        tar.add(folder, arcname=".")


def unpack(archive: Path, folder: Path) -> None:
    """The contrary of `pack`. Raises UserError when it is no archive, or was cut off."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{archive.name}: cannot be unpacked ({error}); refused") from None


def refuse_other(built: Release, there: str, where: str) -> None:
    """Raise UserError when the digest `there` is not that of `built`."""
    if there != built.digest:
        raise UserError(
            f"{where}: holds {there}, this one is {built.digest}; a version is never built twice: commit, then build"
        )


def arrive(target: Path, fill: Callable[[Path], object]) -> Release:
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


def replace(target: Path, fill: Callable[[Path], object]) -> Release:
    """As `arrive`, where another release may be: that stays until the new one is whole, also when there is no room."""
    sweep(target.parent)
    new, old = (target.with_name(f".incoming-{uuid.uuid4().hex}") for _ in range(2))
    arrived = arrive(new, fill)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return Release(target, arrived.digest, arrived.manifest)


def sweep(folder: Path) -> None:
    """Remove what was killed on its way into `folder`, once nobody can be at work on it any more."""
    for aside in folder.glob(".incoming-*"):
        if time.time() - aside.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(aside, ignore_errors=True)


def gh(*arguments: str) -> str:
    """Run GitHub's command line and return what it prints. Raises UserError with its last words."""
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
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise UserError(f"gh {' '.join(arguments[:3])}: {redacted(reason)}")
    return done.stdout
