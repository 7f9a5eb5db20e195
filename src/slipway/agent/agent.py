"""Agent that reconciles one environment with the branch `deploy`.

The services and the gateway run in their own sessions. They outlive the agent, and its successor takes them over.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING, Any

from slipway import files
from slipway.agent import assigner, installation, measures, processes, reconcile, router, shadow
from slipway.agent.gateway import Gateway
from slipway.agent.health import HealthChecks
from slipway.agent.installs import Installs
from slipway.agent.reconcile import (
    ConfirmServing,
    FailStart,
    Install,
    Reap,
    SetPhase,
    StartGateway,
    StartService,
    View,
    WriteRoutes,
)
from slipway.agent.runtime import PROCESSES
from slipway.agent.watch import Watch
from slipway.environment import client, state
from slipway.environment.state import SERVED_MAX, BadPromotion, GatewayProcess, Instance, State, text
from slipway.errors import UserError
from slipway.files.tail import last_line
from slipway.gates import canary_progress
from slipway.gates.canary_progress import SIDES
from slipway.schema.contract import sentence

if TYPE_CHECKING:
    from slipway.agent.follower import Follower
    from slipway.agent.reconcile import Action, CanaryTrial
    from slipway.agent.runtime import Runtime
    from slipway.environment.place import Place
    from slipway.environment.spec import Canary, EnvironmentFile
    from slipway.environment.state import Phase, Role
    from slipway.gates.canary_progress import Progress
    from slipway.release.store import Store
    from slipway.settings.operation import AgentSection, CanarySection

REST_SECONDS = 5  # between two attempts to start a release that served before
VERIFIED_ROLES = {"main", "baseline", "treatment"}  # such a service is replaced if a file of its release changes
ACTIONS_MAX = 100  # per pass; a plan that never ends is a fault, and must not hang silently


class Agent:
    """Agent of one environment. Its creator must hold the lock of the environment."""

    def __init__(
        self,
        place: Place,
        follower: Follower,
        store: Store,
        settings: AgentSection,
        canary: CanarySection,
        runtime: Runtime = PROCESSES,
    ) -> None:
        self.place = place
        self.runtime = runtime
        self.follower = follower
        self.store = store
        self.settings = settings
        self.canary = canary
        self.state = state.read(place) or State(environment=place.environment)
        self._gateway = Gateway(place, settings.health_seconds)
        self._installs = Installs(place, store, runtime)
        self._health = HealthChecks(settings.health_seconds, settings.health_failures)
        self._watch = Watch(settings.rehash_seconds)
        follower.accepted = follower.accepted or self.state.head
        self._stop_orphans()
        installation.sweep(place)
        runtime.sweep(place)

    @property
    def target(self) -> tuple[EnvironmentFile | None, CanaryTrial | None]:
        """Content to serve, and the canary to try."""
        current = self.state
        concluded = current.concluded or current.desired in current.served
        return reconcile.resolve_target(
            current.desired, current.bad, current.serving, current.canary, concluded=concluded
        )

    @property
    def url(self) -> str:
        """Public URL of the gateway, or "" before it started."""
        return self.state.gateway.url if self.state.gateway else ""

    def reconcile(self) -> bool:
        """Process the newest observations, and execute every action that is possible now.

        Returns whether the environment has converged to the desired state, or to its predecessor after a failure.
        """
        self._take_observation()
        self._take_installations()
        processes.reap()
        self._health.check(self._health_urls())
        self._check_files()
        self._evaluate_canary()
        for _ in range(ACTIONS_MAX):
            view = self._view()
            actions = reconcile.plan(view)
            if not actions:
                break
            self._execute(actions[0])
            state.write(self.place, self.state)
        self._repair_gateway_files()
        state.write(self.place, self.state)
        return not actions and view.loaded and not self._is_busy()

    def _is_busy(self) -> bool:
        waiting = self._installs.in_progress or any(instance.phase != "ready" for instance in self.state.instances)
        target, trial = self.target
        return bool(waiting) or trial is not None or (target is not None and target != self.state.serving)

    def _repair_gateway_files(self) -> None:
        if self.state.gateway:
            self._gateway.publish_addresses(self.state.gateway, self.state.page)
        for name in self._gateway.remove_foreign_routes():
            self.state.note(f"removed {name} from the folder that the gateway watches")

    def _take_observation(self) -> None:
        observation = self.follower.latest
        if observation is None:
            return
        if observation.problem != self.state.problem:
            if observation.problem:
                self.state.note(observation.problem)
            elif self.state.desired:  # before the first promotion the branch was missing, not unreadable
                self.state.note("the branch is readable again")
        self.state.problem, self.state.rewritten = observation.problem, observation.rewritten
        self.state.fetched = observation.time if observation.reached else self.state.fetched
        self.state.head = observation.head or self.state.head
        content = observation.content
        if content:
            self.state.concluded = observation.concluded
        if content and content != self.state.desired:
            self.state.desired = content
            self.state.bad = None
            self.state.note(f"desired is {content.release} (promotion {content.promotion})")

    def _take_installations(self) -> None:
        for content, failure in self._installs.take_results():
            if isinstance(failure, UserError):
                self._fail(content.digest, content.release, str(failure))
            elif failure:
                self.state.rest_until = time.time() + REST_SECONDS
                self.state.note(f"{content.release} cannot be installed, will be retried: {failure}")

    def _health_urls(self) -> dict[str, str]:
        """Return the URL for the health check of each process, by tag."""
        ready = [instance for instance in self.state.instances if instance.phase == "ready"]
        gateway = self.state.gateway
        own = {gateway.tag: f"http://127.0.0.1:{gateway.inside}/"} if gateway else {}
        return {instance.tag: f"http://127.0.0.1:{instance.port}/livez" for instance in ready} | own

    def _check_files(self) -> None:
        """Replace the services of each release whose installed files have changed."""
        ready = [instance for instance in self.state.instances if instance.phase == "ready"]
        for digest in {instance.digest for instance in ready if instance.role in VERIFIED_ROLES}:
            folder = installation.folder(self.place, digest)
            if not self.runtime.is_installed(self.place, digest):
                self._replace(digest, f"{folder}, or {self.runtime.needs}: missing")
            elif fault := self._watch.fault(folder, digest):
                shutil.rmtree(folder, ignore_errors=True)
                self._replace(digest, fault)

    def _replace(self, digest: str, reason: str) -> None:
        """Mark the services of a release for replacement; each serves until its successor is ready."""
        own = [
            instance
            for instance in self.state.instances
            if instance.digest == digest and instance.role in VERIFIED_ROLES
        ]
        replaced = {instance.tag: instance.model_copy(update={"role": "replaced"}) for instance in own}
        self.state.instances = [replaced.get(instance.tag, instance) for instance in self.state.instances]
        self.state.note(f"installed files changed, {own[0].release} is replaced: {reason}")

    def _view(self) -> View:
        current, (target, trial) = self.state, self.target
        alive = frozenset(instance.tag for instance in current.instances if self._is_alive(instance))
        starting = [
            instance for instance in current.instances if instance.phase == "starting" and instance.tag in alive
        ]
        gateway = current.gateway
        if gateway and not (self._is_alive(gateway) and self._gateway.watches_routes(gateway)):
            gateway = None
        unconfirmed = gateway is not None and target != current.serving
        return View(
            now=time.time(),
            target=target,
            trial=trial,
            serving=current.serving,
            instances=tuple(current.instances),
            alive=alive,
            answering=frozenset(instance.tag for instance in starting if self._answers(instance)),
            installed=self._installed(
                target, current.serving, trial.content if trial else None, target.treatment if target else None
            ),
            installing=self._installs.in_progress,
            gateway_alive=gateway is not None,
            routes=text(self.place.routes),
            loaded=gateway is not None and self._gateway.has_loaded_routes(gateway),
            confirmed=unconfirmed and target is not None and self._is_served(target),
            rest_until=current.rest_until,
            ready_seconds=self.settings.ready_seconds,
            drain_seconds=self.settings.drain_seconds,
            inside=gateway.inside if gateway else 0,
        )

    def _installed(self, *contents: EnvironmentFile | None) -> frozenset[str]:
        """Return the digests of the installed releases among `contents`.

        The files of a release may exist before its installation ends, so one in progress does not count.
        """
        digests = {content.digest for content in contents if content} - self._installs.in_progress
        return frozenset(digest for digest in digests if self.runtime.is_installed(self.place, digest))

    def _is_served(self, content: EnvironmentFile) -> bool:
        return client.serves(self.url, content.release, content.commit, self.settings.health_seconds)

    def _is_alive(self, process: Instance | GatewayProcess) -> bool:
        return process.tag not in self._health.hung and processes.is_alive(process.pid, process.tag)

    def _answers(self, instance: Instance) -> bool:
        url, seconds = f"http://127.0.0.1:{instance.port}", self.settings.health_seconds
        if not client.is_ready(url, seconds):
            return False
        if instance.role in {"shadow", "assigner"}:
            return True
        served = client.get_release(url, seconds)
        return served is not None and served.version == instance.release

    def _evaluate_canary(self) -> None:
        """Judge the canary if an evaluation is due, and record the result."""
        trial = self.target[1]
        if trial is None or trial.content.canary is None:
            return
        content, now = trial.content, time.time()
        progress = self._progress(content)
        if progress and now - progress.evaluated < self.canary.interval_seconds:
            return
        view = self._view()
        on_trial = reconcile.is_on_trial(view)
        if progress is None and on_trial:
            digests = trial.content.canary.baseline.digest, content.digest
            changes = installation.contract_changes(self.place, *digests)
            progress = canary_progress.begin(content.promotion, now, changes)
        if progress is None:
            return
        sources = self._measure(view.alive, content) if on_trial else dict.fromkeys(SIDES)
        after = canary_progress.advance(progress, trial.content.canary.step_count, sources, now, self.canary)
        after = after.model_copy(update={"shadow": self._shadow_counts() or after.shadow})
        self._record_canary(content, after)

    def _shadow_counts(self) -> dict[str, float] | None:
        """Return the counts of the comparison of copied requests."""
        for instance in self.state.instances:
            if (instance.role, instance.phase) == ("shadow", "ready"):
                return client.get_json(f"http://127.0.0.1:{instance.port}/counts")
        return None

    def _measure(self, alive: frozenset[str], content: EnvironmentFile) -> dict[str, Any]:
        if self.state.gateway is None:
            return dict.fromkeys(SIDES)
        ready = [
            instance
            for instance in self.state.instances
            if (instance.digest == content.digest or instance.role == "baseline")
            and instance.tag in alive
            and instance.phase == "ready"
        ]
        return measures.read(self.state.gateway, ready, content.promotion)

    def _progress(self, content: EnvironmentFile) -> Progress | None:
        progress = self.state.canary
        return progress if progress and progress.promotion == content.promotion else None

    def _record_canary(self, content: EnvironmentFile, after: Progress) -> None:
        before = self._progress(content)
        self.state.canary = after
        if content.canary and (before is None or before.step != after.step):
            self.state.note(f"{content.release} is a canary: {_traffic(content.canary, after.step)}")
        if before is None and after.contract_changes:
            self.state.note(f"{content.release} changes the contract: {sentence(after.contract_changes)}")
        if after.outcome == "passed":
            self.state.note(f"the canary {content.release} passed")
        elif after.outcome is not None:
            reason = f"{after.outcome}: {canary_progress.failure_reason(after)}"
            self.state.bad = BadPromotion(content=content, reason=reason, time=after.evaluated)
            self.state.note(f"{content.release} is rolled back: {reason}")

    def _execute(self, action: Action) -> None:
        match action:
            case StartGateway():
                self._start_gateway()
            case WriteRoutes(routes):
                files.write_text(self.place.routes, routes)
            case ConfirmServing(content):
                self._confirm_serving(content)
            case Install(content):
                self.state.note(f"installing {content.release}")
                self._installs.begin(content)
            case StartService(content, "shadow"):
                self._start_shadow(content)
            case StartService(content, "assigner"):
                self._start_assigner(content)
            case StartService(content, role):
                self._try_start(content, role)
            case _:
                self._execute_on_instance(action)

    def _execute_on_instance(self, action: SetPhase | FailStart | Reap) -> None:
        match action:
            case SetPhase(instance, phase):
                self._set_phase(instance, phase)
            case FailStart(instance, reason):
                self._fail_start(instance, reason)
            case Reap(instance):
                self._reap(instance)

    def _confirm_serving(self, content: EnvironmentFile) -> None:
        self.state.serving = content
        others = [served for served in self.state.served if served != content]
        self.state.served = [*others, content][-SERVED_MAX:]
        self.state.note(f"{content.release} serves at {self.url}")

    def _try_start(self, content: EnvironmentFile, role: Role) -> None:
        serves = self.state.serving is not None and self.state.serving.digest == content.digest
        try:
            if not serves:
                installation.refuse_untrusted(self.place, self.store, content)
            self._start(content, role)
        except UserError as error:
            self._fail(content.digest, content.release, str(error))

    def _start(self, content: EnvironmentFile, role: Role) -> None:
        try:
            release = installation.verified(self.place, content.digest)
        except UserError as error:
            self.state.note(f"installed files changed, fetching the release again: {error}")
            return
        port = router.free_port()
        tag = self._tag(f"{content.release}-{uuid.uuid4().hex[:8]}")
        pid = self.runtime.start(self.place, release, port, tag)
        self._add_instance(content, role, tag, port, pid)

    def _start_assigner(self, content: EnvironmentFile) -> None:
        if content.experiment is None:
            return
        port, tag = router.free_port(), self._tag(f"assigner-{uuid.uuid4().hex[:8]}")
        command = assigner.command(port, content.experiment)
        pid = processes.start(command, tag, self.place.log("assigner"), self.place.root, os.environ)
        self._add_instance(content, "assigner", tag, port, pid)

    def _start_shadow(self, content: EnvironmentFile) -> None:
        if self.state.gateway is None:
            return
        port, tag = router.free_port(), self._tag(f"shadow-{uuid.uuid4().hex[:8]}")
        command = shadow.command(port, self.state.gateway.inside, reconcile.side_names(content.promotion))
        pid = processes.start(command, tag, self.place.log("shadow"), self.place.root, os.environ)
        self._add_instance(content, "shadow", tag, port, pid)

    def _add_instance(self, content: EnvironmentFile, role: Role, tag: str, port: int, pid: int) -> None:
        instance = Instance(
            digest=content.digest,
            release=content.release,
            role=role,
            tag=tag,
            port=port,
            pid=pid,
            phase="starting",
            since=time.time(),
        )
        self.state.instances.append(instance)
        self.state.note(f"starting {content.release}{'' if role == 'main' else f' as {role}'} at port {port}")

    def _start_gateway(self) -> None:
        self.state.gateway = self._gateway.start(self.state.gateway, self._tag(f"router-{uuid.uuid4().hex[:8]}"))
        self.state.note(f"gateway at {self.url}")

    def _set_phase(self, instance: Instance, phase: Phase) -> None:
        if phase == "stopping":
            processes.terminate([instance.pid])
        changed = instance.model_copy(update={"phase": phase, "since": time.time()})
        self.state.instances = [changed if other.tag == instance.tag else other for other in self.state.instances]

    def _fail_start(self, instance: Instance, reason: str) -> None:
        self._reap(instance)
        name = instance.role if instance.role in {"shadow", "assigner"} else instance.release
        log = self.place.log(name)
        message = f"{instance.release}: {reason}; see {log}"
        message += f", which ends with: {line}" if (line := last_line(log)) else ""
        trial = self.target[1]
        if instance.role == "main":
            self._fail(instance.digest, instance.release, message)
        elif instance.role != "replaced" and trial:
            self._reject_canary(trial.content, f"its {instance.role} {message}")
        elif instance.role in {"treatment", "assigner"}:
            self.state.rest_until = time.time() + REST_SECONDS
            self.state.note(f"the {instance.role} of the experiment {message}; every user gets the release until then")

    def _reap(self, instance: Instance) -> None:
        hung = instance.tag in self._health.hung
        processes.kill_tagged(instance.tag)
        if instance.phase == "starting":
            time.sleep(self.runtime.start_seconds)
            processes.kill_tagged(instance.tag)
        self.state.instances = [other for other in self.state.instances if other.tag != instance.tag]
        installation.clear_scratch(self.place, instance.port)
        trial = self.target[1]
        if instance.phase == "ready" and instance.role == "main" and trial and trial.content.digest == instance.digest:
            self._reject_canary(trial.content, f"its service {'hung' if hung else 'ended'}")
        elif instance.phase == "ready":
            fate = "failed its health checks and was killed" if hung else "ended"
            self.state.note(f"a service of {instance.release} {fate}; starting another")

    def _reject_canary(self, content: EnvironmentFile, reason: str) -> None:
        progress = self._progress(content) or canary_progress.begin(content.promotion, time.time())
        self._record_canary(content, canary_progress.reject(progress, reason))

    def _fail(self, digest: str, release: str, reason: str) -> None:
        """Record a failed release. One that served before is retried after a rest; any other is not retried."""
        current = self.state
        if current.serving and current.serving.digest == digest:
            current.rest_until = time.time() + REST_SECONDS
            current.note(f"{release} does not start, will be retried: {reason}")
        elif current.desired and current.desired.digest == digest:
            current.bad = BadPromotion(content=current.desired, reason=reason, time=time.time())
            current.note(f"{release} is bad and will not be retried: {reason}")
        elif current.desired and current.desired.treatment and current.desired.treatment.digest == digest:
            current.rest_until = time.time() + REST_SECONDS
            current.note(f"the treatment {release} does not start, will be retried: {reason}")
        else:
            current.rest_until = time.time() + REST_SECONDS
            current.note(f"{release}, which served before, does not start: {reason}")

    def _tag(self, name: str) -> str:
        return f"{prefix(self.place)}{name}"

    def _stop_orphans(self) -> None:
        """Stop the processes that a killed agent had started but not recorded, and its own children."""
        recorded = {instance.tag for instance in self.state.instances}
        recorded |= {self.state.gateway.tag} if self.state.gateway else set()
        while orphans := set(processes.tagged(prefix(self.place)).values()) - recorded:
            for tag in orphans:
                processes.stop_tagged(tag, 0)
            time.sleep(self.runtime.start_seconds)


def _traffic(steps: Canary, step: int) -> str:
    weight = steps.weight_percent(step)
    return f"{weight}% of the requests" if weight else "copies of requests"


def prefix(place: Place) -> str:
    """Return the prefix of the tags of an environment's processes."""
    return f"{place.root}:"
