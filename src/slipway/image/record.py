"""Evidence about the image of a release, stored with the release: the image by digest, and who vouches for it.

image-<digits>.json             the reference, the tag, the platform, the base and the layers
image-<digits>.dsse.json        an in-toto statement about the image's digest, signed by a key
image-<digits>.sigstore.json    GitHub's attestation of the image's digest

The link has two directions: the image names the digest of its release, and the evidence names the digest of the image.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway.errors import RejectedError, UnreadableFileError, UserError
from slipway.github import workflows
from slipway.image.registry import FOLDER
from slipway.release.signing import keys, signature

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from slipway.release.store import Store

PREFIX, SUFFIX, SIGNED, ATTESTED = "image-", ".json", ".dsse.json", ".sigstore.json"
KEY_DIGITS = 12  # of the hash of a reference in the names of its evidence
BUILD = "https://slipway.invalid/image/v1"  # an identifier, no URL: `.invalid` is no domain (RFC 2606)


class LayerRecord(BaseModel):
    """A layer of an image."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    content: str
    """`base`, `packages`, `code` or `model`."""
    digest: str
    diff_id: str
    bytes: int
    """Compressed size."""


class ImageRecord(BaseModel):
    """An image that was pushed."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    image: str
    """Reference by digest, `NAME@sha256:…`."""
    tag: str
    release: str
    release_digest: str
    platform: str
    base: str
    layers: tuple[LayerRecord, ...]

    @property
    def digest(self) -> str:
        """Return the digest of the image."""
        return self.image.rpartition("@")[2]

    @property
    def name(self) -> str:
        """Return the name of the image in its registry, without tag and digest."""
        return self.image.rpartition("@")[0]

    @property
    def is_local(self) -> bool:
        """Return whether the image is in a folder of one machine, from which no cluster can pull it."""
        return self.image.startswith(FOLDER)

    def file(self, suffix: str) -> str:
        """Return the name of the evidence with this suffix."""
        return f"{PREFIX}{hashlib.sha256(self.image.encode()).hexdigest()[:KEY_DIGITS]}{suffix}"


def read_all(store: Store, version: str) -> list[ImageRecord]:
    """Return the record of each pushed image of a release, sorted by file name. Raises UserError for an invalid one."""
    return [_read(store, version, name) for name in store.evidence_names(version) if _is_record(name)]


def find(store: Store, version: str, reference: str) -> ImageRecord | None:
    """Return the record of the image `reference` of a release; None without one."""
    return next((record for record in read_all(store, version) if record.image == reference), None)


def _is_record(name: str) -> bool:
    """Return whether `name` is that of a record; stored results of the job `image` begin in the same way."""
    return re.fullmatch(rf"{PREFIX}[0-9a-f]{{{KEY_DIGITS}}}\{SUFFIX}", name) is not None


def _read(store: Store, version: str, name: str) -> ImageRecord:
    try:
        return ImageRecord.model_validate_json(store.read_evidence(version, name))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UnreadableFileError(f"{version}: {name}: {first['msg']}; push the image again") from None


def sign(record: ImageRecord, signer: CryptoSigner) -> bytes:
    """Return the signed statement about an image."""
    return signature.envelope(statement(record), signer)


def statement(record: ImageRecord) -> dict[str, Any]:
    """Return the in-toto statement about an image: its digest, its release and its base."""
    dependencies = [
        {"name": "release", "digest": {"sha256": record.release_digest.removeprefix("sha256:")}},
        {"name": "base", "uri": record.base},
    ]
    definition = {"buildType": BUILD, "externalParameters": {"version": record.release, "platform": record.platform}}
    return {
        "_type": signature.STATEMENT,
        "subject": [{"name": record.name, "digest": {"sha256": record.digest.removeprefix("sha256:")}}],
        "predicateType": signature.PROVENANCE,
        "predicate": {
            "buildDefinition": {**definition, "resolvedDependencies": dependencies},
            "runDetails": {"builder": {"id": workflows.workflow_url() or f"{BUILD}#by-hand"}},
        },
    }


def verify_signature(record: ImageRecord, store: Store, root: Path) -> str | None:
    """Return the name of the trusted key that signed the image; None when no key is trusted. Raises UserError."""
    trusted = keys.trusted(root)
    if not trusted:
        return None
    if record.file(SIGNED) not in store.evidence_names(record.release):
        raise RejectedError(_refusal(record, "not signed", trusted))
    envelope = store.read_evidence(record.release, record.file(SIGNED))
    try:
        name, _ = signature.verify_file(envelope, record.digest, trusted)
    except UserError as error:
        raise RejectedError(_refusal(record, str(error), trusted)) from None
    return name


def _refusal(record: ImageRecord, reason: str, trusted: Sequence[keys.Trusted]) -> str:
    names = ", ".join(key.name for key in trusted)
    return f"{record.image}: {reason}; trusted keys: {names}; set {keys.SIGNING_KEY} and run `slipway image push`"


def as_json(record: ImageRecord) -> bytes:
    """Return the content of the record's file."""
    return json.dumps(record.model_dump(), indent=2).encode() + b"\n"
