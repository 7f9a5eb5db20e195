"""One look at production: every question asked of a window, alarms raised and cleared, and whether to train again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.monitoring import gates
from slipway.monitoring.memory import Alarm, Memory, Point
from slipway.monitoring.questions import performance, staleness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.gates import Verdict
    from slipway.monitoring.reference import Reference
    from slipway.monitoring.window import LiveWindow

QUESTIONS = {
    "performance": performance.evidence,
    "staleness": staleness.evidence,
}
"""By name, in the order in which they are told; `slipway.monitoring.gates` has a gate for each."""


@dataclass(frozen=True)
class Assessment:
    """What became of a look: `memory` is for the next one."""

    verdicts: list[Verdict]
    evidence: dict[str, Any]
    memory: Memory

    @property
    def retrain(self) -> dict[str, Any]:
        """{"wanted": bool, "trigger": word or None, "because": text}."""
        return self.evidence["retrain"]


def assess(window: LiveWindow, reference: Reference, memory: Memory, params: Mapping[str, Any]) -> Assessment:
    """Ask every question. `memory` is what the look before returned, or `Memory()`; `params` is params.yaml."""
    found = {name: ask(window, reference, params) for name, ask in QUESTIONS.items()}
    raw = {name: gates.judge(name, evidence, params["monitoring"]) for name, evidence in found.items()}
    before = memory.alarms_before(window.end)
    alarms = {name: _alarm(before.get(name, Alarm()), name, verdict, params) for name, verdict in raw.items()}
    verdicts = [gates.with_alarm(verdict, alarms[name].raised) for name, verdict in raw.items()]
    evidence = {
        "release": reference.promise.release,
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat(), "rows": len(window.rows)},
        "questions": found,
        "retrain": gates.retrain(verdicts, found),
    }
    point = Point(end=window.end, release=reference.promise.release, days=window.days, facts=_facts(found))
    return Assessment(verdicts, evidence, memory.after(alarms, point))


def _alarm(before: Alarm, name: str, verdict: Verdict, params: Mapping[str, Any]) -> Alarm:
    limits = params["monitoring"]
    times = (1, 1) if name in gates.AT_ONCE else (limits["alarm_after"], limits["clear_after"])
    return before.next(verdict.outcome == "fail", *times)


def _facts(found: Mapping[str, Any]) -> dict[str, Any]:
    performance = found["performance"]
    return {"performance": performance.get("all"), "promised": performance["promised"]}
