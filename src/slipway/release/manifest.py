"""A release: a folder that is built once and never changed.

manifest.json    version, commit, hashes of data, model and parameters, metrics, the champion that the model was
                 compared with, and the SHA-256 of every other file; its own SHA-256 is the digest of the release
model/           the model, and release.json, which the service verifies and serves at /release
bento/           the service, which BentoML serves or builds into an image
pylock.toml      the dependencies of the service, each file by hash (PEP 751)
smoke.json       rows of the test set with the model's predictions
openapi.json     the contract of the service: its OpenAPI document
sbom.cdx.json    the bill of materials in CycloneDX
model_card.md    what the model is for, how good it is and where it fails, with the header of Hugging Face
croissant.json   the data card: files, tables and columns, in the format Croissant
dvc.lock params.yaml metrics/ report.md   the evidence
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway import files
from slipway.environment.release_facts import ReleaseFacts
from slipway.errors import DigestMismatchError, MissingFileError, UnreadableFileError
from slipway.files import sha256
from slipway.gates.comparison_evidence import Released
from slipway.settings.explain import explain

MANIFEST = "manifest.json"
LOCKED = "pylock.toml"
SMOKE = "smoke.json"
OPENAPI = "openapi.json"
SBOM = "sbom.cdx.json"
REPORT = "report.md"
RELEASE = "release.json"
ENTRY_POINT = "src/slipway/serving/container.py"
"""Program in a Bento that serves it in one process."""

FORMAT = 1


class Part(BaseModel):
    """Part of a manifest. Releases of other versions of the template may have more keys, which are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


P = TypeVar("P", bound=BaseModel)


class Inputs(Part):
    """Hashes of the inputs: MD5 by DVC of data and model, SHA-256 of the parameters and the locked packages."""

    data: str
    model: str
    params: str
    requirements: str


class Service(Part):
    """The command and environment with which an agent starts the release; the agent fills in the braces."""

    command: list[str]
    environment: dict[str, str]


class Build(Part):
    """Version of Python, such as 3.11, and of each tool that made the release."""

    __pydantic_extra__: dict[str, str]
    python: str


class Manifest(Part):
    """Content of manifest.json, with the keys in the order in which they are written."""

    format: int = FORMAT
    version: str
    """Version, such as `v0.1.0`."""
    commit: str
    """Commit from which the release was built."""
    built: str
    """Time of the commit in ISO 8601."""
    previous: str | None = None
    """The version before this one."""
    inputs: Inputs
    metrics: dict[str, Any]
    """Content of each file of metrics, by its name."""
    champion: Released | None = None
    """The release in production that the model was compared with."""
    report: str = REPORT
    sbom: str = SBOM
    service: Service
    build: Build
    files: dict[str, str] = {}
    """SHA-256 of every other file of the release."""

    def content(self) -> dict[str, Any]:
        """Return the content to write: the keys that are set."""
        return self.model_dump(exclude_unset=True)


class SmokeTest(Part):
    """Content of smoke.json: rows of the test set, each with the prediction of the build."""

    tolerance: float
    """Maximum difference of a prediction: absolute up to 1, relative above."""
    rows: list[dict[str, Any]]
    predictions: list[Any]
    """A number, or the probability of each class by its name."""


@dataclass(frozen=True)
class Release:
    """A release on disk, with every file verified against its manifest."""

    folder: Path
    digest: str
    manifest: Manifest

    @property
    def version(self) -> str:
        """Return the version, such as `v0.1.0`."""
        return self.manifest.version

    @property
    def commit(self) -> str:
        """Return the commit from which the release was built."""
        return self.manifest.commit

    def smoke_test(self) -> SmokeTest:
        """Return the content of smoke.json. Raises UserError if another version of the template wrote it."""
        return _parsed(SmokeTest, self.folder / SMOKE)

    def facts(self) -> ReleaseFacts:
        """Return the content of release.json. Raises UserError if another version of the template wrote it."""
        return _parsed(ReleaseFacts, self.folder / "model" / RELEASE)


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
    manifest = _parsed(Manifest, folder / MANIFEST)
    listed = manifest.files
    present = set(_files(folder)) - {MANIFEST}
    for name in sorted(present | set(listed)):
        _check(folder / name, listed.get(name))
    return Release(folder, actual, manifest)


def seal(folder: Path, manifest: Manifest) -> Release:
    """Write `manifest` to `folder` with the hash of every file, and return the release."""
    hashes = {name: sha256(folder / name) for name in _files(folder)}
    sealed = manifest.model_copy(update={"format": FORMAT, "files": hashes})
    write(folder / MANIFEST, sealed.content())
    return verify(folder)


def read_contract(folder: Path) -> dict[str, Any] | None:
    """Return the OpenAPI document of the verified release in `folder`, or None if it was built without one."""
    try:
        content: dict[str, Any] = json.loads((folder / OPENAPI).read_bytes())
    except FileNotFoundError:
        return None
    return content


def write(path: Path, content: Any) -> None:
    """Write JSON in a fixed format, so that equal content has equal hashes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _parsed(model: type[P], file: Path) -> P:
    try:
        return model.model_validate(json.loads(file.read_bytes()))
    except ValidationError as error:
        problem = explain(error, model, file.stem)
    except ValueError:
        problem = "not JSON"
    raise UnreadableFileError(f"{file}: {problem}; refused")


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
