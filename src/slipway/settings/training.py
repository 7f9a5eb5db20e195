"""Sections of `params.yaml` for training: which model is made, and how it is judged."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from slipway.settings.values import (
    Count,
    Day,
    Free,
    Inside,
    NotBlank,
    NotNegative,
    Positive,
    Ratio,
    Section,
    Versioned,
    parameter,
)


class TrainSection(Section):
    """Loss curve that stage `train` writes."""

    history_points: Annotated[Count, parameter("Points of the loss curve", "points")]
    history_rows: Annotated[Count, parameter("Rows scored for each point", "rows")]


class ExportSection(Section):
    """Export of the trained model for serving."""

    parity_tolerance: Annotated[
        NotNegative, parameter("Maximum relative difference from the trained model", "relative")
    ]
    conversion_seconds: Annotated[Positive, parameter("Time limit in seconds of the conversion to ONNX", "seconds")]
    trusted_types: Annotated[list[str], parameter("Classes that skops may load")]


class EvaluateSection(Section):
    """Feature importance and baselines."""

    importance_rows: Annotated[Count, parameter("Test rows on which each column is shuffled", "rows")]
    baseline_rows: Annotated[Count, parameter("Training rows of the linear baseline", "rows")]


class ConvergenceSection(Section):
    """Tests of the model code on a sample of the data."""

    train_rows: Annotated[Count, parameter("Rows to train on", "rows")]
    test_rows: Annotated[Count, parameter("Held-out rows", "rows")]
    small_rows: Annotated[Count, parameter("Rows that the model must be able to overfit", "rows")]
    loss_fall: Annotated[float, parameter("Minimum relative decrease of the training loss", "relative", le=1)]
    overfit_fall: Annotated[float, parameter("Minimum relative distance below the dummy's loss", "relative", le=1)]
    chance_skill: Annotated[Ratio, parameter("Maximum skill of a model trained on shuffled labels", "skill")]
    baseline_margin: Annotated[float, parameter("Minimum lead in skill over each baseline", "skill")]


class Decision(Section):
    """Decision to release without a comparison."""

    by: Annotated[NotBlank, parameter("Who decided")]
    reason: Annotated[NotBlank, parameter("Why no comparison is needed")]
    until: Annotated[Day, parameter("Last day of the decision, in UTC")]


class GatesSection(Section):
    """Gates on a candidate model."""

    confidence: Annotated[Inside, parameter("Confidence of every interval", "probability")]
    false_alarms: Annotated[Inside, parameter("Maximum rate at which equal models are called different", "probability")]
    resamples: Annotated[Count, parameter("Bootstrap resamples", "resamples")]
    primary: Annotated[str, parameter("The metric that decides")]
    margin: Annotated[NotNegative, parameter("Acceptable loss of the primary metric", "metric")]
    power: Annotated[Inside, parameter("Minimum rate at which a loss of the margin's size is detected", "probability")]
    segment_margin: Annotated[NotNegative, parameter("Acceptable loss of the primary metric in a segment", "metric")]
    segment_loss_margin: Annotated[NotNegative, parameter("Acceptable loss increase in a segment of one class", "nats")]
    minimum_segment_rows: Annotated[Count, parameter("Rows below which a segment is not judged", "rows")]
    calibration: Annotated[
        NotNegative, parameter("Maximum mean gap between predicted and observed rate", "probability")
    ]
    latency_calls: Annotated[Count, parameter("Timed one-row predictions of each model", "calls")]
    latency_ratio: Annotated[Positive, parameter("Maximum ratio of one-row latency to production's", "ratio")]
    latency_noise: Annotated[float, parameter("Ratio of latencies that noise alone reaches", "ratio", ge=1)]
    size_ratio: Annotated[Positive, parameter("Maximum ratio of the model's size to production's", "ratio")]
    floor: Annotated[float, parameter("Absolute limit of the primary metric on the test rows", "metric")]
    baseline_margin: Annotated[float, parameter("Minimum gain over each baseline", "metric")]
    uncompared_releases: Annotated[
        Versioned[Decision],
        parameter("Decisions on releases in production that cannot be compared, by version", default_factory=dict),
    ]


class OperatingPointSection(Section):
    """Threshold at which clients of a binary model act, and what its errors cost them."""

    threshold: Annotated[Inside | None, parameter("Probability from which a row counts as positive", "probability")] = (
        None
    )
    false_positive_cost: Annotated[NotNegative | None, parameter("Cost of a false alarm", "cost")] = None
    false_negative_cost: Annotated[NotNegative | None, parameter("Cost of a missed positive", "cost")] = None
    cost_unit: Annotated[str, parameter("Unit of both costs, such as EUR")] = ""

    @model_validator(mode="after")
    def _is_whole(self) -> OperatingPointSection:
        costs = (self.false_positive_cost, self.false_negative_cost)
        if (costs[0] is None) != (costs[1] is None):
            raise ValueError("has one cost; add the other, or remove both")
        if costs[0] is not None and self.threshold is None:
            raise ValueError("has costs without a threshold; add it, such as false_positive_cost / (sum of both)")
        return self


class CardSection(Section):
    """What the model card and the data card state besides the docstring of the problem and the evidence."""

    intended_use: Annotated[str, parameter("Who uses the predictions, and for what")] = ""
    out_of_scope: Annotated[str, parameter("Uses that the model is not made for")] = ""
    license: Annotated[str, parameter("License of the model, as an SPDX identifier in lower case")] = ""
    data_license: Annotated[str, parameter("License of the data, as a URL")] = ""
    data_source: Annotated[str, parameter("Where the data come from, as a URL")] = ""
    contact: Annotated[str, parameter("Who answers questions and reports")] = ""


class TuneSection(Section):
    """Search by `slipway tune`; `slipway.tune.space` reads the ranges."""

    trials: Annotated[Count, parameter("Sets of parameters to try", "trials")]
    processes: Annotated[Count, parameter("Concurrent trials", "processes")]
    lost_seconds: Annotated[Positive, parameter("Silence of a machine after which its trials are repeated", "seconds")]
    folds: Annotated[int, parameter("Cross-validation folds of the searched rows", "folds", ge=2)]
    holdout_ratio: Annotated[Inside, parameter("Fraction of the training rows that judges the best trial", "fraction")]
    rows: Annotated[Count, parameter("Maximum training rows", "rows")]
    ranges: Annotated[dict[str, Free] | None, parameter("Parameters to search, by path in this file")]
