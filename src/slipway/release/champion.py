"""A release as git names it: fetched from the store with its digest checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.release import manifest
from slipway.release.store import fetch, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.environment.deploy_branch import Published
    from slipway.environment.environment import Environment
    from slipway.environment.spec import EnvironmentFile
    from slipway.release.manifest import Release
    from slipway.release.store import Store


@dataclass(frozen=True)
class Champion:
    """A deployed release, with the path of its model."""

    version: str
    digest: str
    commit: str
    model: Path
    contract: dict[str, Any] | None = None
    """Its OpenAPI document; None for a release that was built without one."""


def fetch_released(environment: Environment, folder: Path) -> Champion | None:
    """Fetch the desired release of `environment` into `folder`; return None if nothing is deployed there.

    Raises UserError as `fetch` does.
    """
    desired = environment.desired()
    if desired is None:
        return None
    fetched = fetch_desired(desired, folder / environment.name)
    model, contract = fetched.folder / "model", manifest.read_contract(fetched.folder)
    return Champion(desired.release, desired.digest, desired.commit, model, contract)


def fetch_desired(desired: EnvironmentFile, folder: Path, store: Store | None = None) -> Release:
    """Fetch the release that `desired` names into a new folder in `folder`. Raises UserError as `fetch` does."""
    return fetch(store or open_store(), desired.release, desired.digest, folder / desired.release)


def fetch_published(published: Published, target: Path, store: Store | None = None) -> Release:
    """Fetch a release that is registered on `deploy` into the new folder `target`. Raises UserError as `fetch` does."""
    return fetch(store or open_store(), published.version, published.digest, target)
