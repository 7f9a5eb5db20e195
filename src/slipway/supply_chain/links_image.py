"""The link of the chain from a container image to its release: layers, tag, platform, signature and attestation.

Each image that was pushed of a release is checked; with an environment, only the one that it desires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.errors import RejectedError
from slipway.image import platforms, trust, verify
from slipway.image import record as records
from slipway.image.layout import Layout
from slipway.release.signing import attestation, keys
from slipway.supply_chain.trace import NotChecked

if TYPE_CHECKING:
    from slipway.image.record import ImageRecord
    from slipway.supply_chain.trace import Trace


def image(trace: Trace) -> str:
    """Check each image of the release: its content against the release, and its signature and attestation."""
    checked = [_check(trace, record) for record in _images(trace)]
    return "; ".join(checked)


def _images(trace: Trace) -> list[ImageRecord]:
    """Return the images to check. Raises NotChecked without one."""
    version = trace.fetched.version
    desired = trace.content.image if trace.content else None
    if desired is None:
        pushed = records.read_all(trace.store, version)
        if not pushed:
            raise NotChecked(
                "the release has no image", "`slipway image build` and `slipway image push`", required=False
            )
        return pushed
    record = records.find(trace.store, version, desired)
    if record is None:
        raise NotChecked(
            f"{desired}: the release has no evidence about this image",
            f"gh attestation verify oci://{desired} --repo OWNER/NAME, or push it with `slipway image push`",
            required=attestation.is_required(),
        )
    return [record]


def _check(trace: Trace, record: ImageRecord) -> str:
    """Check an image, and who vouches for it before a program of it runs. Raises NotChecked if nobody does."""
    layout = Layout(trace.scratch / "image")
    try:
        platforms.host()
    except RejectedError as error:
        raise NotChecked(str(error), "run `slipway verify` on Linux", required=attestation.is_required()) from None
    try:
        return trust.check(record, trace.fetched, trace.store, trace.git, trace.root, layout)
    except verify.UnknownBaseError:
        raise NotChecked(
            f"{record.image}: nobody signed or attested it, and the Python of its base would run here",
            f"set {keys.SIGNING_KEY} and run `slipway image push`",
            required=False,
        ) from None
