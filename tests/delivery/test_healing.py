"""What drifted is healed by a real agent, within five seconds and what the start of a service takes."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass

import pytest

from slipway.delivery import clients, release
from slipway.delivery.agent import installation, state, supervision
from slipway.delivery.lock import is_running
from tests.delivery.conftest import HEALTH, PATIENCE, Crew

HEALED_SECONDS = 5
HANGS_SECONDS = HEALTH["health_failures"] * HEALTH["health_seconds"]
START_SECONDS = 3  # of a service of a few lines, on a busy machine
FOREIGN = """
http:
  routers: {theirs: {rule: "PathPrefix(`/`)", priority: 9999, service: theirs}}
  services: {theirs: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}}
"""


@dataclass
class Served:
    """An environment that a real agent serves."""

    crew: Crew
    url: str

    @property
    def place(self):
        return self.crew.place

    @property
    def known(self) -> state.State:
        return state.read(self.place) or state.State(environment="staging")

    @property
    def installed(self):
        return installation.folder(self.place, self.known.serving.digest)

    def healed(self, fault) -> float:
        """Do damage, and wait until all is well, `fault` undone; returns the seconds it took."""
        start, undone = time.monotonic(), fault(self)
        while not (undone() and self.is_well()):
            assert time.monotonic() - start < PATIENCE, self.known.model_dump_json(indent=1)
            time.sleep(0.05)
        return time.monotonic() - start

    def is_well(self) -> bool:
        known = self.known
        alone = [("v0.1.0", "main", "ready")] == [(one.release, one.role, one.phase) for one in known.instances]
        shown = (clients.get_release(self.url, 1) or {}).get("version")
        return alone and known.serving and "v0.1.0" == shown and is_running(self.place) and 3 == len(self.crew.running)

    def is_gone(self, one: state.Instance) -> bool:
        return one.tag not in {other.tag for other in self.known.instances}


@pytest.fixture
def served(project, crew):
    """v0.1.0 is served by an agent in a process of its own."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    url = supervision.detach(crew.place, PATIENCE)
    served = Served(crew, url)
    served.healed(lambda _: lambda: True)
    return served


def kill_the_service(served):
    (one,) = served.known.instances
    os.kill(one.pid, signal.SIGKILL)
    return lambda: served.is_gone(one)


def let_the_service_hang(served):
    (one,) = served.known.instances
    os.kill(one.pid, signal.SIGSTOP)
    return lambda: one.pid not in served.crew.running


def kill_the_front_door(served):
    os.kill(served.known.gateway.pid, signal.SIGKILL)
    return lambda: clients.is_reachable(served.url)


def let_the_front_door_hang(served):
    os.kill(served.known.gateway.pid, signal.SIGSTOP)
    return lambda: clients.is_reachable(served.url, 1)


def edit_the_routes(served):
    before = served.place.routes.read_text()
    served.place.routes.write_text("http: {}\n")
    return lambda: before == state.text(served.place.routes)


def add_routes(served):
    foreign = served.place.routes.with_name("aaa.yaml")
    foreign.write_text(FOREIGN)
    return lambda: not foreign.exists()


def delete_the_routes(served):
    shutil.rmtree(served.place.routes.parent)
    return served.place.routes.exists


def swap_the_model(served):
    (one,) = served.known.instances
    (served.installed / "model/model.onnx").write_text("another model")
    return lambda: served.is_gone(one) and served.installed.exists() and release.verify(served.installed, one.digest)


def delete_the_python_environment(served):
    (one,) = served.known.instances
    digest, environment = served.known.serving.digest, installation._environment(served.place, served.installed)
    shutil.rmtree(environment)
    return lambda: served.is_gone(one) and installation.is_installed(served.place, digest)


def delete_a_package(served):
    (one,) = served.known.instances
    environment = installation._environment(served.place, served.installed)
    (program,) = environment.glob("bin/python")
    program.unlink()
    return lambda: served.is_gone(one) and program.exists()


def delete_everything_of_the_environment(served):
    digest = served.known.serving.digest
    shutil.rmtree(served.place.root.rename(served.place.root.with_name("gone")))  # the agent may be writing there
    return lambda: served.place.url.exists() and installation.is_installed(served.place, digest)


@pytest.mark.parametrize(
    "fault",
    [
        kill_the_service,
        kill_the_front_door,
        edit_the_routes,
        add_routes,
        delete_the_routes,
        swap_the_model,
        delete_the_python_environment,
        delete_a_package,
        delete_everything_of_the_environment,
    ],
)
def test_it_is_healed(served, fault):
    assert HEALED_SECONDS + START_SECONDS > served.healed(fault)


@pytest.mark.parametrize("fault", [let_the_service_hang, let_the_front_door_hang])
def test_what_hangs_is_replaced(served, fault):
    """Later than the rest: after three checks, each waited for."""
    assert HANGS_SECONDS + HEALED_SECONDS + START_SECONDS > served.healed(fault)


def test_while_a_changed_release_is_replaced_no_request_fails(served):
    from slipway.delivery.load import traffic

    with traffic.flowing(served.url, [{"x": 1}], 100, 1) as answers:
        served.healed(swap_the_model)
    assert (0, True) == (answers.failed, answers.total > 0), answers


def test_a_changed_release_goes_on_serving_where_none_can_be_fetched(project, served):
    project.store.root.rename(project.store.root.with_name("away"))
    (one,) = served.known.instances
    (served.installed / "model/model.onnx").write_text("another model")
    deadline = time.monotonic() + PATIENCE
    while not any("will be retried" in event.text for event in served.known.events):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "v0.1.0" == clients.get_release(served.url)["version"]
    project.store.root.with_name("away").rename(project.store.root)
    served.healed(lambda _: lambda: served.is_gone(one))


def test_what_serves_is_healed_while_another_release_is_being_installed(project, served):
    """Also when that takes long, and comes to nothing."""
    project.publish("v0.2.0")
    os.mkfifo(project.store.root / "v0.2.0/model/endless")
    project.promote("v0.2.0")
    deadline = time.monotonic() + PATIENCE
    while not any("installing v0.2.0" in event.text for event in served.known.events):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert HEALED_SECONDS + START_SECONDS > served.healed(kill_the_service)
