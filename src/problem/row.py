"""Schema of a prediction request: the only definition of types, ranges, categories, units and descriptions.

The data contract, the training columns, the service's request schema and the load test's payloads derive from it.

A `Literal` is a closed list: the service rejects an unknown value. A `str` is an open list: the model scores an unknown
value as a category that is not in the training rows. `| None` allows a missing value.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Carrier = Literal["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
Airport = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


def _number(description: str, unit: str, low: float, high: float) -> Any:
    return Field(ge=low, le=high, allow_inf_nan=False, description=description, json_schema_extra={"unit": unit})


class Row(BaseModel):
    """One flight, with the information that is available an hour before its scheduled departure."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    carrier: Carrier = Field(description="Airline, two-character IATA code; a closed list")
    origin: Literal["EWR", "JFK", "LGA"] = Field(description="Airport of departure, IATA code; a closed list")
    dest: Airport = Field(description="Airport of arrival, IATA code; an open list", examples=["ATL"])
    weekday: Annotated[int, _number("Day of the week of departure, Monday is 1, local time", "day", 1, 7)]
    departure_minute: Annotated[int, _number("Scheduled departure, local time of the origin", "minute of day", 0, 1439)]
    arrival_minute: Annotated[
        int, _number("Scheduled arrival, local time of the destination", "minute of day", 0, 1439)
    ]
    distance: Annotated[int, _number("Great-circle distance between the airports", "mile", 10, 6000)]
    departures_in_hour: Annotated[int, _number("Flights scheduled from this origin in the same hour", "flight", 1, 120)]
    plane_year: Annotated[int, _number("Year in which the aircraft was built", "year", 1940, 2035)] | None = Field(
        description="Missing where the registry does not list the tail number"
    )
    seats: Annotated[int, _number("Seats of the aircraft", "seat", 1, 900)] | None = Field(
        description="Missing where the registry does not list the tail number"
    )
    temperature: Annotated[float, _number("Air temperature at the origin", "°F", -40, 130)] | None
    dew_point: Annotated[float, _number("Dew point at the origin", "°F", -60, 100)] | None
    humidity: Annotated[float, _number("Relative humidity at the origin", "%", 0, 100)] | None
    wind_direction: Annotated[float, _number("Direction the wind comes from", "degree", 0, 360)] | None
    wind_speed: Annotated[float, _number("Wind speed", "mph", 0, 150)] | None
    wind_gust: Annotated[float, _number("Speed of gusts; missing where none was reported", "mph", 0, 200)] | None
    precipitation: Annotated[float, _number("Precipitation in the hour", "inch", 0, 10)] | None
    pressure: Annotated[float, _number("Pressure at sea level", "hPa", 870, 1085)] | None
    visibility: Annotated[float, _number("Visibility", "mile", 0, 10)] | None
