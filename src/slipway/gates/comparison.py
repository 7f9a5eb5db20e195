"""Gates on the candidate beside something else: the release in production, by segment, and the baselines.

A difference has three names. `better`: its interval lies above zero. `worse`: below. Else `within noise`.
A gate asks a further question: could the loss be larger than the margin that `params.yaml` accepts?
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from slipway import figures, metrics
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Gain = "Mapping[str, float]"
"""Value, low and high of candidate minus champion, turned so that positive is better."""


def difference(gain: Gain) -> str:
    """`better`, `worse`, `within noise`; `undefined` where a bound is not a number."""
    if not _is_defined(gain):
        return "undefined"
    if gain["low"] > 0:
        return "better"
    return "worse" if gain["high"] < 0 else "within noise"


def _not_compared(gate: str, threshold: str, comparison: Mapping[str, Any] | None) -> Verdict | None:
    """The verdict where there is no comparison with production; None where there is one."""
    if comparison is None:
        return Verdict(gate, Outcome.FAIL, threshold, "missing", "the comparison did not run")
    champion = comparison["champion"]
    if champion is None:
        reason = "the floor and the baselines decide" if gate == "champion" else ""
        return Verdict(gate, Outcome.PASS, threshold, "no release in production yet", reason)
    if "unreachable" in champion:
        return Verdict(gate, Outcome.INCONCLUSIVE, threshold, "not compared", champion["unreachable"])
    if "error" in champion:
        return Verdict(gate, Outcome.FAIL, threshold, "not comparable", champion["error"])
    return None


def champion(comparison: Mapping[str, Any] | None, params: Mapping[str, Any]) -> Verdict:
    """The candidate does not lose more than the margin of the primary metric against the release in production."""
    threshold = f"{params['primary']} loss < {params['margin']:g}"
    if verdict := _not_compared("champion", threshold, comparison):
        return verdict
    gain = primary(comparison["production"]["all"], params["primary"])["gain"]
    return Verdict(
        "champion", _within_margin(gain, params["margin"]), threshold, _signed(gain), _why(gain, params["margin"])
    )


def segments(comparison: Mapping[str, Any] | None, params: Mapping[str, Any]) -> Verdict:
    """No segment is worse by more than its margin; intervals are corrected for the number of segments (Bonferroni).

    Where the primary metric is undefined in a segment, the task's loss decides. What that leaves undefined has failed.
    """
    threshold = f"no segment worse by {params['segment_margin']:g}"
    if verdict := _not_compared("segments", threshold, comparison):
        return verdict
    rows = {name: decisive(of, params["primary"]) for name, of in comparison["production"].items() if name != "all"}
    judged = {name: row for name, row in rows.items() if row["rows"] >= params["minimum_segment_rows"]}
    undefined = [name for name, row in judged.items() if difference(row["gain"]) == "undefined"]
    worse = [name for name, row in judged.items() if name not in undefined and not _segment_holds(row, params)]
    worse.sort(key=lambda name: judged[name]["gain"]["value"])
    observed = f"{len(judged)} of {len(rows)} segments judged, {len(worse)} worse"
    observed += f", {len(undefined)} undefined" if undefined else ""
    reasons = [f"{name} {_in_unit(judged[name], params['primary'])}" for name in worse]
    reasons += [f"{name}: {judged[name]['metric']} is undefined" for name in undefined]
    outcome = Outcome.FAIL if worse or undefined else Outcome.PASS
    return Verdict("segments", outcome, threshold, observed, "; ".join(reasons or _by_loss(judged, params["primary"])))


def _segment_holds(row: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    gain, is_primary = row["gain"], row["metric"] == params["primary"]
    margin = params["segment_margin" if is_primary else "segment_loss_margin"]
    return gain["high"] >= 0 or gain["value"] > -margin


def _in_unit(row: Mapping[str, Any], metric: str) -> str:
    return _signed(row["gain"]) if row["metric"] == metric else f"{row['metric']} {_signed(row['gain'])}"


def _by_loss(judged: Mapping[str, Mapping[str, Any]], metric: str) -> list[str]:
    """Name the segments in which another metric than the primary one decided."""
    names = [name for name, row in judged.items() if row["metric"] != metric]
    return [f"{metric} is undefined in {', '.join(names)}; {judged[names[0]]['metric']} decides"] if names else []


def baselines(comparison: Mapping[str, Any] | None, params: Mapping[str, Any]) -> Verdict:
    """The candidate's gain over every baseline on the primary metric is above the margin, beyond doubt.

    The margin may be negative, for a problem in which a linear model is as good as any.
    """
    margin = params["baseline_margin"]
    threshold = f"{params['primary']} gain over every baseline > {margin:g}"
    if not comparison or not comparison["baselines"]:
        return Verdict("baselines", Outcome.FAIL, threshold, "missing", "no baseline was scored")
    gains = {name: primary(rows["all"], params["primary"])["gain"] for name, rows in comparison["baselines"].items()}
    strongest = min(gains, key=lambda name: gains[name]["value"])
    outcomes = {"better": Outcome.PASS, "within noise": Outcome.INCONCLUSIVE}
    leads = [{end: gain[end] - margin for end in ("value", "low", "high")} for gain in gains.values()]
    verdicts = [outcomes.get(difference(lead), Outcome.FAIL) for lead in leads]
    worst = next((outcome for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE) if outcome in verdicts), Outcome.PASS)
    return Verdict("baselines", worst, threshold, f"{strongest}: {_signed(gains[strongest])}")


def calibration(comparison: Mapping[str, Any] | None, params: Mapping[str, Any]) -> Verdict:
    """Predictions are about as large as what happens: the mean gap over the tenths of the rows stays under a limit.

    The gap is a share of the outcomes' spread over the tenths where that is larger than one, so that it has no unit.
    """
    threshold = f"mean gap ≤ {params['calibration']:g}"
    tenths = (comparison or {}).get("calibration") or []
    if not tenths:
        return Verdict("calibration", Outcome.FAIL, threshold, "missing", "calibration was not measured")
    observed = [tenth["observed"] for tenth in tenths]
    gap = sum(abs(tenth["predicted"] - tenth["observed"]) for tenth in tenths) / len(tenths)
    gap /= max(1, max(observed) - min(observed))
    outcome = Outcome.PASS if gap <= params["calibration"] else Outcome.FAIL
    return Verdict("calibration", outcome, threshold, f"mean gap {gap:.3f}")


def size(comparison: Mapping[str, Any] | None, params: Mapping[str, Any]) -> Verdict:
    """The model is not much larger than the champion's."""
    return _ratio("model size", comparison, "bytes", params["size_ratio"], lambda bytes_: f"{bytes_ / 1000:,.0f} kB")


