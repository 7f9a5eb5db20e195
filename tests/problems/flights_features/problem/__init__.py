"""Late flights, with the weather from a feature store: the sample's rows, whose weather Feast joins."""

import subprocess
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TARGET, TASK, TIME_COLUMN, SEGMENTS = "late", "binary", "event_timestamp", ("origin",)
INCOMING = Path("incoming")
WEATHER = {
    "temperature": (-50, 130),
    "dew_point": (-60, 90),
    "humidity": (0, 100),
    "wind_direction": (0, 360),
    "wind_speed": (0, 1100),
    "wind_gust": (0, 150),
    "precipitation": (0, 10),
    "pressure": (900, 1080),
    "visibility": (0, 10),
}


def _number(low, high):
    return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    origin: Literal["EWR", "JFK", "LGA"]
    distance: Annotated[int, Field(ge=10, le=6000)]
    temperature: _number(*WEATHER["temperature"]) | None
    dew_point: _number(*WEATHER["dew_point"]) | None
    humidity: _number(*WEATHER["humidity"]) | None
    wind_direction: _number(*WEATHER["wind_direction"]) | None
    wind_speed: _number(*WEATHER["wind_speed"]) | None
    wind_gust: _number(*WEATHER["wind_gust"]) | None
    precipitation: _number(*WEATHER["precipitation"]) | None
    pressure: _number(*WEATHER["pressure"]) | None
    visibility: _number(*WEATHER["visibility"]) | None


def feature_views(sources):
    """Return the weather of an airport and an hour, of which a later row is a correction."""
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64

    airport = Entity(name="airport", join_keys=["origin"], value_type=ValueType.STRING)
    hour = Entity(name="hour", join_keys=["hour"], value_type=ValueType.STRING)
    weather = FileSource(
        path=str(sources / "weather-*.parquet"), timestamp_field="observed", created_timestamp_column="arrived"
    )
    schema = [Field(name=name, dtype=Float64) for name in WEATHER]
    return [airport, hour, FeatureView(name="weather", entities=[airport, hour], schema=schema, source=weather)]


def load(data_dir):
    import pandas as pd

    files = sorted(data_dir.glob("*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True).drop(columns="hour")


def next_batch(data_dir):
    """Join the features of the next file once, so that the data have them, versioned and checked like each column."""
    for file in sorted(INCOMING.glob("*.parquet")):
        if not (data_dir / file.name).exists():
            subprocess.run(["slipway", "features", "join", str(file), str(data_dir / file.name)], check=True)
            return data_dir / file.name
    return None
