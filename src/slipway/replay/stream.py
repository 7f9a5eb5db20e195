"""The rows in the order in which they happened: those that the first model may know, and the days after them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

import problem
from slipway.errors import UserError

MOST = 10_000  # batches of a source; one that never ends is not replayed


@dataclass(frozen=True)
class Stream:
    """Rows as `problem.load` returns them, in the order of time."""

    rows: pd.DataFrame
    begin: datetime
    """Midnight UTC at which the first model is deployed; it knows what came before."""
    end: datetime

    @property
    def days(self) -> list[datetime]:
        """Each midnight at which a day begins that is served."""
        count = -(-(self.end - self.begin) // timedelta(days=1))
        return [self.begin + timedelta(days=day) for day in range(count)]

    def place(self, moment: datetime) -> int:
        """Position of the first row at `moment` or after."""
        return int(times(self.rows).searchsorted(pd.Timestamp(moment)))


def times(rows: pd.DataFrame) -> pd.Series:
    """When each row happened, UTC."""
    found = pd.to_datetime(rows[problem.TIME_COLUMN])
    return found.dt.tz_convert("UTC") if found.dt.tz else found.dt.tz_localize("UTC")


def read(data: Path, since: datetime | None) -> Stream:
    """What `data` holds, and all that `problem.next_batch` still has. Raises UserError where nothing can be replayed.

    since: when the first model is deployed; else the midnight after the newest row in `data`.
    """
    if not problem.TIME_COLUMN:
        raise UserError("problem.TIME_COLUMN: None; without a time there are no days to replay")
    if not data.is_dir():
        raise UserError(f"{data}: not there; run `dvc pull data.dvc`")
    with TemporaryDirectory() as folder:
        shutil.copytree(data, folder, dirs_exist_ok=True)
        newest = times(problem.load(Path(folder))).max().to_pydatetime(warn=False)
        _bring_all(Path(folder))
        rows = problem.load(Path(folder)).sort_values(problem.TIME_COLUMN, kind="stable", ignore_index=True)
    begin = since or (newest + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    end = times(rows).iloc[-1].to_pydatetime(warn=False)
    if end < begin:
        raise UserError(f"{data}: no rows from {begin:%Y-%m-%d} on, and problem.next_batch has none; use --since")
    if times(rows).iloc[0] >= pd.Timestamp(begin):
        raise UserError(f"--since {begin:%Y-%m-%d}: no rows before it to train the first model on")
    return Stream(rows, begin, end)


def _bring_all(folder: Path) -> None:
    for _ in range(MOST):
        if problem.next_batch(folder) is None:
            return
    raise UserError(f"problem.next_batch: still had a batch after {MOST:,}; a source that never ends is not replayed")


def ago(day: datetime, days: float) -> datetime:
    """So many days before."""
    return day - timedelta(days=days)


def moment(text: str) -> datetime:
    """A day of the command line, UTC. Raises UserError."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise UserError(f"--since {text}: no day; give one such as 2013-10-01") from None
