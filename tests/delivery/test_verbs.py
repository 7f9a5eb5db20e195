"""The delivery commands end to end, each in its own process."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from slipway.agent import processes
from slipway.agent.agent import prefix
from slipway.cli import app
from slipway.environment.place import Place
from slipway.errors import UserError


def test_a_release_is_published_promoted_served_and_stopped(project, slipway):
    project.commit()
    folder = project.build("v0.1.0")
    slipway("release", "publish", str(folder))
    url = slipway("agent", "--environment", "staging", "--detach").removeprefix("staging: ").strip()
    assert f"staging: serves v0.1.0 at {url}" in slipway("promote", "--environment", "staging")
    slipway("smoke", "--environment", "staging")
    assert re.match(r"v0\.1\.0 +\w{12}  sha256:\w{64}  staging\n$", slipway("release", "list"))
    (listed,) = json.loads(slipway("release", "list", "--json"))
    assert ("v0.1.0", ["staging"], True) == (listed["release"], listed["desired_in"], listed["stored"])
    assert json.loads(slipway("status", "--json"))["environments"]["staging"]["agent"]["running"]
    tags = set(processes.tagged(prefix(Place.of("staging"))).values())
    assert ["agent", "router", "v0.1.0"] == sorted(tag.rpartition(":")[2].partition("-")[0] for tag in tags)
    slipway("stop", "--all")
    assert {} == processes.tagged(prefix(Place.of("staging")))


def test_an_agent_adopts_the_services_of_a_killed_one(project, slipway):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    place = Place.of("staging")
    url = slipway("agent", "--environment", "staging", "--detach")
    slipway("promote", "--environment", "staging")
    services = {pid for pid, tag in processes.tagged(prefix(place)).items() if not tag.endswith(":agent")}
    processes.kill([int(place.lock.read_text())])
    assert url == slipway("agent", "--environment", "staging", "--detach")
    assert services < set(processes.tagged(prefix(place)))


def test_once_converges_and_leaves_the_service_running(project, slipway):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    assert "staging: v0.1.0 serves at" in slipway("agent", "--environment", "staging", "--once")
    assert 2 == len(processes.tagged(prefix(Place.of("staging"))))


def test_once_fails_on_a_bad_release(project, slipway):
    project.publish("v0.1.0", "crash")
    project.promote("v0.1.0")
    output = slipway("agent", "--environment", "staging", "--once", expected=2)
    assert "slipway: staging: v0.1.0: it ended before it was ready" in output


def test_a_rejected_promotion_fails_in_one_line(project, slipway):
    project.publish("v0.1.0", "crash")
    slipway("agent", "--environment", "staging", "--detach")
    output = slipway("promote", "--environment", "staging", expected=2)
    assert "slipway: staging: v0.1.0 was refused, nothing keeps serving: v0.1.0: it ended" in output


def test_a_promotion_without_an_agent_is_refused(project):
    project.publish("v0.1.0")
    error = CliRunner().invoke(app, ["promote", "--environment", "staging"]).exception
    assert "run `slipway agent --environment staging --detach`" in str(error)
    assert project.desired_state("staging").read() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "--environment", "prod"], "--environment prod: unknown; use one of staging, production"),
        (["stop"], "stop: needs exactly one target; pass --environment NAME or --all"),
        (
            ["confirm", "--environment", "staging"],
            "no rewritten branch deploy is reported; there is nothing to confirm",
        ),
        (["promote", "--environment", "staging", "--no-wait"], "no release yet"),
        (
            ["promote", "--environment", "staging", "--no-wait", "--release", "v9.0.0"],
            "v9.0.0: no such release on origin",
        ),
        (["release", "publish"], "contains no manifest.json, so it is no release; run `slipway release build`"),
    ],
)
def test_a_user_error_is_one_line_with_the_fix(project, arguments, message):
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, UserError)
    assert message in str(error)
    assert 1 == len(str(error).splitlines())
