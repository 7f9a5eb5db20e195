"""The smoke test fails when a different release serves, or when predictions differ from those of the build."""

from __future__ import annotations

import math

import pytest

from slipway.deployment import smoke, waiting
from slipway.environment.environment import Environment, NotDeployedError
from slipway.environment.release_facts import ReleaseFacts
from slipway.errors import NotReadyError
from slipway.gates import Outcome
from slipway.release import smoke_rows
from slipway.release.manifest import SmokeTest
from slipway.results import read

EXPECTED = SmokeTest(tolerance=0.01, rows=[{}, {}], predictions=[0.5, {"a": 0.25, "b": 0.75}])
FACTS = ReleaseFacts(version="v0.1.0", commit="c", files={"model.onnx": "1"})


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        ([0.5, {"a": 0.25, "b": 0.75}], Outcome.PASS),
        ([0.505, {"a": 0.25, "b": 0.75}], Outcome.PASS),
        ([0.52, {"a": 0.25, "b": 0.75}], Outcome.FAIL),
        ([0.5, {"a": 0.25, "b": 0.5}], Outcome.FAIL),
        ([0.5, {"a": 0.25}], Outcome.FAIL),
        ([0.5, 0.25], Outcome.FAIL),
        ([math.nan, {"a": 0.25, "b": 0.75}], Outcome.FAIL),
        (["0.5", {"a": 0.25, "b": 0.75}], Outcome.FAIL),
        ([0.5], Outcome.FAIL),
        (None, Outcome.FAIL),
    ],
)
def test_predictions_must_match_those_of_the_build(predictions, expected):
    assert expected == smoke_rows.judge_predictions(EXPECTED, predictions).outcome


@pytest.mark.parametrize(("predicted", "expected"), [(500_300.0, Outcome.PASS), (510_000.0, Outcome.FAIL)])
def test_the_tolerance_is_relative_for_a_large_prediction(predicted, expected):
    smoke_test = SmokeTest(tolerance=0.01, rows=[{}], predictions=[500_000.0])
    assert expected == smoke_rows.judge_predictions(smoke_test, [predicted]).outcome


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (FACTS, Outcome.PASS),
        (FACTS.model_copy(update={"version": "v0.2.0"}), Outcome.FAIL),
        (FACTS.model_copy(update={"files": {"model.onnx": "2"}}), Outcome.FAIL),
        (ReleaseFacts(**FACTS.model_dump(), another="fact"), Outcome.FAIL),
        (None, Outcome.FAIL),
    ],
)
def test_the_served_release_must_match_in_every_fact(served, expected):
    assert expected == smoke.judge_release(FACTS, served).outcome


def test_a_promoted_release_passes_and_is_recorded_with_its_digest(project, crew):
    built = project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    assert 0 == smoke.smoke(project.environment("staging"), project.store)
    assert built.digest == read(project.root / "results")["smoke"].evidence.digest


def test_an_environment_that_still_serves_the_old_release_fails(project, crew):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    project.publish("v0.2.0", "crash")
    project.promote("v0.2.0")
    assert 1 == smoke.smoke(project.environment("staging"), project.store)


def test_an_environment_without_a_promotion_is_a_user_error(project):
    with pytest.raises(NotDeployedError, match="staging: nothing is deployed; run `slipway promote"):
        smoke.smoke(project.environment("staging"), project.store)


def test_the_wait_for_a_promotion_times_out_with_the_last_contact_of_the_agent(project, crew):
    project.publish("v0.1.0")
    crew.settle()
    content = project.promote("v0.1.0")
    with pytest.raises(NotReadyError, match=r"does not serve v0\.1\.0 after 0\.5 s; its agent last reported \d+ s ago"):
        waiting.until_served(Environment("staging"), content, 0.5)
