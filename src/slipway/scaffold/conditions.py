"""Conditions of the data suite, measured on the table's own files. A column that breaks one is left out of its check.

deepchecks has fixed limits for the content of a column, such as 0.1% of strings without a letter or digit. A table that
is beyond them would be blocked from its first file on, although nothing is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from slipway.scaffold import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from slipway.scaffold.plan import Plan

FIRST_ROWS = 100  # enough to see that a column has many values, without counting them all
OTHER_ROWS_MIN = 5  # rows of a file with another value than the most frequent one; fewer may be none in the next file
NULL_WORDS = {"none", "null", "nan", "na", "", "\x00", "\x00\x00"}
"""Strings that deepchecks counts as missing, without characters other than letters and digits, in lower case."""
RARE_TYPE_RATIOS = (0.01 / 2, 0.1 * 1.5)  # deepchecks rejects 1% to 10%; the rest is headroom for later files
Sides = tuple[pd.DataFrame, pd.DataFrame]
"""Rows of a file, and of the files before it."""


def measure(pairs: Iterable[Sides], plan: Plan) -> dict[str, dict[str, str]]:
    """Return the reason by column for each check of deepchecks with columns to leave out.

    pairs: rows with the column names of the table; one pair at a time is in memory, except for its new side.
    """
    strings = [column.name for column in plan.features if column.is_category]
    strings += [plan.target.name] if plan.target.task == "multiclass" else []
    files: list[pd.DataFrame] = []
    unseen: list[object] = []
    for new, old in pairs:
        files.append(_named(new, plan))
        unseen += set(files[-1][plan.target.name]) - set(old[plan.target.source].dropna().astype(object))
    whole = pd.concat([files[-1], _named(old, plan)], ignore_index=True)
    broken: dict[str, dict[str, str]] = {
        "IsSingleValue": {name: _single_value([file[name] for file in files]) for name in map(str, whole)},
        "NewLabelTrainTest": {plan.target.name: _new_label(unseen, plan)},
        **{
            check: {name: reason([whole[name], *(file[name] for file in files)]) for name in strings}
            for check, reason in STRING_CHECKS.items()
        },
    }
    reasons = {check: {name: why for name, why in columns.items() if why} for check, columns in broken.items()}
    return {check: columns for check, columns in reasons.items() if columns}


def _named(rows: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Return the columns that the suite reads, with their new names and precision."""
    strings = {column.name for column in plan.features if column.is_category}
    columns = {name: rows[source] for source, name in plan.imported.items()}
    if plan.time:
        moments = times.examine(rows[plan.time.source], plan.time.name)[1]
        columns |= {plan.time.name: moments}
        columns |= {f"{plan.time.name}_{part}": times.PARTS[part](moments) for part in plan.time.parts}
    labeled = rows[plan.target.source].notna()
    return pd.DataFrame(
        {
            name: values.astype(object if name in strings or name == plan.target.name else "Float32")
            if plan.time is None or name != plan.time.name
            else values
            for name, values in columns.items()
        }
    )[labeled]


def _single_value(files: Sequence[pd.Series]) -> str:
    """Return why a later file may have one value only, or an empty string."""
    if all(_others(values.iloc[:FIRST_ROWS].value_counts()) >= OTHER_ROWS_MIN for values in files):
        return ""  # nor do all rows have fewer
    counts = [values.value_counts() for values in files]
    rows = [(_others(count), int(count.sum()), count.index[0]) for count in counts if len(count)]
    others, total, value = min(rows, default=(OTHER_ROWS_MIN, 0, ""))
    if others >= OTHER_ROWS_MIN:
        return ""
    return f"a file has {others} of {total:,} rows with another value than {str(value)[:20]!r}"


def _others(counts: pd.Series) -> int:
    """Return the number of rows with another value than the most frequent one, which is first."""
    return int(counts.iloc[1:].sum())


def _new_label(unseen: Sequence[object], plan: Plan) -> str:
    """Return why the labels of a file are no finding, or an empty string."""
    if plan.target.task == "regression" or not unseen:
        return ""
    return f"{str(unseen[0])[:20]!r} appears in a later file for the first time"


def baseform(text: str) -> str:
    """Return the letters and digits of `text` in lower case, as deepchecks compares strings."""
    return "".join(character for character in text if character.isalnum()).lower()


def _mixed_nulls(parts: Sequence[pd.Series]) -> str:
    whole = parts[0]
    words = sorted(value for value in map(str, whole.dropna().unique()) if (baseform(value) or value) in NULL_WORDS)
    if len(words) + bool(whole.isna().any()) < 2:
        return ""
    return f"{words[0]!r} is a value besides others for missing; if it means missing, set --missing {words[0]!r}"


def _mixed_types(parts: Sequence[pd.Series]) -> str:
    low, high = RARE_TYPE_RATIOS
    ratios = [_number_ratio(values.dropna()) for values in parts if values.notna().any()]
    rare = [ratio for ratio in ratios if low < min(ratio, 1 - ratio) < high]
    return f"{rare[0]:.1%} of its strings are numbers" if rare else ""


def _number_ratio(values: pd.Series) -> float:
    counts = values.value_counts()
    return float(counts[[_is_number(str(value)) for value in counts.index]].sum() / counts.sum())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _variants(parts: Sequence[pd.Series]) -> str:
    spellings: dict[str, str] = {}
    for value in sorted(map(str, parts[0].dropna().unique())):
        other = spellings.setdefault(baseform(value) or value, value)
        if other != value:
            return f"{other[:20]!r} and {value[:20]!r} differ in case or punctuation only"
    return ""


def _special(parts: Sequence[pd.Series]) -> str:
    counts = parts[0].dropna().value_counts()
    special = [value for value in counts.index if not baseform(str(value))]
    if not special:
        return ""
    ratio = counts[special].sum() / len(parts[0])
    return f"{special[0][:20]!r} in {ratio:.1%} of rows; if it means missing, set --missing {special[0][:20]!r}"


STRING_CHECKS: dict[str, Callable[[Sequence[pd.Series]], str]] = {
    "MixedNulls": _mixed_nulls,
    "MixedDataTypes": _mixed_types,
    "StringMismatch": _variants,
    "SpecialCharacters": _special,
}
"""Checks of strings; each function gets the values of all files and of each one, and returns the reason or nothing."""
