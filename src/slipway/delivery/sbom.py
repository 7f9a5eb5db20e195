"""The bill of materials of a release, in CycloneDX: its model, and everything that it installs, each file by hash.

Nothing in it depends on when or where it was written: its serial number and its time are those of the release.
"""

from __future__ import annotations

import tomllib
import uuid
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cyclonedx.model.license import License

SERIALS = uuid.UUID("6c1d1c0e-2d0a-5a7e-9a41-3f0a3c5d7b21")  # of this template; serial numbers are derived from it
LONGEST_NAME = 60  # characters; a longer text in the field `License` is a whole licence


def render(facts: Mapping[str, Any], model: Mapping[str, str], locked: str) -> str:
    """CycloneDX 1.6 as JSON, of the release with these `facts` (version, commit, built: ISO 8601).

    `model` is the SHA-256 of each file of the model, by path; `locked` the text of `pylock.toml`.
    """
    root = Component(name="slipway", version=facts["version"], type=ComponentType.APPLICATION, bom_ref="release")
    parts = [*_model(facts["version"], model), *_packages(locked)]
    serial = uuid.uuid5(SERIALS, f"{facts['commit']} {sorted(model.items())} {locked}")
    metadata = BomMetaData(component=root, timestamp=datetime.fromisoformat(facts["built"]).astimezone(UTC))
    bom = Bom(serial_number=serial, metadata=metadata, components=parts)
    bom.register_dependency(root, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _model(version: str, files: Mapping[str, str]) -> Iterator[Component]:
    for name, digest in files.items():
        kind, hashes = ComponentType.MACHINE_LEARNING_MODEL, [_sha256(digest)]
        yield Component(name=name, version=version, type=kind, hashes=hashes, bom_ref=f"model/{name}")


def _packages(locked: str) -> Iterator[Component]:
    for package in tomllib.loads(locked).get("packages", []):
        purl = PackageURL("pypi", name=package["name"], version=package["version"])
        yield Component(
            name=package["name"],
            version=package["version"],
            purl=purl,
            bom_ref=purl.to_string(),
            licenses=_licences(package["name"], package["version"]),
            external_references=_files(package),
        )


def _files(package: Mapping[str, Any]) -> Iterator[ExternalReference]:
    """Every file that may be installed, by address and hash."""
    source = [package["sdist"]] if "sdist" in package else []
    for file in [*source, *package.get("wheels", [])]:
        hashes = [_sha256(file["hashes"]["sha256"])]
        yield ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(file["url"]), hashes=hashes)


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _licences(name: str, version: str) -> list[License]:
    """What the very version that is installed here says of itself; nothing where it says nothing, or is not here."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return []
    if found.version != version:
        return []
    said = found.metadata
    stated = said.get("License-Expression") or said.get("License") or ""
    if stated and len(stated) <= LONGEST_NAME and "\n" not in stated:
        return [_declared(stated)]
    classified = [text for text in said.get_all("Classifier") or [] if text.startswith("License :: ")]
    return [_declared(text.rsplit(" :: ", 1)[-1]) for text in classified]


def _declared(text: str) -> License:
    """By its SPDX name where `text` is one."""
    return LicenseFactory().make_from_string(text, license_acknowledgement=LicenseAcknowledgement.DECLARED)
