"""The plan as a pure function of desired and observed state. A simulated environment shows that it converges."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
import yaml

from slipway.agent import reconcile
from slipway.agent.reconcile import (
    CanaryTrial,
    ConfirmServing,
    FailStart,
    Install,
    Reap,
    SetPhase,
    StartGateway,
    StartService,
    View,
    WriteRoutes,
    plan,
)
from slipway.environment.spec import Baseline, Canary, EnvironmentFile
from slipway.environment.state import BadPromotion, Instance
from slipway.gates.canary_progress import begin


def _content(number: int, replicas: int = 1) -> EnvironmentFile:
    digest = f"sha256:{number:064x}"
    return EnvironmentFile(
        release=f"v0.{number}.0", digest=digest, commit="c" * 40, promotion=number, replicas=replicas
    )


def _instance(content: EnvironmentFile, phase="ready", port=1000, since=0.0, role="main") -> Instance:
    tag = f"{content.release}-{port}"
    return Instance(
        tag=tag,
        digest=content.digest,
        release=content.release,
        port=port,
        pid=port,
        phase=phase,
        since=since,
        role=role,
    )


OLD, NEW = _content(1), _content(2)
RUNNING = _instance(OLD)


def _view(**changes) -> View:
    """Return a view in which OLD serves and nothing is to be done, with `changes`."""
    instances = changes.get("instances", (RUNNING,))
    converged = View(
        now=100.0,
        target=OLD,
        trial=None,
        serving=OLD,
        instances=instances,
        alive=frozenset(instance.tag for instance in instances),
        answering=frozenset(),
        installed=frozenset({OLD.digest, NEW.digest}),
        installing=frozenset(),
        gateway_alive=True,
        routes=reconcile.render([instance for instance in instances if instance.phase == "ready"][:1]),
        loaded=True,
        confirmed=False,
        rest_until=0.0,
        ready_seconds=60,
        drain_seconds=5,
    )
    return replace(converged, **changes)


STARTING, DRAINING = _instance(NEW, "starting", 2000, 99.0), _instance(OLD, "draining", 1000, 98.0)
READY = _instance(NEW, "ready", 2000)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (_view(), []),
        (_view(gateway_alive=False), [StartGateway()]),
        (_view(routes="http: {}"), [WriteRoutes(reconcile.render([RUNNING]))]),
        (_view(target=NEW, installed=frozenset()), [Install(NEW)]),
        (_view(target=NEW), [StartService(NEW)]),
        (_view(target=NEW, rest_until=101.0), []),
        (_view(target=NEW, instances=(RUNNING, STARTING)), []),
        (_view(target=NEW, instances=(RUNNING, STARTING), answering={STARTING.tag}), [SetPhase(STARTING, "ready")]),
        (
            _view(target=NEW, instances=(RUNNING, STARTING), now=160.0),
            [FailStart(STARTING, "it was not ready after 60 s")],
        ),
        (_view(target=NEW, instances=(RUNNING, READY)), [WriteRoutes(reconcile.render([READY]))]),
        (_view(target=NEW, instances=(RUNNING, READY), routes=reconcile.render([READY])), []),
        (
            _view(target=NEW, instances=(RUNNING, READY), routes=reconcile.render([READY]), confirmed=True),
            [ConfirmServing(NEW)],
        ),
        (_view(target=NEW, serving=NEW, instances=(READY, RUNNING)), [SetPhase(RUNNING, "draining")]),
        (_view(target=NEW, serving=NEW, instances=(READY, DRAINING)), []),
        (_view(target=NEW, serving=NEW, instances=(READY, DRAINING), now=104.0), [SetPhase(DRAINING, "stopping")]),
        (_view(instances=(RUNNING, STARTING)), [SetPhase(STARTING, "stopping")]),
        (_view(target=None, serving=None, instances=(), routes=reconcile.render([])), []),
    ],
)
def test_the_next_actions(view, expected):
    assert expected == plan(view)


def test_a_dead_service_is_reaped_and_another_one_started():
    assert [Reap(RUNNING), StartService(OLD)] == plan(_view(alive=frozenset()))[:2]


def test_a_service_that_ends_while_it_starts_has_failed():
    view = _view(target=NEW, instances=(RUNNING, STARTING), alive={RUNNING.tag})
    assert FailStart(STARTING, "it ended before it was ready") == plan(view)[0]


def test_a_draining_service_returns_to_service():
    view = _view(instances=(READY, DRAINING), serving=NEW)
    assert SetPhase(DRAINING, "ready") == plan(view)[0]


def test_a_service_that_does_not_stop_is_killed():
    stopping = _instance(OLD, "stopping", 1000, 80.0)
    assert [Reap(stopping)] == plan(_view(target=NEW, serving=NEW, instances=(READY, stopping)))


def test_the_old_release_serves_until_every_replica_of_the_new_one_is_ready():
    view = _view(target=_content(2, replicas=2), instances=(RUNNING, READY, _instance(NEW, "starting", 3000, 99.0)))
    assert [] == plan(view)


@pytest.mark.parametrize(
    ("desired", "bad", "serving", "expected"),
    [
        (NEW, None, OLD, NEW),
        (None, None, OLD, OLD),
        (NEW, BadPromotion(content=NEW, reason="", time=0), OLD, OLD),
        (NEW, BadPromotion(content=NEW, reason="", time=0), None, None),
        (_content(3), BadPromotion(content=NEW, reason="", time=0), OLD, _content(3)),
    ],
)
def test_a_bad_release_is_not_the_target(desired, bad, serving, expected):
    assert (expected, None) == reconcile.resolve_target(desired, bad, serving)


def _with_canary(number: int, baseline: EnvironmentFile) -> EnvironmentFile:
    named = Baseline(**baseline.model_dump(include=set(Baseline.model_fields)))
    return _content(number).model_copy(update={"canary": Canary(steps=(10, 50), shadow_percent=0, baseline=named)})


TRIED = _with_canary(2, OLD)
PASSED = begin(2, 0.0).model_copy(update={"outcome": "passed"})


@pytest.mark.parametrize(
    ("serving", "progress", "concluded", "expected"),
    [
        (OLD, None, False, (OLD, CanaryTrial(TRIED, 10))),
        (OLD, begin(2, 0.0).model_copy(update={"step": 1}), False, (OLD, CanaryTrial(TRIED, 50))),
        (OLD, begin(1, 0.0).model_copy(update={"step": 1}), False, (OLD, CanaryTrial(TRIED, 10))),
        (OLD, PASSED, False, (TRIED, None)),
        (OLD, None, True, (TRIED, None)),
        (TRIED, None, False, (TRIED, None)),
        (None, None, False, (OLD, CanaryTrial(TRIED, 10))),
    ],
    ids=["begins", "continues", "other promotion", "passed", "concluded", "serves", "state lost"],
)
def test_a_canary_is_required_until_the_release_is_proven(serving, progress, concluded, expected):
    assert expected == reconcile.resolve_target(TRIED, None, serving, progress, concluded=concluded)


def test_after_a_bad_canary_the_predecessor_is_the_target():
    bad = BadPromotion(content=TRIED, reason="", time=0)
    assert (OLD, None) == reconcile.resolve_target(TRIED, bad, None)


def test_a_canary_in_its_shadow_step_gets_copies_only():
    content = TRIED.model_copy(update={"canary": TRIED.canary.model_copy(update={"shadow_percent": 30})})
    assert CanaryTrial(content, 0, 30) == reconcile.resolve_target(content, None, OLD)[1]


CANARY = _instance(TRIED, "ready", 2000)
BASELINE = _instance(OLD, "ready", 3000, role="baseline")
ON_TRIAL = {"trial": CanaryTrial(TRIED, 10), "instances": (RUNNING, CANARY, BASELINE)}


def _weights(view: View) -> dict[str, int]:
    """Return the weight of each port in the next routes."""
    (text,) = [action.text for action in plan(view) if isinstance(action, WriteRoutes)]
    services = yaml.safe_load(text)["http"]["services"]
    ports = {
        name: int(service["loadBalancer"]["servers"][0]["url"].rpartition(":")[2])
        for name, service in services.items()
        if name != "releases"
    }
    return {ports[service["name"]]: service["weight"] for service in services["releases"]["weighted"]["services"]}


def test_canary_and_baseline_start_together():
    view = _view(trial=CanaryTrial(TRIED, 10))
    assert [StartService(TRIED), StartService(OLD, "baseline")] == plan(view)


def test_the_baseline_starts_after_the_canary_is_installed():
    view = _view(trial=CanaryTrial(TRIED, 10), installed=frozenset({OLD.digest}))
    assert [Install(TRIED)] == plan(view)


def test_a_trial_starts_after_its_predecessor_serves():
    view = _view(trial=CanaryTrial(TRIED, 10), serving=None, instances=(), routes=reconcile.render([]))
    assert [StartService(OLD)] == plan(view)


@pytest.mark.parametrize(("weight", "expected"), [(10, {1000: 80, 2000: 10, 3000: 10}), (50, {2000: 50, 3000: 50})])
def test_canary_and_baseline_get_equal_weights(weight, expected):
    assert expected == _weights(_view(**{**ON_TRIAL, "trial": CanaryTrial(TRIED, weight)}))


def test_no_request_goes_to_a_canary_whose_baseline_is_not_ready():
    view = _view(trial=CanaryTrial(TRIED, 10), instances=(RUNNING, CANARY))
    assert not [action for action in plan(view) if isinstance(action, WriteRoutes)]


def test_a_baseline_serves_all_requests_if_no_other_service_is_alive():
    view = _view(instances=(RUNNING, BASELINE), alive=frozenset({BASELINE.tag}))
    assert {3000: 100} == _weights(view)


def test_copies_go_to_the_shadow_and_requests_to_the_predecessor():
    shadow = _instance(TRIED, "ready", 4000, role="shadow")
    view = _view(trial=CanaryTrial(TRIED, 0, 30), instances=(RUNNING, CANARY, BASELINE, shadow))
    (text,) = [action.text for action in plan(view) if isinstance(action, WriteRoutes)]
    http = yaml.safe_load(text)["http"]
    assert "mirrored" == http["routers"]["front"]["service"]
    assert [{"name": "shadow", "percent": 30}] == http["services"]["mirrored"]["mirroring"]["mirrors"]
    assert ["http://127.0.0.1:4000"] == [
        server["url"] for server in http["services"]["shadow"]["loadBalancer"]["servers"]
    ]
    assert 1 == len(http["services"]["releases"]["weighted"]["services"])
    assert ["inside"] == http["routers"]["canary-2"]["entryPoints"]


def test_after_a_failed_canary_it_and_its_baseline_are_retired():
    view = _view(instances=(RUNNING, CANARY, BASELINE))
    assert [SetPhase(CANARY, "draining"), SetPhase(BASELINE, "draining")] == plan(view)


def test_no_service_drains_before_the_gateway_has_loaded_the_routes():
    assert [] == plan(_view(instances=(RUNNING, CANARY, BASELINE), loaded=False))


class World:
    """Simulated environment that executes plans. Services become ready with time, and anything may fail."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now, self.port = 0.0, 1000
        self.target, self.trial, self.serving = OLD, None, None
        self.instances: list[Instance] = []
        self.dead: set[str] = set()
        self.routes, self.gateway, self.installed = None, False, set()

    def view(self) -> View:
        alive = frozenset(instance.tag for instance in self.instances) - self.dead
        ready = {
            instance.tag
            for instance in self.instances
            if instance.phase == "starting" and self.now - instance.since > 2
        }
        routed = [
            instance for instance in self.instances if self.routes and re.search(rf":{instance.port}\b", self.routes)
        ]
        confirmed = self.gateway and bool(routed) and all(instance.digest == self.target.digest for instance in routed)
        return View(
            now=self.now, target=self.target, trial=self.trial, serving=self.serving,
            instances=tuple(self.instances), alive=alive, answering=frozenset(ready & alive),
            installed=frozenset(self.installed), installing=frozenset(),
            gateway_alive=self.gateway, routes=self.routes, loaded=self.gateway, confirmed=confirmed,
            rest_until=0.0, ready_seconds=60, drain_seconds=5,
        )  # fmt: skip

    def do(self, action) -> None:
        match action:
            case StartGateway():
                self.gateway = True
            case WriteRoutes(text):
                self.routes = text
            case ConfirmServing(content):
                self.serving = content
            case Install(content):
                self.installed.add(content.digest)
            case StartService(content, role):
                self.port += 1
                self.instances.append(_instance(content, "starting", self.port, self.now, role))
            case SetPhase(instance, phase):
                changed = instance.model_copy(update={"phase": phase, "since": self.now})
                self.instances = [changed if other.tag == instance.tag else other for other in self.instances]
                self.dead |= {instance.tag} if phase == "stopping" else set()
            case FailStart(instance) | Reap(instance):
                self.instances = [other for other in self.instances if other.tag != instance.tag]

    def reconcile(self, *, faults: bool) -> None:
        self.now += 0.5
        for _ in range(100):
            actions = plan(self.view())
            if not actions:
                return
            self.do(actions[0])
            if faults and self.chance.random() < 0.1:
                self.break_something()
                return
        raise AssertionError("the plan never ends")

    def end_trial(self, *, passed: bool) -> None:
        """Change the target as after the end of a canary."""
        self.target, self.trial = self.trial.content if passed else self.target, None

    def break_something(self) -> None:
        kind = self.chance.choice(["service", "gateway", "routes", "target", "installed"])
        if kind == "service" and self.instances:
            self.dead.add(self.chance.choice(self.instances).tag)
        elif kind == "gateway":
            self.gateway = False
        elif kind == "routes":
            self.routes = self.chance.choice([None, "", "http: {}"])
        elif kind == "target":
            self.target = _content(self.chance.randint(1, 3), self.chance.randint(1, 3))
            tried = _content(self.chance.randint(4, 5), self.target.replicas)
            self.trial = self.chance.choice(
                [None, CanaryTrial(tried, 10), CanaryTrial(tried, 50), CanaryTrial(tried, 0, 100)]
            )
        elif kind == "installed":
            self.installed.clear()


@pytest.mark.parametrize("seed", range(50))
def test_the_environment_converges_to_the_target_after_any_fault(seed):
    world = World(random.Random(seed))
    for _ in range(100):
        world.reconcile(faults=True)
    for _ in range(60):
        world.reconcile(faults=False)
    if world.trial is not None:
        assert reconcile.is_on_trial(world.view())
        assert world.target == world.serving
        world.end_trial(passed=seed % 2 == 0)
    for _ in range(60):
        world.reconcile(faults=False)
    assert [] == plan(world.view())
    assert world.target == world.serving
    assert [(world.target.digest, "ready")] * world.target.replicas == [(i.digest, i.phase) for i in world.instances]
    assert world.gateway
    assert reconcile.render(world.instances) == world.routes
