"""The parser of the prediction log: lines to an Arrow table with the columns `LOGGED` and those of `Row`.

Every number is a float64 here, because JSON may write a whole number as 2 or as 2.0. `to_frame` restores the integers
that `Row` declares.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from slipway.monitoring.log_columns import PREFIX, TIME
from slipway.schema.fields import fields

if TYPE_CHECKING:
    from pydantic import BaseModel

TIME_TYPE = pa.timestamp("ms", "UTC")


def parse(lines: bytes, row: type[BaseModel]) -> tuple[pa.Table, int]:
    """Parse complete lines; return the table, and the number of lines that are not records of the log."""
    schema = _schema(lines, row)
    try:
        return _table(lines, schema, row), 0
    except pa.ArrowInvalid:
        all_lines = [line for line in lines.splitlines(keepends=True) if line.strip()]  # an erased line is blank
        records = [line for line in all_lines if _is_record(line, schema, row)]
        return _table(b"".join(records), schema, row), len(all_lines) - len(records)


def to_frame(table: pa.Table, row: type[BaseModel]) -> pd.DataFrame:
    """Return a table as a frame, with the integers that `row` declares as Int64."""
    return whole(table.to_pandas(), row)


def whole(frame: pd.DataFrame, row: type[BaseModel]) -> pd.DataFrame:
    """Return `frame` with Int64 columns where `row` declares an integer and all values are whole."""
    integers = [name for name, kind in _types(row).items() if kind == "integer" and name in frame]
    converted = {
        name: frame[name].astype("Int64")
        for name in integers
        if pd.api.types.is_float_dtype(frame[name]) and (frame[name].dropna() % 1 == 0).all()
    }
    return frame.assign(**converted)


def empty(row: type[BaseModel]) -> pa.Table:
    """Return a table without rows."""
    return _flat(_schema(b"", row).empty_table(), row)


def _table(lines: bytes, schema: pa.Schema, row: type[BaseModel]) -> pa.Table:
    if not lines:
        return _flat(schema.empty_table(), row)
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    return _flat(arrow_json.read_json(io.BytesIO(lines), parse_options=options), row)


def _flat(table: pa.Table, row: type[BaseModel]) -> pa.Table:
    rows = table["row"].combine_chunks()
    columns = {name: pc.struct_field(rows, name) for name in row.model_fields}
    logged = {f"{PREFIX}{name}": table[name] for name in table.column_names if name != "row"}
    return pa.table({**logged, **columns})


def _schema(lines: bytes, row: type[BaseModel]) -> pa.Schema:
    kinds = {"integer": pa.float64(), "number": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
    fields = pa.struct([(name, kinds[kind]) for name, kind in _types(row).items()])
    head = [("release", pa.string()), ("time", TIME_TYPE), ("request_id", pa.string()), ("index", pa.int64())]
    head += [("unit", pa.string())] if b'"unit"' in lines else []
    return pa.schema([*head, ("row", fields), ("prediction", _prediction_type(lines))])


def _prediction_type(lines: bytes) -> pa.DataType:
    """Return the type of a prediction: a number, or a number per class. A file has a single release."""
    for line in lines.splitlines():
        prediction = _loaded(line).get("prediction")
        if isinstance(prediction, dict):
            return pa.struct([(name, pa.float64()) for name in prediction])
        if prediction is not None:
            break
    return pa.float64()


def _is_record(line: bytes, schema: pa.Schema, row: type[BaseModel]) -> bool:
    if not isinstance(_loaded(line).get("row"), dict):
        return False
    try:
        return bool(_table(line, schema, row)[TIME].null_count == 0)
    except pa.ArrowInvalid:
        return False


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _types(row: type[BaseModel]) -> dict[str, str]:
    """Return the JSON type of each column, other than null."""
    return {name: field.type for name, field in fields(row).items()}
