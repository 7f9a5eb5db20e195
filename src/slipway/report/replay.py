"""What a replay shows: whether continuous training paid, week by week, and which retrainings there were."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from slipway import figures
from slipway.gates.comparison import decisive, difference
from slipway.report.document import Chart, Code, Heading, Series, Strong, Table, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from slipway.report.document import Block, Document

MONITORED = "monitored"
WORDS = {
    "better": "Continuous training pays",
    "worse": "Continuous training costs quality",
    "within noise": "Continuous training makes no difference that these rows can tell",
    "undefined": "What continuous training does cannot be told",
}


def title(told: Mapping[str, Any]) -> str:
    """The first line: does it pay?"""
    policy = told["policies"][MONITORED]
    rows = [{"metric": metric, "gain": gain} for metric, gain in policy["gains"].items()]
    row = decisive(rows, told["primary"])
    gain = row["gain"]
    return f"{WORDS[difference(gain)]}: {row['metric']} {_signed(gain)}, {_retrainings(policy['events'])}"


def write(told: Mapping[str, Any]) -> Document:
    """The whole report."""
    return [Heading(title(told), 1), *_about(told), *_weeks(told), *_gains(told), *_events(told)]


def _about(told: Mapping[str, Any]) -> Iterator[Block]:
    yield paragraph(
        f"A model of the rows before {told['begin']} served {told['days']} days, {told['rows']:,} rows with a label:"
        " never retrained; retrained by the calendar; and when the monitoring of each morning asked for it. A label was"
        f" known {told['label_days'] * 24:g} hours after its row. What was retrained was promoted if every gate passed."
    )


def _weeks(told: Mapping[str, Any]) -> Iterator[Block]:
    series = [
        Series(
            policy,
            [(row["week"] + 1, row["values"][policy]) for row in told["weeks"] if math.isfinite(row["values"][policy])],
        )
        for policy in _policies(told)
    ]
    yield Chart(f"{told['primary']} by week", "week", told["primary"], series)
    rows = [
        (str(row["week"] + 1), f"{row['rows']:,}", *(figures.as_text(row["values"][one])[0] for one in _policies(told)))
        for row in told["weeks"]
    ]
    yield Table(("Week", "Rows", *_policies(told)), rows, frozenset(range(2 + len(_policies(told)))))


def _gains(told: Mapping[str, Any]) -> Iterator[Block]:
    rows = [
        (Strong(policy), metric, _signed(gain), difference(gain))
        for policy, found in told["policies"].items()
        for metric, gain in found["gains"].items()
    ]
    yield paragraph(
        f"Against never, over all rows; positive is better, with intervals of {told['confidence']:.0%} confidence:"
    )
    yield Table(("Policy", "Metric", "Gain", ""), rows)


def _events(told: Mapping[str, Any]) -> Iterator[Block]:
    rows = [
        (event["day"], Strong(policy), event["trigger"], event["gain"], _became(event), Code(event["because"] or "-"))
        for policy, found in told["policies"].items()
        for event in found["events"]
    ]
    if rows:
        yield paragraph(
            f"Every retraining: the {told['primary']} that the new model gained on the rows that tested it, which came"
            " before that day, and what became of it:"
        )
        yield Table(("Day", "Policy", "Trigger", "Gain when judged", "Became", "Evidence"), rows)


def text(told: Mapping[str, Any]) -> str:
    """For a terminal."""
    names = _policies(told)
    lines = [f"{'week':>4} {'rows':>8} " + " ".join(f"{name:>10}" for name in names)]
    for row in told["weeks"]:
        values = " ".join(f"{figures.as_text(row['values'][name])[0]:>10}" for name in names)
        lines.append(f"{row['week'] + 1:>4} {row['rows']:>8,} {values}")
    for policy, found in told["policies"].items():
        lines.append(f"{policy}: {_retrainings(found['events'])}")
        lines += [
            f"  {one['day']} {one['trigger']}: {one['gain']} when judged, {_became(one)}" for one in found["events"]
        ]
        lines += [f"  {name} {_signed(gain)} {difference(gain)}" for name, gain in found["gains"].items()]
    return "\n".join([*lines, title(told)])


def _policies(told: Mapping[str, Any]) -> list[str]:
    return list(told["weeks"][0]["values"])


def _retrainings(events: list[Mapping[str, Any]]) -> str:
    promoted = sum(event["promoted"] for event in events)
    return f"{len(events)} retraining{'' if len(events) == 1 else 's'}, {promoted} promoted"


def _became(event: Mapping[str, Any]) -> str:
    return "promoted" if event["promoted"] else f"blocked by {event['blocked_by']}"


def _signed(gain: Mapping[str, float]) -> str:
    return f"{gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
