"""Gates that compare the candidate with the release in production, overall and by segment, and with the baselines.

A difference is `better` where its interval lies above zero, `worse` where it lies below, else `within noise`.
A gate adds a margin: it passes where the interval excludes a loss larger than `params.yaml` accepts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from slipway import figures
from slipway.evaluation import metrics
from slipway.evaluation.calibration import mean_gap
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

Gain: TypeAlias = Mapping[str, float]
"""`value`, `low` and `high` of candidate minus champion; positive is better."""

ComparisonEvidence: TypeAlias = Mapping[str, Any]
"""Evidence of `slipway compare`; see `slipway.pull_request.compare.measure`."""

CALIBRATION = "calibration"
ENDS = ("value", "low", "high")


def difference(gain: Gain) -> str:
    """Return `better`, `worse` or `within noise`; `undefined` where a bound is not a number."""
    if not _is_defined(gain):
        return "undefined"
    if gain["low"] > 0:
        return "better"
    return "worse" if gain["high"] < 0 else "within noise"


def _not_compared(gate: str, threshold: str, comparison: ComparisonEvidence) -> Verdict | None:
    """Return the verdict where the candidate was not compared with production; None where it was."""
    if not comparison:
        return Verdict(gate, Outcome.FAIL, threshold, "missing", "the comparison did not run")
    champion = comparison["champion"]
    if champion is None:
        reason = "the gates floor and baselines decide" if gate == "champion" else ""
        return Verdict(gate, Outcome.PASS, threshold, "no release in production yet", reason)
    if "unreachable" in champion:
        return Verdict(gate, Outcome.INCONCLUSIVE, threshold, "not compared", champion["unreachable"])
    if "error" in champion:
        return Verdict(gate, Outcome.FAIL, threshold, "not comparable", champion["error"])
    return None


def champion(comparison: ComparisonEvidence | None, params: Mapping[str, Any]) -> Verdict:
    """Require that the candidate loses less of the primary metric to the champion than the margin."""
    threshold, comparison = f"{params['primary']} loss < {params['margin']:g}", comparison or {}
    if verdict := _not_compared("champion", threshold, comparison):
        return verdict
    gain = primary(comparison["production"]["all"], params["primary"])["gain"]
    outcome = _within_margin(gain, params["margin"])
    return Verdict("champion", outcome, threshold, _signed(gain), _reason(gain, params["margin"]))


def segments(comparison: ComparisonEvidence | None, params: Mapping[str, Any]) -> Verdict:
    """Require that no segment is worse by more than its margin, at intervals with a Bonferroni correction.

    Where the primary metric is undefined in a segment, the task's loss decides. If that is undefined too, the gate
    fails.
    """
    threshold, comparison = f"no segment worse by {params['segment_margin']:g}", comparison or {}
    if verdict := _not_compared("segments", threshold, comparison):
        return verdict
    groups = comparison["production"].items()
    rows = {name: decisive(compared, params["primary"]) for name, compared in groups if name != "all"}
    judged = {name: row for name, row in rows.items() if row["rows"] >= params["minimum_segment_rows"]}
    undefined = [name for name, row in judged.items() if difference(row["gain"]) == "undefined"]
    worse = [name for name, row in judged.items() if name not in undefined and not _segment_holds(row, params)]
    worse.sort(key=lambda name: judged[name]["gain"]["value"])
    observed = f"{len(judged)} of {len(rows)} segments judged, {len(worse)} worse"
    observed += f", {len(undefined)} undefined" if undefined else ""
    reasons = [f"{name} {_with_metric(judged[name], params['primary'])}" for name in worse]
    reasons += [f"{name}: {judged[name]['metric']} is undefined" for name in undefined]
    outcome = Outcome.FAIL if worse or undefined else Outcome.PASS
    return Verdict("segments", outcome, threshold, observed, "; ".join(reasons or _by_loss(judged, params["primary"])))


def _segment_holds(row: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    gain, is_primary = row["gain"], row["metric"] == params["primary"]
    margin = params["segment_margin" if is_primary else "segment_loss_margin"]
    return bool(gain["high"] >= 0 or gain["value"] > -margin)


def _with_metric(row: Mapping[str, Any], metric: str) -> str:
    """Return the gain as text, after the metric's name where that is not `metric`."""
    return _signed(row["gain"]) if row["metric"] == metric else f"{row['metric']} {_signed(row['gain'])}"


def _by_loss(judged: Mapping[str, Mapping[str, Any]], metric: str) -> list[str]:
    """Name the segments in which the loss decided because `metric` is undefined there."""
    names = [name for name, row in judged.items() if row["metric"] != metric]
    return [f"{metric} is undefined in {', '.join(names)}; {judged[names[0]]['metric']} decides"] if names else []


