"""A release: a folder that is built once and never changed.

manifest.json    version, commit, hashes of data, model and parameters, metrics, the champion that the model was
                 compared with, and the SHA-256 of every other file; its own SHA-256 is the digest of the release
model/           the model, and release.json, which the service verifies and serves at /release
bento/           the service, which BentoML serves or builds into an image
pylock.toml      the dependencies of the service, each file by hash (PEP 751)
smoke.json       rows of the test set with the model's predictions
sbom.cdx.json    the bill of materials in CycloneDX
dvc.lock params.yaml metrics/ report.md   the evidence
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway import files
from slipway.errors import DigestMismatchError, MissingFileError, UnreadableFileError
from slipway.files import sha256

MANIFEST = "manifest.json"
LOCKED = "pylock.toml"
SMOKE = "smoke.json"
SBOM = "sbom.cdx.json"
REPORT = "report.md"
RELEASE = "release.json"
FORMAT = 1


@dataclass(frozen=True)
class Release:
    """A release on disk, with every file verified against its manifest."""

    folder: Path
    digest: str
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        """Return the version, such as `v0.1.0`."""
        return str(self.manifest["version"])

    @property
    def commit(self) -> str:
        """Return the commit from which the release was built."""
        return str(self.manifest["commit"])


def digest_of(folder: Path) -> str:
    """Return the digest of the release in `folder`, `sha256:` and 64 digits. Raises UserError without a manifest."""
    try:
        return f"sha256:{sha256(folder / MANIFEST)}"
    except FileNotFoundError:
        raise MissingFileError(
            f"{folder}: contains no {MANIFEST}, so it is no release; run `slipway release build`"
        ) from None


def verify(folder: Path, digest: str | None = None) -> Release:
    """Verify every byte of the release in `folder`, and its `digest` if given, and return the release.

    Raises UserError naming the first file that differs, is missing or is unexpected.
    """
    actual = digest_of(folder)
    if digest is not None and actual != digest:
        raise DigestMismatchError(f"{folder / MANIFEST}: digest is {actual}, expected {digest}; refused")
    manifest = _read(folder / MANIFEST)
    listed = manifest["files"]
    present = set(_files(folder)) - {MANIFEST}
    for name in sorted(present | set(listed)):
        _check(folder / name, listed.get(name))
    return Release(folder, actual, manifest)


def seal(folder: Path, facts: dict[str, Any]) -> Release:
    """Write the manifest of `folder` with `facts` and the hash of every file, and return the release."""
    files = {name: sha256(folder / name) for name in _files(folder)}
    write(folder / MANIFEST, {"format": FORMAT, **facts, "files": files})
    return verify(folder)


def write(path: Path, content: Any) -> None:
    """Write JSON in a fixed format, so that equal content has equal hashes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _read(file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(file.read_bytes())
        return {**manifest, "files": dict(manifest["files"])}
    except (KeyError, TypeError, ValueError):
        raise UnreadableFileError(f"{file}: not the manifest of a release; refused") from None


def _files(folder: Path) -> list[str]:
    return sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() or file.is_symlink()
    )


def _check(file: Path, expected: str | None) -> None:
    if expected is None:
        raise DigestMismatchError(f"{file}: not listed in {MANIFEST}; refused")
    if file.is_symlink() or not file.is_file():
        raise DigestMismatchError(f"{file}: listed in {MANIFEST} but missing; refused")
    actual = sha256(file)
    if actual != expected:
        raise DigestMismatchError(f"{file}: SHA-256 is {actual}, expected {expected} from {MANIFEST}; refused")
