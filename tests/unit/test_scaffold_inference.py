"""Tests of the inference of columns, targets and times by `slipway new`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from slipway.errors import ArgumentError, DataError, MissingFileError, UnreadableFileError
from slipway.scaffold import alone, columns, kinds, names, plan, source, target, times
from slipway.schema.csv_file import CsvError, Dialect

ROWS = 200
RANDOM = np.random.default_rng(5)
CODES = [f"{first}{second}X" for first in "ABCDE" for second in "ABCDE"]


def kind_of(*values: str) -> str:
    table = pa.table({"column": list(values)})
    return kinds.of_table(Path("table.csv"), table, Dialect())["column"]


@pytest.mark.parametrize("values", [("PAL0708", "PAL0809"), ("Q1", "Q4"), ("v7", "v12"), ("Ä1", "B22")])
def test_letters_directly_before_an_integer_are_a_name(values):
    assert kinds.TEXT == kind_of(*values)


@pytest.mark.parametrize(
    ("values", "symbol"),
    [(("EUR 5", "EUR 7"), "EUR"), (("5 kg", "12 kg"), "kg"), (("$5", "$7"), "$"), (("CHF1.50", "CHF2.75"), "CHF")],
)
def test_a_quantity_with_a_symbol_names_the_option(values, symbol):
    with pytest.raises(CsvError, match=rf"set --symbol '{re.escape(symbol)}', or --text 'column'"):
        kind_of(*values)


def text(*values: str) -> pd.Series:
    return pd.Series(np.resize(values, ROWS), name="Column (mm)")


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Sepal Length (cm)", "sepal_length_cm"),
        ("studyName", "study_name"),
        ("Miles_per_Gallon", "miles_per_gallon"),
        ("od280/od315_of_diluted_wines", "od280_od315_of_diluted_wines"),
        ("BMI", "bmi"),
        ("3 floors", "n_3_floors"),
        ("class", "class_"),
        ("copy", "copy_"),
        ("Größe %", "grosse"),
        ("%", "column_1"),
        (" a ", "a"),
    ],
)
def test_a_column_gets_a_valid_python_name(column, name):
    assert {column: name} == names.unique([column])


def test_no_two_columns_get_the_same_name():
    assert ["a_b", "a_b_2", "a_b_3"] == list(names.unique(["a b", "a-b", "A_B"]).values())


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("Body Mass (g)", "g"),
        ("weight_kg", "kg"),
        ("Weight KG", "kg"),
        ("kg", ""),
        ("age", ""),
        ("a (b) c", ""),
        ("Flow Bytes/s", ""),
        ("Flow Packets/s", ""),
        ("type S", ""),
        ("model_m", ""),
        ("gene_g", ""),
        ("Fwd IAT/ms", ""),
        ("durationMinutes", ""),
    ],
)
def test_a_unit_is_at_the_end_of_a_name(column, unit):
    assert unit == names.unit(column)


@pytest.mark.parametrize(
    ("values", "kind", "nullable"),
    [
        (pd.Series(RANDOM.normal(size=ROWS)), "float", False),
        (pd.Series(RANDOM.integers(0, 9, ROWS)), "int", False),
        (pd.Series(RANDOM.integers(0, 9, ROWS)).astype(float), "float", False),  # written as 7.0, so 7.5 is possible
        (
            pd.Series(RANDOM.integers(0, 9, ROWS)).astype(float).where(lambda v: v > 1),
            "int",
            True,
        ),  # missing values made it float
        (pd.Series(np.resize([True, False], ROWS)), "bool", False),
        (pd.Series(np.resize([True, False, None], ROWS)), "bool", True),
        (text("red", "green", "blue"), "closed", False),
        (text("red", "green", None), "closed", True),
        (text(*CODES), "open", False),
        (
            pd.Series(np.repeat(["first", "second"], ROWS // 2)),
            "open",
            False,
        ),  # the halves have different values
        (pd.Series(["rare", *np.resize(["a", "b"], ROWS - 1)]), "open", False),
    ],
)
def test_a_column_has_a_kind(values, kind, nullable):
    feature = columns.examine(values.rename("x"), "x")
    assert (kind, nullable) == (feature.kind, feature.nullable)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pd.Series(["same"] * ROWS), "a single value"),
        (pd.Series(range(ROWS)), "numbers the rows"),
        (pd.Series([None] * ROWS), "missing in 100%"),
        (pd.Series([1.0, 2.0, *[None] * (ROWS - 2)]), "missing in 99%"),
        (pd.Series([f"id-{row}" for row in range(ROWS)]), "200 distinct strings"),
        (pd.Series(pd.date_range("2026-01-01", periods=ROWS)), "a date"),
        (pd.Series(pd.date_range("2026-01-01", periods=ROWS).astype(str)), "a date"),
        (pd.Series([[1, 2]] * ROWS), "list"),
    ],
)
def test_a_useless_column_is_excluded_with_the_reason(values, reason):
    assert reason in columns.examine(values.rename("x"), "x").reason


def test_distinct_integers_are_excluded_where_the_name_suggests_an_identifier():
    values = pd.Series(RANDOM.permutation(10 * ROWS)[:ROWS], name="x")
    assert isinstance(columns.examine(values, "customer_id"), columns.Excluded)
    assert isinstance(columns.examine(values, "income"), columns.Feature)


@pytest.mark.parametrize(
    ("observed", "limits"),
    [((32.1, 59.6), (10, 80)), ((0, 55.9), (0, 90)), ((-27.02, -23.79), (-29, -22)), ((0.02, 0.06), (0, 0.08))],
)
def test_limits_are_rounded_with_headroom_and_keep_the_sign(observed, limits):
    assert limits == columns.limits_of(*observed)


@pytest.mark.parametrize(
    ("values", "pattern"), [(CODES, "^[A-Z]{3}$"), (["A1", "B2"], "^[A-Z0-9]{2}$"), (["12", "34"], "^[0-9]{2}$")]
)
def test_codes_of_equal_length_have_a_pattern(values, pattern):
    assert pattern == columns._pattern(pd.Series(values, dtype="string"))


@pytest.mark.parametrize("values", [["a1", "b2"], ["A", "BB"], ["with blanks", "of length 11"]])
def test_other_strings_have_no_pattern(values):
    assert "" == columns._pattern(pd.Series(values, dtype="string"))


@pytest.mark.parametrize(
    ("values", "task", "inferred", "positive"),
    [
        (pd.Series(np.resize([0, 1, 0], ROWS)), "", "binary", None),
        (pd.Series(np.resize([True, False, False], ROWS)), "", "binary", True),
        (text("benign", "malignant", "benign"), "", "binary", "malignant"),
        (text("yes", "no", "yes"), "", "binary", "yes"),  # even if it is not the rarer value
        (text("a", "b", "c"), "", "multiclass", None),
        (pd.Series(np.resize([1, 2, 3], ROWS)), "multiclass", "multiclass", None),
        (pd.Series(np.resize([1, 2, 3], ROWS)), "regression", "regression", None),
        (pd.Series(RANDOM.normal(size=ROWS)), "", "regression", None),
        (pd.Series(range(ROWS)), "", "regression", None),
    ],
)
def test_a_task_is_inferred_from_the_target(values, task, inferred, positive):
    examined = target.examine(values.rename("y"), "y", task)
    assert (inferred, positive) == (examined.task, examined.positive)


@pytest.mark.parametrize(
    ("values", "task", "error"),
    [
        (pd.Series(["same"] * ROWS), "", "a single value, 'same'"),
        (pd.Series([1.0, *[None] * (ROWS - 1)]), "", "1 rows have a value"),
        (pd.Series(np.resize([1, 2, 3], ROWS)), "", "3 distinct integers; set --task"),
        (text("a", "b", "c"), "binary", "3 values; a binary target has two"),
        (text("a", "b", "c"), "regression", "'a' is not a number"),
        (pd.Series(["rare", *np.resize(["a", "b"], ROWS - 1)]), "", "'rare' has 1 rows"),
        (pd.Series([str(row) for row in range(ROWS)]), "", "200 classes; at most 20"),
        (pd.Series([(1, 2), (3, 4)] * (ROWS // 2)), "", "tuple is not a class"),
    ],
)
def test_an_unusable_target_is_one_line(values, task, error):
    with pytest.raises(DataError, match=r"^y: .*") as refused:
        target.examine(values.rename("y"), "y", task)
    assert error in str(refused.value)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (pd.date_range("2026-01-01", periods=9, freq="D").astype(str), ("weekday",)),
        (pd.date_range("2026-01-01", periods=99, freq="h").astype(str), ("weekday", "hour")),
        (["13/01/2012", "14/01/2012", "01/02/2012"], ("weekday",)),
        ([1952, 1957, 2007], ()),
    ],
)
def test_a_time_is_parsed_and_has_features(values, parts):
    time, moments = times.examine(pd.Series(values, name="When"), "when")
    assert (parts, "UTC") == (time.parts, str(moments.dt.tz))
    read = eval(f"pd.to_datetime({time.parse.format(column='values')})", {"pd": pd, "values": pd.Series(values)})  # noqa: S307  the written expression
    assert moments.tolist() == read.tolist()


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (["2026-01-01", None], "missing in 1 rows"),
        (["soon", "later"], "'soon' in row 0 is not a date"),
        ([1, 2], "neither a year nor a date"),
    ],
)
def test_an_invalid_time_is_one_line(values, error):
    with pytest.raises(DataError, match=error):
        times.examine(pd.Series(values, name="When"), "when")


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_target_under_another_name_has_high_power_and_noise_none(task):
    label = pd.Series(RANDOM.integers(0, 2, ROWS) if task == "binary" else RANDOM.normal(size=ROWS), name="y")
    frame = pd.DataFrame({"y": label, "leak": label * 2, "noise": RANDOM.normal(size=ROWS)})
    power = alone.powers(frame, ["leak", "noise"], "y", task, 1)
    assert power["leak"] >= alone.LEAK_POWER_MIN > 0.5 > power["noise"]


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame(
        {
            "When": pd.date_range("2026-01-01", periods=ROWS)[::-1].astype(str),
            "Size (mm)": RANDOM.normal(size=ROWS),
            "Kind": np.resize(["a", "b"], ROWS),
            "Week": np.arange(ROWS)[::-1] // 7,
            "Answer": np.resize([0.5, 1.5, 2.5], ROWS),
            "Price": np.resize([1.5, 3.0, 5.0], ROWS),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_the_plan_has_features_excluded_columns_and_segments(table):
    made, _ = plan.infer(table, plan.ForkRequest("Price", time="When"), 1)
    assert ["size_mm", "kind", "when_weekday"] == [feature.name for feature in made.features]
    assert ["Answer", "Week"] == [
        column.source for column in made.excluded
    ]  # the target, and a number that encodes the time
    assert ("kind",) == made.segments
    assert {"Size (mm)": "size_mm", "Kind": "kind", "Price": "price", "When": "when"} == made.imported


def test_without_a_time_no_column_is_excluded_for_encoding_it(table):
    assert "week" in plan.infer(table, plan.ForkRequest("Price"), 1)[0].imported.values()


def test_rows_are_ordered_by_time_or_shuffled(table):
    _, ordered = plan.infer(table, plan.ForkRequest("Price", time="When"), 1)
    _, shuffled = plan.infer(table, plan.ForkRequest("Price"), 1)
    assert ordered["When"].is_monotonic_increasing
    assert not shuffled["When"].is_monotonic_increasing
    assert not shuffled["When"].is_monotonic_decreasing


def test_the_plan_is_printed_as_a_table(table):
    text = plan.summary(plan.infer(table, plan.ForkRequest("Price", time="When"), 1)[0])
    assert len(lines := text.splitlines()) == 8, lines
    assert "excluded" in lines[-1]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (plan.ForkRequest("Prize"), "no column 'Prize'; it has 'When', 'Size"),
        (plan.ForkRequest("Price", time="Then"), "no column 'Then'"),
        (plan.ForkRequest("Price", segments=("Size (mm)",)), "cannot be a segment, because it is a number"),
        (plan.ForkRequest("Price", segments=("Answer",)), "cannot be a segment, because it is excluded"),
    ],
)
def test_a_request_that_does_not_match_the_table_is_one_line(table, request_, error):
    with pytest.raises((ArgumentError, DataError)) as refused:
        plan.infer(table, request_, 1)
    assert error in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("none.csv", None, MissingFileError, "not found"),
        ("table.xlsx", b"", ArgumentError, "not one of .csv, .tsv, .csv.gz, .tsv.gz, .parquet"),
        ("empty.csv", b"", DataError, "cannot be read"),
        ("broken.parquet", b"PAR1 and no more", UnreadableFileError, "cannot be read"),
        ("short.csv", b"Price,a\n1,2\n", DataError, "1 rows; 100 or more"),
    ],
)
def test_an_unusable_file_is_one_line(tmp_path, name, content, error, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as refused:
        source.require(source.read(tmp_path / name), tmp_path / name, ["Price"])
    assert message in str(refused.value)
    assert 1 == len(str(refused.value).splitlines())


def test_a_table_without_usable_columns_is_one_line(tmp_path):
    frame = pd.DataFrame({"id": range(ROWS), "Price": RANDOM.normal(size=ROWS), "same": "x"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="no column is left to learn from; id: it numbers the rows; same: it has a"):
        plan.infer(tmp_path / "t.csv", plan.ForkRequest("Price"), 1)
