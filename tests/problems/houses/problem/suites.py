"""The deepchecks suite of the sales: a month compared with the previous months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepchecks.tabular import Suite, checks

if TYPE_CHECKING:
    from collections.abc import Mapping


def data_suite(limit: Mapping[str, Any]) -> Suite:
    """Return the suite that compares a month with the previous months."""
    return Suite(
        "A month against the previous months",
        checks.IsSingleValue().add_condition_not_single_value(),
        checks.MixedNulls().add_condition_different_nulls_less_equal_to(1),
        checks.DataDuplicates().add_condition_ratio_less_or_equal(limit["duplicate_ratio"]),
        checks.FeatureLabelCorrelation().add_condition_feature_pps_less_than(limit["feature_label_power"]),
        checks.NewCategoryTrainTest().add_condition_new_category_ratio_less_or_equal(limit["new_category_ratio"]),
        checks.TrainTestSamplesMix().add_condition_duplicates_ratio_less_or_equal(limit["duplicate_ratio"]),
        checks.FeatureDrift().add_condition_drift_score_less_than(limit["category_drift"], limit["numeric_drift"]),
        checks.LabelDrift().add_condition_drift_score_less_than(limit["label_drift"]),
    )
