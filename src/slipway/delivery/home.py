"""Where things are on this machine: the folder of each environment's agent, the store, the front doors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import UserError

ENVIRONMENTS = ("staging", "production")


def home() -> Path:
    """$SLIPWAY_HOME, else ~/.local/state/slipway."""
    return Path(os.environ.get("SLIPWAY_HOME") or Path.home() / ".local" / "state" / "slipway").absolute()


def store_url() -> str:
    """$SLIPWAY_STORE, else a folder beside the agents' state."""
    return os.environ.get("SLIPWAY_STORE") or (home() / "store").as_uri()


@dataclass(frozen=True)
class Place:
    """Everything that the agent of one environment keeps, under one folder."""

    environment: str
    root: Path

    @classmethod
    def of(cls, environment: str) -> Place:
        """Place of `environment`. Raises UserError for an unknown name."""
        if environment not in ENVIRONMENTS:
            raise UserError(f"--environment {environment}: unknown; one of {', '.join(ENVIRONMENTS)}")
        return cls(environment, home() / environment)

    @property
    def lock(self) -> Path:
        """Held by the one agent; holds its process id."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """What the agent did and saw."""
        return self.root / "state.json"

    @property
    def url(self) -> Path:
        """Text file: the URL of the front door."""
        return self.root / "url"

    @property
    def mirror(self) -> Path:
        """The agent's own copy of the branch `deploy`."""
        return self.root / "deploy.git"

    @property
    def routes(self) -> Path:
        """The file that the front door follows, alone in its folder."""
        return self.root / "routes" / "routes.yml"

    @property
    def watched(self) -> Path:
        """Beside the routes: the mark of the front door that watches this very folder."""
        return self.routes.with_name("watched-by")

    @property
    def status_route(self) -> Path:
        """Beside the routes: the way through the front door to what the agent says of itself."""
        return self.routes.with_name("status.yml")

    @property
    def releases(self) -> Path:
        """Installed releases, by digest."""
        return self.root / "releases"

    @property
    def predictions(self) -> Path:
        """Prediction log of the services."""
        return self.root / "predictions"

    @property
    def collected(self) -> Path:
        """Rows of the prediction log, by day, and what looks at them have left for the next."""
        return self.root / "collected"

    @property
    def environments(self) -> Path:
        """Python environments, by the hash of their requirements; shared by all environments of this home."""
        return self.root.parent / "python"

    def log(self, name: str) -> Path:
        """Log file of a process."""
        return self.root / "logs" / f"{name}.log"


def gateway_url(environment: str) -> str:
    """Return the URL at which clients find `environment`: $STAGING_URL or $PRODUCTION_URL, else what its agent wrote.

    Raises UserError when there is neither.
    """
    place = Place.of(environment)
    variable = f"{environment.upper()}_URL"
    if os.environ.get(variable):
        return os.environ[variable].rstrip("/")
    try:
        return place.url.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise UserError(
            f"{place.url}: not there; run `slipway agent --environment {environment} --detach`, or set {variable}"
        ) from None
