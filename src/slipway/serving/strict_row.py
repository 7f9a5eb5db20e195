"""Strict mode of a `Row`, as the service reads requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


def _without_finite_checks(schema: Any) -> Any:
    if isinstance(schema, dict):
        content = schema["schema"] if _is_finite_integer(schema) else schema
        return {key: _without_finite_checks(value) for key, value in content.items()}
    if isinstance(schema, list | tuple):
        return type(schema)(map(_without_finite_checks, schema))
    return schema


def _is_finite_integer(schema: dict[str, Any]) -> bool:
    if schema.get("type") != "function-after" or schema["schema"]["type"] != "int":
        return False
    return getattr(schema["function"]["function"], "__name__", "") == "forbid_inf_nan_check"


class QuickModel(BaseModel):
    """A model without pydantic's check that an integer is finite, which calls a Python function for each value."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema without these checks, which `allow_inf_nan=False` adds to an integer."""
        schema: CoreSchema = _without_finite_checks(super().__get_pydantic_core_schema__(source, handler))
        return schema


def strict(row: type[BaseModel]) -> type[BaseModel]:
    """Return `row` in strict mode, also if the fork's class is not strict."""

    class Strict(QuickModel, row):  # type: ignore[misc, valid-type]  # a class that is known at run time
        """`Row` in strict mode."""

        model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_enum_values=True)

    return Strict
