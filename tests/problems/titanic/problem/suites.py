"""The deepchecks suite of the passengers. One file has no season, so little may differ between two draws of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepchecks.tabular import Suite
from deepchecks.tabular import checks as stock

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = ["name"]  # no two are alike, so every one is new


def data_suite(limit: Mapping[str, Any]) -> Suite:
    """New passengers against those known."""
    return Suite(
        "New passengers against those known",
        stock.IsSingleValue().add_condition_not_single_value(),
        stock.MixedNulls().add_condition_different_nulls_less_equal_to(1),
        stock.DataDuplicates().add_condition_ratio_less_or_equal(limit["duplicate_ratio"]),
        stock.ConflictingLabels().add_condition_ratio_of_conflicting_labels_less_or_equal(limit["conflicting_ratio"]),
        stock.FeatureLabelCorrelation().add_condition_feature_pps_less_than(limit["feature_label_power"]),
        stock.NewCategoryTrainTest(ignore_columns=TEXT).add_condition_new_category_ratio_less_or_equal(
            limit["new_category_ratio"]
        ),
        stock.NewLabelTrainTest().add_condition_new_labels_number_less_or_equal(0),
        stock.TrainTestSamplesMix().add_condition_duplicates_ratio_less_or_equal(limit["duplicate_ratio"]),
        stock.FeatureDrift(ignore_columns=TEXT).add_condition_drift_score_less_than(
            limit["category_drift"], limit["numeric_drift"]
        ),
        stock.LabelDrift().add_condition_drift_score_less_than(limit["label_drift"]),
    )
