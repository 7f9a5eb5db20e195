"""A store in GitHub Releases, through the GitHub command line `gh`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway.environment.versions import version_tag
from slipway.errors import MissingToolError
from slipway.git.redact import redacted
from slipway.github import api
from slipway.release import manifest
from slipway.release.manifest import REPORT, Release
from slipway.release.store.files import ARCHIVE, only_versions, pack, refuse_other, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RELEASES_MAX = 100_000  # in a list, which `gh` reads in pages and only up to the last release
NOTES_CHARACTERS_MAX = 100_000  # of the text of a GitHub Release, whose limit is 125,000


class GitHubStore:
    """GitHub Releases of the repository in the current folder; `gh` requires a login or GH_TOKEN."""

    def put(self, folder: Path, evidence: Sequence[Path] = ()) -> None:
        """Upload the release in `folder`: `gh` publishes a draft last, so a killed upload is never a release."""
        built = manifest.verify(folder)
        with TemporaryDirectory() as scratch:
            if built.version in self.versions():
                self.unpack_release(built.version, Path(scratch) / "stored")
                stored = manifest.verify(Path(scratch) / "stored").digest
                refuse_other(built, stored, f"GitHub Release {version_tag(built.version)}")
                self.add_evidence(built.version, evidence)
            else:
                self._create(built, Path(scratch) / ARCHIVE, evidence)

    def _create(self, built: Release, archive: Path, evidence: Sequence[Path]) -> None:
        tag = version_tag(built.version)
        if tag in self._tags("--json", "tagName,isDraft", "--jq", ".[] | select(.isDraft) | .tagName"):
            gh("release", "delete", tag, "--yes")  # the draft of a killed upload
        pack(built.folder, archive)
        notes = archive.with_name("notes.md")
        report = built.folder / REPORT
        text = report.read_text(encoding="utf-8")[:NOTES_CHARACTERS_MAX] if report.is_file() else ""
        notes.write_text(f"Digest: {built.digest}\n\n{text}", encoding="utf-8")
        options = ["--title", f"Release {built.version}", "--notes-file", str(notes)]
        gh("release", "create", tag, str(archive), *map(str, evidence), "--verify-tag", *options)

    def unpack_release(self, version: str, folder: Path) -> None:
        """Download a release into the new `folder`. Raises ApiError when it is missing."""
        with TemporaryDirectory() as scratch:
            gh("release", "download", version_tag(version), "--pattern", ARCHIVE, "--dir", scratch)
            unpack(Path(scratch) / ARCHIVE, folder)

    def versions(self) -> list[str]:
        """Return the versions of the published GitHub Releases, oldest first."""
        tags = self._tags("--exclude-drafts", "--json", "tagName", "--jq", ".[].tagName")
        prefix = version_tag("")
        return only_versions(tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))

    def add_evidence(self, version: str, files: Iterable[Path]) -> None:
        """Upload files as further assets of the GitHub Release; existing assets stay."""
        stored = set(self._assets(version))
        if new := [str(file) for file in files if file.name not in stored]:
            gh("release", "upload", version_tag(version), *new)

    def evidence_names(self, version: str) -> list[str]:
        """Return the names of the assets except the release itself."""
        return sorted(name for name in self._assets(version) if name != ARCHIVE)

    def read_evidence(self, version: str, name: str) -> bytes:
        """Return the content of one asset. Raises ApiError when it is missing."""
        with TemporaryDirectory() as scratch:
            gh("release", "download", version_tag(version), "--pattern", name, "--dir", scratch)
            return (Path(scratch) / name).read_bytes()

    def remove(self, version: str) -> None:
        """Delete the GitHub Release. The tag stays, so the version is not reused."""
        gh("release", "delete", version_tag(version), "--yes")

    def _assets(self, version: str) -> list[str]:
        return gh("release", "view", version_tag(version), "--json", "assets", "--jq", ".assets[].name").split()

    def _tags(self, *options: str) -> list[str]:
        return gh("release", "list", "--limit", str(RELEASES_MAX), *options).split()


def gh(*arguments: str) -> str:
    """Run the GitHub command line and return its output. Raises ApiError when GitHub refuses the request."""
    try:
        done = subprocess.run(
            ["gh", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GH_PROMPT_DISABLED": "1"},
        )
    except FileNotFoundError:
        raise MissingToolError(
            "gh: not found; install GitHub's command line, or set SLIPWAY_STORE=file:///FOLDER"
        ) from None
    if done.returncode:
        raise api.refusal(" ".join(arguments[:3]), redacted(done.stderr))
    return done.stdout
