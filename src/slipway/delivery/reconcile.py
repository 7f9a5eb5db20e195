"""What to do next so that an environment becomes what it should be: a pure function of what should be and what is.

It is asked again after each step, so an agent that was killed anywhere goes on from what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.delivery import router

if TYPE_CHECKING:
    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.state import Bad, Instance, Phase

STOP_SECONDS = 10  # for a service to end by itself


@dataclass(frozen=True)
class View:
    """What should be, and what is."""

    now: float
    wanted: EnvironmentFile | None
    serving: EnvironmentFile | None
    instances: tuple[Instance, ...]
    alive: frozenset[str]
    """Marks of the instances whose process is there."""
    answering: frozenset[str]
    """Marks of the starting instances that are ready, and say that they are their release."""
    installed: bool
    """Whether `wanted` can be started."""
    router_alive: bool
    routes: str | None
    """Text of the routes file."""
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


def target(desired: EnvironmentFile | None, bad: Bad | None, serving: EnvironmentFile | None) -> EnvironmentFile | None:
    """What to run: the desired release, or what served before when that one was tried and is bad, or none is named."""
    return serving if desired is None or (bad is not None and bad.content == desired) else desired


def plan(view: View) -> list[Action]:
    """Steps that can be done now, in order. None: everything is as it should be, or must be waited for."""
    living = [instance for instance in view.instances if instance.mark in view.alive]
    backends = _backends(view, living)
    routes = render(backends)
    return [
        *([] if view.router_alive else [StartRouter()]),
        *_bury(view),
        *_start(view, living),
        *_grow_up(view, living),
        *([] if view.routes == routes else [Route(routes)]),
        *_confirm(view, backends, routes),
        *_retire(view, living, backends),
    ]


def render(backends: list[Instance]) -> str:
    """Routes that give all requests to `backends`, which are of one release."""
    if not backends:
        return router.render({})
    name = router.service_name(backends[0].release, backends[0].digest)
    return router.render({name: (1, tuple(instance.port for instance in backends))})


def _backends(view: View, living: list[Instance]) -> list[Instance]:
    """Who gets the requests: the wanted release once all of it is ready, and until then whatever serves."""
    wanted, serving = _ready(living, view.wanted), _ready(living, view.serving)
    complete = view.wanted is not None and len(wanted) >= view.wanted.replicas
    return wanted[: view.wanted.replicas] if complete else serving or wanted


def _ready(living: list[Instance], content: EnvironmentFile | None) -> list[Instance]:
    return [one for one in living if content and one.digest == content.digest and one.phase == "ready"]


def _bury(view: View) -> list[Action]:
    dead = [instance for instance in view.instances if instance.mark not in view.alive]
    return [GiveUp(one, "it ended before it was ready") if one.phase == "starting" else Forget(one) for one in dead]


def _start(view: View, living: list[Instance]) -> list[Action]:
    """Take back what was about to go, then start what is missing."""
    if view.wanted is None:
        return []
    own = [instance for instance in living if instance.digest == view.wanted.digest]
    back = [one for one in own if one.phase == "draining"]
    there = len([one for one in own if one.phase in {"starting", "ready"}])
    missing = view.wanted.replicas - there - len(back)
    revived: list[Action] = [Change(one, "ready") for one in back[: max(0, view.wanted.replicas - there)]]
    if missing <= 0 or view.now < view.rest_until:
        return revived
    return [*revived, *([Start(view.wanted)] * missing if view.installed else [Install(view.wanted)])]


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
    return [Serve(view.wanted)] if backends[0].digest == view.wanted.digest and view.front else []


def _retire(view: View, living: list[Instance], backends: list[Instance]) -> list[Action]:
    """End what nobody needs, once the front door serves what is wanted: drain, ask, force."""
    actions: list[Action] = []
    for one in living:
        waited = view.now - one.since
        unwanted = one not in backends and (
            view.wanted is None or one.digest != view.wanted.digest or one.phase == "ready"
        )
        if one.phase == "stopping" and waited > STOP_SECONDS:
            actions.append(Forget(one))
        elif (one.phase == "draining" and waited > view.drain_seconds) or (one.phase == "starting" and unwanted):
            actions.append(Change(one, "stopping"))
        elif one.phase == "ready" and unwanted and view.wanted == view.serving:
            actions.append(Change(one, "draining"))
    return actions
