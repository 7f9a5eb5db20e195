"""Trust in a pushed image: its content equals the release's, and a key or GitHub vouches for its base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.errors import RejectedError, UserError
from slipway.image import record as records
from slipway.image import verify
from slipway.release.signing import attestation

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.git import Git
    from slipway.image.layout import Layout
    from slipway.image.record import ImageRecord
    from slipway.image.verify import PulledImage
    from slipway.release.manifest import Release
    from slipway.release.store import Store


def check(record: ImageRecord, release: Release, store: Store, git: Git, root: Path, layout: Layout) -> str:
    """Pull an image into `layout`, compare every layer with the release, and return the result as text.

    Arguments and errors are those of `pull`. Raises UnknownBaseError if nobody vouches for the programs of its base.
    """
    pulled, vouched = pull(record, release, store, git, root, layout)
    return "; ".join([verify.rebuild(pulled, is_vouched=bool(vouched)), *vouched])


def pull(
    record: ImageRecord, release: Release, store: Store, git: Git, root: Path, layout: Layout
) -> tuple[PulledImage, list[str]]:
    """Pull an image into `layout`, and return it with those who vouch for it: a key, or GitHub's attestation.

    Checks tag, platform, configuration and model, and runs no program of the image. root: folder of the trusted keys.
    Raises UserError, also for an image without a signature or an attestation that is required.
    """
    pulled = verify.pull(record, release, layout)
    signer = records.verify_signature(record, store, root)
    return pulled, [*([f"signed by {signer}"] if signer else []), *_attested(record, release, store, git, layout)]


def _attested(record: ImageRecord, release: Release, store: Store, git: Git, layout: Layout) -> list[str]:
    """Check GitHub's attestation of the image. One that is optional and cannot be verified here is left out."""
    name, required = record.file(records.ATTESTED), attestation.is_required()
    if name not in store.evidence_names(record.release):
        if required:
            raise RejectedError(f"{record.image}: has no attestation from GitHub, and {attestation.REQUIRED} is true")
        return []
    bundle = store.read_evidence(record.release, name)
    try:
        return [attestation.check_file(git, layout.blob(record.digest), bundle, release.commit)]
    except UserError:
        if required:
            raise
        return []
