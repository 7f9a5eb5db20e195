"""The bill of materials of a release in CycloneDX: its model and its dependencies, each file by hash.

The output is reproducible: the serial number and the time are derived from the release.
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

    from slipway.release.manifest import Manifest

SERIAL_NAMESPACE = uuid.UUID("6c1d1c0e-2d0a-5a7e-9a41-3f0a3c5d7b21")  # of this template; namespace of serial numbers
LICENSE_NAME_CHARACTERS_MAX = 60  # a longer text in the field `License` is a full license text


def render(manifest: Manifest, model: Mapping[str, str], locked: str) -> str:
    """Return the bill of materials of a release as CycloneDX 1.6 JSON.

    `model` has the SHA-256 of each model file by path; `locked` is the text of `pylock.toml`.
    """
    root = Component(name="slipway", version=manifest.version, type=ComponentType.APPLICATION, bom_ref="release")
    components = [*_model(manifest.version, model), *_packages(locked)]
    serial = uuid.uuid5(SERIAL_NAMESPACE, f"{manifest.commit} {sorted(model.items())} {locked}")
    metadata = BomMetaData(component=root, timestamp=datetime.fromisoformat(manifest.built).astimezone(UTC))
    bom = Bom(serial_number=serial, metadata=metadata, components=components)
    bom.register_dependency(root, components)
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
            licenses=_licenses(package["name"], package["version"]),
            external_references=_files(package),
        )


def _files(package: Mapping[str, Any]) -> Iterator[ExternalReference]:
    """Yield every file that may be installed, by URL and hash."""
    source = [package["sdist"]] if "sdist" in package else []
    for file in [*source, *package.get("wheels", [])]:
        hashes = [_sha256(file["hashes"]["sha256"])]
        yield ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(file["url"]), hashes=hashes)


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _licenses(name: str, version: str) -> list[License]:
    """Return the declared licenses of a package; none when this very version is not installed or declares none."""
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return []
    if installed.version != version:
        return []
    metadata = installed.metadata
    fields = (text for field in ("License-Expression", "License") for text in metadata.get_all(field) or [])
    declared = next((text for text in fields if text), "")
    if declared and len(declared) <= LICENSE_NAME_CHARACTERS_MAX and "\n" not in declared:
        return [_declared(declared)]
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License :: ")]
    return [_declared(text.rsplit(" :: ", 1)[-1]) for text in classifiers]


def _declared(text: str) -> License:
    """Return a declared license, as an SPDX expression where `text` is one."""
    return LicenseFactory().make_from_string(text, license_acknowledgement=LicenseAcknowledgement.DECLARED)
