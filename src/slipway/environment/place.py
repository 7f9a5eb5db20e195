"""Locations on this machine: the folder of each environment's agent, the store, and the URLs of the gateways."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import ArgumentError, MissingFileError

ENVIRONMENTS = ("staging", "production")


def home() -> Path:
    """Return the folder of all agents: $SLIPWAY_HOME, or by default ~/.local/state/slipway."""
    return Path(os.environ.get("SLIPWAY_HOME") or Path.home() / ".local" / "state" / "slipway").absolute()


def store_url() -> str:
    """Return the URL of the store: $SLIPWAY_STORE, or by default the folder `store` in `home()`."""
    return os.environ.get("SLIPWAY_STORE") or (home() / "store").as_uri()


@dataclass(frozen=True)
class Place:
    """The folder of one environment's agent, and the paths in it."""

    environment: str
    root: Path

    @classmethod
    def of(cls, environment: str) -> Place:
        """Return the place of `environment`. Raises UserError for an unknown name."""
        if environment not in ENVIRONMENTS:
            raise ArgumentError(f"--environment {environment}: unknown; use one of {', '.join(ENVIRONMENTS)}")
        return cls(environment, home() / environment)

    @property
    def lock(self) -> Path:
        """Return the path of the lock file, which contains the process id of the agent that holds it."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """Return the path of the agent's state."""
        return self.root / "state.json"

    @property
    def url(self) -> Path:
        """Return the path of the text file with the URL of the gateway."""
        return self.root / "url"

    @property
    def mirror(self) -> Path:
        """Return the path of the agent's mirror of the branch `deploy`."""
        return self.root / "deploy.git"

    @property
    def routes(self) -> Path:
        """Return the path of the routes, the only file in the folder that the gateway watches."""
        return self.root / "routes" / "routes.yml"

    @property
    def watched(self) -> Path:
        """Return the path of the file that identifies the gateway that watches this folder of routes."""
        return self.routes.with_name("watched-by")

    @property
    def status_route(self) -> Path:
        """Return the path of the gateway's route to the agent's status page."""
        return self.routes.with_name("status.yml")

    @property
    def releases(self) -> Path:
        """Return the folder of installed releases, by digest."""
        return self.root / "releases"

    @property
    def predictions(self) -> Path:
        """Return the folder of the services' prediction log."""
        return self.root / "predictions"

    @property
    def collected(self) -> Path:
        """Return the folder of the collected prediction log, by day, and of the state of monitoring."""
        return self.root / "collected"

    @property
    def environments(self) -> Path:
        """Return the folder of Python environments by hash of their requirements, shared by all agents."""
        return self.root.parent / "python"

    def log(self, name: str) -> Path:
        """Return the path of a process's log file."""
        return self.root / "logs" / f"{name}.log"


def gateway_url(place: Place) -> str:
    """Return the URL of an environment's gateway: $STAGING_URL or $PRODUCTION_URL, or the one that its agent wrote.

    Raises UserError when there is neither.
    """
    variable = f"{place.environment.upper()}_URL"
    if os.environ.get(variable):
        return os.environ[variable].rstrip("/")
    try:
        return place.url.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise MissingFileError(
            f"{place.url}: not found; run `slipway agent --environment {place.environment} --detach`, or set {variable}"
        ) from None
