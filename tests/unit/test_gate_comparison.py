"""Every gate on a comparison: better, equal, worse, unclear, missing, NaN, no champion."""

from __future__ import annotations

import math

import pytest

from slipway.evaluation.compared import Interval
from slipway.gates import comparison as gates
from slipway.gates.comparison_evidence import ComparisonEvidence
from slipway.settings import read_settings
from tests.params import VALID

LIMITS = read_settings(VALID).gates.model_copy(
    update={
        "primary": "auc",
        "margin": 0.01,
        "segment_margin": 0.05,
        "segment_loss_margin": 0.02,
        "minimum_segment_rows": 100,
        "baseline_margin": 0,
        "calibration": 0.1,
        "size_ratio": 2,
        "latency_ratio": 2,
    }
)
NAN = math.nan
SIDE = {"value": 0.7, "low": 0.6, "high": 0.8}


def _row(value: float, low: float, high: float, rows: int = 1000) -> list[dict]:
    gain = {"value": value, "low": low, "high": high}
    return [{"metric": "auc", "rows": rows, "candidate": SIDE, "champion": SIDE, "gain": gain}]


def _document(overall: list[dict], **segments: list[dict]) -> dict:
    return {"rows": 1000, "champion": {"version": "v1"}, "production": {"all": overall, **segments}, "baselines": {}}


def _read(document: dict) -> ComparisonEvidence:
    """Return the evidence as a gate receives it from results/compare.json, where NaN is null."""
    return ComparisonEvidence.model_validate_json(ComparisonEvidence.model_validate(document).model_dump_json())


def _evidence(overall: list[dict], **segments: list[dict]) -> ComparisonEvidence:
    return _read(_document(overall, **segments))


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.02, 0.01, 0.03), "better"),
        ((0.0, -0.01, 0.01), "within noise"),
        ((-0.02, -0.03, -0.01), "worse"),
        ((0.0, 0.0, 0.0), "within noise"),
        ((NAN, NAN, NAN), "undefined"),
        ((0.02, NAN, 0.03), "undefined"),
    ],
)
def test_a_difference_has_one_of_four_names(interval, expected):
    assert expected == gates.difference(
        Interval.model_validate(dict(zip(("value", "low", "high"), interval, strict=True)))
    )


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.02, 0.01, 0.03), "pass"),
        ((0.0, -0.005, 0.005), "pass"),
        ((0.0, 0.0, 0.0), "pass"),
        ((-0.004, -0.006, -0.002), "pass"),  # worse, but by less than the margin
        ((0.0, -0.02, 0.02), "inconclusive"),
        ((-0.02, -0.03, -0.01), "fail"),
        ((NAN, NAN, NAN), "fail"),
        ((0.05, NAN, NAN), "fail"),
    ],
)
def test_the_champion_gate(interval, expected):
    assert expected == gates.champion(_evidence(_row(*interval)), LIMITS).outcome


def test_a_comparison_that_did_not_run_fails():
    assert ["fail"] * 3 == [gate(None, LIMITS).outcome for gate in (gates.champion, gates.segments, gates.baselines)]


def test_without_a_champion_the_other_gates_decide():
    evidence = _read({"rows": 1, "champion": None, "production": {}})
    assert ["pass", "pass"] == [gate(evidence, LIMITS).outcome for gate in (gates.champion, gates.segments)]


OF_PRODUCTION = (gates.champion, gates.segments, gates.latency, gates.size)
INCOMPARABLE = {"version": "v1", "error": "v1 needs the column b"}
UNDECIDED = "or accept it: params.yaml: gates.uncompared_releases.v1: missing; add by, reason and until"


@pytest.mark.parametrize("gate", OF_PRODUCTION)
def test_a_champion_that_cannot_be_compared_is_inconclusive_with_the_reason(gate):
    verdict = gate(_read({"rows": 1, "champion": INCOMPARABLE}), LIMITS)
    assert ("inconclusive", "not comparable", f"v1 needs the column b; {UNDECIDED}") == (
        verdict.outcome,
        verdict.observed,
        verdict.reason,
    )