def baselines(comparison: ComparisonEvidence | None, params: Mapping[str, Any]) -> Verdict:
    """Require that the interval of the gain over every baseline lies above `baseline_margin`.

    The margin may be negative, for a problem in which a linear model is as good as any.
    """
    margin = params["baseline_margin"]
    threshold = f"{params['primary']} gain over every baseline > {margin:g}"
    if not comparison or not comparison["baselines"]:
        return Verdict("baselines", Outcome.FAIL, threshold, "missing", "no baseline was scored")
    gains = {name: primary(rows["all"], params["primary"])["gain"] for name, rows in comparison["baselines"].items()}
    strongest = min(gains, key=lambda name: gains[name]["value"])
    outcomes = {"better": Outcome.PASS, "within noise": Outcome.INCONCLUSIVE}
    leads = [{end: gain[end] - margin for end in ENDS} for gain in gains.values()]
    verdicts = [outcomes.get(difference(lead), Outcome.FAIL) for lead in leads]
    worst = next((outcome for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE) if outcome in verdicts), Outcome.PASS)
    return Verdict("baselines", worst, threshold, f"{strongest}: {_signed(gains[strongest])}")


def calibration(comparison: ComparisonEvidence | None, params: Mapping[str, Any]) -> Verdict:
    """Require that the mean calibration gap over the deciles of the predictions stays within a limit."""
    threshold = f"mean gap ≤ {params['calibration']:g}"
    deciles = (comparison or {}).get("calibration") or []
    if not deciles:
        return Verdict(CALIBRATION, Outcome.FAIL, threshold, "missing", "calibration was not measured")
    gap = mean_gap(deciles)
    outcome = Outcome.PASS if gap <= params["calibration"] else Outcome.FAIL
    return Verdict(CALIBRATION, outcome, threshold, f"mean gap {gap:.3f}")


def size(comparison: ComparisonEvidence | None, params: Mapping[str, Any]) -> Verdict:
    """Require that the model's size is at most `size_ratio` times the champion's."""
    return _ratio("model size", comparison, "bytes", params["size_ratio"], lambda bytes_: f"{bytes_ / 1000:,.0f} kB")


def latency(comparison: ComparisonEvidence | None, params: Mapping[str, Any]) -> Verdict:
    """Require that scoring one row takes at most `latency_ratio` times as long as with the champion."""
    return _ratio("one-row latency", comparison, "milliseconds", params["latency_ratio"], lambda ms: f"{ms:.3f} ms")


def _ratio(
    gate: str, comparison: ComparisonEvidence | None, quantity: str, limit: float, as_text: Callable[[float], str]
) -> Verdict:
    threshold, comparison = f"≤ {limit:g} times production's", comparison or {}
    if verdict := _not_compared(gate, threshold, comparison):
        return verdict
    sides = comparison.get(quantity, {})
    candidate, champion = (sides.get(side, math.nan) for side in ("candidate", "champion"))
    ratio = candidate / champion if champion else math.nan
    outcome = Outcome.PASS if ratio <= limit else Outcome.FAIL
    return Verdict(gate, outcome, threshold, f"{as_text(candidate)}, {ratio:.2f} times {as_text(champion)}")


COMPARISON_GATES = (champion, segments, baselines, calibration, latency, size)
"""Every gate on a comparison, by importance."""


def primary(rows: Sequence[Mapping[str, Any]], metric: str) -> Mapping[str, Any]:
    """Return the comparison by `metric` among those of one group of rows."""
    return next(row for row in rows if row["metric"] == metric)


def decisive(rows: Sequence[Mapping[str, Any]], metric: str) -> Mapping[str, Any]:
    """Return the comparison that decides on a group: by `metric`, or by the task's loss where `metric` is undefined.

    Rows of a single class have no ROC AUC, but a proper scoring rule still detects that predictions got worse.
    """
    row = primary(rows, metric)
    if _is_defined(row["gain"]):
        return row
    return next((other for other in rows if other["metric"] in metrics.LOSSES.values()), row)


def _is_defined(gain: Mapping[str, float | None]) -> bool:
    """Return whether all three numbers are finite. None stands for NaN in evidence that was read from JSON."""
    numbers = [gain[end] for end in ENDS]
    return all(number is not None and math.isfinite(number) for number in numbers)


def _within_margin(gain: Gain, margin: float) -> Outcome:
    if difference(gain) == "undefined":
        return Outcome.FAIL
    if gain["low"] > -margin:
        return Outcome.PASS
    return Outcome.FAIL if gain["high"] < 0 else Outcome.INCONCLUSIVE


def _reason(gain: Gain, margin: float) -> str:
    name = difference(gain)
    if name == "worse" and gain["low"] > -margin:
        return "worse, by less than the margin"
    if name == "within noise" and gain["low"] <= -margin:
        return "within noise, but a loss beyond the margin cannot be excluded; more test rows would narrow the interval"
    return name


def _signed(gain: Gain) -> str:
    value, low, high = figures.as_text(*(gain[end] for end in ENDS), sign="+")
    return f"{value} [{low}, {high}]"
