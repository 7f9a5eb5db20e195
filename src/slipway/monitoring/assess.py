"""The assessment of one window: every check, the alarms, and whether to retrain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.gates import Outcome, monitoring
from slipway.gates.monitoring_evidence import FindingsEvidence, MonitorEvidence, WindowFacts
from slipway.monitoring.alarm_state import Alarm, MonitorState, Point, PointFacts
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
    from slipway.gates.monitoring_evidence import CheckEvidence, PerformanceEvidence, RetrainRequest
    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow
    from slipway.settings import Settings
    from slipway.settings.operation import MonitoringSection

CHECKS: dict[str, Callable[[CheckContext], CheckEvidence] | None] = {
    "validity": validity.evidence,
    "traffic": traffic.evidence,
    "model": model.evidence,
    "labels": labels.evidence,
    "skew": skew.evidence,
    "drift": drift.evidence,
    "predictions": predictions.evidence,
    "performance": None,
    "segments": None,
    "attribution": attribution.evidence,
    "staleness": staleness.evidence,
    "health": health.evidence,
}
"""Checks by name, in the order of the report: a cause precedes its effects. `performance` and `segments` are judged on
the same evidence, so they have no function here."""


@dataclass(frozen=True)
class Assessment:
    """The result of one assessment; `state` is the input of the next."""

    verdicts: list[Verdict]
    retrain: RetrainRequest
    window: WindowFacts
    release: str
    checks: dict[str, CheckEvidence]
    """Evidence by check."""
    state: MonitorState

    @property
    def evidence(self) -> MonitorEvidence:
        """Return the evidence, without the environment and what was collected."""
        return MonitorEvidence(release=self.release, window=self.window, retrain=self.retrain, checks=self.checks)


def assess(window: LiveWindow, reference: Reference, state: MonitorState, settings: Settings) -> Assessment:
    """Run every check on `window`. `state` is that of the previous window's assessment, or `MonitorState()`."""
    context = CheckContext(window, reference, settings)
    evidence = {name: check(context) for name, check in CHECKS.items() if check}
    late = performance.evidence(context)
    evidence["performance"] = late
    raw = [monitoring.judge(name, evidence.get(name, late), context.limits) for name in CHECKS]
    before = state.alarms_before(window.end)
    alarms = {verdict.gate: _alarm(before, verdict, context.limits) for verdict in raw}
    verdicts = [monitoring.with_alarm(verdict, alarms[verdict.gate].raised) for verdict in raw]
    release, facts = reference.baseline.release, _facts(context, evidence, late)
    point = Point(end=window.end, release=release, days=window.days, facts=facts)
    monitored = WindowFacts(start=window.start.isoformat(), end=window.end.isoformat(), rows=window.row_count)
    request = monitoring.retrain(verdicts)
    return Assessment(verdicts, request, monitored, release, evidence, state.after(alarms, point))


def _alarm(before: Mapping[str, Alarm], verdict: Verdict, limits: MonitoringSection) -> Alarm:
    """Return the alarm of one check after its verdict. An inconclusive verdict leaves the alarm unchanged."""
    windows = (1, 1) if verdict.gate in monitoring.IMMEDIATE else (limits.alarm_after, limits.clear_after)
    alarm = before.get(verdict.gate, Alarm())
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return alarm
    return alarm.next(verdict.outcome is Outcome.FAIL, *windows)


def _facts(context: CheckContext, evidence: Mapping[str, CheckEvidence], late: PerformanceEvidence) -> PointFacts:
    """Return what the plots show of the window."""
    columns: dict[str, float] = {}
    for check in (evidence["skew"], evidence["drift"]):
        for finding in check.findings if isinstance(check, FindingsEvidence) else []:
            columns[finding.column] = max(columns.get(finding.column, -1.0), round(finding.score, 3))
    service, overall = context.window.service, late.all
    has_primary = overall is not None and overall.metric == late.metric  # a chart has one unit
    return PointFacts(
        rows=context.window.row_count,
        performance=overall.model_dump() if overall and has_primary else None,
        baseline=late.baseline,
        metric=late.metric,
        columns=columns,
        p50=service and service.p50_milliseconds,
        p99=service and service.p99_milliseconds,
    )
