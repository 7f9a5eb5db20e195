"""Next actions that bring an environment closer to its desired state, as a pure function of desired and observed state.

The agent plans again after each action. An agent that was killed at any point is therefore succeeded by one that
continues from the observed state.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.agent import router
from slipway.gates.canary_progress import SIDES

if TYPE_CHECKING:
    from slipway.environment.spec import EnvironmentFile
    from slipway.environment.state import BadPromotion, Instance, Phase, Role
    from slipway.gates.canary_progress import Progress

STOP_TIMEOUT_SECONDS = 10  # for a service to end after SIGTERM
HALF_PERCENT = 50  # at this weight, canary and baseline receive all requests


@dataclass(frozen=True)
class CanaryTrial:
    """A canary and the traffic that it receives."""

    content: EnvironmentFile
    weight_percent: int
    """Percentage of the requests for the canary, and the same for the baseline."""
    shadow_percent: int = 0
    """Percentage of the requests of which both receive a copy."""


@dataclass(frozen=True)
class Group:
    """Required services of one content in one role."""

    content: EnvironmentFile
    role: Role
    count: int

    def has(self, instance: Instance) -> bool:
        """Return whether `instance` belongs to the group, ready or not."""
        return (instance.digest, instance.role) == (self.content.digest, self.role)

    def ready(self, living: list[Instance]) -> list[Instance]:
        """Return the ready members among `living`."""
        return [instance for instance in living if self.has(instance) and instance.phase == "ready"]

    def needs(self, instance: Instance, living: list[Instance]) -> bool:
        """Return whether the group uses `instance`, or may use it once it is ready."""
        return self.has(instance) and (instance.phase != "ready" or instance in self.ready(living)[: self.count])


@dataclass(frozen=True)
class View:
    """Desired and observed state."""

    now: float
    target: EnvironmentFile | None
    """Content to serve: the desired one, or its predecessor during a trial and after a failure."""
    trial: CanaryTrial | None
    serving: EnvironmentFile | None
    instances: tuple[Instance, ...]
    alive: frozenset[str]
    """Tags of the instances whose process exists and does not hang."""
    answering: frozenset[str]
    """Tags of the starting instances that are ready and report their release."""
    installed: frozenset[str]
    """Digests of the installed releases."""
    installing: frozenset[str]
    """Digests of the releases whose installation is in progress."""
    gateway_alive: bool
    routes: str | None
    """Content of the routes file."""
    loaded: bool
    """Whether the gateway has loaded the routes file."""
    confirmed: bool
    """Whether the gateway answers as `target`."""
    rest_until: float
    ready_seconds: float
    drain_seconds: float
    inside: int = 0
    """Internal port of the gateway."""


@dataclass(frozen=True)
class StartGateway:
    """Start the gateway."""


@dataclass(frozen=True)
class Install:
    """Install a release."""

    content: EnvironmentFile


@dataclass(frozen=True)
class StartService:
    """Start a service."""

    content: EnvironmentFile
    role: Role = "main"


@dataclass(frozen=True)
class SetPhase:
    """Move an instance to a phase. The phase `stopping` sends SIGTERM."""

    instance: Instance
    phase: Phase


@dataclass(frozen=True)
class FailStart:
    """Kill a service that did not become ready, and record the reason."""

    instance: Instance
    reason: str


@dataclass(frozen=True)
class Reap:
    """Kill what is left of an instance that has ended or must end, and drop it from the state."""

    instance: Instance


@dataclass(frozen=True)
class WriteRoutes:
    """Write the routes file."""

    text: str


@dataclass(frozen=True)
class ConfirmServing:
    """Record that the gateway serves this content."""

    content: EnvironmentFile


Action = StartGateway | Install | StartService | SetPhase | FailStart | Reap | WriteRoutes | ConfirmServing


def resolve_target(
    desired: EnvironmentFile | None,
    bad: BadPromotion | None,
    serving: EnvironmentFile | None,
    progress: Progress | None = None,
    *,
    concluded: bool = False,
) -> tuple[EnvironmentFile | None, CanaryTrial | None]:
    """Return the content to serve and the canary to try.

    The target is the desired content once it is proven: its promotion is `concluded`, its canary passed, or it serves.
    The target is the predecessor if nothing is desired, during the canary, and after the desired content failed.
    """
    if desired is None:
        return serving, None
    if bad is not None and bad.content == desired:
        return _predecessor(desired, serving), None
    own = progress if progress and progress.promotion == desired.promotion else None
    serves = serving is not None and serving.digest == desired.digest
    if desired.canary is None or concluded or serves or (own and own.outcome == "passed"):
        return desired, None
    step = own.step if own else 0
    shadow_percent = desired.canary.shadow_percent if step == 0 else 0
    return _predecessor(desired, serving), CanaryTrial(desired, desired.canary.weight_percent(step), shadow_percent)


def plan(view: View) -> list[Action]:
    """Return the actions that are possible now, in order.

    An empty plan means that the environment has converged, or that it waits.
    """
    living = [instance for instance in view.instances if instance.tag in view.alive]
    former, groups = _former(view, living), _groups(view)
    backends = _backends(view, living)
    routes = _render(view, living, backends)
    return [
        *([] if view.gateway_alive else [StartGateway()]),
        *_reap(view),
        *_start(view, living, former),
        *_start(view, living, groups),
        *_check_started(view, living),
        *([] if view.routes == routes else [WriteRoutes(routes)]),
        *_confirm(view, backends, routes),
        *_retire(view, living, [*former, *groups], backends),
    ]


def render(backends: list[Instance], split: router.Split | None = None) -> str:
    """Return routes that send all requests but those of a treatment to `backends`, which are of one release."""
    if not backends:
        return router.render(())
    name = router.service_name(backends[0].release, backends[0].digest)
    return router.render((router.Backend(name, _ports(backends), 100),), split=split)


def is_on_trial(view: View) -> bool:
    """Return whether the gateway routes the canary's requests to it."""
    living = [instance for instance in view.instances if instance.tag in view.alive]
    return (
        _ready_trial(view, living) is not None
        and view.routes == _render(view, living, _backends(view, living))
        and view.loaded
    )


