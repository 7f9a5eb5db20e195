"""One look at production: every question asked of a window, alarms raised and cleared, and whether to train again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.gates import Outcome
from slipway.monitoring import gates
from slipway.monitoring.look import Look
from slipway.monitoring.memory import Alarm, Memory, Point
from slipway.monitoring.questions import (
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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.gates import Verdict
    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow

QUESTIONS = {
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
"""By name, in the order in which they are told: a cause before what it causes. `segments` is judged on the evidence of
`performance`."""


@dataclass(frozen=True)
class Assessment:
    """What became of a look: `memory` is for the next one."""

    verdicts: list[Verdict]
    evidence: dict[str, Any]
    memory: Memory

    @property
    def retrain(self) -> dict[str, Any]:
        """{"wanted": bool, "trigger": `decay`, `drift`, `staleness` or None, "because": text}."""
        return self.evidence["retrain"]


def assess(window: LiveWindow, reference: Reference, memory: Memory, params: Mapping[str, Any]) -> Assessment:
    """Ask every question. `memory` is what the look before returned, or `Memory()`; `params` is params.yaml."""
    look = Look(window, reference, params)
    found = {name: ask(look) for name, ask in QUESTIONS.items() if ask}
    raw = [gates.judge(name, found.get(name, found["performance"]), look.limits) for name in QUESTIONS]
    before = memory.alarms_before(window.end)
    alarms = {verdict.gate: _alarm(before, verdict, look.limits) for verdict in raw}
    verdicts = [gates.with_alarm(verdict, alarms[verdict.gate].raised) for verdict in raw]
    evidence = {
        "release": reference.promise.release,
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat(), "rows": len(window.rows)},
        "questions": found,
        "retrain": gates.retrain(verdicts),
    }
    point = Point(end=window.end, release=reference.promise.release, days=window.days, facts=_facts(look, found))
    return Assessment(verdicts, evidence, memory.after(alarms, point))


def _alarm(before: Mapping[str, Alarm], verdict: Verdict, limits: Mapping[str, Any]) -> Alarm:
    times = (1, 1) if verdict.gate in gates.AT_ONCE else (limits["alarm_after"], limits["clear_after"])
    known = before.get(verdict.gate, Alarm())
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return known  # nothing was learned, so nothing changes
    return known.next(verdict.outcome is Outcome.FAIL, *times)


def _facts(look: Look, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the plots show."""
    columns: dict[str, float] = {}
    for question in ("skew", "drift"):
        for one in found[question].get("findings", []):
            columns[one["column"]] = max(columns.get(one["column"], -1.0), round(one["score"], 3))
    service, overall = look.window.service, found["performance"].get("all")
    has_primary = overall is not None and overall["metric"] == found["performance"]["metric"]  # a chart has one unit
    return {
        "rows": len(look.window.rows),
        "performance": overall if has_primary else None,
        "promised": found["performance"]["promised"],
        "metric": found["performance"]["metric"],
        "columns": columns,
        "p50": service and service.p50_milliseconds,
        "p99": service and service.p99_milliseconds,
    }
