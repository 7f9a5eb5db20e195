"""`slipway power --monitor`: how often an alarm is false, and how often what is wrong is named.

The release is the one that is trained here; the rows are real ones that came after its data. A stable window is some
days of one later month, and the time before it the other days of that month: by construction nothing changes. So every
alarm is false. The faults of `slipway.monitoring.faults` are then put into such windows.
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
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import predictor
from slipway.errors import UserError
from slipway.gates import Outcome
from slipway.monitoring import faults
from slipway.monitoring.assess import assess
from slipway.monitoring.memory import Memory
from slipway.monitoring.reference import Promise, Reference, predict
from slipway.monitoring.window import LiveWindow, Service, logged
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.monitoring.assess import Assessment

FALSE_ALARMS = 0.01  # largest share of stable windows with an alarm
OF_AGE = frozenset({"staleness"})  # chance has no part in the age of a model and of its data
NAMED = 0.95  # least share of faults that are named rightly
RUN = 10  # stable windows that follow each other, so that alarms can be raised and cleared
FEWEST_DAYS = 28  # of a month that windows are drawn from
RELEASE = "candidate"
GOOD = Service(50_000, 5, rows=50_000, p50_milliseconds=1.5, p99_milliseconds=9.0, peak_rate=40.0)
"""What a healthy service counts in a window."""
LOAD = {"p50_milliseconds": 2.0, "p99_milliseconds": 15.0, "rate": 200}
"""What its load test showed."""


@dataclass(frozen=True)
class Later:
    """Rows that came after the reference, as they would have been logged, by month."""

    months: list[pd.DataFrame]

    @classmethod
    def of(cls, reference: Reference, frame: pd.DataFrame) -> Later:
        """From rows of the problem; without `TIME_COLUMN`, all are of one month, dealt to its days."""
        frame = frame.reset_index(drop=True)
        time = frame[problem.TIME_COLUMN] if problem.TIME_COLUMN else _dealt(reference, len(frame))
        rows = frame[list(problem.Row.model_fields)].assign(
            time=time,
            release=RELEASE,
            request_id=[f"row-{place}" for place in range(len(frame))],
            index=0,
            prediction=logged(predict(reference.model, frame), reference.model.signature),
            **{problem.TARGET: frame[problem.TARGET]},
        )
        months = [month for _, month in rows.groupby(time.dt.strftime("%Y-%m"))]
        return cls([month for month in months if month["time"].dt.floor("D").nunique() >= FEWEST_DAYS])


def stable(month: pd.DataFrame, start: datetime, days: int, random: np.random.Generator) -> LiveWindow:
    """A day of `month` for each weekday of the window, none twice, and the others as the time before."""
    day = month["time"].dt.floor("D")
    drawn = pd.Series(random.permutation(day.unique()))
    turn = drawn.groupby(drawn.dt.dayofweek).cumcount() * 7 + drawn.dt.dayofweek
    drawn = drawn.iloc[np.argsort(turn)].to_numpy()  # a whole week, then another
    chosen, others = drawn[:days], drawn[days:]
    rows = _moved(month, day, chosen, start)
    before = _moved(month, day, others, start - timedelta(days=len(others)))
    labels = pd.concat([rows, before])[["request_id", problem.TARGET]].dropna()
    end = start + timedelta(days=days)
    without = [problem.TARGET]
    return LiveWindow(start, end, rows.drop(columns=without), before.drop(columns=without), labels, GOOD)


def _moved(month: pd.DataFrame, day: pd.Series, drawn: np.ndarray, start: datetime) -> pd.DataFrame:
    place = pd.Series(np.arange(len(drawn)), index=drawn)
    rows = month[day.isin(drawn)]
    own = day[rows.index]
    time = rows["time"] - own + pd.to_timedelta(own.map(place), unit="D") + pd.Timestamp(start)
    return rows.assign(time=time).sort_values("time")


def _dealt(reference: Reference, rows: int) -> pd.Series:
    seconds = np.arange(rows) * (28 * 86_400 / rows)
    return pd.Series(pd.Timestamp(reference.promise.built.replace(day=1)) + pd.to_timedelta(seconds, unit="s"))


@cache
def scene() -> tuple[Reference, Later, dict[str, Any]]:
    """The release that is trained here, and what came after its data by `problem.next_batch`."""
    reference, params = release_here()
    reference.expectation(params["monitoring"]["window_days"])
    return reference, Later.of(reference, _later(reference)), params


def release_here() -> tuple[Reference, dict[str, Any]]:
    """The release that is trained here, as if it were served, and params.yaml."""
    params = read_params()
    frame = problem.load(Path("data"))
    metrics = {name: json.loads(Path(f"metrics/{name}.json").read_text("utf-8")) for name in ("evaluate", "importance")}
    built = frame[problem.TIME_COLUMN].max() if problem.TIME_COLUMN else datetime.now(UTC)
    said = (metrics["evaluate"]["model"], metrics["importance"], LOAD)
    promise = Promise(RELEASE, pd.Timestamp(built).to_pydatetime(), *said)
    return Reference.of(promise, frame, predictor.load(Path("model")), params), params


def _later(reference: Reference) -> pd.DataFrame:
    if not problem.TIME_COLUMN:
        return reference.test
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        shutil.copytree("data", folder)
        while problem.next_batch(folder):
            pass
        later = problem.load(folder)
    later = later[later[problem.TIME_COLUMN] > reference.data_end]
    if later.empty:
        raise UserError("problem.next_batch: gives nothing beyond data/, so there is nothing to replay")
    return later


def alarms(found: Assessment) -> list[str]:
    """Questions that fail."""
    failed = (one.gate for one in found.verdicts if one.outcome is Outcome.FAIL)
    return [gate for gate in failed if gate not in OF_AGE]


def asking(memory: Memory) -> list[str]:
    """Questions of which the newest window asks for an alarm, or one is raised."""
    return [name for name, alarm in memory.alarms.items() if (alarm.raised or alarm.run) and name not in OF_AGE]


def stable_run(seed: int) -> list[tuple[list[str], list[str]]]:
    """Of RUN stable windows of one month after one another: the alarms, and what a single window asked for."""
    reference, later, params = scene()
    random, memory, told = np.random.default_rng((params["seed"], seed)), Memory(), []
    month, days = later.months[random.integers(len(later.months))], params["monitoring"]["window_days"]
    for place in range(RUN):
        start = start_after(reference) + timedelta(days=days * place)
        found = assess(stable(month, start, days, random), reference, memory, params)
        memory = found.memory
        told.append((alarms(found), asking(memory)))
    return told


def named(place: int) -> tuple[str, str, bool, str]:
    """A fault of the corpus in two windows: its name, why, whether it was named rightly, and what was told first."""
    reference, later, params = scene()
    days, memory = params["monitoring"]["window_days"], Memory()
    fault = list(faults.corpus(reference, days, params["seed"]))[place]
    random = np.random.default_rng((params["seed"], place, 1))
    month = later.months[random.integers(len(later.months))]
    for turn in range(params["monitoring"]["alarm_after"]):
        start = start_after(reference) + timedelta(days=days * turn)
        found = assess(fault.spoil(stable(month, start, days, random)), reference, memory, params)
        memory = found.memory
    failed = alarms(found)
    first = failed[0] if failed else ""
    findings = found.evidence["questions"].get(first, {}).get("findings", [])
    column = findings[0]["column"] if findings else ""
    right = first in fault.questions and (not fault.columns or column in fault.columns)
    return fault.name, fault.why, right, f"{first}: {findings[0]['said'] if findings else ''}" if first else "nothing"


def start_after(reference: Reference) -> datetime:
    """Midnight after the newest row of the reference."""
    end = reference.data_end or reference.promise.built
    return datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)


def run(count: int, processes: int) -> bool:
    """Measure both, print them with what must be kept, and say whether it is."""
    reference, _, params = scene()
    total = len(faults.corpus(reference, params["monitoring"]["window_days"], params["seed"]))
    with ProcessPoolExecutor(processes) as pool:
        told = list(_progress(pool.map(named, range(total)), total))
        windows = [one for run in pool.map(stable_run, range(-(-count // RUN))) for one in run][:count]
    rightly = sum(right for _, _, right, _ in told) / total
    print(f"{total} faults, {rightly:.1%} named rightly (target: {NAMED:.0%} or more)")
    false, once = (sum(bool(window[side]) for window in windows) / count for side in (0, 1))
    print(f"{count} stable windows, {false:.1%} with an alarm (target: {FALSE_ALARMS:.0%} or less)")
    print(f"{once:.1%} of them asked for one; the window after did not")
    return rightly >= NAMED and false <= FALSE_ALARMS


def _progress(told: Iterator[tuple[str, str, bool, str]], total: int) -> Iterator[tuple[str, str, bool, str]]:
    for number, one in enumerate(told, start=1):
        name, why, right, first = one
        print(f"{number:3} of {total}  {'yes' if right else 'NO ':3}  {name:32}  {first[:110]}  ({why})", flush=True)
        yield one