def side_names(promotion: int) -> dict[str, str]:
    """Return the names of canary and baseline in the routes.

    They contain the promotion, so that the counters of each promotion begin at zero.
    """
    return {side: f"{side}-{promotion}" for side in SIDES}


def _predecessor(desired: EnvironmentFile, serving: EnvironmentFile | None) -> EnvironmentFile | None:
    """Return the content that served before; git names it if the agent's state was lost."""
    return serving or desired.baseline


def _groups(view: View) -> list[Group]:
    """Return the required services: those of the target, of the trial, and of the experiment."""
    if view.target is None:
        return []
    return [Group(view.target, "main", view.target.replicas), *_trial_groups(view), *_experiment_groups(view)]


def _former(view: View, living: list[Instance]) -> list[Group]:
    """Return the services that serve until the target is ready. One that dies meanwhile is replaced."""
    if view.serving is None or view.target is None or view.serving.digest == view.target.digest:
        return []
    complete = len(_ready(living, view.target)) >= view.target.replicas
    return [] if complete else [Group(view.serving, "main", view.serving.replicas)]


def _trial_groups(view: View) -> list[Group]:
    """Return canary, baseline and shadow, which start together once the target serves."""
    if view.trial is None or view.target is None or view.target != view.serving:
        return []
    content = view.trial.content
    return [
        Group(content, "main", content.replicas),
        Group(view.target, "baseline", content.replicas),
        *([Group(content, "shadow", 1)] if view.trial.shadow_percent else []),
    ]


def _experiment_groups(view: View) -> list[Group]:
    """Return the treatment and the assigner of an experiment, which start once the target serves without a trial."""
    target = view.target
    if target is None or target.experiment is None or target.treatment is None or view.trial or target != view.serving:
        return []
    # the digest is that of the experiment, so that another experiment has another assigner
    digest = hashlib.sha256(target.experiment.model_dump_json().encode()).hexdigest()
    assigner = target.model_copy(update={"digest": f"sha256:{digest}"})
    return [Group(target.treatment, "treatment", target.replicas), Group(assigner, "assigner", 1)]


def _ready_split(view: View, living: list[Instance]) -> router.Split | None:
    """Return how requests are split by user, if treatment and assigner are ready; else all users get the target."""
    groups = _experiment_groups(view)
    if not groups or not all(len(group.ready(living)) >= group.count for group in groups):
        return None
    treatment, assigner = (group.ready(living)[: group.count] for group in groups)
    experiment = groups[1].content.experiment
    backend = router.Backend(f"treatment-{treatment[0].release}".replace(".", "-"), _ports(treatment), 100)
    sends_body = experiment is not None and experiment.column is not None
    return router.Split(assigner[0].port, view.inside, backend, sends_body)


def _ready_trial(view: View, living: list[Instance]) -> CanaryTrial | None:
    """Return the trial, if all of its services are ready."""
    groups = _trial_groups(view)
    return view.trial if groups and all(len(group.ready(living)) >= group.count for group in groups) else None


