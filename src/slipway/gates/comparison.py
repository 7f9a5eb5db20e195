"""Gates that compare the candidate with the release in production, overall and by segment, and with the baselines.

A difference is `better` where its interval lies above zero, `worse` where it lies below, else `within noise`.
A gate adds a margin: it passes where the interval excludes a loss larger than `params.yaml` accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway import figures
from slipway.evaluation import metrics
from slipway.evaluation.calibration import mean_gap
from slipway.evaluation.compared import Interval
from slipway.evaluation.segments import ALL
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from slipway.evaluation.compared import Comparison
    from slipway.gates.comparison_evidence import ComparisonEvidence, Released, Sides
    from slipway.settings.training import GatesSection

CALIBRATION = "calibration"
SIZE, LATENCY = "model size", "one-row latency"
NO_RELEASE = "no release in production yet"
"""What a gate on the comparison with production observes before the first release; it passes untested."""
ACCEPTED = "not comparable, accepted until"
"""Start of what it observes where params.yaml accepts that there is no comparison; it passes untested."""
NOT_COMPARED, NOT_COMPARABLE = "not compared", "not comparable"
"""What it observes where the release cannot be fetched, or its model cannot score the test rows."""


def difference(gain: Interval) -> str:
    """Return `better`, `worse` or `within noise`; `undefined` where a bound is not a number."""
    if not gain.is_defined:
        return "undefined"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "within noise"


def _compared(gate: str, threshold: str, comparison: ComparisonEvidence | None) -> ComparisonEvidence | Verdict:
    """Return the comparison with production, or the verdict where there is none."""
    if comparison is None:
        return Verdict(gate, Outcome.FAIL, threshold, "missing", "the comparison did not run")
    champion = comparison.champion
    if champion is None:
        reason = "the gates floor and baselines decide" if gate == "champion" else ""
        return Verdict(gate, Outcome.PASS, threshold, NO_RELEASE, reason)
    if champion.unreachable is not None:
        return Verdict(gate, Outcome.INCONCLUSIVE, threshold, NOT_COMPARED, champion.unreachable)
    if champion.error is None:
        return comparison
    if champion.decision is not None and champion.decision.is_in_force:
        observed = f"{ACCEPTED} {champion.decision.until}"
        return Verdict(gate, Outcome.PASS, threshold, observed, champion.error)
    reason = f"{champion.error}; {_decision_needed(champion)}"
    return Verdict(gate, Outcome.INCONCLUSIVE, threshold, NOT_COMPARABLE, reason)


def _decision_needed(champion: Released) -> str:
    key = f"gates.uncompared_releases.{champion.version}"
    if champion.decision is not None:
        return f"params.yaml: {key}.until: {champion.decision.until} has passed; compare, or decide again"
    return f"or accept it: params.yaml: {key}: missing; add by, reason and until"


def champion(comparison: ComparisonEvidence | None, limits: GatesSection) -> Verdict:
    """Require that the candidate loses less of the primary metric to the champion than the margin."""
    threshold = f"{limits.primary} loss < {limits.margin:g} in the whole interval"
    compared = _compared("champion", threshold, comparison)
    if isinstance(compared, Verdict):
        return compared
    if ALL not in compared.production:
        return Verdict("champion", Outcome.FAIL, threshold, "missing", "production was not compared on all rows")
    gain = primary(compared.production[ALL], limits.primary).gain
    outcome = _within_margin(gain, limits.margin)
    return Verdict("champion", outcome, threshold, _signed(gain), _reason(gain, limits.margin))


def segments(comparison: ComparisonEvidence | None, limits: GatesSection) -> Verdict:
    """Require that no segment is worse by more than its margin, at intervals with a Bonferroni correction.

    Where the primary metric is undefined in a segment, the task's loss decides. If that is undefined too, the gate
    fails.
    """
    threshold = f"no segment worse by {limits.segment_margin:g}"
    compared = _compared("segments", threshold, comparison)
    if isinstance(compared, Verdict):
        return compared
    rows = {name: decisive(rows, limits.primary) for name, rows in compared.production.items() if name != ALL}
    judged = {name: row for name, row in rows.items() if row.rows >= limits.minimum_segment_rows}
    undefined = [name for name, row in judged.items() if not row.gain.is_defined]
    worse = [name for name, row in judged.items() if name not in undefined and not _segment_holds(row, limits)]
    worse.sort(key=lambda name: judged[name].gain.value)
    observed = f"{len(judged)} of {len(rows)} segments judged, {len(worse)} worse"
    observed += f", {len(undefined)} undefined" if undefined else ""
    reasons = [f"{name} {_with_metric(judged[name], limits.primary)}" for name in worse]
    reasons += [f"{name}: {judged[name].metric} is undefined" for name in undefined]
    outcome = Outcome.FAIL if worse or undefined else Outcome.PASS
    return Verdict("segments", outcome, threshold, observed, "; ".join(reasons or _by_loss(judged, limits.primary)))


def _segment_holds(row: Comparison, limits: GatesSection) -> bool:
    margin = limits.segment_margin if row.metric == limits.primary else limits.segment_loss_margin
    return row.gain.high >= 0 or row.gain.value > -margin


def _with_metric(row: Comparison, metric: str) -> str:
    """Return the gain as text, after the metric's name where that is not `metric`."""
    return _signed(row.gain) if row.metric == metric else f"{row.metric} {_signed(row.gain)}"


