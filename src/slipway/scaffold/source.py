"""The table that a fork begins with, as it lies there: a CSV or a Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: pd.read_csv(path, low_memory=False),  # or a column's type would depend on where a chunk ends
    ".parquet": pd.read_parquet,
}
FEWEST_ROWS = 100  # with a label; fewer leave no test rows by which two models could be told apart
SHOWN = 5  # columns that an error names


def read(path: Path) -> pd.DataFrame:
    """Rows of the file at `path`. Raises UserError for one that is not there, not readable, or of another format."""
    if path.suffix not in READERS:
        raise UserError(f"{path}: not one of {', '.join(READERS)}; save the table as one of them")
    try:
        frame = READERS[path.suffix](path)
    except FileNotFoundError:
        raise UserError(f"{path}: not found") from None
    except Exception as error:  # noqa: BLE001  whatever a reader raises on a broken file is for the user to mend
        raise UserError(f"{path}: cannot be read ({str(error).strip().splitlines()[0]})") from None
    return frame.rename(columns=str).reset_index(drop=True)


def require(frame: pd.DataFrame, path: Path, columns: list[str]) -> None:
    """Raise UserError when `frame` lacks one of `columns`, or has too few rows."""
    for column in columns:
        if column not in frame:
            known = ", ".join(map(repr, list(frame)[:SHOWN])) + (", …" if len(list(frame)) > SHOWN else "")
            raise UserError(f"{path}: no column {column!r}; it has {known}")
    if len(frame) < FEWEST_ROWS:
        raise UserError(f"{path}: {len(frame)} rows; {FEWEST_ROWS} or more are needed to train and to compare")
