"""The deepchecks suite of the passengers. Two samples of one file differ by chance only, so its limits are narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepchecks.tabular import Suite, checks

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = ["name"]  # unique strings, so each is a new category


def data_suite(limit: Mapping[str, Any]) -> Suite:
    """Return the suite that compares new passengers with known ones."""
    return Suite(
        "New passengers against known passengers",
        checks.IsSingleValue().add_condition_not_single_value(),
        checks.MixedNulls().add_condition_different_nulls_less_equal_to(1),
        checks.DataDuplicates().add_condition_ratio_less_or_equal(limit["duplicate_ratio"]),
        checks.ConflictingLabels().add_condition_ratio_of_conflicting_labels_less_or_equal(limit["conflicting_ratio"]),
        checks.FeatureLabelCorrelation().add_condition_feature_pps_less_than(limit["feature_label_power"]),
        checks.NewCategoryTrainTest(ignore_columns=TEXT).add_condition_new_category_ratio_less_or_equal(
            limit["new_category_ratio"]
        ),
        checks.NewLabelTrainTest().add_condition_new_labels_number_less_or_equal(0),
        checks.TrainTestSamplesMix().add_condition_duplicates_ratio_less_or_equal(limit["duplicate_ratio"]),
        checks.FeatureDrift(ignore_columns=TEXT).add_condition_drift_score_less_than(
            limit["category_drift"], limit["numeric_drift"]
        ),
        checks.LabelDrift().add_condition_drift_score_less_than(limit["label_drift"]),
    )
