"""A real agent heals drift within five seconds plus the startup of a service."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass

import pytest

from slipway.agent import installation, supervision
from slipway.agent.lock import is_running
from slipway.environment import client, state
from slipway.release import manifest
from tests.delivery.conftest import HEALTH, TIMEOUT_SECONDS, Crew

HEALED_SECONDS = 5
HANGS_SECONDS = HEALTH["health_failures"] * HEALTH["health_seconds"]
START_SECONDS = 3  # for the stub service, on a busy machine
FOREIGN = """
http:
  routers: {theirs: {rule: "PathPrefix(`/`)", priority: 9999, service: theirs}}
  services: {theirs: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}}
"""


@dataclass
class Served:
    """An environment with a real agent."""

    crew: Crew
    url: str

    @property
    def place(self):
        return self.crew.place

    @property
    def observed(self) -> state.State:
        return state.read(self.place) or state.State(environment="staging")

    @property
    def installed(self):
        return installation.folder(self.place, self.observed.serving.digest)

    def healed(self, fault) -> float:
        """Inject `fault`, wait until it is undone and the environment is healthy, and return the seconds it took."""
        start, undone = time.monotonic(), fault(self)
        while not (undone() and self.is_healthy()):
            assert time.monotonic() - start < TIMEOUT_SECONDS, self.observed.model_dump_json(indent=1)
            time.sleep(0.05)
        return time.monotonic() - start

    def is_healthy(self) -> bool:
        observed = self.observed
        instances = [(instance.release, instance.role, instance.phase) for instance in observed.instances]
        alone = [("v0.1.0", "main", "ready")] == instances
        version = getattr(client.get_release(self.url, 1), "version", None)
        return (
            alone
            and observed.serving
            and "v0.1.0" == version
            and is_running(self.place)
            and 3 == len(self.crew.running)
        )

    def is_gone(self, instance: state.Instance) -> bool:
        return instance.tag not in {other.tag for other in self.observed.instances}


@pytest.fixture
def served(project, crew):
    """Serve v0.1.0 by an agent in a separate process."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    url = supervision.detach(crew.place, TIMEOUT_SECONDS)
    served = Served(crew, url)
    served.healed(lambda _: lambda: True)
    return served


def kill_the_service(served):
    (instance,) = served.observed.instances
    os.kill(instance.pid, signal.SIGKILL)
    return lambda: served.is_gone(instance)


def let_the_service_hang(served):
    (instance,) = served.observed.instances
    os.kill(instance.pid, signal.SIGSTOP)
    return lambda: instance.pid not in served.crew.running


def kill_the_gateway(served):
    os.kill(served.observed.gateway.pid, signal.SIGKILL)
    return lambda: client.is_reachable(served.url)


def let_the_gateway_hang(served):
    os.kill(served.observed.gateway.pid, signal.SIGSTOP)
    return lambda: client.is_reachable(served.url, 1)


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
    (instance,) = served.observed.instances
    (served.installed / "model/model.onnx").write_text("another model")
    return lambda: (
        served.is_gone(instance) and served.installed.exists() and manifest.verify(served.installed, instance.digest)
    )


def delete_the_python_environment(served):
    (instance,) = served.observed.instances
    digest, environment = served.observed.serving.digest, installation._environment(served.place, served.installed)
    shutil.rmtree(environment)
    return lambda: served.is_gone(instance) and installation.is_installed(served.place, digest)


def delete_a_package(served):
    (instance,) = served.observed.instances
    environment = installation._environment(served.place, served.installed)
    (program,) = environment.glob("bin/python")
    program.unlink()
    return lambda: served.is_gone(instance) and program.exists()


def delete_everything_of_the_environment(served):
    digest = served.observed.serving.digest
    shutil.rmtree(served.place.root.rename(served.place.root.with_name("gone")))  # the agent may be writing there
    return lambda: served.place.url.exists() and installation.is_installed(served.place, digest)


@pytest.mark.parametrize(
    "fault",
    [
        kill_the_service,
        kill_the_gateway,
        edit_the_routes,
        add_routes,
        delete_the_routes,
        swap_the_model,
        delete_the_python_environment,
        delete_a_package,
        delete_everything_of_the_environment,
    ],
)
def test_drift_is_healed(served, fault):
    assert served.healed(fault) < HEALED_SECONDS + START_SECONDS


@pytest.mark.parametrize("fault", [let_the_service_hang, let_the_gateway_hang])
def test_a_process_that_hangs_is_replaced(served, fault):
    """It takes longer than other drift, because three checks have to time out."""
    assert served.healed(fault) < HANGS_SECONDS + HEALED_SECONDS + START_SECONDS


def test_no_request_fails_while_a_changed_release_is_replaced(served):
    from slipway.loadtest import traffic

    with traffic.sending(served.url, [{"x": 1}], 100, 1) as answers:
        served.healed(swap_the_model)
    assert (0, True) == (answers.failed, answers.total > 0), answers


def test_a_changed_release_keeps_serving_if_it_cannot_be_fetched(project, served):
    project.store.root.rename(project.store.root.with_name("away"))
    (instance,) = served.observed.instances
    (served.installed / "model/model.onnx").write_text("another model")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not any("will be retried" in event.text for event in served.observed.events):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "v0.1.0" == client.get_release(served.url).version
    project.store.root.with_name("away").rename(project.store.root)
    served.healed(lambda _: lambda: served.is_gone(instance))


def test_the_serving_release_is_healed_while_another_one_is_installed(project, served):
    """Also if the installation never ends."""
    project.publish("v0.2.0")
    os.mkfifo(project.store.root / "v0.2.0/model/endless")
    project.promote("v0.2.0")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not any("installing v0.2.0" in event.text for event in served.observed.events):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert served.healed(kill_the_service) < HEALED_SECONDS + START_SECONDS
