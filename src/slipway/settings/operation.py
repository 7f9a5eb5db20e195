"""The sections of `params.yaml` for running releases: canary, agent, monitoring and retraining."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipway.settings.values import Count, Inside, NotNegative, Percent, Positive, Ratio, Section, Whole

Trigger = Literal["demand", "schedule", "new data", "drift", "decay", "staleness"]


class Canary(Section):
    """The promotion to production."""

    steps: Annotated[
        list[Annotated[int, Field(ge=1, le=50)]],
        Field(min_length=1, description="Percent of the requests in each step"),
    ]
    step_seconds: Annotated[NotNegative, Field(description="Seconds of a step at least")]
    minimum_requests: Annotated[Count, Field(description="Answers of each side that a step needs")]
    look_seconds: Annotated[Positive, Field(description="Seconds between two evaluations")]
    window_requests: Annotated[Count, Field(description="Requests of a side compared at a time")]
    hold_seconds: Annotated[NotNegative, Field(description="Longest wait in seconds beyond step_seconds")]
    false_alarms: Annotated[Inside, Field(description="Largest rate of good canaries that are rolled back")]
    latency_margin: Annotated[NotNegative, Field(description="Acceptable relative increase of latency")]
    prediction_shift: Annotated[Ratio, Field(description="Acceptable shift of the predictions' distribution")]
    synthetic_rate: Annotated[NotNegative, Field(description="Requests per second that the promotion sends")]
    shadow_percent: Annotated[Percent, Field(description="Percent of the requests copied to the canary first")]


class Agent(Section):
    """The agent of an environment."""

    poll_seconds: Annotated[Positive, Field(description="Seconds between two polls of the branch `deploy`")]
    ready_seconds: Annotated[Positive, Field(description="Seconds for a release to become ready")]
    drain_seconds: Annotated[NotNegative, Field(description="Seconds between the last request and the stop")]
    health_seconds: Annotated[Positive, Field(description="Seconds to answer a health check")]
    health_failures: Annotated[Count, Field(description="Failed checks in a row before a replacement")]
    rehash_seconds: Annotated[NotNegative, Field(description="Seconds between two hashes of every file")]
    promote_seconds: Annotated[Positive, Field(description="Seconds for a promotion to be served")]


class Monitoring(Section):
    """What production sees."""

    window_days: Annotated[Positive, Field(description="Days of a window")]
    before_rows: Annotated[Count, Field(description="Rows of the previous windows that are read")]
    minimum_rows: Annotated[Count, Field(description="Rows below which a window is not judged")]
    sample_rows: Annotated[Count, Field(description="Rows of a window that are measured")]
    alarm_after: Annotated[Count, Field(description="Windows in a row before an alarm")]
    clear_after: Annotated[Count, Field(description="Windows in a row before an alarm is cleared")]
    room: Annotated[NotNegative, Field(description="Tolerance, relative to the range in training")]
    slack: Annotated[NotNegative, Field(description="Tolerance in fractions of rows")]
    validity_rows: Annotated[Count, Field(description="Rows that are validated against `Row`")]
    invalid_ratio: Annotated[Ratio, Field(description="Largest fraction of invalid rows")]
    repeated_ratio: Annotated[Ratio, Field(description="Largest fraction of repeated rows")]
    volume_ratio: Annotated[Positive, Field(description="Largest ratio of volumes")]
    volume_parts: Annotated[Count, Field(description="Parts of a window that must have rows")]
    model_ratio: Annotated[Ratio, Field(description="Largest fraction of rows that another model answered")]
    model_tolerance: Annotated[NotNegative, Field(description="Difference from the release's model")]
    label_days: Annotated[NotNegative, Field(description="Days by which a label has arrived")]
    label_ratio: Annotated[Ratio, Field(description="Smallest fraction of older rows with a label")]
    conflicting_ratio: Annotated[Ratio, Field(description="Largest fraction of contradicting labels")]
    confidence: Annotated[Inside, Field(description="Confidence of every interval")]
    resamples: Annotated[Count, Field(description="Bootstrap resamples")]
    block_hours: Annotated[Positive, Field(description="Hours of a bootstrap block")]
    minimum_labels: Annotated[Count, Field(description="Labelled rows that performance needs")]
    minimum_segment_labels: Annotated[Count, Field(description="Labelled rows that a segment needs")]
    performance_rows: Annotated[Count, Field(description="Labelled rows drawn at most")]
    decay_margin: Annotated[NotNegative, Field(description="Acceptable loss of the primary metric")]
    segment_margin: Annotated[NotNegative, Field(description="Acceptable loss in a segment")]
    loss_margin: Annotated[NotNegative, Field(description="Acceptable loss increase on labels of one class")]
    attribution_share: Annotated[Ratio, Field(description="Fraction of all importance that a column needs")]
    attribution_days: Annotated[NotNegative, Field(description="Days that the labels must span")]
    attribution_rows: Annotated[Count, Field(description="Labelled rows on which columns are shuffled")]
    attribution_kept: Annotated[NotNegative, Field(description="Fraction of its importance that a column keeps")]
    attribution_errors: Annotated[NotNegative, Field(description="Standard errors of tolerance")]
    data_days: Annotated[Positive, Field(description="Age in days of the newest row that the model has seen")]
    model_days: Annotated[Positive, Field(description="Age in days of the model")]
    minimum_requests: Annotated[Count, Field(description="Requests below which the service is not judged")]
    error_ratio: Annotated[Ratio, Field(description="Largest fraction of failed requests")]
    refused_ratio: Annotated[Ratio, Field(description="Largest fraction of refused requests")]
    lost_ratio: Annotated[Ratio, Field(description="Largest fraction of predictions lost from the log")]
    latency_ratio: Annotated[Positive, Field(description="Largest ratio of latency to the load test's")]
    latency_milliseconds: Annotated[NotNegative, Field(description="Latency that is never called slow")]
    saturation_ratio: Annotated[Positive, Field(description="Largest ratio of requests/s to the load test's")]


class Retraining(Section):
    """When `slipway retrain` may start."""

    triggers: Annotated[list[Trigger], Field(description="What may start a retraining")]
    every_days: Annotated[NotNegative, Field(description="Days between two that the calendar starts")]
    cooldown_days: Annotated[NotNegative, Field(description="Days between two of any trigger")]
    most: Annotated[Whole, Field(description="Retrainings in most_days")]
    most_days: Annotated[NotNegative, Field(description="Days that the cap looks back")]
    batches: Annotated[Count, Field(description="Batches of new data in one retraining")]
