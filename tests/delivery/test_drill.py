"""A small drill: releases change under load, and a failed request fails the drill."""

from __future__ import annotations

import pytest

from slipway.agent import supervision
from slipway.deployment import waiting
from slipway.environment import client
from slipway.environment.environment import Environment
from slipway.environment.place import Place
from slipway.errors import ArgumentError, NoReleaseError
from slipway.lab import drill
from slipway.loadtest.traffic import ResponseCounts
from slipway.settings import read_settings


@pytest.mark.parametrize(
    ("runs", "outcomes"),
    [
        ([(100, 0)] * 2, ["pass", "pass"]),
        ([(100, 0), (100, 1)], ["pass", "fail"]),
        ([(100, 0), (99, 0)], ["fail", "pass"]),
        ([], ["fail", "fail"]),
    ],
)
def test_a_failed_request_or_too_few_requests_fail_the_drill(runs, outcomes):
    counts = [ResponseCounts(requests=requests, failed=failed, failures=[]) for requests, failed in runs]
    assert outcomes == [verdict.outcome for verdict in drill.judge(counts, 100)]


def test_a_drill_requires_two_releases(project, monkeypatch):
    monkeypatch.setenv("STAGING_URL", "http://127.0.0.1:1")
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    with pytest.raises(NoReleaseError, match="a drill needs two releases"):
        drill.Drill(project.environment(), None, project.store, read_settings())


def test_a_drill_of_another_machine_is_refused(project, monkeypatch):
    monkeypatch.setenv("STAGING_URL", "http://192.0.2.1")
    with pytest.raises(ArgumentError, match="not this machine"):
        drill.Drill(project.environment(), None, project.store, read_settings())


def test_a_drill_after_a_restart_waits_until_the_gateway_serves(project):
    """The state file of the stopped agent still names the release as serving."""
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
    place, first = Place.of("staging"), project.promote("v0.1.0")
    try:
        supervision.detach(place, 10)
        waiting.until_served(Environment("staging"), first, 20)
        supervision.stop(place, timeout_seconds=3)
        supervision.detach(place, 10)
        drilled = drill.Drill(project.environment(), None, project.store, read_settings())
        drilled._wait_until_served(first)
        assert client.serves(Environment("staging").url, first.release, first.commit)
    finally:
        supervision.stop(place, timeout_seconds=3)


def test_no_request_fails_during_promotion_rollback_and_an_aborted_canary(project):
    file = project.root / "params.yaml"
    assert "hold_seconds: 8" in file.read_text()
    file.write_text(
        file.read_text().replace("hold_seconds: 8", "hold_seconds: 60")
    )  # windows of a busy machine are long
    project.commit()
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
    place = Place.of("staging")
    first = project.promote("v0.1.0")
    try:
        supervision.detach(place, 10)
        drilled = drill.Drill(project.environment(), None, project.store, read_settings())
        result = drill.drill(drilled, project.environment(), 1, (1000, 300), 1)
    finally:
        supervision.stop(place, timeout_seconds=3)
    assert ["pass", "pass"] == [verdict.outcome for verdict in result.verdicts], result
    assert first == project.desired_state("staging").read()