def _by_loss(judged: Mapping[str, Comparison], metric: str) -> list[str]:
    """Name the segments in which the loss decided because `metric` is undefined there."""
    names = [name for name, row in judged.items() if row.metric != metric]
    return [f"{metric} is undefined in {', '.join(names)}; {judged[names[0]].metric} decides"] if names else []


def baselines(comparison: ComparisonEvidence | None, limits: GatesSection) -> Verdict:
    """Require that the interval of the gain over every baseline lies above `baseline_margin`.

    The margin may be negative, for a problem in which a linear model is as good as any.
    """
    margin = limits.baseline_margin
    threshold = f"{limits.primary} gain over every baseline > {margin:g} in the whole interval"
    if comparison is None or not comparison.baselines:
        return Verdict("baselines", Outcome.FAIL, threshold, "missing", "no baseline was scored")
    gains = {name: primary(rows[ALL], limits.primary).gain for name, rows in comparison.baselines.items()}
    strongest = min(gains, key=lambda name: gains[name].value)
    outcomes = {"better": Outcome.PASS, "within noise": Outcome.INCONCLUSIVE}
    leads = [
        Interval(value=gain.value - margin, low=gain.low - margin, high=gain.high - margin) for gain in gains.values()
    ]
    verdicts = [outcomes.get(difference(lead), Outcome.FAIL) for lead in leads]
    worst = next((outcome for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE) if outcome in verdicts), Outcome.PASS)
    return Verdict("baselines", worst, threshold, f"{strongest}: {_signed(gains[strongest])}")


def calibration(comparison: ComparisonEvidence | None, limits: GatesSection) -> Verdict:
    """Require that the mean calibration gap over the deciles of the predictions stays within a limit."""
    threshold = f"mean gap ≤ {limits.calibration:g}"
    if comparison is None or not comparison.calibration:
        return Verdict(CALIBRATION, Outcome.FAIL, threshold, "missing", "calibration was not measured")
    gap = mean_gap(comparison.calibration)
    outcome = Outcome.PASS if gap <= limits.calibration else Outcome.FAIL
    return Verdict(CALIBRATION, outcome, threshold, f"mean gap {gap:.3f}")


def size(comparison: ComparisonEvidence | None, limits: GatesSection) -> Verdict:
    """Require that the model's size is at most `size_ratio` times the champion's."""
    sides = comparison.bytes if comparison else None
    return _ratio(SIZE, comparison, sides, limits.size_ratio, kilobytes)


def latency(comparison: ComparisonEvidence | None, limits: GatesSection) -> Verdict:
    """Require that scoring one row takes at most `latency_ratio` times as long as with the champion."""
    sides = comparison.milliseconds if comparison else None
    return _ratio(LATENCY, comparison, sides, limits.latency_ratio, milliseconds)


def kilobytes(size: float) -> str:
    """Return a size in bytes as text."""
    return f"{size / 1000:,.0f} kB"


def milliseconds(latency: float) -> str:
    """Return a latency in milliseconds as text."""
    return f"{latency:.3f} ms"


def _ratio(
    gate: str,
    comparison: ComparisonEvidence | None,
    sides: Sides | None,
    limit: float,
    as_text: Callable[[float], str],
) -> Verdict:
    threshold = f"≤ {limit:g} times production's"
    compared = _compared(gate, threshold, comparison)
    if isinstance(compared, Verdict) and (sides is None or sides.champion is None):
        return compared
    if sides is None or not sides.champion:
        return Verdict(gate, Outcome.FAIL, threshold, "missing", "it was not measured for both models")
    ratio = sides.candidate / sides.champion
    outcome = Outcome.PASS if ratio <= limit else Outcome.FAIL
    return Verdict(gate, outcome, threshold, f"{as_text(sides.candidate)}, {ratio:.2f} times {as_text(sides.champion)}")


COMPARISON_GATES = (champion, segments, baselines, calibration, latency, size)
"""Every gate on a comparison, by importance."""


def primary(rows: Iterable[Comparison], metric: str) -> Comparison:
    """Return the comparison by `metric` among those of one group of rows."""
    return next(row for row in rows if row.metric == metric)


def decisive(rows: Iterable[Comparison], metric: str) -> Comparison:
    """Return the comparison that decides on a group of rows, by the metric that `deciding` returns."""
    by_metric = {row.metric: row for row in rows}
    return by_metric[deciding({name: row.gain for name, row in by_metric.items()}, metric)]


def deciding(gains: Mapping[str, Interval], metric: str) -> str:
    """Return `metric`, or the task's loss where the gain in `metric` is undefined.

    Rows of a single class have no ROC AUC, but a proper scoring rule still detects that predictions got worse.
    """
    if gains[metric].is_defined:
        return metric
    return next((name for name in gains if name in metrics.LOSSES.values()), metric)


def _within_margin(gain: Interval, margin: float) -> Outcome:
    if not gain.is_defined:
        return Outcome.FAIL
    if gain.low > -margin:
        return Outcome.PASS
    return Outcome.FAIL if gain.high < 0 else Outcome.INCONCLUSIVE


def _reason(gain: Interval, margin: float) -> str:
    name = difference(gain)
    if name == "worse":
        return "worse, by less than the margin" if gain.low > -margin else ""
    if name == "within noise" and gain.low <= -margin:
        return "within noise, but a loss beyond the margin cannot be excluded; more test rows would narrow the interval"
    return name


def _signed(gain: Interval) -> str:
    value, low, high = figures.as_text(*gain.ends, sign="+")
    return f"{value} [{low}, {high}]"