@pytest.mark.parametrize(("until", "expected"), [("2026-01-30", "inconclusive"), ("2026-01-31", "pass")])
def test_a_decision_accepts_that_there_is_no_comparison_until_its_last_day(until, expected):
    decision = {"by": "Ada", "reason": "table is gone", "until": until, "compared": "2026-01-31"}
    evidence = _read({"rows": 1, "champion": INCOMPARABLE | {"decision": decision}})
    verdicts = [gate(evidence, LIMITS) for gate in OF_PRODUCTION]
    assert {expected} == {verdict.outcome for verdict in verdicts}
    if expected == "pass":
        assert {"not comparable, accepted until 2026-01-31"} == {verdict.observed for verdict in verdicts}
    else:
        expired = f"params.yaml: gates.uncompared_releases.v1.until: {until} has passed; compare, or decide again"
        assert {f"v1 needs the column b; {expired}"} == {verdict.reason for verdict in verdicts}


def test_a_decision_does_not_replace_a_comparison():
    decision = {"by": "Ada", "reason": "table is gone", "until": "2026-01-31", "compared": "2026-01-31"}
    for champion in ({"version": "v1"}, {"version": "v1", "unreachable": "no store"}):
        document = _document(_row(-0.02, -0.03, -0.01)) | {"champion": champion | {"decision": decision}}
        assert gates.champion(_read(document), LIMITS).outcome != "pass"


@pytest.mark.parametrize(("candidate", "expected"), [(10, "pass"), (21, "fail"), (NAN, "fail")])
def test_the_size_is_judged_without_a_comparison_of_predictions(candidate, expected):
    evidence = _read({"rows": 1, "champion": INCOMPARABLE, "bytes": {"candidate": candidate, "champion": 10}})
    assert expected == gates.size(evidence, LIMITS).outcome


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (_row(-0.1, -0.15, -0.05), "fail"),
        (_row(-0.04, -0.06, -0.02), "pass"),  # worse, but by less than the segment's margin
        (_row(-0.1, -0.25, 0.05), "pass"),  # within noise
        (_row(-0.1, -0.15, -0.05, rows=50), "pass"),  # too few rows to judge
        (_row(0.1, 0.05, 0.15), "pass"),
    ],
)
def test_the_segments_gate(segment, expected):
    assert expected == gates.segments(_evidence(_row(0, -0.001, 0.001), **{"city=a": segment}), LIMITS).outcome


def _one_class(value: float, low: float, high: float) -> list[dict]:
    """Return a segment whose primary metric is undefined; the numbers are the gain of the loss."""
    (loss,) = _row(value, low, high)
    return [*_row(NAN, NAN, NAN), {**loss, "metric": "brier"}, {**loss, "metric": "log_loss"}]


@pytest.mark.parametrize(
    ("segment", "outcome", "reason"),
    [
        (_one_class(-3.0, -3.1, -2.9), "fail", "city=a log_loss -3.0000 [-3.1000, -2.9000]"),
        (_one_class(-0.01, -0.015, -0.005), "pass", "auc is undefined in city=a; log_loss decides"),
        (_one_class(0.5, 0.4, 0.6), "pass", "auc is undefined in city=a; log_loss decides"),
        (_one_class(NAN, NAN, NAN), "fail", "city=a: log_loss is undefined"),
        (_one_class(-0.01, NAN, NAN), "fail", "city=a: log_loss is undefined"),
        (_row(NAN, NAN, NAN), "fail", "city=a: auc is undefined"),
        (_row(0.1, NAN, NAN), "fail", "city=a: auc is undefined"),
    ],
)
def test_where_the_primary_metric_is_undefined_in_a_segment_the_loss_decides(segment, outcome, reason):
    verdict = gates.segments(_evidence(_row(0, -0.001, 0.001), **{"city=a": segment}), LIMITS)
    assert (outcome, reason) == (verdict.outcome, verdict.reason)


def _passing() -> dict:
    """Return the document of evidence on which every gate passes."""
    sides = {"candidate": 1.0, "champion": 1.0}
    overall, segment = _row(0.02, 0.01, 0.03), _row(0.02, 0.01, 0.03)
    return _document(overall, **{"city=a": segment}) | {
        "baselines": {"linear": {"all": _row(0.02, 0.01, 0.03)}},
        "calibration": [{"predicted": 0.2, "observed": 0.2}],
        "bytes": dict(sides),
        "milliseconds": dict(sides),
    }


def _leaves(node: object, path: tuple = ()) -> list[tuple]:
    """Return the path of every number that a gate reads: all but the metric of either model alone."""
    children = (
        node.items() if isinstance(node, dict) and node != SIDE else enumerate(node) if isinstance(node, list) else ()
    )
    below = [leaf for key, child in children for leaf in _leaves(child, (*path, key))]
    return [path] if isinstance(node, float) else below