def latency(comparison: Mapping[str, Any] | None, params: Mapping[str, Any]) -> Verdict:
    """Scoring one row does not take much longer than with the champion."""
    return _ratio("one-row latency", comparison, "milliseconds", params["latency_ratio"], lambda ms: f"{ms:.3f} ms")


def _ratio(
    gate: str, comparison: Mapping[str, Any] | None, what: str, limit: float, shown: Callable[[float], str]
) -> Verdict:
    threshold = f"≤ {limit:g} times production's"
    if verdict := _not_compared(gate, threshold, comparison):
        return verdict
    sides = comparison.get(what, {})
    candidate, champion = (sides.get(side, math.nan) for side in ("candidate", "champion"))
    ratio = candidate / champion if champion else math.nan
    outcome = Outcome.PASS if ratio <= limit else Outcome.FAIL
    return Verdict(gate, outcome, threshold, f"{shown(candidate)}, {ratio:.2f} times {shown(champion)}")


ALL = (champion, segments, baselines, calibration, latency, size)
"""Every gate on a comparison, in the order in which they matter."""


def primary(rows: list[Mapping[str, Any]], metric: str) -> Mapping[str, Any]:
    """The row of the primary metric in a list of comparisons."""
    return next(row for row in rows if row["metric"] == metric)


def decisive(rows: list[Mapping[str, Any]], metric: str) -> Mapping[str, Any]:
    """Return the row that decides on a group: that of `metric`, or of the task's loss where `metric` is undefined.

    Rows of one class have no ROC AUC; a proper scoring rule still sees that predictions for them became worse.
    """
    row = primary(rows, metric)
    if _is_defined(row["gain"]):
        return row
    return next((other for other in rows if other["metric"] in metrics.LOSSES.values()), row)


def _is_defined(gain: Mapping[str, float | None]) -> bool:
    """Whether every number is there; in evidence that was read from JSON, NaN is None."""
    return all(gain[end] is not None and math.isfinite(gain[end]) for end in ("value", "low", "high"))


def _within_margin(gain: Gain, margin: float) -> Outcome:
    if difference(gain) == "undefined":
        return Outcome.FAIL
    if gain["low"] > -margin:
        return Outcome.PASS
    return Outcome.FAIL if gain["high"] < 0 else Outcome.INCONCLUSIVE


def _why(gain: Gain, margin: float) -> str:
    words = difference(gain)
    if words == "worse" and gain["low"] > -margin:
        return "worse, by less than the margin"
    if words == "within noise" and gain["low"] <= -margin:
        return "within noise, but a loss past the margin cannot be ruled out; more test rows would tell"
    return words


def _signed(gain: Gain) -> str:
    value, low, high = figures.as_text(*(gain[end] for end in ("value", "low", "high")), sign="+")
    return f"{value} [{low}, {high}]"
