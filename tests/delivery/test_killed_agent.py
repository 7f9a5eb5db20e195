"""A real agent, killed by SIGKILL at every step of what it does: the next one converges.

Never two releases that serve all, never none, no request that fails, no process that nobody knows.
"""

from __future__ import annotations

import dataclasses
import shutil
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from slipway.delivery import clients
from slipway.delivery.agent import installation, processes, state, supervision
from slipway.delivery.agent.agent import prefix
from slipway.delivery.load import traffic
from tests.delivery.conftest import CANARY, NO_PACKAGES, SETTINGS, Crew
from tests.delivery.killed_agent import Runner

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
TRIES = 3  # of an effect whose moment depends on chance


class Sweep:
    """Promotes one release after the other, and has the agent killed at another step each time."""

    def __init__(self, project, crew: Crew, runner: Runner) -> None:
        self.project, self.crew, self.runner = project, crew, runner
        self.new, self.old = VERSIONS

    def swap(self) -> None:
        """Let the other release be the new one."""
        self.new, self.old = self.old, self.new

    def run(self, fatal: str | None = None) -> tuple[int, list[str]]:
        """Let an agent work, and die at `fatal`."""
        return self.runner.run({self.old: "OLD", self.new: "NEW"}, fatal)

    def recover(self) -> None:
        """Let the next agent take over, and look at what it made of that."""
        self.crew.replace()
        self.crew.agent.settings = dataclasses.replace(SETTINGS, canary=QUICK)
        self.crew.settle()
        self.check()

    def check(self) -> None:
        """Exactly the new release serves, and nothing else is there."""
        known = state.read(self.crew.place)
        assert [(self.new, "main", "ready")] == [(one.release, one.role, one.phase) for one in known.instances]
        marks = {known.instances[0].tag, known.gateway.tag}
        assert marks == set(self.crew.running.values())
        assert {self.new} == {self.crew.serves for _ in range(5)}
        assert [] == list(self.crew.place.releases.glob(".incoming-*"))

    def forget_release(self) -> None:
        """Take the new release and what it needs off the machine."""
        digest = self.project.branch.published(self.new).digest
        folder = installation.folder(self.crew.place, digest)
        if folder.exists():
            shutil.rmtree(installation._environment(self.crew.place, folder))
            shutil.rmtree(folder)

    def kill_at_every_step(self, prepare, watch) -> list[str]:
        """Prepare, run and kill at each of the effects of a run that is not killed; returns these."""
        self.swap()
        prepare()
        with watch():
            code, effects = self.run()
            self.recover()
        assert 0 == code
        for fatal in effects:
            for _ in range(TRIES):
                self.swap()
                prepare()
                with watch():
                    code, _ = self.run(fatal)
                    self.recover()
                if code == -signal.SIGKILL:
                    break
            assert -signal.SIGKILL == code, f"never came again: {fatal}"
        return effects


@pytest.fixture
def sweep(project, crew, tmp_path):
    """v0.1.0 serves; the releases need different things."""
    for number, version in enumerate(VERSIONS):
        project.publish(version, requirements=f"{NO_PACKAGES}# {number}\n")
    settings = dataclasses.asdict(dataclasses.replace(SETTINGS, canary=QUICK))
    job = {"root": str(crew.place.root), "origin": str(project.origin), "store": str(project.store.root)}
    runner = Runner(tmp_path / "told", settings=settings, **job)
    sweep = Sweep(project, crew, runner)
    project.promote(sweep.new)
    crew.settle()
    yield sweep
    runner.close()


@contextmanager
def _asked(crew):
    """Ask the front door all the time: it always answers, and never goes back to a release that it has left."""
    seen: list[str | None] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.01):
            seen.append((clients.get_release(crew.agent.url) or {}).get("version"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    changes = [one for one, before in zip(seen, [None, *seen], strict=False) if one != before]
    assert None not in seen
    assert 2 >= len(changes), changes


def test_a_promotion(sweep):
    def prepare() -> None:
        sweep.forget_release()
        sweep.project.promote(sweep.new)

    effects = sweep.kill_at_every_step(prepare, lambda: _asked(sweep.crew))
    for expected in (
        "after Install NEW: rename staging/state.json",
        "in the background: start uv venv",
        "in StartService NEW main: start python …/service.py",
        "after StartService NEW main: rename staging/state.json",
        "in WriteRoutes: rename routes/routes.yml",
        "after ConfirmServing NEW: rename staging/state.json",
        "after SetPhase OLD main draining: rename staging/state.json",
        "in SetPhase OLD main stopping: signal 15",
        "after Reap OLD main: rename staging/state.json",
    ):
        assert expected in effects


def test_a_canary(sweep):
    @contextmanager
    def loaded():
        with traffic.flowing(sweep.crew.agent.url, ROWS, RATE, 1) as answers:
            yield
        assert 0 == answers.failed, answers

    def prepare() -> None:
        branch = sweep.project.branch
        branch.conclude("staging", branch.read("staging"), "The canary before has passed")
        sweep.project.promote(sweep.new, canary=QUICK)

    sweep.swap()
    sweep.project.promote(sweep.new)
    sweep.recover()
    effects = sweep.kill_at_every_step(prepare, loaded)
    for expected in (
        "in StartService OLD baseline: start python …/service.py",
        "after WriteRoutes (canary at step 0): rename staging/state.json",
        "in WriteRoutes (canary passed): rename routes/routes.yml",
        "after ConfirmServing NEW (canary passed): rename staging/state.json",
        "after Reap OLD baseline (canary passed): rename staging/state.json",
    ):
        assert expected in effects


def test_a_first_start(sweep):
    """Nothing runs, and nothing is known; what an installation does is swept with the promotion."""
    kept = sweep.crew.place.releases.with_name("kept")

    def prepare() -> None:
        supervision.stop(sweep.crew.place, timeout_seconds=3)
        sweep.crew.place.releases.rename(kept)
        for path in [path for path in sweep.crew.place.root.iterdir() if path != kept]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        kept.rename(sweep.crew.place.releases)
        sweep.project.promote(sweep.new)

    @contextmanager
    def unwatched():
        yield

    sweep.recover()
    sweep.swap()
    sweep.project.promote(sweep.new)
    sweep.recover()
    effects = sweep.kill_at_every_step(prepare, unwatched)
    for expected in (
        "in StartGateway: rename routes/watched-by",
        "in StartGateway: start traefik --entryPoints.front.address=….0.0.1:…",
        "after StartGateway: rename staging/state.json",
        "in WriteRoutes: rename routes/routes.yml",
        "after ConfirmServing NEW: rename staging/state.json",
    ):
        assert expected in effects


def test_what_a_killed_agent_had_at_work_ends_with_the_next(project, crew, monkeypatch):
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 60 #")
    project.git("remote", "set-url", "origin", "ssh://nowhere/project.git")
    supervision.detach(crew.place, 20)
    deadline = time.monotonic() + 20
    while len(crew.running) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    processes.kill([int(crew.place.lock.read_text())])
    left = set(crew.running.values())
    assert {f"{prefix(crew.place)}agent", state.read(crew.place).gateway.tag} == left
    crew.replace()
    assert {crew.agent.state.gateway.tag} == set(crew.running.values())
