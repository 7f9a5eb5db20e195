"""Evidence becomes outcomes, reasons with the worst finding first, and a request for a retraining."""

from __future__ import annotations

import math

import pytest

from slipway.gates import Outcome, Verdict, monitoring
from slipway.gates.monitoring_evidence import (
    CheckEvidence,
    Finding,
    FindingsEvidence,
    PerformanceEvidence,
    RetrainRequest,
    StalenessEvidence,
)
from slipway.settings import read_settings

LIMITS = read_settings().monitoring


def finding(score: float, message: str = "size: unlike training") -> Finding:
    return Finding(column="size", what="shape", score=score, message=message)


def performance(
    value: float, half: float = 0.01, baseline: float | None = 0.7, metric: str = "roc_auc", **changes: object
) -> PerformanceEvidence:
    primary = {"metric": metric, "baseline": baseline}
    content = {**primary, "rows": 9, "all": {**primary, "value": value, "low": value - half, "high": value + half}}
    return PerformanceEvidence.model_validate(content | changes)


@pytest.mark.parametrize("check", monitoring.THRESHOLDS)
@pytest.mark.parametrize(
    ("score", "outcome"), [(-0.5, Outcome.PASS), (1.0, Outcome.PASS), (1.01, Outcome.FAIL), (math.nan, Outcome.FAIL)]
)
def test_a_finding_over_the_limit_fails_and_is_quoted(check, score, outcome):
    verdict = monitoring.judge(check, FindingsEvidence(rows=9, findings=[finding(score)]), LIMITS)
    assert outcome == verdict.outcome
    assert "size: unlike training" in (verdict.reason if outcome is Outcome.FAIL else verdict.observed)


def test_the_worst_finding_comes_first_and_the_rest_are_counted():
    findings = [finding(9 - place, f"finding {place}") for place in range(6)]
    reason = monitoring.judge("skew", FindingsEvidence(rows=9, findings=findings), LIMITS).reason
    assert "finding 0; finding 1; finding 2; and 3 more" == reason


@pytest.mark.parametrize("check", [*monitoring.THRESHOLDS, "performance", "segments", "staleness"])
def test_a_check_without_evidence_is_inconclusive_with_the_reason(check):
    verdict = monitoring.judge(check, CheckEvidence(missing="no labels"), LIMITS)
    assert (Outcome.INCONCLUSIVE, "no labels") == (verdict.outcome, verdict.reason)


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (performance(0.7), Outcome.PASS),
        (performance(0.66), Outcome.PASS),
        (performance(0.62), Outcome.FAIL),
        (performance(0.62, half=0.05), Outcome.PASS),
        (performance(math.nan), Outcome.FAIL),
        (performance(0.7, baseline=None), Outcome.FAIL),
        (performance(9.0, metric="rmse", baseline=8.98), Outcome.PASS),
        (performance(9.1, metric="rmse", baseline=9.0), Outcome.FAIL),
        (performance(8.0, metric="rmse", baseline=9.0), Outcome.PASS),
    ],
)
def test_performance_fails_where_even_the_better_end_of_the_interval_is_too_low(evidence, outcome):
    assert outcome == monitoring.judge("performance", evidence, LIMITS).outcome


@pytest.mark.parametrize("evidence", [performance(math.nan), performance(0.7, baseline=None)])
def test_performance_without_a_number_is_reported_as_undefined(evidence):
    verdict = monitoring.judge("performance", evidence, LIMITS)
    assert ("performance", "undefined") == (verdict.gate, verdict.observed)
    assert "roc_auc is undefined, or the release has no baseline for it" == verdict.reason


def test_a_worse_segment_is_named_and_one_without_a_baseline_is_not_judged():
    segment = {"metric": "roc_auc", "value": 0.5, "low": 0.49, "high": 0.51}
    segments = {"origin=EWR": segment | {"baseline": 0.7}, "origin=JFK": segment | {"baseline": None}}
    verdict = monitoring.judge("segments", performance(0.7, segments=segments), LIMITS)
    assert (Outcome.FAIL, "1 of 2 segments judged, 1 worse") == (verdict.outcome, verdict.observed)
    assert verdict.reason.startswith("origin=EWR: ")


