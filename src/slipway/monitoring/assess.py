"""The assessment of one window: every check, the alarms, and whether to retrain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.gates import Outcome, monitoring
from slipway.gates.monitoring_evidence import BASELINE
from slipway.monitoring.alarm_state import Alarm, MonitorState, Point
from slipway.monitoring.checks import (
    attribution,
    drift,
    health,
    labels,
    model,
    performance,
    predictions,
    skew,
    staleness,
    traffic,
    validity,
)
from slipway.monitoring.context import CheckContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.gates import Verdict
    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow
    from slipway.settings.operation import MonitoringSection

CHECKS: dict[str, Callable[[CheckContext], dict[str, Any]] | None] = {
    "validity": validity.evidence,
    "traffic": traffic.evidence,
    "model": model.evidence,
    "labels": labels.evidence,
    "skew": skew.evidence,
    "drift": drift.evidence,
    "predictions": predictions.evidence,
    "performance": performance.evidence,
    "segments": None,
    "attribution": attribution.evidence,
    "staleness": staleness.evidence,
    "health": health.evidence,
}
"""Checks by name, in the order of the report: a cause precedes its effects. `segments` has no evidence of its own and
is judged on that of `performance`."""


@dataclass(frozen=True)
class Assessment:
    """The result of one assessment; `state` is the input of the next."""

    verdicts: list[Verdict]
    evidence: dict[str, Any]
    state: MonitorState

    @property
    def retrain(self) -> dict[str, Any]:
        """The retraining request: `trigger` is `decay`, `drift`, `staleness` or None; `because` is the reason."""
        request: dict[str, Any] = self.evidence["retrain"]
        return request


def assess(window: LiveWindow, reference: Reference, state: MonitorState, params: Mapping[str, Any]) -> Assessment:
    """Run every check on `window`.

    state: `Assessment.state` of the previous window, or `MonitorState()`.
    params: the content of params.yaml.
    """
    context = CheckContext(window, reference, params)
    evidence = {name: check(context) for name, check in CHECKS.items() if check}
    raw = [monitoring.judge(name, evidence.get(name, evidence["performance"]), context.limits) for name in CHECKS]
    before = state.alarms_before(window.end)
    alarms = {verdict.gate: _alarm(before, verdict, context.limits) for verdict in raw}
    verdicts = [monitoring.with_alarm(verdict, alarms[verdict.gate].raised) for verdict in raw]
    report = {
        "release": reference.baseline.release,
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat(), "rows": len(window.rows)},
        "questions": evidence,
        "retrain": monitoring.retrain(verdicts),
    }
    facts = _facts(context, evidence)
    point = Point(end=window.end, release=reference.baseline.release, days=window.days, facts=facts)
    return Assessment(verdicts, report, state.after(alarms, point))


def _alarm(before: Mapping[str, Alarm], verdict: Verdict, limits: MonitoringSection) -> Alarm:
    """Return the alarm of one check after its verdict. An inconclusive verdict leaves the alarm unchanged."""
    windows = (1, 1) if verdict.gate in monitoring.IMMEDIATE else (limits.alarm_after, limits.clear_after)
    alarm = before.get(verdict.gate, Alarm())
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return alarm
    return alarm.next(verdict.outcome is Outcome.FAIL, *windows)


def _facts(context: CheckContext, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the plots show of the window."""
    columns: dict[str, float] = {}
    for check in ("skew", "drift"):
        for finding in evidence[check].get("findings", []):
            column = finding["column"]
            columns[column] = max(columns.get(column, -1.0), round(finding["score"], 3))
    service, performance = context.window.service, evidence["performance"]
    overall = performance.get("all")
    has_primary = overall is not None and overall["metric"] == performance["metric"]  # a chart has one unit
    return {
        "rows": len(context.window.rows),
        "performance": overall if has_primary else None,
        BASELINE: performance[BASELINE],
        "metric": performance["metric"],
        "columns": columns,
        "p50": service and service.p50_milliseconds,
        "p99": service and service.p99_milliseconds,
    }
