"""The drill, small: everything is changed under load, and a fault in it is told."""

from __future__ import annotations

import pytest

from slipway.delivery import clients, drill, promotion
from slipway.delivery.agent import supervision
from slipway.delivery.home import Place, gateway_url
from slipway.errors import UserError
from slipway.settings import read_params


@pytest.mark.parametrize(
    ("runs", "outcomes"),
    [
        ([{"requests": 100, "failed": 0}] * 2, ["pass", "pass"]),
        ([{"requests": 100, "failed": 0}, {"requests": 100, "failed": 1}], ["pass", "fail"]),
        ([{"requests": 100, "failed": 0}, {"requests": 99, "failed": 0}], ["fail", "pass"]),
        ([], ["fail", "fail"]),
    ],
)
def test_one_failed_request_or_too_few_fail_the_drill(runs, outcomes):
    assert outcomes == [verdict.outcome for verdict in drill.judge(runs, 100)]


def test_without_another_release_there_is_nothing_to_drill(project, monkeypatch):
    monkeypatch.setenv("STAGING_URL", "http://127.0.0.1:1")
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    with pytest.raises(UserError, match="promote one, and publish another"):
        drill.Drill(project.root, "staging", None, project.store, read_params())


def test_only_this_machine_is_drilled(project, monkeypatch):
    monkeypatch.setenv("STAGING_URL", "http://192.0.2.1")
    with pytest.raises(UserError, match="not this machine"):
        drill.Drill(project.root, "staging", None, project.store, read_params())


def test_it_begins_only_when_the_front_door_serves_also_after_a_stop(project):
    """What the stopped agent wrote down still says that the release serves."""
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
    place, first = Place.of("staging"), project.promote("v0.1.0")
    try:
        supervision.detach(place, 10)
        promotion.wait("staging", first, 20)
        supervision.stop(place, timeout_seconds=3)
        supervision.detach(place, 10)
        drilled = drill.Drill(project.root, "staging", None, project.store, read_params())
        drilled._served(first)
        assert clients.serves(gateway_url("staging"), first.release, first.commit)
    finally:
        supervision.stop(place, timeout_seconds=3)


def test_no_request_fails_while_a_release_takes_over_goes_and_is_called_off(project):
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
    place = Place.of("staging")
    first = project.promote("v0.1.0")
    try:
        supervision.detach(place, 10)
        drilled = drill.Drill(project.root, "staging", None, project.store, read_params())
        result = drill.drill(project.root, drilled, "staging", 1, (1000, 300), 1)
    finally:
        supervision.stop(place, timeout_seconds=3)
    assert ["pass", "pass"] == [verdict.outcome for verdict in result.verdicts], result
    assert first == project.branch.read("staging")
