"""The deepchecks suites of the sample problem, and two rules that only someone who knows flights would write.

Imported in the environment that deepchecks needs, and nowhere else. Thresholds come from `data.suites` in params.yaml.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from deepchecks.core import CheckResult, ConditionCategory, ConditionResult
from deepchecks.tabular import SingleDatasetCheck, Suite, TrainTestCheck
from deepchecks.tabular import checks as stock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deepchecks.core import DatasetKind
    from deepchecks.tabular import Context

SEASONAL = ["temperature", "dew_point"]
WEATHER = ["humidity", "wind_direction", "wind_speed", "wind_gust", "precipitation", "pressure", "visibility"]
SCHEDULE = ["departure_minute", "arrival_minute", "distance", "departures_in_hour", "plane_year", "seats"]
HUMIDITY_POINTS = 10  # percentage points by which humidity may miss what temperature and dew point say
CLOCK = "America/New_York"  # all three airports


def data_suite(thresholds: Mapping[str, Any]) -> Suite:
    """See `problem.data_suite`."""
    return Suite("New data against reference", *_integrity(thresholds), *_against_reference(thresholds))


def _integrity(limit: Mapping[str, Any]) -> list[Any]:
    return [
        stock.IsSingleValue().add_condition_not_single_value(),
        stock.MixedNulls().add_condition_different_nulls_less_equal_to(1),
        stock.MixedDataTypes().add_condition_rare_type_ratio_not_in_range(),
        stock.StringMismatch().add_condition_no_variants(),
        stock.SpecialCharacters().add_condition_ratio_of_special_characters_less_or_equal(),
        stock.DataDuplicates().add_condition_ratio_less_or_equal(limit["duplicate_ratio"]),
        stock.ConflictingLabels().add_condition_ratio_of_conflicting_labels_less_or_equal(limit["conflicting_ratio"]),
        stock.FeatureLabelCorrelation().add_condition_feature_pps_less_than(limit["feature_label_power"]),
        ClockAgrees().add_condition_broken_less_or_equal(limit["disagreeing_ratio"]),
        HumidityAgrees().add_condition_broken_less_or_equal(limit["disagreeing_ratio"]),
    ]


def _against_reference(limit: Mapping[str, Any]) -> list[Any]:
    return [
        stock.NewCategoryTrainTest().add_condition_new_category_ratio_less_or_equal(limit["new_category_ratio"]),
        stock.NewLabelTrainTest().add_condition_new_labels_number_less_or_equal(0),
        stock.TrainTestSamplesMix().add_condition_duplicates_ratio_less_or_equal(limit["duplicate_ratio"]),
        *_feature_drift(limit),
        stock.LabelDrift().add_condition_drift_score_less_than(limit["label_drift"]),
        RelationChange(SCHEDULE).add_condition_change_less_or_equal(limit["relation_change"]),
        NullIncrease().add_condition_increase_less_or_equal(limit["null_ratio_increase"]),
    ]


def _feature_drift(limit: Mapping[str, Any]) -> list[Any]:
    """One check for each group of columns that the months move equally far."""
    groups = {
        "numeric_drift": stock.FeatureDrift(ignore_columns=[*SEASONAL, *WEATHER]),
        "weather_drift": WeatherDrift(columns=WEATHER),
        "seasonal_drift": SeasonalDrift(columns=SEASONAL),
    }
    categories = limit["category_drift"]
    return [group.add_condition_drift_score_less_than(categories, limit[name]) for name, group in groups.items()]


class WeatherDrift(stock.FeatureDrift):
    """Drift of what a month's weather moves."""


class SeasonalDrift(stock.FeatureDrift):
    """Drift of what summer and winter move far apart."""


