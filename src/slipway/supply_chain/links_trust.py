"""Links of the chain that rest on a signature: by a trusted key, or by GitHub's attestation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.release.signing import attestation as github
from slipway.release.signing import keys
from slipway.release.signing import signature as signatures
from slipway.supply_chain.trace import NotChecked

if TYPE_CHECKING:
    from slipway.supply_chain.trace import Trace


def signature(trace: Trace) -> str:
    """Check that a trusted key signed the release."""
    trusted, published = keys.trusted(trace.root), trace.published
    if not trusted:
        raise NotChecked(
            f"no key is trusted: {keys.TRUSTED} is empty and {keys.TRUSTED_KEYS} is not set",
            "`slipway release key FILE` makes a key pair",
            required=False,
        )
    files = signatures.of_release(trace.store, published.version)
    name, _ = signatures.verify(published.version, published.digest, files, trusted)
    return f"signed by {name}"


def attestation(trace: Trace) -> str:
    """Check GitHub's attestation of the release.

    An optional attestation that cannot be verified is not checked rather than broken, because `gh` needs the network.
    """
    fetched, required, remedy = trace.fetched, github.is_required(), f"{github.REQUIRED}=true requires one"
    if not github.exists(trace.store, fetched.version):
        reason = "the release has none: GitHub attests the releases that deploy.yaml builds"
        raise NotChecked(reason, "set the variable ATTEST to true" if required else remedy, required=required)
    try:
        return github.check(trace.git, fetched, trace.store)
    except UserError as error:
        if required:
            raise
        raise NotChecked(f"cannot be verified here: {error}", remedy, required=False) from None
