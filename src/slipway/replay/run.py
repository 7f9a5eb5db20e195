"""The verb `replay`: live through the days under each policy, and tell what became of them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from slipway.files import write_json, write_text
from slipway.replay import outcome, stream
from slipway.replay.life import CALENDAR, MONITORED, NEVER, Life
from slipway.replay.release import Release, build
from slipway.report import html, markdown
from slipway.report import replay as report
from slipway.results import RESULTS
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from slipway.replay.stream import Stream

FOLDER = RESULTS / "replay"
DATA = Path("data")
POLICIES = (NEVER, CALENDAR, MONITORED)


def replay(since: str, label_days: float, *, as_json: bool) -> None:
    """Write results/replay/replay.json, report.md and index.html, and print it. Raises UserError."""
    start = time.monotonic()
    params = read_params()
    rows = stream.read(DATA, stream.moment(since) if since else None)
    with TemporaryDirectory() as folder:
        lives = live(rows, params, label_days, Path(folder))
        told = tell(rows, lives, params, label_days)
    document = report.write(told)
    write_json(FOLDER / "replay.json", told)
    write_text(FOLDER / "report.md", markdown.render(document))
    write_text(FOLDER / "index.html", html.render(document, "Replay"))
    _say(f"{time.monotonic() - start:.0f} s; {FOLDER}/index.html has the plot")
    print((FOLDER / "replay.json").read_text(encoding="utf-8") if as_json else report.text(told))


def live(rows: Stream, params: Mapping[str, Any], label_days: float, folder: Path) -> list[Life]:
    """Every policy's life, side by side: what two train on the same day is the same model."""
    made: dict[datetime, Release] = {}

    def train(day: datetime) -> Release:
        if day not in made:
            known = rows.rows.iloc[: rows.place(stream.ago(day, label_days))]
            name = f"of {day:%Y-%m-%d}"
            made[day] = build(name, known, day, folder / f"{day:%Y-%m-%d}", params)
        return made[day]

    _say(f"the first model, of {len(rows.rows):,} rows those before {rows.begin:%Y-%m-%d}")
    known = rows.rows.iloc[: rows.place(stream.ago(rows.begin, label_days))]
    first = build("the first", known, rows.begin, folder / "first", params)
    lives = [Life(policy, first, rows, params, label_days) for policy in POLICIES]
    for number, day in enumerate(rows.days):
        if number % outcome.WEEK == 0:
            _say(f"{day:%Y-%m-%d}, day {number + 1} of {len(rows.days)}")
        for life in lives:
            if event := life.renew(day, train):
                became = "promoted" if event.promoted else f"blocked by {event.blocked_by}"
                _say(f"{day:%Y-%m-%d}, {life.policy}: retrained ({event.trigger}), {became}")
            life.serve(day)
    return lives


def tell(rows: Stream, lives: list[Life], params: Mapping[str, Any], label_days: float) -> dict[str, Any]:
    """Everything that there is to tell, as JSON."""
    never, *others = lives
    labelled = outcome.Labelled.of(rows, never.release.reference.classes, params["monitoring"]["block_hours"])
    return {
        "begin": rows.begin.date().isoformat(),
        "days": len(rows.days),
        "rows": len(labelled.y),
        "label_days": label_days,
        "primary": params["gates"]["primary"],
        "confidence": params["monitoring"]["confidence"],
        "weeks": outcome.by_week(labelled, lives, params["gates"]["primary"]),
        "policies": {
            life.policy: {
                "gains": outcome.gains(labelled, life, never, params),
                "events": [vars(event) | {"day": event.day.date().isoformat()} for event in life.events],
            }
            for life in others
        },
    }


def _say(text: str) -> None:
    print(f"replay: {text}", file=sys.stderr, flush=True)
