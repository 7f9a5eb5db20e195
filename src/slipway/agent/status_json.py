"""The form of `slipway status --json` and of an agent's /status.json."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

# Keys that readers of the JSON know under these names.
_Weight = TypedDict("_Weight", {"share": NotRequired[int]})  # noqa: UP013  percentage of the requests
_Heartbeat = TypedDict("_Heartbeat", {"seen_seconds_ago": float})  # noqa: UP013  age of the agent's last report


class ObservedRelease(TypedDict):
    """What the gateway responds: its URL, and the release that serves."""

    url: str | None
    release: str | None
    commit: str | None


class SideCounts(TypedDict):
    """Requests of one side of a canary."""

    requests: int
    errors: int


class CanaryStatus(_Weight):
    """Progress or result of the newest canary; its promotion's facts are absent once the agent has dropped it."""

    promotion: int
    step: int
    outcome: str | None
    since: float
    shadow: dict[str, float] | None
    canary: SideCounts
    baseline: SideCounts
    verdicts: list[VerdictStatus]
    release: NotRequired[str]
    against: NotRequired[str]
    steps: NotRequired[list[int]]
    listens: NotRequired[bool]


class VerdictStatus(TypedDict):
    """A verdict on a canary."""

    gate: str
    outcome: str
    threshold: str
    observed: str
    reason: str


class ServiceStatus(TypedDict):
    """A running service of a release."""

    release: str
    role: str
    port: int
    pid: int
    phase: str
    since: float


class EventStatus(TypedDict):
    """An action or an observation of the agent."""

    time: float
    text: str


class BadRelease(TypedDict):
    """A release that failed, and the reason."""

    release: str
    reason: str


class AgentStatus(_Heartbeat):
    """State of an agent, its services and its newest events."""

    running: bool
    fetched_seconds_ago: float | None
    head: str | None
    page: str | None
    serving: str | None
    bad: BadRelease | None
    trouble: str | None
    canary: CanaryStatus | None
    router: bool
    services: list[ServiceStatus]
    events: list[EventStatus]


class PromotionEntry(TypedDict):
    """A commit that changed the desired state, and its evidence."""

    commit: str
    author: str
    time: str
    subject: str
    release: str | None
    evidence: list[str]


class EnvironmentStatus(TypedDict):
    """Desired and observed state of an environment, its problems and its newest promotions."""

    environment: str
    summary: str
    desired: dict[str, Any] | None
    """Content of the environment's file."""
    observed: ObservedRelease
    agent: AgentStatus | None
    history: list[PromotionEntry]
    troubles: list[str]


class Status(TypedDict):
    """Status of every environment."""

    head: str | None
    trouble: str | None
    """Why the branch cannot be fetched."""
    environments: dict[str, EnvironmentStatus]
