"""Gates on the candidate alone, and the outcome of several gates."""

from __future__ import annotations

import pytest

from slipway.gates import Outcome, Verdict, model, overall

FLOOR = {"primary": "roc_auc", "floor": 0.6}


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        ({"parity": "3e-7", "rows": 10}, "pass"),
        ({"parity": "1e-5", "rows": 10}, "pass"),
        ({"parity": "2e-5", "rows": 10}, "fail"),
        ({"parity": "nan", "rows": 10}, "fail"),
        ({}, "fail"),
    ],
)
def test_the_parity_gate(export, expected):
    assert expected == model.parity(export, 1e-5).outcome


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        ({"model": {"roc_auc": 0.7}}, "pass"),
        ({"model": {"roc_auc": 0.6}}, "pass"),
        ({"model": {"roc_auc": 0.59}}, "fail"),
        ({"model": {"roc_auc": float("nan")}}, "fail"),
        ({"model": {}}, "fail"),
        ({}, "fail"),
    ],
)
def test_the_floor_gate(evaluation, expected):
    assert expected == model.floor(evaluation, FLOOR, "binary").outcome


@pytest.mark.parametrize(("rmse", "expected"), [(5.0, "pass"), (11.0, "fail")])
def test_a_floor_is_a_ceiling_where_lower_is_better(rmse, expected):
    params = {"primary": "rmse", "floor": 10}
    assert expected == model.floor({"model": {"rmse": rmse}}, params, "regression").outcome


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