@pytest.mark.parametrize("leaf", _leaves(_passing()), ids=lambda leaf: "/".join(map(str, leaf)))
def test_no_number_of_the_evidence_can_be_nan_and_leave_every_gate_passing(leaf):
    assert {"pass"} == {gate(_read(_passing()), LIMITS).outcome for gate in gates.COMPARISON_GATES}
    *path, last = leaf
    document = node = _passing()
    for key in path:
        node = node[key]
    node[last] = NAN
    assert {"pass"} < {gate(_read(document), LIMITS).outcome for gate in gates.COMPARISON_GATES}


def test_the_segments_gate_names_the_segment_that_is_worse():
    evidence = _evidence(_row(0, 0, 0), **{"city=a": _row(-0.1, -0.15, -0.05)})
    assert gates.segments(evidence, LIMITS).reason.startswith("city=a")


def test_production_without_a_comparison_on_all_rows_fails():
    evidence = _read({"rows": 1, "champion": {"version": "v1"}})
    assert ("fail", "missing") == (gates.champion(evidence, LIMITS).outcome, gates.champion(evidence, LIMITS).observed)


@pytest.mark.parametrize(
    ("linear", "expected"),
    [
        ((0.02, 0.01, 0.03), "pass"),
        ((0.0, -0.01, 0.01), "inconclusive"),
        ((-0.02, -0.03, -0.01), "fail"),
        ((NAN, NAN, NAN), "fail"),
    ],
)
def test_the_baselines_gate(linear, expected):
    evidence = _read(
        {"rows": 1, "baselines": {"dummy": {"all": _row(0.2, 0.1, 0.3)}, "linear": {"all": _row(*linear)}}}
    )
    assert expected == gates.baselines(evidence, LIMITS).outcome


@pytest.mark.parametrize("gate", [gates.champion, gates.baselines])
def test_a_threshold_of_an_interval_states_that_it_holds_for_the_whole_interval(gate):
    assert gate(_read(_passing()), LIMITS).threshold.endswith(" in the whole interval")


@pytest.mark.parametrize(("margin", "expected"), [(-0.02, "pass"), (-0.005, "inconclusive"), (0.02, "fail")])
def test_the_baseline_margin_may_be_negative(margin, expected):
    evidence = _read({"rows": 1, "baselines": {"linear": {"all": _row(0.0, -0.01, 0.01)}}})
    assert expected == gates.baselines(evidence, LIMITS.model_copy(update={"baseline_margin": margin})).outcome


def test_a_comparison_without_baselines_fails():
    assert "fail" == gates.baselines(_read({"rows": 1, "baselines": {}}), LIMITS).outcome


def _deciles(*gaps: float) -> dict:
    return {"calibration": [{"predicted": 0.2 + gap, "observed": 0.2} for gap in gaps]}


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (_deciles(0.0, 0.05), "pass"),
        (_deciles(0.09, -0.09), "pass"),
        (_deciles(0.3, 0.1), "fail"),
        (_deciles(NAN, 0.0), "fail"),
        ({"calibration": []}, "fail"),
        (None, "fail"),
    ],
)
def test_the_calibration_gate(comparison, expected):
    assert expected == gates.calibration(comparison and _read({"rows": 1} | comparison), LIMITS).outcome


@pytest.mark.parametrize(("gate", "quantity"), [(gates.size, "bytes"), (gates.latency, "milliseconds")])
@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ({"candidate": 10, "champion": 10}, "pass"),
        ({"candidate": 20, "champion": 10}, "pass"),
        ({"candidate": 21, "champion": 10}, "fail"),
        ({"candidate": NAN, "champion": 10}, "fail"),
        ({"candidate": 10, "champion": NAN}, "fail"),
        ({"candidate": 10, "champion": 0}, "fail"),
        ({"candidate": 10}, "fail"),
        (None, "fail"),
    ],
)
def test_the_gates_on_size_and_latency(gate, quantity, sides, expected):
    assert expected == gate(_read({"rows": 1, "champion": {"version": "v1"}, quantity: sides}), LIMITS).outcome


@pytest.mark.parametrize("gate", [gates.size, gates.latency])
@pytest.mark.parametrize(("comparison", "expected"), [(None, "fail"), (_read({"rows": 1, "champion": None}), "pass")])
def test_the_gates_on_size_and_latency_without_a_champion(gate, comparison, expected):
    assert expected == gate(comparison, LIMITS).outcome
