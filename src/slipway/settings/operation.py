"""Sections of `params.yaml` for running releases: canary, agent, monitoring and retraining."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipway.settings.values import Count, Inside, NotNegative, Percent, Positive, Ratio, Section, Whole

Trigger = Literal["demand", "schedule", "new data", "drift", "decay", "staleness"]


class CanarySection(Section):
    """Canary of a promotion to production."""

    steps: Annotated[
        list[Annotated[int, Field(ge=1, le=50)]],
        Field(min_length=1, description="Percent of the requests in each step"),
    ]
    step_seconds: Annotated[NotNegative, Field(description="Minimum seconds of a step")]
    minimum_requests: Annotated[Count, Field(description="Responses of each side that a step needs")]
    interval_seconds: Annotated[Positive, Field(description="Seconds between two evaluations")]
    window_requests: Annotated[Count, Field(description="Requests of a side compared at a time")]
    hold_seconds: Annotated[NotNegative, Field(description="Maximum seconds of waiting beyond step_seconds")]
    false_alarms: Annotated[Inside, Field(description="Maximum rate at which an equal canary is rolled back")]
    latency_margin: Annotated[NotNegative, Field(description="Acceptable relative increase of latency")]
    prediction_shift: Annotated[Ratio, Field(description="Acceptable shift of the predictions' distribution")]
    synthetic_rate: Annotated[NotNegative, Field(description="Requests per second that `slipway promote` sends")]
    shadow_percent: Annotated[
        Percent, Field(description="Percent of the requests mirrored to the canary before the first step")
    ]


class AgentSection(Section):
    """Agent of an environment."""

    poll_seconds: Annotated[Positive, Field(description="Seconds between two polls of the branch `deploy`")]
    ready_seconds: Annotated[Positive, Field(description="Timeout in seconds for a release to become ready")]
    drain_seconds: Annotated[
        NotNegative, Field(description="Seconds between the last request to a release and its stop")
    ]
    health_seconds: Annotated[Positive, Field(description="Timeout in seconds of a health check")]
    health_failures: Annotated[Count, Field(description="Consecutive failed health checks before a replacement")]
    rehash_seconds: Annotated[NotNegative, Field(description="Seconds between two hashes of every installed file")]
    promote_seconds: Annotated[Positive, Field(description="Timeout in seconds for a promotion to be served")]


class MonitoringSection(Section):
    """Checks of the rows and the service in production."""

    window_days: Annotated[Positive, Field(description="Days of a window")]
    previous_rows: Annotated[Count, Field(description="Rows read from the previous windows at most")]
    minimum_rows: Annotated[Count, Field(description="Rows below which a window is not judged")]
    sample_rows: Annotated[Count, Field(description="Rows of a window that are measured")]
    alarm_after: Annotated[Count, Field(description="Consecutive windows before an alarm")]
    clear_after: Annotated[Count, Field(description="Consecutive windows before an alarm is cleared")]
    headroom: Annotated[NotNegative, Field(description="Tolerance outside the training range, relative to its width")]
    slack: Annotated[NotNegative, Field(description="Additional tolerance in fractions of rows")]
    validity_rows: Annotated[Count, Field(description="Rows validated against `Row` at most")]
    invalid_ratio: Annotated[Ratio, Field(description="Maximum fraction of invalid rows")]
    repeated_ratio: Annotated[Ratio, Field(description="Maximum fraction of repeated rows")]
    volume_ratio: Annotated[Positive, Field(description="Maximum ratio to the previous volume, in either direction")]
    volume_chunks: Annotated[Count, Field(description="Chunks of a window that must each have rows")]
    model_ratio: Annotated[Ratio, Field(description="Maximum fraction of rows with predictions of another model")]
    model_tolerance: Annotated[
        NotNegative, Field(description="Tolerance between a logged prediction and the release's model")
    ]
    label_days: Annotated[NotNegative, Field(description="Days until the label of a row is expected")]
    label_ratio: Annotated[Ratio, Field(description="Minimum fraction of older rows with a label")]
    conflicting_ratio: Annotated[Ratio, Field(description="Maximum fraction of contradicting labels")]
    confidence: Annotated[Inside, Field(description="Confidence of every interval")]
    resamples: Annotated[Count, Field(description="Bootstrap resamples")]
    block_hours: Annotated[Positive, Field(description="Hours of a bootstrap block")]
    minimum_labels: Annotated[Count, Field(description="Labeled rows that performance needs")]
    minimum_segment_labels: Annotated[Count, Field(description="Labeled rows that a segment needs")]
    performance_rows: Annotated[Count, Field(description="Labeled rows drawn at most")]
    decay_margin: Annotated[NotNegative, Field(description="Acceptable loss of the primary metric")]
    segment_margin: Annotated[NotNegative, Field(description="Acceptable loss in a segment")]
    loss_margin: Annotated[NotNegative, Field(description="Acceptable loss increase on labels of one class")]
    attribution_ratio: Annotated[
        Ratio, Field(description="Minimum fraction of total importance for a column to be judged")
    ]
    attribution_days: Annotated[NotNegative, Field(description="Days that the labels must span")]
    attribution_rows: Annotated[Count, Field(description="Labeled rows on which columns are shuffled")]
    attribution_retention: Annotated[
        NotNegative, Field(description="Minimum fraction of its importance that a column retains")
    ]
    attribution_errors: Annotated[NotNegative, Field(description="Tolerance in standard errors")]
    data_days: Annotated[Positive, Field(description="Maximum age in days of the newest row in the model's data")]
    model_days: Annotated[Positive, Field(description="Maximum age in days of the model")]
    minimum_requests: Annotated[Count, Field(description="Requests below which the service is not judged")]
    error_ratio: Annotated[Ratio, Field(description="Maximum fraction of failed requests")]
    refused_ratio: Annotated[Ratio, Field(description="Maximum fraction of rejected requests")]
    lost_ratio: Annotated[Ratio, Field(description="Maximum fraction of predictions that the log dropped")]
    latency_ratio: Annotated[Positive, Field(description="Maximum ratio of latency to the load test's")]
    latency_milliseconds: Annotated[NotNegative, Field(description="Latency in milliseconds that is never slow")]
    saturation_ratio: Annotated[Positive, Field(description="Maximum ratio of requests/s to the load test's")]


class RetrainingSection(Section):
    """Limits of `slipway retrain`."""

    triggers: Annotated[list[Trigger], Field(description="Triggers that may start a retraining")]
    every_days: Annotated[NotNegative, Field(description="Minimum days between two retrainings on schedule")]
    cooldown_days: Annotated[NotNegative, Field(description="Minimum days between two retrainings of any trigger")]
    max_retrainings: Annotated[Whole, Field(description="Maximum retrainings within window_days")]
    window_days: Annotated[NotNegative, Field(description="Days over which max_retrainings counts")]
    batches: Annotated[Count, Field(description="Batches of new data per retraining")]
