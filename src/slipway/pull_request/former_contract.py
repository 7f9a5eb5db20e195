"""The test rows as the contract of an earlier release has them, also its columns that `Row` no longer has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.errors import DataError
from slipway.schema.columns import columns
from slipway.schema.missing import FEATURES, with_none
from slipway.serving.pages import predictions
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    RowBatches = Iterable[tuple[pd.DataFrame, np.ndarray]]
    """Features and targets in batches, in any number of passes."""

DATA = Path("data")
NAMES_LENGTH_MAX = 120  # characters of column names in an error
LOADER = "`load` in src/problem/data.py"


class IncomparableError(Exception):
    """A release cannot be compared; the message is the predicate of a sentence about it, with the fix."""


class OtherProblemError(IncomparableError):
    """A release solves another problem, so no quantity of its model is a limit for the candidate."""


def document(signature: Mapping[str, Any], candidate: Mapping[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document with the columns and the target of a model's `signature`.

    It stands for that of a release that was built without one.

    A signature has no limits, so a column has the rules that the document of the `candidate` has for it, if any.
    """
    schemas = candidate["components"]["schemas"]
    names, kinds = [column["name"] for column in signature["columns"]], {"number": "number", "category": "string"}
    present = schemas["Row"]["properties"]
    properties = {
        column["name"]: present.get(column["name"], {"type": kinds[column["kind"]]}) for column in signature["columns"]
    }
    answers = predictions(signature["task"], signature["target"])
    former = {"Row": {"properties": properties, "required": names}, "Predictions": answers}
    return {"components": {"schemas": {**schemas, **former}}}


@dataclass(frozen=True)
class FormerRows:
    """The test rows with the columns of an earlier contract, in batches; any number of passes."""

    names: list[str]
    rows: RowBatches
    loaded: Mapping[str, np.ndarray]
    """Columns that `Row` does not have in the same kind, each of shape (n,)."""

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield the columns `names` of each batch."""
        start = 0
        for features, _ in self.rows:
            stop = start + len(features)
            yield features.assign(**{name: values[start:stop] for name, values in self.loaded.items()})[self.names]
            start = stop


def rows(signature: Mapping[str, Any], batches: RowBatches) -> FormerRows:
    """Return the columns of a model's `signature` for the test rows in `batches`.

    A column that `Row` has in the same kind comes from these, any other from what `load` returns. Raises
    IncomparableError naming the first column that is in neither, OtherProblemError if none is in either, and UserError
    when the data differ from the test rows.
    """
    kinds = {column.name: column.kind for column in columns(problem.Row)}
    needed = {column["name"]: column["kind"] for column in signature["columns"]}
    others = {name: kind for name, kind in needed.items() if kinds.get(name) != kind}
    if not others:
        return FormerRows(list(needed), batches, {})
    loaded = _loaded(np.concatenate([target for _, target in batches]))
    if not any(name in kinds or name in loaded for name in needed):
        raise OtherProblemError(f"has no column in common with the candidate: {', '.join(needed)[:NAMES_LENGTH_MAX]}")
    return FormerRows(list(needed), batches, {name: _column(loaded, name, kind) for name, kind in others.items()})


def _loaded(target: np.ndarray) -> pd.DataFrame:
    """Return the test rows with every column that `load` returns, split as stage `prepare` does."""
    frame = problem.load(DATA)
    _, test = problem.split(frame[frame[problem.TARGET].notna()], read_settings().for_problem())
    loaded = test[problem.TARGET].to_numpy(dtype=None if problem.TASK == "multiclass" else float)
    if not np.array_equal(loaded, target):
        raise DataError(f"{DATA}: gives other test rows than those of the candidate; run `slipway train`")
    return test


def _column(loaded: pd.DataFrame, name: str, kind: str) -> np.ndarray:
    if name not in loaded:
        raise IncomparableError(
            f"needs the column {name}, which {LOADER} does not return; return it besides the columns of `Row`"
        )
    values = loaded[name]
    if kind == "category":
        return with_none(values).map(str, na_action="ignore").fillna(FEATURES[kind]).to_numpy(dtype=object)
    try:
        return values.astype("Float64").astype("float32").to_numpy()
    except (TypeError, ValueError):
        raise IncomparableError(
            f"needs the column {name} as a number, but {LOADER} returns {values.dtype}; return it as before"
        ) from None
