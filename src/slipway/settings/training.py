"""Sections of `params.yaml` for training: which model is made, and how it is judged."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.settings.values import Count, Free, Inside, NotNegative, Positive, Ratio, Section


class TrainSection(Section):
    """Loss curve that stage `train` writes."""

    history_points: Annotated[Count, Field(description="Points of the loss curve")]
    history_rows: Annotated[Count, Field(description="Rows scored for each point")]


class ExportSection(Section):
    """Export of the trained model for serving."""

    parity_tolerance: Annotated[NotNegative, Field(description="Maximum relative difference from the trained model")]
    conversion_seconds: Annotated[Positive, Field(description="Time limit in seconds of the conversion to ONNX")]
    trusted_types: Annotated[list[str], Field(description="Classes that skops may load")]


class EvaluateSection(Section):
    """Feature importance and baselines."""

    importance_rows: Annotated[Count, Field(description="Test rows on which each column is shuffled")]
    baseline_rows: Annotated[Count, Field(description="Training rows of the linear baseline")]


class ConvergenceSection(Section):
    """Tests of the model code on a sample of the data."""

    train_rows: Annotated[Count, Field(description="Rows to train on")]
    test_rows: Annotated[Count, Field(description="Held-out rows")]
    small_rows: Annotated[Count, Field(description="Rows that the model must be able to overfit")]
    loss_fall: Annotated[float, Field(le=1, description="Minimum relative decrease of the training loss")]
    overfit_fall: Annotated[float, Field(le=1, description="Minimum relative distance below the dummy's loss")]
    chance_skill: Annotated[Ratio, Field(description="Maximum skill of a model trained on shuffled labels")]
    baseline_margin: Annotated[float, Field(description="Minimum lead in skill over each baseline")]


class GatesSection(Section):
    """Gates on a candidate model."""

    confidence: Annotated[Inside, Field(description="Confidence of every interval")]
    false_alarms: Annotated[Inside, Field(description="Maximum rate at which equal models are called different")]
    resamples: Annotated[Count, Field(description="Bootstrap resamples")]
    primary: Annotated[str, Field(description="The metric that decides")]
    margin: Annotated[NotNegative, Field(description="Acceptable loss of the primary metric")]
    power: Annotated[Inside, Field(description="Minimum rate at which a loss of the margin's size is detected")]
    segment_margin: Annotated[NotNegative, Field(description="Acceptable loss of the primary metric in a segment")]
    segment_loss_margin: Annotated[NotNegative, Field(description="Acceptable loss increase in a segment of one class")]
    minimum_segment_rows: Annotated[Count, Field(description="Rows below which a segment is not judged")]
    calibration: Annotated[NotNegative, Field(description="Maximum mean gap between predicted and observed rate")]
    latency_calls: Annotated[Count, Field(description="Timed one-row predictions of each model")]
    latency_ratio: Annotated[Positive, Field(description="Maximum ratio of one-row latency to production's")]
    size_ratio: Annotated[Positive, Field(description="Maximum ratio of the model's size to production's")]
    floor: Annotated[float, Field(description="Absolute limit of the primary metric on the test rows")]
    baseline_margin: Annotated[float, Field(description="Minimum gain over each baseline")]


class TuneSection(Section):
    """Search by `slipway tune`; `slipway.tune.space` reads the ranges."""

    trials: Annotated[Count, Field(description="Sets of parameters to try")]
    processes: Annotated[Count, Field(description="Concurrent trials")]
    folds: Annotated[int, Field(ge=2, description="Cross-validation folds of the searched rows")]
    holdout_ratio: Annotated[Inside, Field(description="Fraction of the training rows that judges the best trial")]
    rows: Annotated[Count, Field(description="Maximum training rows")]
    ranges: Annotated[dict[str, Free] | None, Field(description="Parameters to search, by path in this file")]
