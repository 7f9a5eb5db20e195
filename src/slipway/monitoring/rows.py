"""Lines of the prediction log as a table: `LOGGED` and the columns of `Row`, as Arrow types.

Every number is a float64 here, because JSON writes a whole number as 2 or as 2.0; `to_frame` makes those whole again
that `Row` declares so.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from slipway.fields import fields

if TYPE_CHECKING:
    from pydantic import BaseModel

TIME = pa.timestamp("ms", "UTC")


def parse(lines: bytes, row: type[BaseModel]) -> tuple[pa.Table, int]:
    """Whole lines to a table, and how many lines were none of the log's."""
    schema = _schema(lines, row)
    try:
        return _table(lines, schema, row), 0
    except pa.ArrowInvalid:
        given = lines.splitlines(keepends=True)
        good = [line for line in given if _is_logged(line, schema, row)]
        return _table(b"".join(good), schema, row), len(given) - len(good)


def to_frame(table: pa.Table, row: type[BaseModel]) -> pd.DataFrame:
    """A table as a frame, whole numbers as Int64 where `row` declares them and all of them are."""
    return whole(table.to_pandas(), row)


def whole(frame: pd.DataFrame, row: type[BaseModel]) -> pd.DataFrame:
    """`frame` with whole numbers as Int64 where `row` declares them and all of a column are."""
    integers = [name for name, kind in _types(row).items() if kind == "integer" and name in frame]
    mended = {
        name: frame[name].astype("Int64")
        for name in integers
        if pd.api.types.is_float_dtype(frame[name]) and (frame[name].dropna() % 1 == 0).all()
    }
    return frame.assign(**mended)


def empty(row: type[BaseModel]) -> pa.Table:
    """No rows."""
    return _flat(_schema(b"", row).empty_table(), row)


def _table(lines: bytes, schema: pa.Schema, row: type[BaseModel]) -> pa.Table:
    if not lines:
        return _flat(schema.empty_table(), row)
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    return _flat(arrow_json.read_json(io.BytesIO(lines), parse_options=options), row)


def _flat(table: pa.Table, row: type[BaseModel]) -> pa.Table:
    rows = table["row"].combine_chunks()
    columns = {name: pc.struct_field(rows, name) for name in row.model_fields}
    logged = {name: table[name] for name in table.column_names if name != "row"}
    return pa.table({**logged, **columns})


def _schema(lines: bytes, row: type[BaseModel]) -> pa.Schema:
    kinds = {"integer": pa.float64(), "number": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
    fields = pa.struct([(name, kinds[kind]) for name, kind in _types(row).items()])
    head = [("release", pa.string()), ("time", TIME), ("request_id", pa.string()), ("index", pa.int64())]
    return pa.schema([*head, ("row", fields), ("prediction", _prediction(lines))])


def _prediction(lines: bytes) -> pa.DataType:
    """One number, or one for each class, as the first line that can be read has it; a file is of one release."""
    for line in lines.splitlines():
        said = _loaded(line).get("prediction")
        if isinstance(said, dict):
            return pa.struct([(name, pa.float64()) for name in said])
        if said is not None:
            break
    return pa.float64()


def _is_logged(line: bytes, schema: pa.Schema, row: type[BaseModel]) -> bool:
    if not isinstance(_loaded(line).get("row"), dict):
        return False
    try:
        return _table(line, schema, row)["time"].null_count == 0
    except pa.ArrowInvalid:
        return False


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _types(row: type[BaseModel]) -> dict[str, str]:
    """JSON type of each column, besides null."""
    return {name: field["type"] for name, field in fields(row).items()}