ONE_CLASS = {"metric": "log_loss", "baseline": 0.4}
NO_NUMBER = {"value": math.nan, "low": math.nan, "high": math.nan}


@pytest.mark.parametrize(
    ("segment", "outcome", "reason"),
    [
        (ONE_CLASS | {"value": 0.9, "low": 0.85, "high": 0.95}, Outcome.FAIL, "log_loss 0.9000"),
        (ONE_CLASS | {"value": 0.45, "low": 0.4, "high": 0.5}, Outcome.PASS, ""),
        (ONE_CLASS | NO_NUMBER, Outcome.INCONCLUSIVE, "log_loss is undefined"),
        ({"metric": "roc_auc", "baseline": 0.7} | NO_NUMBER, Outcome.INCONCLUSIVE, "roc_auc is undefined"),
        (
            {"metric": "roc_auc", "baseline": math.nan, "value": 0.7, "low": 0.69, "high": 0.71},
            Outcome.INCONCLUSIVE,
            "roc_auc is undefined",
        ),
    ],
)
def test_a_segment_without_the_primary_metric_is_judged_by_the_loss_or_proves_nothing(segment, outcome, reason):
    verdict = monitoring.judge("segments", performance(0.7, segments={"origin=EWR": segment}), LIMITS)
    assert outcome == verdict.outcome
    assert reason in verdict.reason


@pytest.mark.parametrize(("value", "outcome"), [(0.45, Outcome.PASS), (0.9, Outcome.FAIL)])
def test_labels_of_one_class_are_judged_by_the_loss(value, outcome):
    overall = ONE_CLASS | {"value": value, "low": value - 0.01, "high": value + 0.01}
    verdict = monitoring.judge("performance", performance(0.7, all=overall), LIMITS)
    assert outcome == verdict.outcome
    assert verdict.threshold.startswith("log_loss at most ")


@pytest.mark.parametrize(
    ("data", "model", "old"),
    [(1.0, 1.0, []), (46.0, 1.0, ["data"]), (None, 91.0, ["model"]), (math.nan, 1.0, ["data"]), (None, 1.0, [])],
)
def test_data_or_a_model_that_is_too_old_is_named(data, model, old):
    verdict = monitoring.judge("staleness", StalenessEvidence(data_days=data, model_days=model), LIMITS)
    assert (Outcome.FAIL if old else Outcome.PASS) == verdict.outcome
    assert all(name in verdict.reason for name in old)


def test_one_window_neither_raises_nor_clears_an_alarm():
    bad, good = Verdict("drift", Outcome.FAIL, "", "far"), Verdict("drift", Outcome.PASS, "", "near")
    assert Outcome.INCONCLUSIVE == monitoring.with_alarm(bad, raised=False).outcome
    assert Outcome.FAIL == monitoring.with_alarm(good, raised=True).outcome
    assert (bad, good) == (monitoring.with_alarm(bad, raised=True), monitoring.with_alarm(good, raised=False))


def request(*checks: str) -> RetrainRequest:
    """Return the retraining request after `checks` have failed."""
    return monitoring.retrain([Verdict(name, Outcome.FAIL, "", "far", f"{name} is bad") for name in checks])


@pytest.mark.parametrize(
    ("checks", "trigger"),
    [((), None), (("health",), None), (("drift",), "drift"), (("staleness", "performance"), "decay"),
     (("staleness",), "staleness"), (("segments",), "decay"), (("predictions",), "drift")],
)  # fmt: skip
def test_decay_drift_and_staleness_request_a_retraining_the_most_specific_first(checks, trigger):
    requested = request(*checks)
    assert (trigger is not None, trigger) == (requested.requested, requested.trigger)


@pytest.mark.parametrize("broken", sorted(monitoring.DATA_FAULT_CHECKS))
def test_no_retraining_is_requested_while_the_data_is_broken(broken):
    requested = request(broken, "performance", "drift")
    assert (False, None) == (requested.requested, requested.trigger)
    assert f"{broken} is bad" in requested.because
