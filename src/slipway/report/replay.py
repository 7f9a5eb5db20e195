"""Report of a replay, a backtest of continuous training: quality by week, gains over no retraining, retrainings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slipway import figures
from slipway.gates.comparison import deciding, difference
from slipway.report.document import Chart, Code, Heading, Series, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slipway.evaluation.compared import Interval
    from slipway.lab.backtest.replay_result import ReplayResult, RetrainingEvent
    from slipway.report.document import Block, Document

MONITORED = "monitored"
CONCLUSIONS = {
    "better": "Continuous training pays",
    "worse": "Continuous training reduces quality",
    "within noise": "Continuous training makes no significant difference",
    "undefined": "The effect of continuous training is undefined",
}


def title(result: ReplayResult) -> str:
    """Return the first line: whether continuous training pays."""
    policy = result.policies[MONITORED]
    metric = deciding(policy.gains, result.primary)
    gain = policy.gains[metric]
    return f"{CONCLUSIONS[difference(gain)]}: {metric} {_signed(gain)}, {_retrainings(policy.events)}"


def write(result: ReplayResult) -> Document:
    """Return the complete report."""
    return [Heading(title(result), 1), *_about(result), *_weeks(result), *_gains(result), *_events(result)]


def _about(result: ReplayResult) -> Iterator[Block]:
    yield paragraph(
        f"Backtest over {result.days} days and {result.rows:,} labeled rows. A model trained on the rows before"
        f" {result.begin} starts under three policies: never retrained, retrained by the calendar, or retrained when"
        f" the daily monitoring requests it. Labels arrive {result.label_days * 24:g} hours after their rows."
        " A retrained model is promoted if every gate passes."
    )


def _weeks(result: ReplayResult) -> Iterator[Block]:
    series = [
        Series(
            policy,
            [(row.week + 1, row.values[policy]) for row in result.weeks if math.isfinite(row.values[policy])],
        )
        for policy in _policies(result)
    ]
    yield Chart(f"{result.primary} by week", "week", result.primary, series)
    rows = [
        (
            str(row.week + 1),
            f"{row.rows:,}",
            *(figures.as_text(row.values[policy])[0] for policy in _policies(result)),
        )
        for row in result.weeks
    ]
    yield Table(("Week", "Rows", *_policies(result)), rows, frozenset(range(2 + len(_policies(result)))))


def _gains(result: ReplayResult) -> Iterator[Block]:
    rows = [
        (Strong(policy), metric, _signed(gain), difference(gain))
        for policy, simulation in result.policies.items()
        for metric, gain in simulation.gains.items()
    ]
    yield paragraph(
        "Gain over the policy never on all rows, with percentile intervals at"
        f" {result.confidence:.0%} confidence. A positive gain is better."
    )
    yield Table(("Policy", "Metric", "Gain", ""), rows)


def _events(result: ReplayResult) -> Iterator[Block]:
    rows = [
        (
            f"{event.day:%Y-%m-%d}",
            Strong(policy),
            event.trigger,
            event.gain,
            _outcome(event),
            Code(event.because or "-"),
        )
        for policy, simulation in result.policies.items()
        for event in simulation.events
    ]
    if rows:
        yield paragraph(
            f"Every retraining, with the gain in {result.primary} over production on the candidate's test rows,"
            " which precede that day."
        )
        yield Table(("Day", "Policy", "Trigger", "Gain when judged", "Outcome", "Evidence"), rows)


def text(result: ReplayResult) -> str:
    """Return the report for a terminal, with the conclusion in the last line."""
    names = _policies(result)
    lines = [f"{'week':>4} {'rows':>8} " + " ".join(f"{name:>10}" for name in names)]
    for row in result.weeks:
        values = " ".join(f"{figures.as_text(row.values[name])[0]:>10}" for name in names)
        lines.append(f"{row.week + 1:>4} {row.rows:>8,} {values}")
    for policy, simulation in result.policies.items():
        lines.append(f"{policy}: {_retrainings(simulation.events)}")
        lines += [
            f"  {event.day:%Y-%m-%d} {event.trigger}: {event.gain} when judged, {_outcome(event)}"
            for event in simulation.events
        ]
        lines += [f"  {metric} {_signed(gain)} {difference(gain)}" for metric, gain in simulation.gains.items()]
    return "\n".join([*lines, title(result)])


def _policies(result: ReplayResult) -> list[str]:
    return list(result.weeks[0].values)


def _retrainings(events: Sequence[RetrainingEvent]) -> str:
    promoted = sum(event.promoted for event in events)
    return f"{len(events)} retraining{'' if len(events) == 1 else 's'}, {promoted} promoted"


def _outcome(event: RetrainingEvent) -> str:
    return "promoted" if event.promoted else f"blocked by {event.blocked_by}"


def _signed(gain: Interval) -> str:
    return f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
