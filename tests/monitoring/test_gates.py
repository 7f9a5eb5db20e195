"""What evidence becomes of: outcomes, what is told first, and whether a new model is asked for."""

from __future__ import annotations

import math

import pytest

from slipway.gates import Outcome, Verdict
from slipway.monitoring import gates
from slipway.settings import read_params

LIMITS = read_params()["monitoring"]


def finding(score: float, said: str = "size: odd") -> dict:
    return {"column": "size", "what": "shape", "score": score, "said": said}


def performance(value: float, half: float = 0.01, **changes: object) -> dict:
    found = {"value": value, "low": value - half, "high": value + half}
    return {"metric": "roc_auc", "promised": 0.7, "rows": 9, "all": found, "segments": {}} | changes


@pytest.mark.parametrize("question", gates.THRESHOLDS)
@pytest.mark.parametrize(
    ("score", "outcome"), [(-0.5, Outcome.PASS), (1.0, Outcome.PASS), (1.01, Outcome.FAIL), (math.nan, Outcome.FAIL)]
)
def test_a_finding_beyond_what_is_accepted_fails_and_is_told(question, score, outcome):
    verdict = gates.judge(question, {"rows": 9, "findings": [finding(score)]}, LIMITS)
    assert outcome == verdict.outcome
    assert "size: odd" in (verdict.reason if outcome is Outcome.FAIL else verdict.observed)


def test_the_furthest_is_told_first_and_many_are_counted():
    findings = [finding(9 - place, f"finding {place}") for place in range(6)]
    reason = gates.judge("skew", {"rows": 9, "findings": findings}, LIMITS).reason
    assert "finding 0; finding 1; finding 2; and 3 more" == reason


@pytest.mark.parametrize("question", [*gates.THRESHOLDS, "performance", "segments", "staleness"])
def test_a_question_that_could_not_be_asked_is_inconclusive_and_says_why(question):
    verdict = gates.judge(question, {"missing": "nobody knows"}, LIMITS)
    assert (Outcome.INCONCLUSIVE, "nobody knows") == (verdict.outcome, verdict.reason)


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (performance(0.7), Outcome.PASS),
        (performance(0.66), Outcome.PASS),
        (performance(0.62), Outcome.FAIL),
        (performance(0.62, half=0.05), Outcome.PASS),
        (performance(math.nan), Outcome.FAIL),
        (performance(0.7, promised=None), Outcome.FAIL),
        (performance(9.0, metric="rmse", promised=8.98), Outcome.PASS),
        (performance(9.1, metric="rmse", promised=9.0), Outcome.FAIL),
        (performance(8.0, metric="rmse", promised=9.0), Outcome.PASS),
    ],
)
def test_performance_fails_where_even_a_favourable_reading_is_worse_than_promised(evidence, outcome):
    assert outcome == gates.judge("performance", evidence, LIMITS).outcome


def test_a_segment_that_is_worse_is_named_and_one_without_a_promise_is_not_judged():
    segment = {"value": 0.5, "low": 0.49, "high": 0.51}
    found = {"origin=EWR": segment | {"promised": 0.7}, "origin=JFK": segment | {"promised": None}}
    verdict = gates.judge("segments", performance(0.7, segments=found), LIMITS)
    assert (Outcome.FAIL, "1 of 2 segments judged, 1 worse") == (verdict.outcome, verdict.observed)
    assert verdict.reason.startswith("origin=EWR: ")


ONE_CLASS = {"metric": "log_loss", "promised": 0.4}
NO_NUMBER = {"value": math.nan, "low": math.nan, "high": math.nan}


@pytest.mark.parametrize(
    ("segment", "outcome", "reason"),
    [
        (ONE_CLASS | {"value": 0.9, "low": 0.85, "high": 0.95}, Outcome.FAIL, "log_loss 0.9000"),
        (ONE_CLASS | {"value": 0.45, "low": 0.4, "high": 0.5}, Outcome.PASS, ""),
        (ONE_CLASS | NO_NUMBER, Outcome.INCONCLUSIVE, "log_loss is undefined"),
        ({"promised": 0.7} | NO_NUMBER, Outcome.INCONCLUSIVE, "roc_auc is undefined"),
        ({"promised": math.nan, "value": 0.7, "low": 0.69, "high": 0.71}, Outcome.INCONCLUSIVE, "roc_auc is undefined"),
    ],
)
def test_a_segment_without_the_primary_metric_is_judged_by_the_loss_or_proves_nothing(segment, outcome, reason):
    verdict = gates.judge("segments", performance(0.7, segments={"origin=EWR": segment}), LIMITS)
    assert outcome == verdict.outcome
    assert reason in verdict.reason


@pytest.mark.parametrize(("value", "outcome"), [(0.45, Outcome.PASS), (0.9, Outcome.FAIL)])
def test_labels_of_one_class_are_judged_by_the_loss(value, outcome):
    overall = ONE_CLASS | {"value": value, "low": value - 0.01, "high": value + 0.01}
    verdict = gates.judge("performance", performance(0.7, all=overall), LIMITS)
    assert outcome == verdict.outcome
    assert verdict.threshold.startswith("log_loss not worse than promised by ")


@pytest.mark.parametrize(
    ("data", "model", "old"),
    [(1.0, 1.0, []), (46.0, 1.0, ["data"]), (None, 91.0, ["model"]), (math.nan, 1.0, ["data"]), (None, 1.0, [])],
)
def test_what_is_too_old_is_named(data, model, old):
    verdict = gates.judge("staleness", {"data_days": data, "model_days": model}, LIMITS)
    assert (Outcome.FAIL if old else Outcome.PASS) == verdict.outcome
    assert all(name in verdict.reason for name in old)


def test_one_window_is_not_an_alarm_and_one_good_window_does_not_clear_it():
    bad, good = Verdict("drift", Outcome.FAIL, "", "far"), Verdict("drift", Outcome.PASS, "", "near")
    assert Outcome.INCONCLUSIVE == gates.with_alarm(bad, raised=False).outcome
    assert Outcome.FAIL == gates.with_alarm(good, raised=True).outcome
    assert (bad, good) == (gates.with_alarm(bad, raised=True), gates.with_alarm(good, raised=False))


def failed(*questions: str) -> dict:
    return gates.retrain([Verdict(name, Outcome.FAIL, "", "far", f"{name} is bad") for name in questions])


@pytest.mark.parametrize(
    ("questions", "trigger"),
    [((), None), (("health",), None), (("drift",), "drift"), (("staleness", "performance"), "decay"),
     (("staleness",), "staleness"), (("segments",), "decay"), (("predictions",), "drift")],
)  # fmt: skip
def test_decay_drift_and_age_ask_for_a_new_model_the_most_telling_first(questions, trigger):
    found = failed(*questions)
    assert (trigger is not None, trigger) == (found["wanted"], found["trigger"])


@pytest.mark.parametrize("broken", sorted(gates.BROKEN))
def test_nothing_is_learned_from_what_is_broken(broken):
    found = failed(broken, "performance", "drift")
    assert (False, None) == (found["wanted"], found["trigger"])
    assert f"{broken} is bad" in found["because"]
