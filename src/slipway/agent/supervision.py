"""Lifecycle of an agent: one per environment, in the foreground or detached, until it is stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.agent import processes, runtimes, status_server
from slipway.agent.agent import prefix
from slipway.agent.lock import locked
from slipway.environment import client, state
from slipway.errors import NotReadyError, ReleaseFailedError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.agent.agent import Agent
    from slipway.agent.lock import Lock
    from slipway.environment.place import Place

BUSY_INTERVAL_SECONDS = 0.1  # between two passes while a change is in progress
IDLE_INTERVAL_SECONDS = 0.5  # between two passes that check for drift
STOP_TIMEOUT_SECONDS = 10.0  # for the agent to end, and then for its services and the gateway


def run_once(agent: Agent, timeout_seconds: float) -> None:
    """Reconcile until the environment has converged.

    Raises UserError for a bad release, or after `timeout_seconds`.
    """
    agent.follower.poll()
    deadline = time.monotonic() + timeout_seconds
    while not agent.reconcile():
        if time.monotonic() > deadline:
            raise NotReadyError(
                f"{agent.place.environment}: not converged after {timeout_seconds:g} s; see {agent.place.state}"
            )
        time.sleep(BUSY_INTERVAL_SECONDS)
    if agent.state.bad:
        raise ReleaseFailedError(f"{agent.place.environment}: {agent.state.bad.reason}")


def run(agent: Agent, lock: Lock) -> None:
    """Reconcile, and serve the status page, until SIGTERM or SIGINT.

    The services and the gateway keep running without the agent. Raises UserError if another agent takes the lock.
    """
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    agent.follower.start_polling(agent.settings.poll_seconds)
    agent.state.page = status_server.start(agent.place, agent.state.page)
    while not stopped:
        lock.keep()
        time.sleep(IDLE_INTERVAL_SECONDS if _reconcile(agent) else BUSY_INTERVAL_SECONDS)


def _reconcile(agent: Agent) -> bool:
    """Reconcile, and note an error such as a full disk or a missing tool, which must not end the loop."""
    try:
        return agent.reconcile()
    except (OSError, UserError) as error:
        agent.state.note(f"reconcile failed, will be retried: {error}")
        return True


def detach(place: Place, timeout_seconds: float, options: Sequence[str] = ()) -> str:
    """Start a detached agent and return the URL of its gateway once that listens. Raises UserError.

    options: further options of `slipway agent`.
    """
    command = [sys.executable, "-m", "slipway.cli", "agent", "--environment", place.environment, *options]
    with locked(place):
        started = time.time()
    tag = f"{prefix(place)}agent"
    pid = processes.start(command, tag, place.log("agent"), Path.cwd(), os.environ)
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and processes.is_alive(pid, tag):
        if url := _listening_url(place, started):
            return url
        time.sleep(BUSY_INTERVAL_SECONDS)
    processes.kill_tagged(tag)
    raise NotReadyError(
        f"{place.log('agent')}: the agent of {place.environment} did not open its gateway; see this log"
    )


def _listening_url(place: Place, started: float) -> str | None:
    """Return the URL of the gateway once it listens, if an agent wrote its state after `started`."""
    observed = state.read(place)
    if observed is None or observed.heartbeat < started or observed.gateway is None or not place.url.exists():
        return None
    url = place.url.read_text(encoding="utf-8").strip()
    return url if url == observed.gateway.url and client.is_reachable(url) else None


def stop(place: Place, timeout_seconds: float) -> None:
    """Stop the agent, every service and the gateway of an environment. The serving release stays in the state."""
    if not place.root.exists():
        return
    _stop_agent(place, timeout_seconds)
    with locked(place):
        processes.stop_tagged(prefix(place), timeout_seconds)
        runtimes.clean(place)
        place.url.unlink(missing_ok=True)
        observed = state.read(place)
        if observed:
            observed.instances = []
            state.write(place, observed)


def _stop_agent(place: Place, timeout_seconds: float) -> None:
    """Stop the process whose id is in the lock file; only a running agent holds the lock, so the id is not recycled."""
    deadline = time.monotonic() + timeout_seconds
    signaled = False
    while time.monotonic() < deadline + 1:
        try:
            with locked(place):
                return
        except UserError:
            pid = int(place.lock.read_text(encoding="utf-8") or 0)
            if pid and not signaled:
                processes.terminate([pid])
                signaled = True
            elif pid and time.monotonic() > deadline:
                processes.kill([pid])
        time.sleep(0.05)
