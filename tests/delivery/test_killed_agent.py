"""A real agent is killed by SIGKILL at the steps of a test, and its successor converges.

Exactly one release serves at any time, no request fails, and no orphan remains. `slipway test --kills` kills it at each
step of a run.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from slipway.agent import installation, processes, supervision
from slipway.agent.agent import prefix
from slipway.environment import client, state
from slipway.loadtest import traffic
from slipway.pull_request.jobs import KILLS
from slipway.settings.operation import CanarySection
from tests.delivery.conftest import CANARY, NO_PACKAGES, SETTINGS, Crew
from tests.delivery.killed_agent import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_STEP = os.environ.get(KILLS) == "all"
VERSIONS = ("v0.1.0", "v0.2.0")
QUICK = {
    **CANARY,
    "steps": [50],
    "step_seconds": 0,
    "minimum_requests": 20,
    "window_requests": 2,
    "interval_seconds": 0.02,
}
ROWS = [{"x": 1}, {"x": 2.5}]
RATE = 200  # requests/s
ATTEMPTS = 3  # for an effect whose time is random
UNREPEATED_MAX = 2  # effects of a busy machine, such as those of a second start of the gateway


class Sweep:
    """Promotes two releases alternately, and kills the agent at another step each time."""

    def __init__(self, project, crew: Crew, runner: Runner) -> None:
        self.project, self.crew, self.runner = project, crew, runner
        self.new, self.old = VERSIONS

    def swap(self) -> None:
        """Swap the roles of the releases."""
        self.new, self.old = self.old, self.new

    def run(self, fatal: str | None = None) -> tuple[int, list[str]]:
        """Run an agent, and kill it at `fatal`."""
        return self.runner.run({self.old: "OLD", self.new: "NEW"}, fatal)

    def recover(self) -> None:
        """Let the successor take over, and check the result."""
        self.crew.replace()
        self.crew.agent.canary = CanarySection.model_validate(QUICK)
        self.crew.settle()
        self.check()

    def check(self) -> None:
        """Assert that exactly the new release serves, and that nothing else is left."""
        observed = state.read(self.crew.place)
        assert [(self.new, "main", "ready")] == [
            (instance.release, instance.role, instance.phase) for instance in observed.instances
        ]
        tags = {observed.instances[0].tag, observed.gateway.tag}
        assert tags == set(self.crew.running.values())
        answers = [client.client().get(f"{self.crew.agent.url}/release") for _ in range(5)]
        assert [(200, self.new)] * 5 == [(answer.status_code, answer.json().get("version")) for answer in answers]
        assert [] == list(self.crew.place.releases.glob(".incoming-*"))

    def uninstall_release(self) -> None:
        """Remove the new release and its Python environment from the machine."""
        digest = self.project.branch.published(self.new).digest
        folder = installation.folder(self.crew.place, digest)
        if folder.exists():
            shutil.rmtree(installation._environment(self.crew.place, folder))
            shutil.rmtree(folder)

    def kill_at(self, steps: Sequence[str], prepare, watch) -> None:
        """Kill an agent at each of `steps`, or at each effect of a run that is not killed; the steps are among these.

        Another effect may depend on the load of the machine, and not occur again.
        """
        self.swap()
        prepare()
        with watch():
            code, effects = self.run()
            self.recover()
        assert 0 == code
        assert [] == [step for step in steps if step not in effects]
        missed = {fatal for fatal in (effects if EVERY_STEP else steps) if not self._kill(fatal, prepare, watch)}
        assert missed.isdisjoint(steps)
        assert len(missed) <= UNREPEATED_MAX, missed

    def _kill(self, fatal: str, prepare, watch) -> bool:
        """Kill an agent at the effect `fatal`, and return whether it occurred."""
        for _ in range(ATTEMPTS):
            self.swap()
            prepare()
            with watch():
                code, occurred = self.run(fatal)
                self.recover()
            if code == -signal.SIGKILL:
                return True
            assert fatal not in occurred, f"not killed at {fatal}"
        return False


@pytest.fixture
def sweep(project, crew, tmp_path):
    """Serve v0.1.0; the releases have different requirements."""
    for number, version in enumerate(VERSIONS):
        project.publish(version, requirements=f"{NO_PACKAGES}# {number}\n")
    job = {"root": str(crew.place.root), "origin": str(project.origin), "store": str(project.store.root)}
    runner = Runner(tmp_path / "effects", agent=SETTINGS.model_dump(), canary=QUICK, **job)
    sweep = Sweep(project, crew, runner)
    project.promote(sweep.new)
    crew.settle()
    yield sweep
    runner.close()


@contextmanager
def _polled(crew):
    """Poll the gateway: it always answers, and never returns to a release that it has left."""
    versions: list[str | None] = []
    done = threading.Event()

    def poll() -> None:
        while not done.wait(0.01):
            versions.append(getattr(client.get_release(crew.agent.url), "version", None))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    changes = [version for previous, version in pairwise([None, *versions]) if version != previous]
    assert None not in versions
    assert len(changes) <= 2, changes


def test_a_promotion(sweep):
    def prepare() -> None:
        sweep.uninstall_release()
        sweep.project.promote(sweep.new)

    steps = (
        "after Install NEW: rename staging/state.json",
        "in the background: start uv venv",
        "in StartService NEW main: start python …/service.py",
        "after StartService NEW main: rename staging/state.json",
        "in WriteRoutes: rename routes/routes.yml",
        "after ConfirmServing NEW: rename staging/state.json",
        "after SetPhase OLD main draining: rename staging/state.json",
        "in SetPhase OLD main stopping: signal 15",
        "after Reap OLD main: rename staging/state.json",
    )
    sweep.kill_at(steps, prepare, lambda: _polled(sweep.crew))


def test_a_canary(sweep):
    @contextmanager
    def loaded():
        with traffic.sending(sweep.crew.agent.url, ROWS, RATE, 1) as answers:
            yield
        assert 0 == answers.failed, answers

    def prepare() -> None:
        desired = sweep.project.desired_state()
        desired.conclude(desired.read(), "The previous canary has passed")
        sweep.project.promote(sweep.new, canary=QUICK)

    sweep.swap()
    sweep.project.promote(sweep.new)
    sweep.recover()
    steps = (
        "in StartService OLD baseline: start python …/service.py",
        "after WriteRoutes (canary at step 0): rename staging/state.json",
        "in WriteRoutes (canary passed): rename routes/routes.yml",
        "after ConfirmServing NEW (canary passed): rename staging/state.json",
        "after Reap OLD baseline (canary passed): rename staging/state.json",
    )
    sweep.kill_at(steps, prepare, loaded)


def test_a_first_start(sweep):
    """No process is running and no state exists. The sweep of the promotion covers the installation."""
    kept = sweep.crew.place.releases.with_name("kept")

    def prepare() -> None:
        supervision.stop(sweep.crew.place, timeout_seconds=3)
        sweep.crew.place.releases.rename(kept)
        for path in [path for path in sweep.crew.place.root.iterdir() if path != kept]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        kept.rename(sweep.crew.place.releases)
        sweep.project.promote(sweep.new)

    @contextmanager
    def unpolled():
        yield

    sweep.recover()
    sweep.swap()
    sweep.project.promote(sweep.new)
    sweep.recover()
    steps = (
        "in StartGateway: rename routes/watched-by",
        "in StartGateway: start traefik --entryPoints.front.address=….0.0.1:…",
        "after StartGateway: rename staging/state.json",
        "in WriteRoutes: rename routes/routes.yml",
        "after ConfirmServing NEW: rename staging/state.json",
    )
    sweep.kill_at(steps, prepare, unpolled)


def test_the_children_of_a_killed_agent_are_stopped_by_its_successor(project, crew, monkeypatch):
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 60 #")
    project.git("remote", "set-url", "origin", "ssh://nowhere/project.git")
    supervision.detach(crew.place, 20)
    deadline = time.monotonic() + 20
    while len(crew.running) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    processes.kill([int(crew.place.lock.read_text())])
    remaining = set(crew.running.values())
    assert {f"{prefix(crew.place)}agent", state.read(crew.place).gateway.tag} == remaining
    crew.replace()
    assert {crew.agent.state.gateway.tag} == set(crew.running.values())
