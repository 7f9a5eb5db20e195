"""The command `slipway pull`."""

from __future__ import annotations


def pull() -> None:
    """Fetch the data of every *.dvc file. Verifies each object in DVC's cache by hash and rejects corrupt ones.

    Example: `slipway pull`
    """
    from slipway.dvc import client

    client.pull()
