"""The command `replay`: simulate every policy over the same timeline, and write the comparison."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import output
from slipway.files import read_json, write_json, write_text
from slipway.lab.backtest import outcome, stream
from slipway.lab.backtest.life import CALENDAR, MONITORED, NEVER, Simulation
from slipway.lab.backtest.release import SimulatedRelease, build
from slipway.lab.backtest.replay_result import ReplayedPolicy, ReplayResult
from slipway.report import html, markdown
from slipway.report import replay as report
from slipway.results import RESULTS
from slipway.settings import read_settings

if TYPE_CHECKING:
    from datetime import datetime

    from slipway.lab.backtest.stream import Timeline
    from slipway.settings import Settings

FOLDER = RESULTS / "replay"
DATA = Path("data")
POLICIES = (NEVER, CALENDAR, MONITORED)


def replay(since: str, label_days: float) -> None:
    """Run the backtest; write results/replay/replay.json, report.md and index.html; print the result.

    since: day of the first deployment, or empty for the day after the newest row in data/.
    label_days: days after which the label of a row arrives. Raises UserError where no backtest is possible.
    """
    start = time.monotonic()
    settings = read_settings()
    timeline = stream.read(DATA, stream.parse_day(since) if since else None)
    with TemporaryDirectory() as folder:
        simulations = simulate(timeline, settings, label_days, Path(folder))
        result = summary(timeline, simulations, settings, label_days)
    document = report.write(result)
    write_json(FOLDER / "replay.json", result.model_dump(mode="json"))
    write_text(FOLDER / "report.md", markdown.render(document))
    write_text(FOLDER / "index.html", html.render(document, "Replay"))
    _progress(f"{time.monotonic() - start:.0f} s; the plot is in {FOLDER}/index.html")
    output.result(read_json(FOLDER / "replay.json"), lambda: report.text(result))


def simulate(timeline: Timeline, settings: Settings, label_days: float, folder: Path) -> list[Simulation]:
    """Simulate every policy, day by day. Policies that retrain on the same day share the model."""
    releases: dict[datetime, SimulatedRelease] = {}

    def train(day: datetime) -> SimulatedRelease:
        if day not in releases:
            labeled = timeline.rows.iloc[: timeline.place(stream.days_before(day, label_days))]
            releases[day] = build(f"{day:%Y-%m-%d}", labeled, day, folder / f"{day:%Y-%m-%d}", settings)
        return releases[day]

    _progress(f"training the first model on the rows before {timeline.begin:%Y-%m-%d}, of {len(timeline.rows):,} rows")
    labeled = timeline.rows.iloc[: timeline.place(stream.days_before(timeline.begin, label_days))]
    initial = build("initial", labeled, timeline.begin, folder / "initial", settings)
    simulations = [Simulation(policy, initial, timeline, settings, label_days) for policy in POLICIES]
    for number, day in enumerate(timeline.days):
        if number % outcome.WEEK_DAYS == 0:
            _progress(f"{day:%Y-%m-%d}, day {number + 1} of {len(timeline.days)}")
        for simulation in simulations:
            if event := simulation.renew(day, train):
                decision = "promoted" if event.promoted else f"blocked by {event.blocked_by}"
                _progress(f"{day:%Y-%m-%d}, {simulation.policy}: retrained ({event.trigger}), {decision}")
            simulation.serve(day)
    return simulations


def summary(timeline: Timeline, simulations: list[Simulation], settings: Settings, label_days: float) -> ReplayResult:
    """Return the comparison of all policies with the first, which never retrains."""
    never, *others = simulations
    classes, hours = never.release.reference.classes, settings.monitoring.block_hours
    labeled = outcome.LabeledRows.of(timeline, classes, hours)
    return ReplayResult(
        begin=timeline.begin.date(),
        days=len(timeline.days),
        rows=len(labeled.y),
        label_days=label_days,
        primary=settings.gates.primary,
        confidence=settings.monitoring.confidence,
        weeks=outcome.by_week(labeled, simulations, settings.gates.primary),
        policies={
            simulation.policy: ReplayedPolicy(
                gains=outcome.gains(labeled, simulation, never, settings), events=simulation.events
            )
            for simulation in others
        },
    )


def _progress(text: str) -> None:
    output.progress(f"replay: {text}")
