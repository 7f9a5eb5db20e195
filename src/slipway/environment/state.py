"""State of an environment's agent, in one JSON file that survives a power loss.

The state owns the address of the gateway. The file `url` is derived from it, and restores the address if the state is
lost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from slipway import files, output
from slipway.environment.spec import EnvironmentFile
from slipway.gates.canary_progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.environment.place import Place

EVENTS_MAX = 100
HEARTBEAT_SECONDS = 2  # between writes of a state in which only times have changed
SERVED_MAX = 20  # promotions that count as proven

Phase = Literal["starting", "ready", "draining", "stopping"]
Role = Literal["main", "baseline", "shadow", "replaced", "treatment", "assigner"]
"""Purpose of a service.

`main` serves clients, `baseline` is compared with a canary, and `shadow` compares the answers to copied requests.
`replaced` serves clients until its successor is ready, because a file it was started from has changed. `treatment`
serves users of one side of an experiment, and `assigner` names the side of each request.
"""


class Instance(BaseModel):
    """A running service of a release."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True, defer_build=True)

    tag: str = Field(alias="mark")
    digest: str
    release: str
    port: int
    pid: int
    role: Role = "main"
    phase: Phase
    since: float
    """Start of the phase, in seconds since 1970."""


class GatewayProcess(BaseModel):
    """The process of the gateway. A restarted gateway keeps its port, so that its address is stable."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True, defer_build=True)

    port: int
    inside: int
    """Port of its metrics and of its internal routes, for this machine only."""
    pid: int
    tag: str = Field(alias="mark")

    @property
    def url(self) -> str:
        """Public URL of the gateway."""
        return f"http://127.0.0.1:{self.port}"


class BadPromotion(BaseModel):
    """A promotion that failed, and the reason."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    content: EnvironmentFile
    reason: str
    time: float


class AgentEvent(BaseModel):
    """An action or an observation of the agent."""

    model_config = ConfigDict(defer_build=True)  # `slipway status` often needs no schema

    time: float
    text: str


class State(BaseModel):
    """Everything that an agent hands over to its successor."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True, defer_build=True)

    environment: str
    head: str | None = None
    """Newest commit of `deploy` that was accepted."""
    rewritten: str | None = None
    """Commit of a rewritten `deploy` that is not accepted until an operator confirms it."""
    desired: EnvironmentFile | None = None
    """Newest valid content of the environment's file."""
    concluded: bool = False
    """Whether the desired promotion has its stage tag, which ends its canary."""
    canary: Progress | None = None
    """Progress or result of the newest canary."""
    fetched: float | None = None
    """Time of the remote's last response."""
    problem: str | None = Field(default=None, alias="trouble")
    """Reason for which the desired state cannot be read or fetched."""
    serving: EnvironmentFile | None = None
    """Content that the gateway was last observed to serve."""
    served: list[EnvironmentFile] = []
    """Contents that the gateway has served, the newest last. A return to one of them needs no canary."""
    bad: BadPromotion | None = None
    gateway: GatewayProcess | None = Field(default=None, alias="router")
    page: int | None = None
    """Port of the status page."""
    instances: list[Instance] = []
    rest_until: float = 0.0
    """Earliest time of the next start, after a proven release failed to start."""
    heartbeat: float = Field(default=0.0, alias="seen")
    """Time of the last write of this state."""
    events: list[AgentEvent] = []
    _written: str = PrivateAttr("")
    """JSON that this process wrote last, without the times."""

    def note(self, text: str) -> None:
        """Record and print an event, unless it repeats the previous one."""
        if not self.events or self.events[-1].text != text:
            self.events = [*self.events[1 - EVENTS_MAX :], AgentEvent(time=time.time(), text=text)]
            output.step(f"{self.environment}: {text}")


def read(place: Place) -> State | None:
    """Return the state of `place`, or None if the file is missing or corrupt."""
    try:
        return State.model_validate_json(place.state.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write(place: Place, state: State) -> None:
    """Replace the state file of `place` atomically.

    If only times have changed, the write waits for HEARTBEAT_SECONDS to spare the disk.
    """
    now, content = time.time(), state.model_dump_json(exclude={"heartbeat", "fetched"})
    if content == state._written and 0 <= now - state.heartbeat < HEARTBEAT_SECONDS:
        return
    state.heartbeat = now
    files.write_text(place.state, state.model_dump_json(indent=2) + "\n")
    state._written = content


def text(path: Path) -> str | None:
    """Return the content of a file, or None if it is missing or not text."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
