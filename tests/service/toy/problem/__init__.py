"""Problem with five columns, one of each kind that the service treats differently; independent of a fork's problem."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TARGET = "label"
TASK = "binary"
TIME_COLUMN = None


class Row(BaseModel):
    """A thing."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    size: Annotated[float, Field(ge=0, le=100, description="How large")]
    count: Annotated[int, Field(ge=1, le=9)]
    kind: Literal["a", "b"]
    name: Annotated[str, Field(pattern=r"^[A-Z:]{2}$")]
    weight: float | None
