"""`slipway agent`: makes an environment what the branch `deploy` says, and keeps it so.

Services and front door are sessions of their own: they outlive the agent, and the next one takes them over.
"""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.delivery import clients, installation, processes, reconcile, router, state
from slipway.delivery.reconcile import Change, Forget, GiveUp, Install, Route, Serve, Start, StartRouter
from slipway.delivery.state import Bad, Instance, Router, State
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.follower import Follower
    from slipway.delivery.home import Place
    from slipway.delivery.reconcile import Action
    from slipway.delivery.store import Store

REST_SECONDS = 5  # before a service that once served and does not start is started again
STEPS = 100  # of one turn at most; a plan that never ends is a fault, and must not hang silently


@dataclass(frozen=True)
class Settings:
    """Section `agent` of params.yaml."""

    poll_seconds: float
    ready_seconds: float
    drain_seconds: float

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Settings:
        """Take what an agent needs out of the section."""
        return cls(params["poll_seconds"], params["ready_seconds"], params["drain_seconds"])


class Agent:
    """Of one environment; whoever makes one must hold its lock."""

    def __init__(self, place: Place, follower: Follower, store: Store, settings: Settings) -> None:
        self.place = place
        self.follower = follower
        self.store = store
        self.settings = settings
        self.state = state.read(place) or State(environment=place.environment)
        self._end_strays()

    @property
    def wanted(self) -> EnvironmentFile | None:
        """What to run."""
        return reconcile.target(self.state.desired, self.state.bad, self.state.serving)

    @property
    def url(self) -> str:
        """The front door."""
        return self.state.router.url if self.state.router else ""

    def turn(self) -> bool:
        """Take in what was seen last, and do what can be done now. Returns whether all is as desired, or given up."""
        self._take_in()
        processes.reap()
        for _ in range(STEPS):
            view = self._view()
            actions = reconcile.plan(view)
            if not actions:
                break
            self._do(actions[0])
            state.write(self.place, self.state)
        self._announce()
        state.write(self.place, self.state)
        return not actions and not self._busy()

    def _busy(self) -> bool:
        waiting = any(one.phase != "ready" for one in self.state.instances)
        return waiting or (self.wanted is not None and self.wanted != self.state.serving)

    def _announce(self) -> None:
        """Tell clients where the front door is, also after somebody removed the file."""
        if self.state.router and _text(self.place.url) != f"{self.url}\n":
            state.replace(self.place.url, f"{self.url}\n")

    def _take_in(self) -> None:
        sight = self.follower.latest
        if sight is None:
            return
        if sight.trouble and sight.trouble != self.state.trouble:
            self.state.note(sight.trouble)
        self.state.trouble = sight.trouble
        if sight.reached:
            self.state.fetched, self.state.head = sight.time, sight.head
        if sight.content and sight.content != self.state.desired:
            self.state.desired = sight.content
            self.state.bad = None
            self.state.note(f"desired is {sight.content.release} (promotion {sight.content.promotion})")

    def _view(self) -> reconcile.View:
        current, wanted = self.state, self.wanted
        alive = frozenset(one.mark for one in current.instances if processes.runs(one.pid, one.mark))
        starting = [one for one in current.instances if one.phase == "starting" and one.mark in alive]
        router_alive = current.router is not None and processes.runs(current.router.pid, current.router.mark)
        unconfirmed = wanted is not None and wanted != current.serving and router_alive
        return reconcile.View(
            now=time.time(),
            wanted=wanted,
            serving=current.serving,
            instances=tuple(current.instances),
            alive=alive,
            answering=frozenset(one.mark for one in starting if self._answers(one)),
            installed=wanted is not None and installation.is_installed(self.place, wanted.digest),
            router_alive=router_alive,
            routes=_text(self.place.routes),
            front=unconfirmed and clients.serves(self.url, wanted.release, wanted.commit),
            rest_until=current.rest_until,
            ready_seconds=self.settings.ready_seconds,
            drain_seconds=self.settings.drain_seconds,
        )

    def _answers(self, one: Instance) -> bool:
        url = f"http://127.0.0.1:{one.port}"
        return clients.is_ready(url) and (clients.shown_release(url) or {}).get("version") == one.release

    def _do(self, action: Action) -> None:
        match action:
            case StartRouter():
                self._start_router()
            case Route(text):
                state.replace(self.place.routes, text)
            case Serve(content):
                self.state.serving = content
                self.state.note(f"{content.release} serves at {self.url}")
            case Install(content):
                self._try(content, self._install)
            case Start(content):
                self._try(content, self._start)
            case _:
                self._move(action)

    def _move(self, action: Change | GiveUp | Forget) -> None:
        match action:
            case Change(instance, phase):
                self._change(instance, phase)
            case GiveUp(instance, reason):
                self._give_up(instance, reason)
            case Forget(instance):
                self._forget(instance)

    def _try(self, content: EnvironmentFile, step: Callable[[EnvironmentFile], None]) -> None:
        try:
            step(content)
        except UserError as error:
            self._failed(content.digest, content.release, str(error))

    def _install(self, content: EnvironmentFile) -> None:
        self.state.note(f"installing {content.release}")
        installation.install(self.place, self.store, content)

    def _start(self, content: EnvironmentFile) -> None:
        try:
            ready = installation.verified(self.place, content.digest)
        except UserError as error:
            self.state.note(f"installed files changed, fetching the release again: {error}")
            return
        port = router.free_port()
        mark = self._mark(f"{content.release}-{uuid.uuid4().hex[:8]}")
        command, environment = installation.command(self.place, ready, port)
        pid = processes.start(command, mark, self.place.log(content.release), ready.folder, environment)
        now = time.time()
        started = Instance(
            mark=mark, digest=content.digest, release=content.release, port=port, pid=pid, phase="starting", since=now
        )
        self.state.instances.append(started)
        self.state.note(f"starting {content.release} at port {port}")

    def _start_router(self) -> None:
        port = router.free_port(self.state.router.port if self.state.router else None)
        self._ensure_routes()
        mark = self._mark(f"router-{uuid.uuid4().hex[:8]}")
        pid = processes.start(
            router.command(port, self.place.routes), mark, self.place.log("router"), self.place.root, os.environ
        )
        self.state.router = Router(port=port, pid=pid, mark=mark)
        self.state.note(f"front door at {self.url}")

    def _ensure_routes(self) -> None:
        if not self.place.routes.exists():
            state.replace(self.place.routes, reconcile.render([]))

    def _change(self, instance: Instance, phase: str) -> None:
        if phase == "stopping":
            processes.ask_to_end([instance.pid])
        changed = instance.model_copy(update={"phase": phase, "since": time.time()})
        self.state.instances = [changed if one.mark == instance.mark else one for one in self.state.instances]

    def _give_up(self, instance: Instance, reason: str) -> None:
        self._forget(instance)
        self._failed(
            instance.digest, instance.release, f"{instance.release}: {reason}; see {self.place.log(instance.release)}"
        )

    def _forget(self, instance: Instance) -> None:
        processes.kill(instance.mark)
        self.state.instances = [one for one in self.state.instances if one.mark != instance.mark]
        if instance.phase == "ready":
            self.state.note(f"a service of {instance.release} ended; starting another")

    def _failed(self, digest: str, release: str, reason: str) -> None:
        """What never served is bad, and is not tried again. What served before is tried again after a rest."""
        current = self.state
        if current.serving and current.serving.digest == digest:
            current.rest_until = time.time() + REST_SECONDS
            current.note(f"{release} does not start, will be tried again: {reason}")
        elif current.desired and current.desired.digest == digest:
            current.bad = Bad(content=current.desired, reason=reason, time=time.time())
            current.note(f"{release} is bad and will not be tried again: {reason}")

    def _mark(self, name: str) -> str:
        return f"{prefix(self.place)}{name}"

    def _end_strays(self) -> None:
        """End what an agent started and was killed before it could write down."""
        known = {one.mark for one in self.state.instances} | ({self.state.router.mark} if self.state.router else set())
        for mark in set(processes.marked(prefix(self.place)).values()) - known - {self._mark("agent")}:
            processes.kill(mark)


def prefix(place: Place) -> str:
    """What the marks of all processes of an environment begin with."""
    return f"{place.root}:"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
