"""The smoke test is red when another release answers, or answers otherwise than when it was built."""

from __future__ import annotations

import math

import pytest

from slipway.delivery import promotion, smoke
from slipway.errors import UserError
from slipway.gates import Outcome
from slipway.results import read

KNOWN = {"tolerance": 0.01, "rows": [{}, {}], "predictions": [0.5, {"a": 0.25, "b": 0.75}]}
SHOWN = {"version": "v0.1.0", "commit": "c", "files": {"model.onnx": "1"}}


@pytest.mark.parametrize(
    ("answers", "expected"),
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
def test_known_rows_must_be_answered_as_when_the_release_was_built(answers, expected):
    assert expected == smoke.judge_predictions(KNOWN, answers).outcome


@pytest.mark.parametrize(("answer", "expected"), [(500_300.0, Outcome.PASS), (510_000.0, Outcome.FAIL)])
def test_a_large_prediction_may_differ_in_proportion(answer, expected):
    known = {"tolerance": 0.01, "rows": [{}], "predictions": [500_000.0]}
    assert expected == smoke.judge_predictions(known, [answer]).outcome


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (SHOWN, Outcome.PASS),
        (SHOWN | {"version": "v0.2.0"}, Outcome.FAIL),
        (SHOWN | {"files": {"model.onnx": "2"}}, Outcome.FAIL),
        (None, Outcome.FAIL),
    ],
)
def test_the_very_release_must_be_shown(shown, expected):
    assert expected == smoke.judge_release(SHOWN, shown).outcome


def test_a_promoted_release_passes_and_is_recorded_with_its_digest(project, crew):
    built = project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    assert 0 == smoke.smoke(project.root, "staging", project.store)
    assert built.digest == read(project.root / "results")["smoke"].evidence["digest"]


def test_an_environment_that_still_serves_the_old_release_fails(project, crew):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    project.publish("v0.2.0", "crash")
    project.promote("v0.2.0")
    assert 1 == smoke.smoke(project.root, "staging", project.store)


def test_an_environment_without_a_promotion_is_one_clear_line(project):
    with pytest.raises(UserError, match="not there; run `slipway promote --environment staging`"):
        smoke.smoke(project.root, "staging", project.store)


def test_a_promotion_that_nobody_follows_ends_with_what_was_last_seen(project, crew):
    project.publish("v0.1.0")
    crew.settle()
    content = project.promote("v0.1.0")
    with pytest.raises(UserError, match=r"does not serve v0\.1\.0 after 0\.5 s; its agent last reported \d+ s ago"):
        promotion.wait("staging", content, 0.5)
