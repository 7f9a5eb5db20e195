"""What to do next so that an environment becomes what it should be: a pure function of what should be and what is.

It is asked again after each step, so an agent that was killed anywhere goes on from what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.delivery.agent import canary, router

if TYPE_CHECKING:
    from slipway.delivery.agent.canary import Progress
    from slipway.delivery.agent.state import Bad, Instance, Phase, Role
    from slipway.delivery.environment_file import EnvironmentFile

STOP_SECONDS = 10  # for a service to end by itself
HALF = 50  # percent: canary and baseline together have all


@dataclass(frozen=True)
class Trial:
    """A canary: what it is, and what it gets."""

    content: EnvironmentFile
    share: int
    """Percent of the requests, and as many for the baseline."""
    shadow_percent: int = 0
    """Percent of the requests that both get a copy of."""


@dataclass(frozen=True)
class Group:
    """Services that are needed."""

    content: EnvironmentFile
    role: Role
    count: int

    def has(self, one: Instance) -> bool:
        """Whether it is one of them, ready or not."""
        return (one.digest, one.role) == (self.content.digest, self.role)

    def ready(self, living: list[Instance]) -> list[Instance]:
        """Those of `living` that are theirs and ready."""
        return [one for one in living if self.has(one) and one.phase == "ready"]

    def needs(self, one: Instance, living: list[Instance]) -> bool:
        """Whether it must stay, or may become needed."""
        return self.has(one) and (one.phase != "ready" or one in self.ready(living)[: self.count])


@dataclass(frozen=True)
class View:
    """What should be, and what is."""

    now: float
    wanted: EnvironmentFile | None
    trial: Trial | None
    serving: EnvironmentFile | None
    instances: tuple[Instance, ...]
    alive: frozenset[str]
    """Marks of the instances whose process is there, and does not hang."""
    answering: frozenset[str]
    """Marks of the starting instances that are ready, and say that they are their release."""
    installed: frozenset[str]
    """Digests of the releases that can be started."""
    installing: frozenset[str]
    """Digests of the releases that are being made ready to start."""
    router_alive: bool
    routes: str | None
    """Text of the routes file."""
    loaded: bool
    """Whether the front door follows it by now."""
    front: bool
    """Whether the front door answers as `wanted`."""
    rest_until: float
    ready_seconds: float
    drain_seconds: float


@dataclass(frozen=True)
class StartRouter:
    """Start the front door."""


@dataclass(frozen=True)
class Install:
    """Make a release ready to start."""

    content: EnvironmentFile


@dataclass(frozen=True)
class Start:
    """Start one service."""

    content: EnvironmentFile
    role: Role = "main"


@dataclass(frozen=True)
class Change:
    """Bring an instance into a phase; into `stopping` means to ask it to end."""

    instance: Instance
    phase: Phase


@dataclass(frozen=True)
class GiveUp:
    """A service that did not become ready: end it by force, and remember why."""

    instance: Instance
    reason: str


@dataclass(frozen=True)
class Forget:
    """An instance whose process has ended, or must: end by force what is left of it, and strike it off."""

    instance: Instance


@dataclass(frozen=True)
class Route:
    """Write the routes file."""

    text: str


@dataclass(frozen=True)
class Serve:
    """The front door was seen to serve this."""

    content: EnvironmentFile


Action = StartRouter | Install | Start | Change | GiveUp | Forget | Route | Serve


def aim(
    desired: EnvironmentFile | None,
    bad: Bad | None,
    serving: EnvironmentFile | None,
    progress: Progress | None = None,
    *,
    concluded: bool = False,
) -> tuple[EnvironmentFile | None, Trial | None]:
    """What to run, and which canary beside it.

    That is the desired release, or what served before: when the desired one was tried and is bad, when none is named,
    and as long as it has to prove itself. It has, once its promotion is `concluded`, its canary passed, or it serves.
    """
    if desired is None:
        return serving, None
    if bad is not None and bad.content == desired:
        return _before(desired, serving), None
    own = progress if progress and progress.promotion == desired.promotion else None
    serves = serving is not None and serving.digest == desired.digest
    if desired.canary is None or concluded or serves or (own and own.outcome == "passed"):
        return desired, None
    step = own.step if own else 0
    listens = desired.canary.shadow_percent if step == 0 else 0
    return _before(desired, serving), Trial(desired, canary.share(desired.canary, step), listens)


def plan(view: View) -> list[Action]:
    """Steps that can be done now, in order. None: everything is as it should be, or must be waited for."""
    living = [instance for instance in view.instances if instance.mark in view.alive]
    former, groups = _former(view, living), _groups(view)
    backends = _backends(view, living)
    routes = _render(view, living, backends)
    return [
        *([] if view.router_alive else [StartRouter()]),
        *_bury(view),
        *_start(view, living, former),
        *_start(view, living, groups),
        *_grow_up(view, living),
        *([] if view.routes == routes else [Route(routes)]),
        *_confirm(view, backends, routes),
        *_retire(view, living, [*former, *groups], backends),
    ]


def render(backends: list[Instance]) -> str:
    """Routes that give all requests to `backends`, which are of one release."""
    if not backends:
        return router.render([])
    name = router.service_name(backends[0].release, backends[0].digest)
    return router.render([router.Backend(name, _ports(backends), 100)])


def is_on_trial(view: View) -> bool:
    """Whether the front door gives the canary what it should get."""
    living = [instance for instance in view.instances if instance.mark in view.alive]
    return _trial_ready(view, living) and view.routes == _render(view, living, _backends(view, living)) and view.loaded


def sides(promotion: int) -> dict[str, str]:
    """Names in the routes of the two that are compared; those of another promotion count from zero."""
    return {side: f"{side}-{promotion}" for side in canary.SIDES}


def _before(desired: EnvironmentFile, serving: EnvironmentFile | None) -> EnvironmentFile | None:
    """What served before: known to the agent or, when it forgot, named by git."""
    return serving or desired.baseline


def _groups(view: View) -> list[Group]:
    """Who is needed in the end: what is wanted, and a canary with what it is compared with."""
    return [] if view.wanted is None else [Group(view.wanted, "main", view.wanted.replicas), *_tried(view)]


def _former(view: View, living: list[Instance]) -> list[Group]:
    """What serves until the wanted release is there: should its service die meanwhile, nobody would serve."""
    if view.serving is None or view.wanted is None or view.serving.digest == view.wanted.digest:
        return []
    there = len(_ready(living, view.wanted)) >= view.wanted.replicas
    return [] if there else [Group(view.serving, "main", view.serving.replicas)]


def _tried(view: View) -> list[Group]:
    """Canary and baseline come together, when the release that they are tried against serves."""
    if view.trial is None or view.wanted is None or view.wanted != view.serving:
        return []
    content = view.trial.content
    return [
        Group(content, "main", content.replicas),
        Group(view.wanted, "baseline", content.replicas),
        *([Group(content, "shadow", 1)] if view.trial.shadow_percent else []),
    ]


def _trial_ready(view: View, living: list[Instance]) -> bool:
    groups = _tried(view)
    return bool(groups) and all(len(group.ready(living)) >= group.count for group in groups)


def _render(view: View, living: list[Instance], backends: list[Instance]) -> str:
    """Routes to `backends`, and to canary and baseline when all of these are ready."""
    if not backends or not _trial_ready(view, living):
        return render(backends)
    share, names = view.trial.share, sides(view.trial.content.promotion)
    others = [_ports(group.ready(living)[: group.count]) for group in _tried(view)]
    main = router.service_name(backends[0].release, backends[0].digest)
    parts = [router.Backend(main, _ports(backends), 100 - 2 * share)] if share < HALF else []
    parts += [router.Backend(names[side], ports, share) for side, ports in zip(canary.SIDES, others, strict=False)]
    percent = view.trial.shadow_percent
    return router.render(parts, router.Shadow(others[-1][0], percent) if percent else None)


def _ports(instances: list[Instance]) -> tuple[int, ...]:
    return tuple(instance.port for instance in instances)


def _backends(view: View, living: list[Instance]) -> list[Instance]:
    """Who gets the requests: the wanted release once all of it is ready, and until then whatever serves."""
    wanted, serving = _ready(living, view.wanted), _ready(living, view.serving)
    complete = view.wanted is not None and len(wanted) >= view.wanted.replicas
    return wanted[: view.wanted.replicas] if complete else serving or wanted


def _ready(living: list[Instance], content: EnvironmentFile | None) -> list[Instance]:
    """Who may serve alone, the best first: a baseline only where nobody else does, one to be replaced until it is."""
    if content is None:
        return []
    groups = [Group(content, role, 0) for role in ("main", "baseline", "replaced")]
    return [one for group in groups for one in group.ready(living)]


def _bury(view: View) -> list[Action]:
    dead = [instance for instance in view.instances if instance.mark not in view.alive]
    return [GiveUp(one, "it ended before it was ready") if one.phase == "starting" else Forget(one) for one in dead]


def _start(view: View, living: list[Instance], groups: list[Group]) -> list[Action]:
    """Take back what was about to go, then start what is missing; nothing further before a release is installed."""
    actions: list[Action] = []
    for group in groups:
        own = [instance for instance in living if group.has(instance)]
        back = [one for one in own if one.phase == "draining" and group is groups[0]]  # others must be of one age
        there = len([one for one in own if one.phase in {"starting", "ready"}])
        missing = group.count - there - len(back)
        actions += [Change(one, "ready") for one in back[: max(0, group.count - there)]]
        if missing <= 0 or view.now < view.rest_until:
            continue
        if group.content.digest not in view.installed:
            return actions if group.content.digest in view.installing else [*actions, Install(group.content)]
        actions += [Start(group.content, group.role)] * missing
    return actions


def _grow_up(view: View, living: list[Instance]) -> list[Action]:
    actions: list[Action] = []
    for one in (instance for instance in living if instance.phase == "starting"):
        if one.mark in view.answering:
            actions.append(Change(one, "ready"))
        elif view.now - one.since > view.ready_seconds:
            actions.append(GiveUp(one, f"it was not ready after {view.ready_seconds:g} s"))
    return actions


def _confirm(view: View, backends: list[Instance], routes: str) -> list[Action]:
    if view.wanted is None or view.wanted == view.serving or not backends or view.routes != routes:
        return []
    return [Serve(view.wanted)] if backends[0].digest == view.wanted.digest and view.loaded and view.front else []


def _retire(view: View, living: list[Instance], groups: list[Group], backends: list[Instance]) -> list[Action]:
    """End what nobody needs, once the front door serves what is wanted: drain, ask, force."""
    actions: list[Action] = []
    for one in living:
        waited = view.now - one.since
        unwanted = one not in backends and not any(group.needs(one, living) for group in groups)
        if one.phase == "stopping" and waited > STOP_SECONDS:
            actions.append(Forget(one))
        elif (one.phase == "draining" and waited > view.drain_seconds) or (one.phase == "starting" and unwanted):
            actions.append(Change(one, "stopping"))
        elif one.phase == "ready" and unwanted and view.wanted == view.serving and view.loaded:
            actions.append(Change(one, "draining"))
    return actions
