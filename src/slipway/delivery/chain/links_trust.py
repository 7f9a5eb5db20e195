"""Links of the chain that somebody vouches for: a key of one's own, or GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.delivery.chain.trace import NotChecked
from slipway.delivery.trust import attestation as github
from slipway.delivery.trust import keys
from slipway.delivery.trust import signature as signatures
from slipway.errors import UserError

if TYPE_CHECKING:
    from slipway.delivery.chain.trace import Trace


def signature(trace: Trace) -> str:
    """By one of the keys that are trusted here."""
    trusted, known = keys.trusted(trace.root), trace.published
    if not trusted:
        raise NotChecked(
            f"no key is trusted here: {keys.TRUSTED} holds none, and {keys.TRUSTED_KEYS} is not set",
            "`slipway release key FILE` makes a pair",
            required=False,
        )
    there = signatures.of_release(trace.store, known.version)
    name, _ = signatures.verify(known.version, known.digest, there, trusted)
    return f"signed by {name}"


def attestation(trace: Trace) -> str:
    """Unless it is required, one that cannot be verified here says nothing: `gh` needs the network."""
    found, required, mend = trace.whole, github.is_required(), f"{github.REQUIRED}=true requires one"
    if not github.is_kept(trace.store, found.version):
        why = "none is kept beside the release: GitHub attests what deploy.yaml builds there"
        raise NotChecked(why, "set the variable ATTEST to true" if required else mend, required=required)
    try:
        return github.check(trace.git, found, trace.store)
    except UserError as error:
        if required:
            raise
        raise NotChecked(f"cannot be verified here: {error}", mend, required=False) from None
