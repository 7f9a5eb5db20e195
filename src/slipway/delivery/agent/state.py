"""What the agent of an environment did and saw, in one JSON file that a loss of power leaves whole.

It owns the address of the front door. The file `url` is derived from it, and read back when this file is lost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from slipway import files
from slipway.delivery.agent.canary import Progress
from slipway.delivery.environment_file import EnvironmentFile

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.delivery.home import Place

EVENTS = 100  # the newest, kept
HEARTBEAT_SECONDS = 2  # between writes of a state in which nothing but the time has changed
SERVED = 20  # promotions that are remembered to have served

Phase = Literal["starting", "ready", "draining", "stopping"]
Role = Literal["main", "baseline", "shadow", "replaced"]
"""What a service is for: clients, to be compared with a canary, to compare the answers to copied requests, or clients
until another is there, because a file that it was started from has changed since."""


class Instance(BaseModel):
    """One running service of a release."""

    model_config = ConfigDict(frozen=True)

    mark: str
    digest: str
    release: str
    port: int
    pid: int
    role: Role = "main"
    phase: Phase
    since: float
    """When the phase began, in seconds since 1970."""


class Router(BaseModel):
    """The front door. Its port outlives it, so that clients find it where it was."""

    model_config = ConfigDict(frozen=True)

    port: int
    inside: int
    """Port of its metrics, and of what only this machine may ask."""
    pid: int
    mark: str

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"


class Bad(BaseModel):
    """A promotion that was tried once and did not work."""

    model_config = ConfigDict(frozen=True)

    content: EnvironmentFile
    reason: str
    time: float


class Event(BaseModel):
    """Something that the agent did or met."""

    time: float
    text: str


class State(BaseModel):
    """Everything that the agent knows, and that the next one needs."""

    environment: str
    head: str | None = None
    """Commit of `deploy` that was followed last."""
    rewritten: str | None = None
    """Commit of `deploy` that does not follow it, and is not followed unless a person confirms it."""
    desired: EnvironmentFile | None = None
    """The last readable content."""
    concluded: bool = False
    """Whether its promotion has its stage tag: then a canary is over."""
    canary: Progress | None = None
    """Of the newest canary, also after its end."""
    fetched: float | None = None
    """When the remote last answered."""
    trouble: str | None = None
    """Why what is desired could not be read or fetched just now."""
    serving: EnvironmentFile | None = None
    """What the front door was last seen to serve."""
    served: list[EnvironmentFile] = []
    """What it was seen to serve before, the newest last: to go back there needs no canary."""
    bad: Bad | None = None
    router: Router | None = None
    page: int | None = None
    """Port of the status page."""
    instances: list[Instance] = []
    rest_until: float = 0.0
    """No new start before: a service that served and cannot start any more is tried again, but not at once."""
    seen: float = 0.0
    """When the agent last wrote this."""
    events: list[Event] = []
    _written: str = PrivateAttr("")
    """What this process last wrote, but for the times."""

    def note(self, text: str) -> None:
        """Remember an event; said once, however often it is met in a row."""
        if not self.events or self.events[-1].text != text:
            self.events = [*self.events[1 - EVENTS :], Event(time=time.time(), text=text)]
            print(f"{self.environment}: {text}", flush=True)


def read(place: Place) -> State | None:
    """Read the state of `place`; None when no agent ever ran there, or a failing disk left something unreadable."""
    try:
        return State.model_validate_json(place.state.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write(place: Place, state: State) -> None:
    """Replace the state of `place`. One in which only times changed waits for HEARTBEAT_SECONDS, to spare the disk."""
    now, content = time.time(), state.model_dump_json(exclude={"seen", "fetched"})
    if content == state._written and 0 <= now - state.seen < HEARTBEAT_SECONDS:
        return
    state.seen = now
    files.write_text(place.state, state.model_dump_json(indent=2) + "\n")
    state._written = content


def text(path: Path) -> str | None:
    """What is in a file; None without one, or when that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
