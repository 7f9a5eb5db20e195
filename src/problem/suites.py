"""The deepchecks suite of the sample problem, with two rules from domain knowledge of flights.

Only the environment that deepchecks needs imports this module. Thresholds come from `data.suites` in params.yaml.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from deepchecks.core import CheckResult, ConditionCategory, ConditionResult
from deepchecks.tabular import SingleDatasetCheck, Suite, TrainTestCheck, checks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deepchecks.core import DatasetKind
    from deepchecks.tabular import Context

SEASONAL = ["temperature", "dew_point"]
WEATHER = ["humidity", "wind_direction", "wind_speed", "wind_gust", "precipitation", "pressure", "visibility"]
SCHEDULE = ["departure_minute", "arrival_minute", "distance", "departures_in_hour", "plane_year", "seats"]
HUMIDITY_POINTS = 10  # tolerance, in percentage points, around the humidity computed from temperature and dew point
CLOCK = "America/New_York"  # all three airports


def data_suite(thresholds: Mapping[str, Any]) -> Suite:
    """See `problem.data_suite`."""
    return Suite("New data against reference", *_integrity(thresholds), *_against_reference(thresholds))


def _integrity(limit: Mapping[str, Any]) -> list[Any]:
    return [
        checks.IsSingleValue().add_condition_not_single_value(),
        checks.MixedNulls().add_condition_different_nulls_less_equal_to(1),
        checks.MixedDataTypes().add_condition_rare_type_ratio_not_in_range(),
        checks.StringMismatch().add_condition_no_variants(),
        checks.SpecialCharacters().add_condition_ratio_of_special_characters_less_or_equal(),
        checks.DataDuplicates().add_condition_ratio_less_or_equal(limit["duplicate_ratio"]),
        checks.ConflictingLabels().add_condition_ratio_of_conflicting_labels_less_or_equal(limit["conflicting_ratio"]),
        checks.FeatureLabelCorrelation().add_condition_feature_pps_less_than(limit["feature_label_power"]),
        ClockAgrees().add_condition_broken_less_or_equal(limit["disagreeing_ratio"]),
        HumidityAgrees().add_condition_broken_less_or_equal(limit["disagreeing_ratio"]),
    ]


def _against_reference(limit: Mapping[str, Any]) -> list[Any]:
    return [
        checks.NewCategoryTrainTest().add_condition_new_category_ratio_less_or_equal(limit["new_category_ratio"]),
        checks.NewLabelTrainTest().add_condition_new_labels_number_less_or_equal(0),
        checks.TrainTestSamplesMix().add_condition_duplicates_ratio_less_or_equal(limit["duplicate_ratio"]),
        *_feature_drift(limit),
        checks.LabelDrift().add_condition_drift_score_less_than(limit["label_drift"]),
        RelationChange(SCHEDULE).add_condition_change_less_or_equal(limit["relation_change"]),
        NullIncrease().add_condition_increase_less_or_equal(limit["null_ratio_increase"]),
    ]


def _feature_drift(limit: Mapping[str, Any]) -> list[Any]:
    """Return one check for each group of columns that drift equally far between months."""
    groups = {
        "numeric_drift": checks.FeatureDrift(ignore_columns=[*SEASONAL, *WEATHER]),
        "weather_drift": WeatherDrift(columns=WEATHER),
        "seasonal_drift": SeasonalDrift(columns=SEASONAL),
    }
    categories = limit["category_drift"]
    return [check.add_condition_drift_score_less_than(categories, limit[name]) for name, check in groups.items()]


class WeatherDrift(checks.FeatureDrift):
    """Drift of columns that vary with the weather of a month."""


class SeasonalDrift(checks.FeatureDrift):
    """Drift of columns that vary with the season."""


class _Agreement(SingleDatasetCheck):
    """Fraction of rows whose `columns` contradict each other. Subclasses implement `broken`."""

    columns: tuple[str, ...] = ()

    def broken(self, frame: pd.DataFrame) -> pd.Series:
        """Return True for each row that contradicts itself, as booleans in the index of `frame`."""
        raise NotImplementedError

    def run_logic(self, context: Context, dataset_kind: DatasetKind) -> CheckResult:
        """Measure the fraction of broken rows."""
        broken = self.broken(context.get_data_by_kind(dataset_kind).data)
        return CheckResult(float(broken.mean()), display=[f"{broken.sum()} of {len(broken)} rows disagree"])

    def add_condition_broken_less_or_equal(self, limit: float) -> _Agreement:
        """Fail above `limit`, a fraction of rows."""

        def condition(ratio: float) -> ConditionResult:
            category = ConditionCategory.PASS if ratio <= limit else ConditionCategory.FAIL
            return ConditionResult(category, f"{ratio:.2%} of rows disagree")

        self.add_condition(f"{', '.join(self.columns)} disagree in at most {limit:.2%} of rows", condition)
        return self


class ClockAgrees(_Agreement):
    """Agreement of weekday and departure minute with the scheduled departure in New York time."""

    columns = ("scheduled_departure", "weekday", "departure_minute")

    def broken(self, frame: pd.DataFrame) -> pd.Series:
        """See the class."""
        local = frame["scheduled_departure"].dt.tz_convert(CLOCK)
        minute = local.dt.hour * 60 + local.dt.minute
        disagree: pd.Series = (minute != frame["departure_minute"]) | (local.dt.day_of_week + 1 != frame["weekday"])
        return disagree


class HumidityAgrees(_Agreement):
    """Agreement of humidity with temperature and dew point, which detects a wrong unit in any of the three.

    Source: the Magnus formula with the constants of Alduchov and Eskridge (1996).
    """

    columns = ("temperature", "dew_point", "humidity")

    def broken(self, frame: pd.DataFrame) -> pd.Series:
        """See the class."""
        vapor = _vapor_pressure(frame["dew_point"]) / _vapor_pressure(frame["temperature"])
        return (100 * vapor - frame["humidity"]).abs() > HUMIDITY_POINTS


def _vapor_pressure(fahrenheit: pd.Series) -> pd.Series:
    """Return the saturation vapor pressure, relative to that at 0 °C."""
    celsius = (fahrenheit - 32) / 1.8
    return pd.Series(np.exp(17.625 * celsius / (243.04 + celsius)))


class NullIncrease(TrainTestCheck):
    """Increase of the fraction of missing values in each column over the reference."""

    def run_logic(self, context: Context) -> CheckResult:
        """Measure the increase of each feature."""
        features = context.train.features
        increase = context.test.data[features].isna().mean() - context.train.data[features].isna().mean()
        return CheckResult(increase.to_dict(), display=[increase.to_frame("increase of missing values")])

    def add_condition_increase_less_or_equal(self, limit: float) -> NullIncrease:
        """Fail where the fraction of missing values in a column increases by more than `limit`."""

        def condition(increases: dict[str, float]) -> ConditionResult:
            above = {name: f"{increase:+.1%}" for name, increase in increases.items() if not increase <= limit}
            largest = max(increases, key=lambda name: increases[name])
            details = f"Found columns above: {above}" if above else f"Largest is {largest}: {increases[largest]:+.1%}"
            return ConditionResult(ConditionCategory.FAIL if above else ConditionCategory.PASS, details)

        self.add_condition(f"Fraction of missing values increases by at most {limit:.0%}", condition)
        return self


class RelationChange(TrainTestCheck):
    """Change of the rank correlation of two columns, which detects rows that were joined by the wrong key."""

    def __init__(self, columns: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = columns

    def run_logic(self, context: Context) -> CheckResult:
        """Measure the change of each pair; an undefined correlation counts as 0."""
        before, after = (side.data[self.columns].corr("spearman").fillna(0) for side in (context.train, context.test))
        change = (after - before).abs()
        pairs = {f"{left} and {right}": float(change.loc[left, right]) for left, right in combinations(self.columns, 2)}
        return CheckResult(pairs, display=[change])

    def add_condition_change_less_or_equal(self, limit: float) -> RelationChange:
        """Fail where the correlation of a pair changes by more than `limit`."""

        def condition(changes: dict[str, float]) -> ConditionResult:
            above = {pair: f"{change:.2f}" for pair, change in changes.items() if not change <= limit}
            largest = max(changes, key=lambda pair: changes[pair])
            details = f"Found pairs above: {above}" if above else f"Largest is {largest}: {changes[largest]:.2f}"
            return ConditionResult(ConditionCategory.FAIL if above else ConditionCategory.PASS, details)

        self.add_condition(f"Rank correlation of two columns changes by at most {limit}", condition)
        return self
