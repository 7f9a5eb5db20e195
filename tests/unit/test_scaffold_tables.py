"""Tables as users have them, one kind each: `slipway new` infers a plan, or refuses the table in one line.

tests/csv has the kinds of CSV files. The tables here have types that CSV lacks, or values that need many rows. Add a
table for each report of a new kind.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.errors import ArgumentError, DataError, MissingFileError, UserError
from slipway.scaffold import columns, conditions, names, new, plan, render, source, target
from slipway.scaffold.plan import ForkRequest, Plan
from slipway.scaffold.source import ReadOptions
from slipway.schema import csv_file
from slipway.schema.csv_file import Dialect

ROWS = 240
RANDOM = np.random.default_rng(11)
LABEL = RANDOM.choice(["yes", "no", "no"], ROWS)
SIZE = RANDOM.normal(size=ROWS)


def repeated(*values: Any) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


def write(folder, values: Any, name: str = "x") -> Any:
    """Write a table with the column `name`, another feature and a binary target, and return its path."""
    frame = pd.DataFrame({name: values, "size": SIZE, "sold": LABEL})
    frame.to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def inferred(folder, values: Any, name: str = "x") -> Plan:
    return plan.infer(write(folder, values, name), ForkRequest("sold"), 1)[0]


FEATURES = {
    "decimals": ([Decimal(f"{row}.25") for row in range(ROWS)], {"kind": "float"}),
    "whole decimals": ([Decimal(7 * row) for row in range(ROWS)], {"kind": "int"}),
    "whole decimals of 38 digits": ([Decimal(10**20 + row**3) for row in range(ROWS)], {"kind": "float"}),
    "decimals with a gap": (
        [None, *[Decimal(f"{row}.5") for row in range(ROWS - 1)]],
        {"kind": "float", "nullable": True},
    ),
    "nullable flags": (pd.array(repeated(True, False, None), dtype="boolean"), {"kind": "bool", "nullable": True}),
    "Arrow integers": (pd.array(repeated(3, 90, None), dtype="int64[pyarrow]"), {"kind": "int", "nullable": True}),
    "unsigned integers of 64 bits": (np.array(repeated(1, 2**63 + 5, 2**40), dtype="uint64"), {"kind": "float"}),
    "a flag as numbers": (repeated(0, 1), {"low": 0, "high": 1}),
    "a scale": (repeated(1, 2, 3, 4, 5), {"low": 1, "high": 5}),
    "months": (repeated(*range(1, 13)), {"low": 1, "high": 12}),
    "hours": (repeated(*range(24)), {"low": 0, "high": 23}),
    "a rare small count": ([2, *[0] * 100, *[1] * (ROWS - 101)], {"low": 0, "high": 2}),
    "ages": (RANDOM.integers(18, 90, ROWS), {"low": 0, "high": 130}),
    "ordered categories": (
        pd.Categorical(repeated("S", "M", "L"), ["S", "M", "L", "XL"], ordered=True),
        {"kind": "closed", "values": ("S", "M", "L", "XL"), "ordered": True},
    ),
    "categories": (
        pd.Categorical(repeated("S", "M", "L"), ["S", "M", "L", "XL"]),
        {"kind": "closed", "values": ("L", "M", "S", "XL"), "ordered": False},
    ),
    "categories that are numbers": (pd.Categorical(repeated(10, 20, 70)), {"kind": "int", "low": 0, "high": 100}),
}


@pytest.mark.parametrize("kind", FEATURES)
def test_a_column_is_a_feature(tmp_path, kind):
    values, expected = FEATURES[kind]
    (feature,) = [feature for feature in inferred(tmp_path, values).features if feature.name == "x"]
    assert expected == {name: getattr(feature, name) for name in expected}


EXCLUDED = {
    "dates": ([datetime.date(2026, 1, 1 + row % 28) for row in range(ROWS)], "it is a date; derive features"),
    "times of day": ([datetime.time(row % 24) for row in range(ROWS)], "it is a time of day; derive features"),
    "durations": (pd.to_timedelta(range(ROWS), unit="h"), "it is a duration; derive features"),
    "bytes": ([bytes([row % 5]) for row in range(ROWS)], "not numbers, flags or strings, but bytes"),
    "lists": ([[row] for row in range(ROWS)], "not numbers, flags or strings, but"),
    "one category of many": (pd.Categorical(["S"] * ROWS, ["S", "M"]), "it has a single value, 'S'"),
}


@pytest.mark.parametrize("kind", EXCLUDED)
def test_a_column_is_excluded_with_the_reason(tmp_path, kind):
    values, reason = EXCLUDED[kind]
    (column,) = [column for column in inferred(tmp_path, values).excluded if column.source == "x"]
    assert reason in column.reason


REFUSED = {
    "an infinite value": ([np.inf, *SIZE[1:]], "x: inf in row 0 is outside the range of float32"),
    "a value beyond float32": ([*SIZE[:-1], 1e300], f"x: 1e+300 in row {ROWS - 1} is outside the range of float32"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_table_is_refused_in_one_line(tmp_path, kind):
    values, error = REFUSED[kind]
    with pytest.raises(DataError) as refused:
        inferred(tmp_path, values)
    assert error in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("levels", [["key"], ["key", "part"], ["key", None]])
def test_a_named_index_is_a_column(tmp_path, levels):
    frame = pd.DataFrame({"size": SIZE, "sold": LABEL})
    frame.index = pd.MultiIndex.from_arrays([SIZE * 2, repeated(1, 5)][: len(levels)], names=levels)
    frame.to_parquet(tmp_path / "t.parquet")
    expected = [*filter(None, levels), "size", "sold"]
    assert expected == list(csv_file.read_parquet(tmp_path / "t.parquet", Dialect()))
    assert expected == list(source.read(tmp_path / "t.parquet"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (repeated("a", "?", "b"), {"kind": "closed", "values": ("a", "b"), "nullable": True}),
        (repeated("a", "", "b"), {"kind": "closed", "values": ("a", "b"), "nullable": True}),
        (pd.Categorical(repeated("a", "?", "b"), ["b", "?", "a"]), {"values": ("a", "b"), "nullable": True}),
        (repeated(*range(40), -999), {"kind": "int", "low": 0, "high": 39, "nullable": True}),
        (pd.array(repeated(True, False), dtype="boolean"), {"kind": "bool", "nullable": False}),
    ],
)
def test_values_that_mean_missing_are_missing_in_parquet_too(tmp_path, values, expected):
    request = ForkRequest("sold", options=ReadOptions(Dialect(missing=("?", "", "-999"))))
    made, _ = plan.infer(write(tmp_path, values), request, 1)
    (feature,) = [feature for feature in made.features if feature.name == "x"]
    assert expected == {name: getattr(feature, name) for name in expected}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ReadOptions(text=("x",)), "text"),
        (ReadOptions(Dialect(separator=";")), "separator"),
        (ReadOptions(Dialect(symbols=("%",))), "symbol"),
    ],
)
def test_an_option_without_an_effect_on_parquet_is_refused(tmp_path, options, name):
    with pytest.raises(ArgumentError, match=f"--{name}: is for CSV"):
        source.read(write(tmp_path, SIZE * 2), options)


def test_two_columns_of_one_name_are_refused(tmp_path):
    twice = pa.table([pa.array(SIZE), pa.array(SIZE), pa.array(LABEL)], names=["x", "x", "sold"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: has the column 'x' twice; rename one of them"):
        source.read(tmp_path / "t.parquet")
    pd.DataFrame({"x": SIZE}, index=pd.Index(SIZE, name="x")).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="has the column 'x' twice, once in its index"):
        source.read(tmp_path / "t.parquet")


@pytest.mark.parametrize("folder", ["folder", "folder.csv"])
def test_an_empty_folder_is_refused(tmp_path, folder):
    (tmp_path / folder).mkdir()
    with pytest.raises(MissingFileError, match=rf"{folder}: an empty folder; put the files of the table there"):
        source.read(tmp_path / folder)


HALVES = (slice(None, ROWS // 2), slice(ROWS // 2, None))
TYPES = {
    "numbers": SIZE,
    "strings": LABEL,
    "flags": SIZE > 0,
    "times without a zone": pd.date_range("2026-01-01", periods=ROWS),
    "times with a zone": pd.date_range("2026-01-01", periods=ROWS, tz="UTC"),
    "the ordered categories no, yes": pd.Categorical(LABEL, ["no", "yes"], ordered=True),
    "the ordered categories no, yes, maybe": pd.Categorical(LABEL, ["no", "yes", "maybe"], ordered=True),
}


def _folder(folder, *columns: Any) -> Any:
    """Write each column with half of the rows to a file of its own."""
    (folder / "parts").mkdir()
    for number, (values, half) in enumerate(zip(columns, HALVES, strict=True)):
        pd.DataFrame({"x": values[half], "sold": LABEL[half]}).to_parquet(folder / f"parts/{number}.parquet")
    return folder / "parts"


@pytest.mark.parametrize("pair", list(pairwise(TYPES)))
def test_a_column_of_another_type_in_a_later_file_is_refused(tmp_path, pair):
    first, second = pair
    with pytest.raises(DataError, match=rf"1\.parquet: x: has {second}, and 0\.parquet {first}; give all files the"):
        source.read(_folder(tmp_path, TYPES[first], TYPES[second]))


@pytest.mark.parametrize("name", TYPES)
def test_a_column_of_one_type_in_all_files_or_without_values_is_read(tmp_path, name):
    (tmp_path / "same").mkdir()
    expected = pd.Series(TYPES[name]).dtype
    rows = source.read(_folder(tmp_path / "same", TYPES[name], TYPES[name]))
    assert expected == rows["x"].dtype
    rows = source.read(_folder(tmp_path, TYPES[name], [None] * ROWS))
    assert ROWS // 2 == rows["x"].notna().sum()


def test_hidden_files_of_a_folder_are_skipped(tmp_path):
    folder = _folder(tmp_path, SIZE, SIZE)
    for name in ("_SUCCESS", ".part.crc"):
        (folder / name).write_text("")
    assert ROWS == len(source.read(folder))


@pytest.mark.parametrize(
    ("times", "error"),
    [
        ([*pd.date_range("2026-01-01", periods=ROWS - 1), None], f"missing in 1 rows, first in row {ROWS - 1}; every"),
        ([pd.Timestamp("2026-01-31")] * ROWS, r"240 of 240 rows have the time 2026-01-31 00:00, and 0 an earlier one"),
        (
            [*pd.date_range("2025-01-01", periods=49), *[pd.Timestamp("2026-01-31")] * (ROWS - 49)],
            "191 of 240 rows have the time 2026-01-31 00:00, and 49 an earlier one",
        ),
    ],
)
def test_times_that_cannot_split_the_rows_are_refused(tmp_path, times, error):
    with pytest.raises(DataError, match=error):
        plan.infer(write(tmp_path, times), ForkRequest("sold", time="x"), 1)


@pytest.mark.parametrize("values", [("1A", "2B", "1C"), ("Q1 2024", "Q2 2024"), ("12 kg", "5 lb")])
def test_names_with_digits_and_letters_are_strings(tmp_path, values):
    rows = zip(repeated(*values), SIZE.round(4), LABEL, strict=True)
    (tmp_path / "t.csv").write_text("x,size,sold\n" + "".join(f"{x},{size},{sold}\n" for x, size, sold in rows))
    features = {feature.name: feature for feature in plan.infer(tmp_path / "t.csv", ForkRequest("sold"), 1)[0].features}
    assert set(values) == set(features["x"].values)


@pytest.mark.parametrize(
    ("labels", "first", "second"),
    [
        (("yes", "Yes", "no"), "yes", "Yes"),
        (("yes", "no "), None, None),
        (("no", "yes", "no "), "no", "no "),
        (("STRASSE", "Straße", "x", "y"), "STRASSE", "Straße"),
        (("new  york", "New York", "x"), "new  york", "New York"),
        (("a-b", "a\u2013b", "x"), "a-b", "a\u2013b"),
        (("yes", "yes\u200b", "no"), "yes", "yes\u200b"),
        (("\uff39", "Y", "x"), "\uff39", "Y"),
    ],
)
def test_spellings_of_one_class_are_refused(labels, first, second):
    values = pd.Series(repeated(*labels), name="y")
    if first is None:
        assert "binary" == target.examine(values, "y", "").task
        return
    with pytest.raises(DataError) as refused:
        target.examine(values, "y", "")
    assert repr(first) in str(refused.value)
    assert repr(second) in str(refused.value)
    assert "are spellings of one class; write them alike" in str(refused.value)


def test_spellings_that_appear_equal_are_reported_by_their_characters():
    with pytest.raises(DataError, match=r"'\\xe9' in 80 rows and 'e\\u0301' in 80 rows are spellings"):
        target.examine(pd.Series(repeated("\u00e9", "e\u0301", "x"), name="y"), "y", "")


@pytest.mark.parametrize("word", ["?", "unknown", "NA", ""])
def test_a_word_for_missing_next_to_two_labels_is_refused_with_the_options(tmp_path, word):
    values = pd.Series(repeated("yes", "no", word), name="y")
    option = f"'{word}' in 80 rows next to two labels; if it means a missing value, set --missing '{word}'"
    for task in ("", "binary"):
        with pytest.raises(DataError, match=re.escape(option)):
            target.examine(values, "y", task)
    assert "multiclass" == target.examine(values, "y", "multiclass").task
    pd.DataFrame({"size": SIZE, "y": values}).to_parquet(tmp_path / "t.parquet")
    request = ForkRequest("y", options=ReadOptions(Dialect(missing=(word,))))
    assert "binary" == plan.infer(tmp_path / "t.parquet", request, 1)[0].target.task


@pytest.mark.parametrize("text", ["1,0,1.0", "1.0,0.0,1.0", "1,0,nan"])
def test_numbers_zero_and_one_keep_their_meaning_as_they_are_written(tmp_path, text):
    rows = zip(SIZE.round(4), repeated(*text.split(",")), strict=True)
    (tmp_path / "t.csv").write_text("size,y\n" + "".join(f"{size},{label}\n" for size, label in rows))
    assert ((0, 0), (1, 1)) == plan.infer(tmp_path / "t.csv", ForkRequest("y"), 1)[0].target.outcomes


@pytest.mark.parametrize(("labels", "text"), [((-1, 1), "1 is 1:"), ((True, False), "1 is True:"), ((1, 2), "1 is 1:")])
def test_labels_are_printed_and_written_as_python_has_them(labels, text):
    made = target.examine(pd.Series(repeated(*labels), name="y"), "y", "")
    assert made.description.startswith(text)
    assert {bool, int} >= {type(value) for value, _ in made.outcomes}


@pytest.mark.parametrize(
    ("labels", "task", "error"),
    [
        ((True, False), "regression", "True is not a number"),
        ((7, 7), "", "a single value, 7;"),
        ((*[1] * 60, *[2] * 59, 3), "multiclass", "3 has 2 rows"),
    ],
)
def test_labels_of_a_refusal_are_printed_as_python_has_them(labels, task, error):
    with pytest.raises(DataError, match=f"^y: {error}"):
        target.examine(pd.Series(repeated(*labels), name="y"), "y", task)


def test_a_table_of_the_target_alone_is_refused(tmp_path):
    pd.DataFrame({"y": LABEL}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"no column is left to learn from; add one besides the target$"):
        plan.infer(tmp_path / "t.parquet", ForkRequest("y"), 1)


def test_a_category_without_rows_is_no_class():
    values = pd.Series(pd.Categorical(repeated("a", "b"), ["a", "b", "c"]), name="y")
    assert "binary" == target.examine(values, "y", "").task


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"target": "y", "task": "foo"}, "--task 'foo': must be one of binary, multiclass, regression"),
        ({"target": ""}, "--target ''"),
        ({"target": "y", "time": "y"}, "--time 'y': is the target"),
        ({"target": "y", "segments": ("y",)}, "--segments 'y': is the target or the time"),
    ],
)
def test_an_option_is_refused_before_the_table_is_read(request_, error):
    with pytest.raises(ArgumentError) as refused:
        ForkRequest(**request_)
    assert error in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"separator": "; "},
        {"decimal": ""},
        {"decimal": ","},
        {"thousands": "."},
        {"thousands": "''"},
        {"symbols": ("$", "")},
        {"encoding": "cp-nothing"},
    ],
)
def test_an_option_of_csv_is_refused_before_the_table_is_read(change):
    options = {"separator": ",", "decimal": ".", "thousands": "", "symbols": (), "missing": (), "encoding": "utf-8"}
    with pytest.raises(ArgumentError, match=next(iter(change)).removesuffix("s")):
        source.dialect(**options | change)


def test_a_value_to_keep_must_be_a_number():
    with pytest.raises(ArgumentError, match="--value 'none': is not a number"):
        ReadOptions(values=("none",))


@pytest.mark.parametrize(
    "name", ["time", "prediction", "release", "index", "request_id", "row", "broken", "target", "int", "str", "schema"]
)
def test_a_column_may_have_a_reserved_name(tmp_path, name):
    (column,) = [feature.name for feature in inferred(tmp_path, SIZE * 3, name).features if feature.source == name]
    assert column.isidentifier()


def test_a_column_with_the_name_of_a_part_of_the_time_is_kept_apart(tmp_path):
    frame = pd.DataFrame(
        {"when": pd.date_range("2026-01-01", periods=ROWS, freq="h"), "when_hour": SIZE, "sold": LABEL}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    made, _ = plan.infer(tmp_path / "t.parquet", ForkRequest("sold", time="when"), 1)
    assert {"when_hour_2", "when_hour", "when_weekday"} == {feature.name for feature in made.features}


def omitted(folder, values: Any) -> dict[str, dict[str, str]]:
    """Return the conditions that a column breaks in three files of equal length."""
    frame = pd.DataFrame({"x": np.resize(values, 6 * ROWS), "size": np.resize(SIZE, 6 * ROWS)})
    frame = frame.assign(sold=np.resize(LABEL, 6 * ROWS)).sample(frac=1, random_state=1)
    frame.to_parquet(folder / "t.parquet")
    made, rows = plan.infer(folder / "t.parquet", ForkRequest("sold"), 1)
    files = [rows.iloc[start : start + 2 * ROWS] for start in range(0, 6 * ROWS, 2 * ROWS)]
    pairs = [(files[place], pd.concat(files[:place])) for place in (1, 2)]
    return conditions.measure(pairs, made)


@pytest.mark.parametrize(
    ("values", "check"),
    [
        ([1, *[0] * 400], "IsSingleValue"),
        (["a", *["b"] * 30, *["?"] * 2], "SpecialCharacters"),
        (["Male", "male", "Female"], "StringMismatch"),
        (["new york", "new-york", "x"], "StringMismatch"),
        ([*[f"TK {number}" for number in range(40)], "123", "124"], "MixedDataTypes"),
        (["NA", "a", None], "MixedNulls"),
        (["NA", "null", "a"], "MixedNulls"),
    ],
)
def test_a_condition_that_a_column_breaks_is_left_out_with_the_reason(tmp_path, values, check):
    reasons = omitted(tmp_path, values)
    assert [check] == list(reasons)
    assert ["x"] == list(reasons[check])
    assert reasons[check]["x"]


@pytest.mark.parametrize(
    "values", [[0, 1], ["a", "b"], ["a", None, "b"], ["NA", "a"], ["A1", "B2"], RANDOM.normal(size=6 * ROWS)]
)
def test_conditions_that_hold_are_kept(tmp_path, values):
    assert {} == omitted(tmp_path, values)


def test_the_omitted_conditions_are_printed_and_written(tmp_path):
    made = plan.replace(inferred(tmp_path, SIZE * 2), omitted={"IsSingleValue": {"x": "a file has 0 of 9 rows"}})
    assert "not in IsSingleValue" in plan.summary(made)
    suite = render.render(made)[render.PACKAGE / "suites.py"]
    assert "# x is left out: a file has 0 of 9 rows\n" in suite
    assert 'checks.IsSingleValue(ignore_columns=["x"]).add_condition_not_single_value()' in suite


def test_a_label_of_a_later_file_only_leaves_out_the_check_of_new_labels(tmp_path):
    frame = pd.DataFrame({"when": pd.date_range("2026-01-01", periods=3 * ROWS), "size": RANDOM.normal(size=3 * ROWS)})
    frame["sold"] = [*RANDOM.choice(["a", "b"], 2 * ROWS), *RANDOM.choice(["a", "b", "c"], ROWS)]
    frame.to_parquet(tmp_path / "t.parquet")
    made, rows = plan.infer(tmp_path / "t.parquet", ForkRequest("sold", time="when"), 1)
    reasons = conditions.measure([(rows.iloc[2 * ROWS :], rows.iloc[: 2 * ROWS])], made)
    assert {"NewLabelTrainTest": {"sold": "'c' appears in a later file for the first time"}} == reasons
    assert "NewLabelTrainTest" not in render.render(plan.replace(made, omitted=reasons))[render.PACKAGE / "suites.py"]


FINITE = st.floats(-(2.0**123), 2.0**123, allow_nan=False, allow_infinity=False, width=32)


@settings(deadline=None, max_examples=100)
@given(FINITE, FINITE)
def test_limits_contain_what_was_observed_and_keep_the_sign(first, second):
    low, high = sorted((first, second))
    if low == high:
        return
    below, above = columns.limits_of(low, high)
    assert below <= low <= high <= above
    assert below >= 0 or low < 0
    assert above <= 0 or high > 0


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(max_size=200), unique=True, max_size=8))
def test_names_of_any_alphabet_and_length_are_unique_identifiers(sources):
    named = list(names.unique(sources, {"size_hour"}).values())
    assert len({*named}) == len(sources)
    for name in named:
        assert name.isidentifier()
        assert name.isascii()
        assert not name.startswith("_")
        assert name != "size_hour"
        assert len(name) <= names.NAME_LENGTH_MAX + len("_12")


CELLS = {
    "numbers": st.floats(-1e6, 1e6, allow_nan=False) | st.none(),
    "whole": st.integers(-50, 500) | st.none(),
    "flags": st.booleans() | st.none(),
    "decimals": st.decimals(-1000, 1000, allow_nan=False, places=2) | st.none(),
    "words": st.sampled_from(["a", "A", "?", "NA", "-", "1", "12", "x y", "\u2019\u2013é", "Привет", "説明", ""])
    | st.none(),
    "days": st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 1, 1)) | st.none(),
}


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=3), st.text(max_size=60), st.data())
def test_any_table_has_a_plan_or_is_refused_in_one_line(tmp_path_factory, kinds, name, data):
    folder = tmp_path_factory.mktemp("drawn")
    drawn = {
        f"{name} {place}": np.resize(np.array(data.draw(st.lists(CELLS[kind], min_size=2, max_size=9)), object), ROWS)
        for place, kind in enumerate(kinds)
    }
    pd.DataFrame(drawn | {"size": SIZE, "sold": LABEL}).convert_dtypes().to_parquet(folder / "t.parquet")
    try:
        made, rows = plan.infer(folder / "t.parquet", ForkRequest("sold"), 1)
        files = new.chunks(rows, "")
        made = plan.replace(made, omitted=conditions.measure([(files[-1], rows)], made))
    except UserError as error:
        refusal = str(error)
    else:
        refusal = ""
    assert "\n" not in refusal
    if refusal:
        return
    for path, text in render.render(made).items():
        compile(text, path, "exec")
