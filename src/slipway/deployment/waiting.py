"""The wait until an environment serves what it should: polls of its gateway and of its agent's state."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from slipway import output
from slipway.errors import NotReadyError, ReleaseFailedError

if TYPE_CHECKING:
    from slipway.environment.environment import Environment
    from slipway.environment.spec import EnvironmentFile
    from slipway.environment.state import State

POLL_SECONDS = 0.2  # between two requests to the gateway


def until_served(environment: Environment, content: EnvironmentFile, seconds: float) -> float:
    """Wait until the gateway of `environment` serves `content` alone, and return the seconds that it took.

    Raises UserError when the agent rejects the release, or after `seconds`.
    """
    url = environment.url
    start, printed_until = time.monotonic(), time.time()
    while True:
        observed = environment.observed()
        if environment.serves(content) and (observed is None or _serves_alone(observed, content)):
            return time.monotonic() - start
        passed = time.monotonic() - start
        if observed and observed.bad and observed.bad.content == content:
            reason = observed.bad.reason
            raise ReleaseFailedError(
                f"{environment}: {content.release} was refused, {_serving(observed)} keeps serving: {reason}"
            )
        if passed > seconds:
            raise NotReadyError(
                f"{environment}: {url} does not serve {content.release} after {seconds:g} s; {last_contact(observed)}"
            )
        printed_until = print_events(environment, observed, printed_until)
        time.sleep(POLL_SECONDS)


def _serves_alone(observed: State, content: EnvironmentFile) -> bool:
    """Return whether only `content` receives requests; during a rollout the gateway alternates between releases."""
    ready = [instance for instance in observed.instances if instance.phase == "ready"]
    alone = all((instance.digest, instance.role) == (content.digest, "main") for instance in ready)
    return observed.desired == content == observed.serving and alone


def print_events(environment: Environment, observed: State | None, printed_until: float) -> float:
    """Print the agent's events after the time `printed_until`, and return the time of the newest event printed."""
    events = [event for event in observed.events if event.time > printed_until] if observed else []
    for event in events:
        output.step(f"{environment}: {event.text}")
    return events[-1].time if events else printed_until


def last_contact(observed: State | None) -> str:
    """Return the age of the agent's last report as a phrase for a message."""
    if observed is None:
        return "no agent has reported"
    return f"its agent last reported {time.time() - observed.heartbeat:.0f} s ago"


def _serving(observed: State) -> str:
    return observed.serving.release if observed.serving else "nothing"
