"""The release in production, with which a pull request is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.delivery import release
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.git import Git

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.delivery.release import Release
    from slipway.delivery.store import Store


def fetch(root: Path, store: Store, target: Path) -> Release | None:
    """Copy what production should run into the new folder `target`; its model is in `model/` there.

    None when nothing was promoted to production yet. Raises UserError when the release is missing or differs.
    """
    branch = DeployBranch(Git(root))
    branch.fetch()
    desired = branch.read("production")
    if desired is None:
        return None
    store.get(desired.release, target)
    return release.verify(target, desired.digest)
