"""The agent with real processes, a real gateway and a real origin; the service is a stub."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import psutil
import pytest

from slipway.agent import installation, processes, router, supervision
from slipway.agent.agent import prefix
from slipway.agent.lock import locked
from slipway.deployment import waiting
from slipway.environment import state
from slipway.environment.desired_state import DesiredState
from slipway.environment.environment import Environment
from slipway.errors import BusyError, ReleaseFailedError


@pytest.fixture
def first(project, crew):
    """v0.1.0 serves."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    assert "v0.1.0" == crew.serves
    return crew


def test_a_second_pass_does_nothing(first):
    before = first.agent.state.model_copy(deep=True)
    first.settle()
    first.replace()
    first.settle()
    stable = {"instances", "gateway", "serving", "events"}
    assert before.model_dump(include=stable) == first.agent.state.model_dump(include=stable)


def test_the_next_release_takes_over_and_the_old_one_ends(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0")
    first.settle()
    assert "v0.2.0" == first.serves
    assert ["v0.2.0"] == [instance.release for instance in first.agent.state.instances]
    assert 2 == len(first.running)


def test_no_request_fails_while_releases_change(project, first):
    import httpx

    project.publish("v0.2.0")
    project.promote("v0.2.0")
    first.agent.follower.poll()
    answers: list[int] = []
    with httpx.Client(trust_env=False) as client:

        def switched() -> bool:
            answers.extend(client.get(f"{first.agent.url}/release").status_code for _ in range(20))
            return ["v0.2.0"] == [instance.release for instance in first.agent.state.instances]

        first.until(switched)
    assert {200} == set(answers)


@pytest.mark.parametrize(
    ("kind", "reason"), [("crash", "it ended before it was ready"), ("deaf", "it was not ready after 3 s")]
)
def test_a_release_that_does_not_start_is_tried_once_and_the_old_one_keeps_serving(project, first, kind, reason):
    project.publish("v0.2.0", kind)
    content = project.promote("v0.2.0")
    first.settle()
    first.settle()
    assert "v0.1.0" == first.serves
    assert reason in first.agent.state.bad.reason
    assert ("which ends with: this release cannot start" in first.agent.state.bad.reason) is (kind == "crash")
    assert 1 == sum("starting v0.2.0" in text for text in first.events)
    with pytest.raises(ReleaseFailedError, match=rf"v0\.2\.0 was refused, v0\.1\.0 keeps serving: v0\.2\.0: {reason}"):
        waiting.until_served(Environment("staging"), content, 5)


def test_a_tampered_release_is_refused_and_the_old_one_keeps_serving(project, first):
    project.publish("v0.2.0")
    (project.store.root / "v0.2.0/model/model.onnx").write_text("another model")
    project.promote("v0.2.0")
    first.settle()
    assert "v0.1.0" == first.serves
    assert "model.onnx: SHA-256 is" in first.agent.state.bad.reason


def test_a_complete_release_that_is_not_the_promoted_one_is_refused(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0")
    shutil.rmtree(project.store.root / "v0.2.0")
    shutil.copytree(project.store.root / "v0.1.0", project.store.root / "v0.2.0")
    first.settle()
    assert "v0.1.0" == first.serves
    assert "v0.2.0: digest in the store is sha256:" in first.agent.state.bad.reason


def test_a_swapped_file_of_the_installed_release_is_fetched_again_before_the_next_start(first):
    installed = installation.folder(first.place, first.agent.state.serving.digest)
    (installed / "service.py").write_text("raise SystemExit('not what was released')")
    os.kill(first.agent.state.instances[0].pid, signal.SIGKILL)
    first.until(lambda: first.serves == "v0.1.0" and first.agent.reconcile())
    assert "not what was released" not in (installed / "service.py").read_text()


def truncate_the_state(place):
    os.truncate(place.state, 0)


def garble_the_state(place):
    place.state.write_bytes(b"\x00\xff{")


def remove_the_state(place):
    place.state.unlink()


def remove_the_url(place):
    place.url.unlink()


def garble_the_url(place):
    place.url.write_text("http://127.0.0.1:0/")


@pytest.mark.parametrize(
    ("fault", "killed"),
    [
        (truncate_the_state, True),
        (garble_the_state, False),
        (remove_the_state, True),
        (remove_the_url, True),
        (garble_the_url, True),
    ],
)
def test_the_address_survives_the_loss_of_either_file(first, fault, killed):
    """`state.json` owns the address, and `url` is derived from it. Each restores the other."""
    before = first.agent.url
    if killed:
        processes.kill_tagged(prefix(first.place))
    fault(first.place)
    first.replace()
    first.settle()
    assert before == first.agent.url == first.place.url.read_text().strip()
    assert ("v0.1.0", 2) == (first.serves, len(first.running))


def test_the_address_of_the_state_takes_precedence(first):
    before = first.agent.url
    first.place.url.write_text("http://127.0.0.1:15001\n")
    first.replace()
    first.settle()
    assert before == first.agent.url == first.place.url.read_text().strip()


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:20417\n", 20417),
        ("http://127.0.0.1:65536\n", None),
        ("http://127.0.0.1:0\n", None),
        ("http://127.0.0.1:2041", 2041),
        ("http://example.org:80\n", None),
        ("\x00" * 23, None),
        ("", None),
        (None, None),
    ],
)
def test_only_the_port_of_an_address_on_this_machine_is_parsed(url, port):
    assert port == router.port_of(url)


def test_a_state_with_new_times_only_is_written_at_each_heartbeat(first, monkeypatch):
    first.settle()
    written = []
    monkeypatch.setattr(state.files, "write_text", lambda path, _: written.append(path))
    first.agent.reconcile()
    assert [] == written
    first.agent.state.heartbeat -= state.HEARTBEAT_SECONDS
    first.agent.reconcile()
    first.agent.state.note("something")
    first.agent.reconcile()
    assert [first.place.state, first.place.state] == written


def test_replicas_serve_together(project, first):
    branch = project.branch
    two = DesiredState(branch, "staging").read().model_copy(update={"replicas": 2, "promotion": 2})
    DesiredState(branch, "staging").change(two, "Two of them", number=2)
    first.settle()
    assert 2 == len(first.agent.state.instances)
    assert 2 == first.place.routes.read_text().count("- url:")


def test_releases_with_equal_requirements_share_an_environment(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0")
    first.settle()
    assert 1 == len(list(first.place.environments.glob("*/.complete")))


def test_only_one_agent_at_a_time(first):
    with (
        locked(first.place),
        pytest.raises(BusyError, match="an agent of staging is already running"),
        locked(first.place),
    ):
        pytest.fail("two agents")


def test_an_agent_takes_a_removed_lock_again_or_ends_if_another_one_has_it(first):
    with locked(first.place) as lock:
        first.place.lock.unlink()
        lock.keep()
        with pytest.raises(BusyError, match="already running"), locked(first.place):
            pytest.fail("two agents")
        first.place.lock.unlink()
        with locked(first.place), pytest.raises(BusyError, match="already running"):
            lock.keep()


def test_a_process_without_the_tag_is_never_stopped(first):
    other = subprocess.Popen(["sleep", "60"])
    try:
        observed = state.read(first.place)
        observed.instances = [observed.instances[0].model_copy(update={"pid": other.pid})]
        state.write(first.place, observed)
        first.replace()
        first.settle()
        supervision.stop(first.place, timeout_seconds=3)
        assert psutil.STATUS_ZOMBIE != psutil.Process(other.pid).status()
    finally:
        other.kill()
        other.wait()
