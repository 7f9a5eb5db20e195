"""The timeline of a backtest: all rows in order of time, and the day of the first deployment."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

import problem
from slipway.errors import ArgumentError, DataError, MissingFileError

BATCHES_MAX = 10_000  # of a source; one that never ends cannot be replayed


@dataclass(frozen=True)
class Timeline:
    """Rows as `problem.load` returns them, oldest first."""

    rows: pd.DataFrame
    begin: datetime
    """Midnight UTC of the first deployment; the first model is trained on the rows before it."""
    end: datetime

    @property
    def days(self) -> list[datetime]:
        """Return the midnight at which each served day begins."""
        count = -(-(self.end - self.begin) // timedelta(days=1))
        return [self.begin + timedelta(days=day) for day in range(count)]

    def place(self, moment: datetime) -> int:
        """Return the position of the first row at or after `moment`."""
        return int(times(self.rows).searchsorted(pd.Timestamp(moment)))


def times(rows: pd.DataFrame) -> pd.Series:
    """Return the time of each row, UTC."""
    time = pd.to_datetime(rows[problem.TIME_COLUMN])
    return time.dt.tz_convert("UTC") if time.dt.tz else time.dt.tz_localize("UTC")


def read(data: Path, since: datetime | None) -> Timeline:
    """Read the rows in `data`, and all later ones that `problem.next_batch` provides.

    since: day of the first deployment; None for the day after the newest row in `data`.
    Raises UserError if there is no time column, no data, or no row before or after the first deployment.
    """
    if not problem.TIME_COLUMN:
        raise DataError("problem.TIME_COLUMN: None; a replay needs the time of each row")
    if not data.is_dir():
        raise MissingFileError(f"{data}: does not exist; run `dvc pull data.dvc`")
    with TemporaryDirectory() as folder:
        shutil.copytree(data, folder, dirs_exist_ok=True)
        newest = times(problem.load(Path(folder))).max().to_pydatetime(warn=False)
        _fetch_all(Path(folder))
        rows = problem.load(Path(folder)).sort_values(problem.TIME_COLUMN, kind="stable", ignore_index=True)
    begin = since or (newest + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    end = times(rows).iloc[-1].to_pydatetime(warn=False)
    if end < begin:
        raise DataError(f"{data}: no rows from {begin:%Y-%m-%d} on, and problem.next_batch has none; use --since")
    if times(rows).iloc[0] >= pd.Timestamp(begin):
        raise ArgumentError(f"--since {begin:%Y-%m-%d}: no rows before it to train the first model on")
    return Timeline(rows, begin, end)


def _fetch_all(folder: Path) -> None:
    for _ in range(BATCHES_MAX):
        if problem.next_batch(folder) is None:
            return
    raise DataError(f"problem.next_batch: still had data after {BATCHES_MAX:,} batches; a replay needs a finite source")


def days_before(day: datetime, days: float) -> datetime:
    """Return the time `days` before `day`."""
    return day - timedelta(days=days)


def parse_day(text: str) -> datetime:
    """Parse a day of the command line, UTC. Raises UserError."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentError(f"--since {text}: not a day; use the form 2013-10-01") from None
