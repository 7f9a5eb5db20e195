"""Gates on the candidate alone, and the outcome of several gates."""

from __future__ import annotations

import pytest

from slipway.gates import Outcome, Verdict, model, overall
from slipway.gates.training_evidence import Export
from slipway.settings import read_settings
from tests.params import VALID

FLOOR = read_settings(VALID).gates.model_copy(update={"primary": "roc_auc", "floor": 0.6})


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        ({"parity": "3e-7", "rows": 10}, "pass"),
        ({"parity": "1e-5", "rows": 10}, "pass"),
        ({"parity": "2e-5", "rows": 10}, "fail"),
        ({"parity": "nan", "rows": 10}, "fail"),
        ({"parity": None, "rows": 10}, "fail"),
        (None, "fail"),
    ],
)
def test_the_parity_gate(export, expected):
    assert expected == model.parity(export and Export.model_validate(export), 1e-5).outcome


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({"roc_auc": 0.7}, "pass"),
        ({"roc_auc": 0.6}, "pass"),
        ({"roc_auc": 0.59}, "fail"),
        ({"roc_auc": float("nan")}, "fail"),
        ({}, "fail"),
    ],
)
def test_the_floor_gate(measured, expected):
    verdict = model.floor(measured, FLOOR, "binary")
    assert ("floor", expected) == (verdict.gate, verdict.outcome)


@pytest.mark.parametrize(("rmse", "expected"), [(5.0, "pass"), (11.0, "fail")])
def test_a_floor_is_a_ceiling_where_lower_is_better(rmse, expected):
    limits = FLOOR.model_copy(update={"primary": "rmse", "floor": 10})
    assert expected == model.floor({"rmse": rmse}, limits, "regression").outcome


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], "fail"),
        (["pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail", "pass"], "fail"),
    ],
)
def test_all_gates_together(outcomes, expected):
    assert expected == overall(Verdict("g", Outcome(outcome), "", "") for outcome in outcomes)
