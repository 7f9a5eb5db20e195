"""A problem whose columns belong together: an hour of weather at one of three stations, and whether it rains."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

ROWS = 3000
HOURS = pd.date_range("2024-01-01", periods=3 * ROWS, freq="h", tz="UTC")
SITES = ("east", "north", "south")


class Row(BaseModel):
    """An hour of weather at a site."""

    site: Literal["east", "north", "south"]
    hour: Annotated[int, Field(ge=0, le=23)]
    local: Annotated[int, Field(ge=0, le=23)]
    warmth: float
    damp: float
    dew: float
    level: float
    grade: int
    depth: float | None


PROBLEM = {"Row": Row, "TARGET": "rain", "TASK": "binary", "TIME_COLUMN": "time", "SEGMENTS": ("site",)}
"""What the package `problem` exports."""


def table(start: int, seed: int) -> pd.DataFrame:
    """Return ROWS consecutive hours from the hour `start` on."""
    rng, hours = np.random.default_rng(seed), np.arange(start, start + ROWS)
    site = rng.integers(0, 3, ROWS)
    slow = np.interp(hours, hours[::24], 3 * rng.standard_normal(len(hours[::24])))
    warmth = 10 + 8 * np.sin(hours / 24 * 2 * np.pi) + slow + 30 * site + rng.normal(0, 0.5, ROWS)
    damp = np.clip(60 + np.interp(hours, hours[::12], 15 * rng.standard_normal(len(hours[::12]))), 10, 100)
    rain = rng.random(ROWS) < 1 / (1 + np.exp(-(damp - 65) / 3))
    return pd.DataFrame(
        {
            "time": HOURS[start : start + ROWS],
            "site": np.array(SITES)[site],
            "hour": hours % 24,
            "local": (hours + 6) % 24,
            "warmth": warmth,
            "damp": damp,
            "dew": warmth - (100 - damp) / 5 + rng.normal(0, 0.2, ROWS),
            "level": rng.normal(0, 1, ROWS),
            "rain": rain.astype(int),
            "grade": 10 * rng.integers(0, 11, ROWS),
            "depth": np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(0, 1, ROWS)),
        }
    )


def exchanged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with two sites under each other's name."""
    return frame.assign(site=frame["site"].replace({"east": "south", "south": "east"}))
