"""An agent's life: one at a time for each environment, in the foreground or on its own, until it is stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.delivery import clients
from slipway.delivery.agent import processes, state, status_server
from slipway.delivery.agent.agent import prefix
from slipway.delivery.lock import locked
from slipway.errors import UserError

if TYPE_CHECKING:
    from slipway.delivery.agent.agent import Agent
    from slipway.delivery.home import Place
    from slipway.delivery.lock import Lock

QUICK_SECONDS = 0.1  # between looks while something is on its way
CALM_SECONDS = 0.5  # between looks for something to heal
STOP_PATIENCE = 10.0  # seconds for the agent, and again for the services and the front door, to end by themselves


def run_once(agent: Agent, patience: float) -> None:
    """Reconcile until all is as desired. Raises UserError for a bad release, or after `patience` seconds."""
    agent.follower.look()
    deadline = time.monotonic() + patience
    while not agent.turn():
        if time.monotonic() > deadline:
            raise UserError(f"{agent.place.environment}: not as desired after {patience:g} s; see {agent.place.state}")
        time.sleep(QUICK_SECONDS)
    if agent.state.bad:
        raise UserError(f"{agent.place.environment}: {agent.state.bad.reason}")


def run(agent: Agent, lock: Lock) -> None:
    """Reconcile, and show a status page, until SIGTERM or SIGINT; services and front door go on without the agent.

    Raises UserError when the lock was lost to another agent.
    """
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    agent.follower.follow(agent.settings.poll_seconds)
    agent.state.page = status_server.start(agent.place, agent.state.page)
    while not stopped:
        lock.keep()
        time.sleep(CALM_SECONDS if _turn(agent) else QUICK_SECONDS)


def _turn(agent: Agent) -> bool:
    """A full disk or a missing tool must not end healing: it is noted, and tried again."""
    try:
        return agent.turn()
    except (OSError, UserError) as error:
        agent.state.note(f"cannot go on: {error}")
        return True


def detach(place: Place, patience: float) -> str:
    """Start an agent that goes on by itself; returns the URL of its front door once that listens. Raises UserError."""
    command = [sys.executable, "-m", "slipway.cli", "agent", "--environment", place.environment]
    with locked(place):
        started = time.time()
    mark = f"{prefix(place)}agent"
    pid = processes.start(command, mark, place.log("agent"), Path.cwd(), os.environ)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and processes.runs(pid, mark):
        if url := _opened(place, started):
            return url
        time.sleep(QUICK_SECONDS)
    processes.kill(mark)
    raise UserError(f"{place.log('agent')}: the agent of {place.environment} did not open its front door; see this log")


def _opened(place: Place, started: float) -> str | None:
    """URL of the front door, once an agent that wrote its state after `started` has one that listens."""
    known = state.read(place)
    if known is None or known.seen < started or known.router is None or not place.url.exists():
        return None
    written = place.url.read_text(encoding="utf-8").strip()
    return written if written == known.router.url and clients.is_reachable(written) else None


def stop(place: Place, patience: float) -> None:
    """End the agent, every service and the front door of an environment. What served is remembered; nothing runs."""
    if not place.root.exists():
        return
    _stop_agent(place, patience)
    with locked(place):
        processes.end(prefix(place), patience)
        place.url.unlink(missing_ok=True)
        known = state.read(place)
        if known:
            known.instances = []
            state.write(place, known)


def _stop_agent(place: Place, patience: float) -> None:
    """The lock is held by the agent and by nobody else, so the process id in it is not one that was recycled."""
    deadline = time.monotonic() + patience
    asked = False
    while time.monotonic() < deadline + 1:
        try:
            with locked(place):
                return
        except UserError:
            pid = int(place.lock.read_text(encoding="utf-8") or 0)
            if pid and not asked:
                processes.ask_to_end([pid])
                asked = True
            elif pid and time.monotonic() > deadline:
                processes.force([pid])
        time.sleep(0.05)