class _Agreement(SingleDatasetCheck):
    """Share of rows whose `columns` contradict one another. Subclasses say in `broken` which do."""

    columns: tuple[str, ...] = ()

    def broken(self, frame: pd.DataFrame) -> pd.Series:
        """True for each row that contradicts itself."""
        raise NotImplementedError

    def run_logic(self, context: Context, dataset_kind: DatasetKind) -> CheckResult:
        """Measure the share."""
        broken = self.broken(context.get_data_by_kind(dataset_kind).data)
        return CheckResult(float(broken.mean()), display=[f"{broken.sum()} of {len(broken)} rows disagree"])

    def add_condition_broken_less_or_equal(self, limit: float) -> _Agreement:
        """Fail above `limit`, a share of rows."""

        def condition(share: float) -> ConditionResult:
            category = ConditionCategory.PASS if share <= limit else ConditionCategory.FAIL
            return ConditionResult(category, f"{share:.2%} of rows disagree")

        return self.add_condition(f"{', '.join(self.columns)} disagree in at most {limit:.2%} of rows", condition)


class ClockAgrees(_Agreement):
    """The time of departure, read on a New York clock, shows the row's weekday and departure minute."""

    columns = ("scheduled_departure", "weekday", "departure_minute")

    def broken(self, frame: pd.DataFrame) -> pd.Series:
        """See the class."""
        local = frame["scheduled_departure"].dt.tz_convert(CLOCK)
        minute = local.dt.hour * 60 + local.dt.minute
        return (minute != frame["departure_minute"]) | (local.dt.day_of_week + 1 != frame["weekday"])


class HumidityAgrees(_Agreement):
    """Humidity follows from temperature and dew point, so a wrong unit in any of the three shows.

    The formula is Magnus's with the constants of Alduchov and Eskridge (1996).
    """

    columns = ("temperature", "dew_point", "humidity")

    def broken(self, frame: pd.DataFrame) -> pd.Series:
        """See the class."""
        vapour = _vapour_pressure(frame["dew_point"]) / _vapour_pressure(frame["temperature"])
        return (100 * vapour - frame["humidity"]).abs() > HUMIDITY_POINTS


def _vapour_pressure(fahrenheit: pd.Series) -> pd.Series:
    """Saturation vapour pressure, relative to that at 0 °C."""
    celsius = (fahrenheit - 32) / 1.8
    return np.exp(17.625 * celsius / (243.04 + celsius))


class NullIncrease(TrainTestCheck):
    """How much larger the share of missing values of a column is than in the reference."""

    def run_logic(self, context: Context) -> CheckResult:
        """Measure the increase of each feature."""
        features = context.train.features
        increase = context.test.data[features].isna().mean() - context.train.data[features].isna().mean()
        return CheckResult(increase.to_dict(), display=[increase.to_frame("increase of missing values")])

    def add_condition_increase_less_or_equal(self, limit: float) -> NullIncrease:
        """Fail when any column's share of missing values grew by more than `limit`."""

        def condition(increases: dict[str, float]) -> ConditionResult:
            above = {name: f"{increase:+.1%}" for name, increase in increases.items() if not increase <= limit}
            largest = max(increases, key=increases.get)
            details = f"Found columns above: {above}" if above else f"Largest is {largest}: {increases[largest]:+.1%}"
            return ConditionResult(ConditionCategory.FAIL if above else ConditionCategory.PASS, details)

        return self.add_condition(f"Share of missing values grows by at most {limit:.0%}", condition)


class RelationChange(TrainTestCheck):
    """How far the rank correlation of two of the given columns moved: rows joined by the wrong key keep all else."""

    def __init__(self, columns: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = columns

    def run_logic(self, context: Context) -> CheckResult:
        """Measure the change of each pair; a correlation that is undefined counts as none."""
        before, after = (side.data[self.columns].corr("spearman").fillna(0) for side in (context.train, context.test))
        change = (after - before).abs()
        pairs = {f"{one} and {two}": float(change.loc[one, two]) for one, two in combinations(self.columns, 2)}
        return CheckResult(pairs, display=[change])

    def add_condition_change_less_or_equal(self, limit: float) -> RelationChange:
        """Fail when any pair's correlation moved by more than `limit`."""

        def condition(changes: dict[str, float]) -> ConditionResult:
            above = {pair: f"{change:.2f}" for pair, change in changes.items() if not change <= limit}
            largest = max(changes, key=changes.get)
            details = f"Found pairs above: {above}" if above else f"Largest is {largest}: {changes[largest]:.2f}"
            return ConditionResult(ConditionCategory.FAIL if above else ConditionCategory.PASS, details)

        return self.add_condition(f"Rank correlation of two columns changes by at most {limit}", condition)
