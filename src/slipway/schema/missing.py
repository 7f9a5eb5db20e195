"""Missing values, in the one way of each place.

In a row or a request, a missing value is None. In a table it is what pandas calls missing: None, NaN, NaT or NA. Among
features it is NaN for a number, and an empty string for a category. An empty string in a row or a table is a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FEATURES: dict[str, np.float32 | str] = {"number": np.float32("nan"), "category": ""}
"""The missing value among features, by kind of the column."""


def with_none(values: pd.Series) -> pd.Series:
    """Return the values of a table's column as Python objects, None where they are missing."""
    return values.astype(object).where(values.notna(), None)


def is_missing(feature: str | float) -> bool:
    """Return whether a value among features is missing."""
    return not feature if isinstance(feature, str) else bool(np.isnan(feature))


def are_missing(features: pd.Series, kind: str) -> np.ndarray:
    """Return whether each value of a column of features is missing, shape (n,)."""
    missing = features.eq(FEATURES["category"]) if kind == "category" else features.isna()
    return missing.to_numpy(dtype=bool)
