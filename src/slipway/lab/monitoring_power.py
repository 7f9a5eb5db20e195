"""The power of monitoring, `slipway power --monitor`: its false-alarm rate, and its detection rate for known faults.

The release is the one trained here, and the rows are real ones from after its training data. A stable window consists
of random days of one later month, and its previous windows of the other days. Nothing changes by construction, so every
alarm is false. The faults of `slipway.lab.live_faults` are then injected into such windows.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

import problem
from slipway import output, predictor
from slipway.errors import DataError
from slipway.gates import Outcome
from slipway.gates.monitoring_evidence import FindingsEvidence
from slipway.lab import live_faults
from slipway.monitoring.alarm_state import MonitorState
from slipway.monitoring.assess import assess
from slipway.monitoring.log_columns import KEY, LOGGED, TIME
from slipway.monitoring.reference import LoadTestBaseline, Reference, ReleaseBaseline, predict
from slipway.monitoring.window import LiveWindow, ServiceCounts, logged
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.monitoring.assess import Assessment
    from slipway.settings import Settings

FALSE_ALARM_RATE_MAX = 0.01  # of stable windows
DETECTION_RATE_MIN = 0.95  # of injected faults
AGE_CHECKS = frozenset({"staleness"})
"""Checks that are excluded, because the age of a model and of its data is not random."""
RUN_WINDOWS = 10  # consecutive stable windows, so that alarms can be raised and cleared
MONTH_DAYS_MIN = 28  # of a month from which windows are drawn
MISSING_RISE_MAX = 0.5  # of a column on a day; on a day with more, a source was down, and that is a fault
RELEASE = "candidate"
HEALTHY_SERVICE = ServiceCounts(50_000, 5, rows=50_000, p50_milliseconds=1.5, p99_milliseconds=9.0, peak_rate=40.0)
LOAD_TEST = LoadTestBaseline(p50_milliseconds=2.0, p99_milliseconds=15.0, rate=200)
"""The load-test result of the release."""


class Detection(NamedTuple):
    """Reaction of monitoring to one fault."""

    name: str
    why: str
    detected: bool
    first: str
    """The first failing check with its worst finding, or `nothing`."""


@dataclass(frozen=True)
class LaterRows:
    """Rows from after the reference as the prediction log would have them, by month."""

    months: list[pd.DataFrame]

    @classmethod
    def of(cls, reference: Reference, frame: pd.DataFrame) -> LaterRows:
        """Convert rows of the problem; without `TIME_COLUMN`, spread them over the days of a single month.

        Days on which a source was down are left out.
        """
        frame = frame.reset_index(drop=True)
        time = frame[problem.TIME_COLUMN] if problem.TIME_COLUMN else _spread(reference, len(frame))
        ids = [f"row-{place}" for place in range(len(frame))]
        answers: tuple[Any, ...] = (
            RELEASE,
            time,
            ids,
            0,
            logged(predict(reference.model, frame), reference.model.signature),
        )
        rows = frame[list(problem.Row.model_fields)].assign(
            **dict(zip(LOGGED, answers, strict=True)), **{problem.TARGET: frame[problem.TARGET]}
        )
        day, missing = rows[TIME].dt.floor("D"), rows[list(problem.Row.model_fields)].isna()
        rise = missing.groupby(day).mean() - reference.rows[list(problem.Row.model_fields)].isna().mean()
        rows = rows[~day.isin(rise.index[(rise > MISSING_RISE_MAX).any(axis=1)])]
        months = [month for _, month in rows.groupby(rows[TIME].dt.strftime("%Y-%m"))]
        return cls([month for month in months if month[TIME].dt.floor("D").nunique() >= MONTH_DAYS_MIN])


def stable(month: pd.DataFrame, start: datetime, days: float, random: np.random.Generator) -> LiveWindow:
    """Return a window of `days` distinct random days of `month`, with the same weekdays as a real one.

    The other days of the month become its previous windows.
    """
    day = month[TIME].dt.floor("D")
    shuffled = pd.DatetimeIndex(random.permutation(day.unique()))
    weekdays = pd.Series(shuffled.day_of_week)
    order = weekdays.groupby(weekdays).cumcount() * 7 + weekdays  # complete weeks first
    drawn = shuffled[np.argsort(order.to_numpy())]
    count = round(days)
    chosen, others = drawn[:count], drawn[count:]
    rows = _moved(month, day, chosen, start)
    previous = _moved(month, day, others, start - timedelta(days=len(others)))
    labels = pd.concat([rows, previous])[[KEY[0], problem.TARGET]].dropna()
    end = start + timedelta(days=days)
    without = [problem.TARGET]
    return LiveWindow(start, end, rows.drop(columns=without), previous.drop(columns=without), labels, HEALTHY_SERVICE)


def _moved(month: pd.DataFrame, day: pd.Series, drawn: pd.DatetimeIndex, start: datetime) -> pd.DataFrame:
    """Return the rows of the `drawn` days, moved to consecutive days from `start` on."""
    place = pd.Series(np.arange(len(drawn)), index=drawn)
    rows = month[day.isin(drawn)]
    own = day[rows.index]
    time = rows[TIME] - own + pd.to_timedelta(own.map(place), unit="D") + pd.Timestamp(start)
    return rows.assign(**{TIME: time}).sort_values(TIME)


def _spread(reference: Reference, rows: int) -> pd.Series:
    seconds = np.arange(rows) * (28 * 86_400 / rows)
    return pd.Series(pd.Timestamp(reference.baseline.built.replace(day=1)) + pd.to_timedelta(seconds, unit="s"))


@cache
def scene() -> tuple[Reference, LaterRows, Settings]:
    """Return the release trained here, the rows that `problem.next_batch` adds to its data, and params.yaml."""
    reference, settings = release_here()
    reference.expectation(settings.monitoring.window_days, settings.window_limits)
    return reference, LaterRows.of(reference, _later(reference)), settings


def release_here() -> tuple[Reference, Settings]:
    """Return the release trained here as a deployed one, and params.yaml."""
    settings = read_settings()
    frame = problem.load(Path("data"))
    metrics = {name: json.loads(Path(f"metrics/{name}.json").read_text("utf-8")) for name in ("evaluate", "importance")}
    built = frame[problem.TIME_COLUMN].max() if problem.TIME_COLUMN else datetime.now(UTC)
    baseline = ReleaseBaseline(
        release=RELEASE,
        built=pd.Timestamp(built).to_pydatetime(),
        metrics=metrics["evaluate"]["model"],
        importance=metrics["importance"],
        load=LOAD_TEST,
    )
    return Reference.of(baseline, frame, predictor.load(Path("model")), settings.for_problem()), settings


def _later(reference: Reference) -> pd.DataFrame:
    """Return the rows from after the training data. Raises UserError if there are none."""
    if not problem.TIME_COLUMN:
        return reference.test
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        shutil.copytree("data", folder)
        while problem.next_batch(folder):
            pass
        rows = problem.load(folder)
    later = rows[rows[problem.TIME_COLUMN] > reference.data_end]
    if later.empty:
        raise DataError("problem.next_batch: has no rows after those in data/, so there is nothing to monitor")
    return later


def alarms(assessment: Assessment) -> list[str]:
    """Return the failing checks, except AGE_CHECKS."""
    failed = (verdict.gate for verdict in assessment.verdicts if verdict.outcome is Outcome.FAIL)
    return [gate for gate in failed if gate not in AGE_CHECKS]


def pending(state: MonitorState) -> list[str]:
    """Return the checks that failed in the newest window or whose alarm is raised, except AGE_CHECKS."""
    return [name for name, alarm in state.alarms.items() if (alarm.raised or alarm.run) and name not in AGE_CHECKS]


def stable_run(seed: int) -> list[tuple[list[str], list[str]]]:
    """Assess RUN_WINDOWS consecutive stable windows; return `alarms` and `pending` of each."""
    reference, later, settings = scene()
    random, state, results = np.random.default_rng((settings.seed, seed)), MonitorState(), []
    month, days = later.months[random.integers(len(later.months))], settings.monitoring.window_days
    for place in range(RUN_WINDOWS):
        start = start_after(reference) + timedelta(days=days * place)
        assessment = assess(stable(month, start, days, random), reference, state, settings)
        state = assessment.state
        results.append((alarms(assessment), pending(state)))
    return results


def detect(place: int) -> Detection:
    """Inject the fault at `place` of the corpus into consecutive windows, and return what monitoring detects."""
    reference, later, settings = scene()
    days, state = settings.monitoring.window_days, MonitorState()
    fault = live_faults.corpus(reference, settings)[place]
    random = np.random.default_rng((settings.seed, place, 1))
    month = later.months[random.integers(len(later.months))]
    for number in range(settings.monitoring.alarm_after):
        start = start_after(reference) + timedelta(days=days * number)
        assessment = assess(fault.inject(stable(month, start, days, random)), reference, state, settings)
        state = assessment.state
    failed = alarms(assessment)
    if not failed:
        return Detection(fault.name, fault.why, False, "nothing")
    first = failed[0]
    evidence = assessment.checks.get(first)
    findings = evidence.findings if isinstance(evidence, FindingsEvidence) else []
    column = findings[0].column if findings else ""
    detected = first in fault.checks and (not fault.columns or column in fault.columns)
    return Detection(fault.name, fault.why, detected, f"{first}: {findings[0].message if findings else ''}")


def start_after(reference: Reference) -> datetime:
    """Return the midnight after the newest row of the reference, UTC."""
    end = reference.data_end or reference.baseline.built
    return datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)


def run(count: int, processes: int) -> bool:
    """Measure and print both rates, over every fault and `count` stable windows; return whether both targets hold."""
    reference, _, settings = scene()
    total = len(live_faults.corpus(reference, settings))
    with ProcessPoolExecutor(processes) as pool:
        detections = list(_with_progress(pool.map(detect, range(total)), total))
        runs = pool.map(stable_run, range(-(-count // RUN_WINDOWS)))
        windows = [window for run in runs for window in run][:count]
    detection_rate = sum(detection.detected for detection in detections) / total
    output.result_line(f"{total} faults, {detection_rate:.1%} detected (target: {DETECTION_RATE_MIN:.0%} or more)")
    false_alarm_rate, pending_rate = (sum(bool(window[side]) for window in windows) / count for side in (0, 1))
    output.result_line(
        f"{count} stable windows, {false_alarm_rate:.1%} with an alarm (target: {FALSE_ALARM_RATE_MAX:.0%} or less)"
    )
    output.record({"detected": detection_rate, "false_alarms": false_alarm_rate, "pending": pending_rate})
    output.result_line(f"{pending_rate:.1%} of the stable windows failed a check, which alone raises no alarm")
    return detection_rate >= DETECTION_RATE_MIN and false_alarm_rate <= FALSE_ALARM_RATE_MAX


def _with_progress(detections: Iterator[Detection], total: int) -> Iterator[Detection]:
    for number, detection in enumerate(detections, start=1):
        mark = "yes" if detection.detected else "NO"
        output.step(
            f"{number:3} of {total}  {mark:3}  {detection.name:32}  {detection.first[:110]}  ({detection.why})",
        )
        yield detection
