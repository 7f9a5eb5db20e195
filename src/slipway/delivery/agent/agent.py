"""`slipway agent`: makes an environment what the branch `deploy` says, and keeps it so.

Services and front door are sessions of their own: they outlive the agent, and the next one takes them over.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from slipway import files
from slipway.delivery import clients
from slipway.delivery.agent import canary, installation, measures, processes, reconcile, router, shadow, state
from slipway.delivery.agent.front_door import FrontDoor
from slipway.delivery.agent.health import Health
from slipway.delivery.agent.installs import Installs
from slipway.delivery.agent.reconcile import Change, Forget, GiveUp, Install, Route, Serve, Start, StartRouter
from slipway.delivery.agent.state import SERVED, Bad, Instance, Router, State, text
from slipway.delivery.agent.watch import Watch
from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.delivery.agent.canary import Progress
    from slipway.delivery.agent.follower import Follower
    from slipway.delivery.agent.reconcile import Action, Trial
    from slipway.delivery.agent.state import Role
    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.home import Place
    from slipway.delivery.store import Store

REST_SECONDS = 5  # before a service that once served and does not start is started again
CHECKED = {"main", "baseline"}  # roles of the services that a release's files were started for
STEPS = 100  # of one turn at most; a plan that never ends is a fault, and must not hang silently


@dataclass(frozen=True)
class Settings:
    """Sections `agent` and `canary` of params.yaml."""

    poll_seconds: float
    ready_seconds: float
    drain_seconds: float
    health_seconds: float
    health_failures: int
    rehash_seconds: float
    canary: Mapping[str, Any]
    """Section `canary`."""

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Settings:
        """Take what an agent needs out of params.yaml."""
        own = {one.name: params["agent"][one.name] for one in fields(cls) if one.name != "canary"}
        return cls(**own, canary=params["canary"])


class Agent:
    """Of one environment; whoever makes one must hold its lock."""

    def __init__(self, place: Place, follower: Follower, store: Store, settings: Settings) -> None:
        self.place = place
        self.follower = follower
        self.store = store
        self.settings = settings
        self.state = state.read(place) or State(environment=place.environment)
        self._front = FrontDoor(place, settings.health_seconds)
        self._installs = Installs(place, store)
        self._health = Health(settings.health_seconds, settings.health_failures)
        self._watch = Watch(settings.rehash_seconds)
        follower.accepted = follower.accepted or self.state.head
        self._end_strays()
        installation.sweep(place)

    @property
    def aim(self) -> tuple[EnvironmentFile | None, Trial | None]:
        """What to run, and which canary beside it."""
        now = self.state
        concluded = now.concluded or now.desired in now.served
        return reconcile.aim(now.desired, now.bad, now.serving, now.canary, concluded=concluded)

    @property
    def wanted(self) -> EnvironmentFile | None:
        """What to run."""
        return self.aim[0]

    @property
    def url(self) -> str:
        """The front door."""
        return self.state.router.url if self.state.router else ""

    def turn(self) -> bool:
        """Take in what was seen last, and do what can be done now. Returns whether all is as desired, or given up."""
        self._take_in()
        self._take_installed()
        processes.reap()
        self._health.check(self._addresses())
        self._check_files()
        self._watch_canary()
        for _ in range(STEPS):
            view = self._view()
            actions = reconcile.plan(view)
            if not actions:
                break
            self._do(actions[0])
            state.write(self.place, self.state)
        self._mend_front_door()
        state.write(self.place, self.state)
        return not actions and view.loaded and not self._busy()

    def _busy(self) -> bool:
        waiting = self._installs.under_way or any(one.phase != "ready" for one in self.state.instances)
        wanted, trial = self.aim
        return bool(waiting) or trial is not None or (wanted is not None and wanted != self.state.serving)

    def _mend_front_door(self) -> None:
        if self.state.router:
            self._front.announce(self.state.router, self.state.page)
        for name in self._front.remove_foreign_routes():
            self.state.note(f"removed {name} from the folder that the front door follows")

    def _take_in(self) -> None:
        sight = self.follower.latest
        if sight is None:
            return
        if sight.trouble != self.state.trouble:
            self.state.note(sight.trouble or "the branch is read again")
        self.state.trouble, self.state.rewritten = sight.trouble, sight.rewritten
        self.state.fetched = sight.time if sight.reached else self.state.fetched
        self.state.head = sight.head or self.state.head
        if sight.content:
            self.state.concluded = sight.concluded
        if sight.content and sight.content != self.state.desired:
            self.state.desired = sight.content
            self.state.bad = None
            self.state.note(f"desired is {sight.content.release} (promotion {sight.content.promotion})")

    def _take_installed(self) -> None:
        for content, wrong in self._installs.ended():
            if isinstance(wrong, UserError):
                self._failed(content.digest, content.release, str(wrong))
            elif wrong:
                self.state.rest_until = time.time() + REST_SECONDS
                self.state.note(f"{content.release} cannot be installed, will be tried again: {wrong}")

    def _addresses(self) -> dict[str, str]:
        """Where to ask each process whether it hangs, by its mark."""
        ready = [one for one in self.state.instances if one.phase == "ready"]
        front = self.state.router
        own = {front.mark: f"http://127.0.0.1:{front.inside}/"} if front else {}
        return {one.mark: f"http://127.0.0.1:{one.port}/livez" for one in ready} | own

    def _check_files(self) -> None:
        """Replace the services of a release of which an installed file is no longer what it was."""
        ready = {one.digest for one in self.state.instances if one.phase == "ready" and one.role in CHECKED}
        for digest in ready:
            folder = installation.folder(self.place, digest)
            if not installation.is_installed(self.place, digest):
                self._replace(digest, f"{folder}, or what it needs: not there")
            elif wrong := self._watch.wrong(folder, digest):
                shutil.rmtree(folder, ignore_errors=True)
                self._replace(digest, wrong)

    def _replace(self, digest: str, reason: str) -> None:
        """Another service, from whole files, takes over from each; what runs goes on until then."""
        old = {one.mark: one for one in self.state.instances if one.digest == digest and one.role in CHECKED}
        new = {mark: one.model_copy(update={"role": "replaced"}) for mark, one in old.items()}
        self.state.instances = [new.get(one.mark, one) for one in self.state.instances]
        self.state.note(f"installed files changed, {next(iter(old.values())).release} is replaced: {reason}")

    def _view(self) -> reconcile.View:
        current, (wanted, trial) = self.state, self.aim
        alive = frozenset(one.mark for one in current.instances if self._is_alive(one))
        starting = [one for one in current.instances if one.phase == "starting" and one.mark in alive]
        front = current.router
        router_alive = front is not None and self._is_alive(front) and self._front.watches_routes(front)
        unconfirmed = wanted is not None and wanted != current.serving and router_alive
        installing = self._installs.under_way  # its files may be there before they are accepted
        return reconcile.View(
            now=time.time(),
            wanted=wanted,
            trial=trial,
            serving=current.serving,
            instances=tuple(current.instances),
            alive=alive,
            answering=frozenset(one.mark for one in starting if self._answers(one)),
            installed=frozenset(
                one.digest
                for one in (wanted, current.serving, trial and trial.content)
                if one and one.digest not in installing and installation.is_installed(self.place, one.digest)
            ),
            installing=installing,
            router_alive=router_alive,
            routes=text(self.place.routes),
            loaded=router_alive and self._front.follows_routes(front),
            front=unconfirmed and clients.serves(self.url, wanted.release, wanted.commit, self.settings.health_seconds),
            rest_until=current.rest_until,
            ready_seconds=self.settings.ready_seconds,
            drain_seconds=self.settings.drain_seconds,
        )

    def _is_alive(self, one: Instance | Router) -> bool:
        return one.mark not in self._health.hung and processes.runs(one.pid, one.mark)

    def _answers(self, one: Instance) -> bool:
        url, seconds = f"http://127.0.0.1:{one.port}", self.settings.health_seconds
        if not clients.is_ready(url, seconds):
            return False
        return one.role == "shadow" or (clients.get_release(url, seconds) or {}).get("version") == one.release

    def _watch_canary(self) -> None:
        """Look at what the canary and its baseline have answered, and go where that leads."""
        if self.aim[1] is None:
            return
        view = self._view()
        content, now = view.trial.content, time.time()
        progress, on_trial = self._progress(content), reconcile.is_on_trial(view)
        if progress is None and on_trial:
            progress = canary.begin(content.promotion, now)
        if progress is None or now - progress.looked < self.settings.canary["interval_seconds"]:
            return
        seen = self._measure(view) if on_trial else dict.fromkeys(canary.SIDES)
        after = canary.advance(progress, content.canary, seen, now, self.settings.canary)
        self._record_canary(content, after.model_copy(update={"shadow": self._compared() or after.shadow}))

    def _compared(self) -> dict[str, float] | None:
        """What the comparison of copied requests has counted."""
        one = next((one for one in self.state.instances if (one.role, one.phase) == ("shadow", "ready")), None)
        return clients.get_json(f"http://127.0.0.1:{one.port}/counts") if one else None

    def _measure(self, view: reconcile.View) -> dict[str, Any]:
        digest = view.trial.content.digest
        sides = [one for one in self.state.instances if one.digest == digest or one.role == "baseline"]
        ready = [one for one in sides if one.mark in view.alive and one.phase == "ready"]
        return measures.read(self.state.router, ready, view.trial.content.promotion)

    def _progress(self, content: EnvironmentFile) -> Progress | None:
        known = self.state.canary
        return known if known and known.promotion == content.promotion else None

    def _record_canary(self, content: EnvironmentFile, after: Progress) -> None:
        before = self._progress(content)
        self.state.canary = after
        if before is None or before.step != after.step:
            share = canary.share(content.canary, after.step)
            self.state.note(f"{content.release} is a canary: {f'{share}% of the requests' if share else 'listening'}")
        if after.outcome == "passed":
            self.state.note(f"the canary {content.release} passed")
        elif after.outcome is not None:
            self.state.bad = Bad(content=content, reason=f"{after.outcome}: {canary.why(after)}", time=after.looked)
            self.state.note(f"{content.release} is rolled back: {self.state.bad.reason}")

    def _do(self, action: Action) -> None:
        match action:
            case StartRouter():
                self._start_router()
            case Route(routes):
                files.write_text(self.place.routes, routes)
            case Serve(content):
                self._serve(content)
            case Install(content):
                self.state.note(f"installing {content.release}")
                self._installs.begin(content)
            case Start(content, "shadow"):
                self._start_shadow(content)
            case Start(content, role):
                self._try_start(content, role)
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

    def _serve(self, content: EnvironmentFile) -> None:
        self.state.serving = content
        self.state.served = [*(one for one in self.state.served if one != content), content][-SERVED:]
        self.state.note(f"{content.release} serves at {self.url}")

    def _try_start(self, content: EnvironmentFile, role: Role) -> None:
        serves = self.state.serving is not None and self.state.serving.digest == content.digest
        try:
            if not serves:
                installation.refuse_untrusted(self.place, self.store, content)
            self._start(content, role)
        except UserError as error:
            self._failed(content.digest, content.release, str(error))

    def _start(self, content: EnvironmentFile, role: Role) -> None:
        try:
            ready = installation.verified(self.place, content.digest)
        except UserError as error:
            self.state.note(f"installed files changed, fetching the release again: {error}")
            return
        port = router.free_port()
        mark = self._mark(f"{content.release}-{uuid.uuid4().hex[:8]}")
        command, environment = installation.command(self.place, ready, port)
        pid = processes.start(command, mark, self.place.log(content.release), ready.folder, environment)
        self._started(content, role, mark, port, pid)

    def _start_shadow(self, content: EnvironmentFile) -> None:
        port, mark = router.free_port(), self._mark(f"shadow-{uuid.uuid4().hex[:8]}")
        command = shadow.command(port, self.state.router.inside, reconcile.sides(content.promotion))
        pid = processes.start(command, mark, self.place.log("shadow"), self.place.root, os.environ)
        self._started(content, "shadow", mark, port, pid)

    def _started(self, content: EnvironmentFile, role: Role, mark: str, port: int, pid: int) -> None:
        facts = {"digest": content.digest, "release": content.release, "role": role}
        started = Instance(**facts, mark=mark, port=port, pid=pid, phase="starting", since=time.time())
        self.state.instances.append(started)
        self.state.note(f"starting {content.release}{'' if role == 'main' else f' as {role}'} at port {port}")

    def _start_router(self) -> None:
        self.state.router = self._front.start(self.state.router, self._mark(f"router-{uuid.uuid4().hex[:8]}"))
        self.state.note(f"front door at {self.url}")

    def _change(self, instance: Instance, phase: str) -> None:
        if phase == "stopping":
            processes.ask_to_end([instance.pid])
        changed = instance.model_copy(update={"phase": phase, "since": time.time()})
        self.state.instances = [changed if one.mark == instance.mark else one for one in self.state.instances]

    def _give_up(self, instance: Instance, reason: str) -> None:
        self._forget(instance)
        name = "shadow" if instance.role == "shadow" else instance.release
        said = f"{instance.release}: {reason}; see {self.place.log(name)}"
        if instance.role == "main":
            self._failed(instance.digest, instance.release, said)
        elif instance.role != "replaced" and self.aim[1]:
            self._refuse_canary(self.aim[1].content, f"its {instance.role} {said}")

    def _forget(self, instance: Instance) -> None:
        hung = instance.mark in self._health.hung
        processes.kill(instance.mark)
        self.state.instances = [one for one in self.state.instances if one.mark != instance.mark]
        installation.clear_scratch(self.place, instance.port)
        trial = self.aim[1]
        if instance.phase == "ready" and instance.role == "main" and trial and trial.content.digest == instance.digest:
            self._refuse_canary(trial.content, f"its service {'hung' if hung else 'ended'}")
        elif instance.phase == "ready":
            fate = "answered no health check and was ended" if hung else "ended"
            self.state.note(f"a service of {instance.release} {fate}; starting another")

    def _refuse_canary(self, content: EnvironmentFile, reason: str) -> None:
        progress = self._progress(content) or canary.begin(content.promotion, time.time())
        self._record_canary(content, canary.refuse(progress, reason))

    def _failed(self, digest: str, release: str, reason: str) -> None:
        """What never served is bad, and is not tried again. What served before is tried again after a rest."""
        current = self.state
        if current.serving and current.serving.digest == digest:
            current.rest_until = time.time() + REST_SECONDS
            current.note(f"{release} does not start, will be tried again: {reason}")
        elif current.desired and current.desired.digest == digest:
            current.bad = Bad(content=current.desired, reason=reason, time=time.time())
            current.note(f"{release} is bad and will not be tried again: {reason}")
        else:
            current.rest_until = time.time() + REST_SECONDS
            current.note(f"{release}, which served before, does not start: {reason}")

    def _mark(self, name: str) -> str:
        return f"{prefix(self.place)}{name}"

    def _end_strays(self) -> None:
        """End what an agent started and was killed before it could write down, and what it had at work."""
        known = {one.mark for one in self.state.instances} | ({self.state.router.mark} if self.state.router else set())
        for mark in set(processes.marked(prefix(self.place)).values()) - known:
            processes.end(mark, 0)


def prefix(place: Place) -> str:
    """What the marks of all processes of an environment begin with."""
    return f"{place.root}:"