def _render(view: View, living: list[Instance], backends: list[Instance]) -> str:
    """Return routes to `backends`, and to canary and baseline once all of these are ready."""
    trial = _ready_trial(view, living)
    if not backends or trial is None:
        return render(backends, _ready_split(view, living) if backends else None)
    weight, names = trial.weight_percent, side_names(trial.content.promotion)
    others = [_ports(group.ready(living)[: group.count]) for group in _trial_groups(view)]
    main = router.service_name(backends[0].release, backends[0].digest)
    targets = [router.Backend(main, _ports(backends), 100 - 2 * weight)] if weight < HALF_PERCENT else []
    targets += [router.Backend(names[side], ports, weight) for side, ports in zip(SIDES, others, strict=False)]
    percent = trial.shadow_percent
    return router.render(tuple(targets), router.Shadow(others[-1][0], percent) if percent else None)


def _ports(instances: list[Instance]) -> tuple[int, ...]:
    return tuple(instance.port for instance in instances)


def _backends(view: View, living: list[Instance]) -> list[Instance]:
    """Return the services that receive requests: those of the target once all are ready, else the serving ones."""
    ready, serving = _ready(living, view.target), _ready(living, view.serving)
    if view.target is not None and len(ready) >= view.target.replicas:
        return ready[: view.target.replicas]
    return serving or ready


def _ready(living: list[Instance], content: EnvironmentFile | None) -> list[Instance]:
    """Return the services that can serve alone, the best first.

    A baseline serves if no main service is ready, and a replaced service until its successor is.
    """
    if content is None:
        return []
    groups = [Group(content, role, 0) for role in ("main", "baseline", "replaced")]
    return [instance for group in groups for instance in group.ready(living)]


def _reap(view: View) -> list[Action]:
    dead = [instance for instance in view.instances if instance.tag not in view.alive]
    return [
        FailStart(instance, "it ended before it was ready") if instance.phase == "starting" else Reap(instance)
        for instance in dead
    ]


def _start(view: View, living: list[Instance], groups: list[Group]) -> list[Action]:
    """Return draining services to service, then start missing ones; a release that is not installed ends the list."""
    actions: list[Action] = []
    for group in groups:
        own = [instance for instance in living if group.has(instance)]
        # canary and baseline must be of the same age, so neither is returned to service
        draining = [instance for instance in own if instance.phase == "draining" and group is groups[0]]
        present = len([instance for instance in own if instance.phase in {"starting", "ready"}])
        missing = group.count - present - len(draining)
        actions += [SetPhase(instance, "ready") for instance in draining[: max(0, group.count - present)]]
        if missing <= 0 or view.now < view.rest_until:
            continue
        if group.role != "assigner" and group.content.digest not in view.installed:
            return actions if group.content.digest in view.installing else [*actions, Install(group.content)]
        actions += [StartService(group.content, group.role)] * missing
    return actions


def _check_started(view: View, living: list[Instance]) -> list[Action]:
    actions: list[Action] = []
    for instance in living:
        if instance.phase != "starting":
            continue
        if instance.tag in view.answering:
            actions.append(SetPhase(instance, "ready"))
        elif view.now - instance.since > view.ready_seconds:
            actions.append(FailStart(instance, f"it was not ready after {view.ready_seconds:g} s"))
    return actions


def _confirm(view: View, backends: list[Instance], routes: str) -> list[Action]:
    target = view.target
    if target is None or target == view.serving or not backends or view.routes != routes:
        return []
    return [ConfirmServing(target)] if backends[0].digest == target.digest and view.loaded and view.confirmed else []


def _retire(view: View, living: list[Instance], groups: list[Group], backends: list[Instance]) -> list[Action]:
    """Retire unneeded services once the gateway serves the target: drain, then SIGTERM, then SIGKILL."""
    actions: list[Action] = []
    for instance in living:
        waited = view.now - instance.since
        unneeded = instance not in backends and not any(group.needs(instance, living) for group in groups)
        if instance.phase == "stopping" and waited > STOP_TIMEOUT_SECONDS:
            actions.append(Reap(instance))
        elif (instance.phase == "draining" and waited > view.drain_seconds) or (
            instance.phase == "starting" and unneeded
        ):
            actions.append(SetPhase(instance, "stopping"))
        elif instance.phase == "ready" and unneeded and view.target == view.serving and view.loaded:
            actions.append(SetPhase(instance, "draining"))
    return actions
