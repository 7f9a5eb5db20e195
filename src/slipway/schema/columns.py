"""Input schema of a model, derived from the problem's `Row`: columns, their kinds, and whether they may be missing.

The estimator, the exported model and the service have the same two kinds. A number is a float32, and NaN where it is
missing. A category is a string, and empty where it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from slipway.schema.fields import fields

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class Column:
    """A column of `Row` as input of a model."""

    name: str
    kind: Literal["number", "category"]
    nullable: bool


def columns(row: type[BaseModel]) -> list[Column]:
    """Return the columns of `row` in the order of their declaration. Raises TypeError as `fields` does."""
    return [
        Column(field.name, "category" if field.type == "string" else "number", field.optional)
        for field in fields(row).values()
    ]
