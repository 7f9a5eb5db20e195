"""Sections of `params.yaml` for running releases: canary, agent, monitoring and retraining."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipway.settings.values import Count, Inside, NotNegative, Percent, Positive, Ratio, Section, Whole, parameter

Trigger = Literal["demand", "schedule", "new data", "drift", "decay", "staleness"]


class ClusterCanarySection(Section):
    """Canary in a cluster, where clients send the requests and Prometheus scrapes them."""

    interval_seconds: Annotated[Positive, parameter("Seconds between two queries of Prometheus", "seconds")] = 15
    step_seconds: Annotated[NotNegative, parameter("Minimum seconds of a step", "seconds")] = 300
    hold_seconds: Annotated[NotNegative, parameter("Maximum seconds of waiting beyond step_seconds", "seconds")] = 600


class CanarySection(Section):
    """Canary of a promotion to production."""

    steps: Annotated[
        list[Annotated[int, Field(ge=1, le=50)]],
        parameter("Percent of the requests in each step", "percent", min_length=1),
    ]
    step_seconds: Annotated[NotNegative, parameter("Minimum seconds of a step", "seconds")]
    minimum_requests: Annotated[Count, parameter("Responses of each side that a step needs", "requests")]
    interval_seconds: Annotated[Positive, parameter("Seconds between two evaluations", "seconds")]
    window_requests: Annotated[Count, parameter("Requests of a side compared at a time", "requests")]
    hold_seconds: Annotated[NotNegative, parameter("Maximum seconds of waiting beyond step_seconds", "seconds")]
    false_alarms: Annotated[Inside, parameter("Maximum rate at which an equal canary is rolled back", "probability")]
    latency_margin: Annotated[NotNegative, parameter("Acceptable relative increase of latency", "relative")]
    prediction_shift: Annotated[Ratio, parameter("Acceptable shift of the predictions' distribution", "probability")]
    synthetic_rate: Annotated[NotNegative, parameter("Requests per second that `slipway promote` sends", "requests/s")]
    shadow_percent: Annotated[
        Percent, parameter("Percent of the requests mirrored to the canary before the first step", "percent")
    ]
    cluster: ClusterCanarySection = Field(default_factory=ClusterCanarySection)

    def of_cluster_step(self) -> CanarySection:
        """Return the parameters of one step in a cluster.

        Each step judges fresh pods, so the steps divide the false alarms among them.
        """
        false_alarms = self.false_alarms / len(self.steps)
        return self.model_copy(update={**self.cluster.model_dump(), "false_alarms": false_alarms})


class AgentSection(Section):
    """Agent of an environment."""

    poll_seconds: Annotated[Positive, parameter("Seconds between two polls of the branch `deploy`", "seconds")]
    ready_seconds: Annotated[Positive, parameter("Timeout in seconds for a release to become ready", "seconds")]
    drain_seconds: Annotated[
        NotNegative, parameter("Seconds between the last request to a release and its stop", "seconds")
    ]
    health_seconds: Annotated[Positive, parameter("Timeout in seconds of a health check", "seconds")]
    health_failures: Annotated[Count, parameter("Consecutive failed health checks before a replacement", "checks")]
    rehash_seconds: Annotated[NotNegative, parameter("Seconds between two hashes of every installed file", "seconds")]
    promote_seconds: Annotated[Positive, parameter("Timeout in seconds for a promotion to be served", "seconds")]


class MonitoringSection(Section):
    """Checks of the rows and the service in production."""

    window_days: Annotated[Positive, parameter("Days of a window", "days")]
    previous_rows: Annotated[Count, parameter("Rows read from the previous windows at most", "rows")]
    window_rows: Annotated[Count, parameter("Rows read from the window at most", "rows")]
    training_rows: Annotated[Count, parameter("Rows read from the data of the release at most", "rows")]
    minimum_rows: Annotated[Count, parameter("Rows below which a window is not judged", "rows")]
    alarm_after: Annotated[Count, parameter("Consecutive windows before an alarm", "windows")]
    clear_after: Annotated[Count, parameter("Consecutive windows before an alarm is cleared", "windows")]
    shape: Annotated[Ratio, parameter("Change of a distribution that is accepted in any case", "distance")]
    validity_rows: Annotated[Count, parameter("Rows validated against `Row` at most", "rows")]
    invalid_ratio: Annotated[Ratio, parameter("Maximum fraction of invalid rows", "fraction")]
    repeated_ratio: Annotated[Ratio, parameter("Maximum fraction of repeated rows", "fraction")]
    volume_ratio: Annotated[Positive, parameter("Maximum ratio to the previous volume, in either direction", "ratio")]
    volume_chunks: Annotated[Count, parameter("Chunks of a window that must each have rows", "chunks")]
    model_ratio: Annotated[Ratio, parameter("Maximum fraction of rows with predictions of another model", "fraction")]
    model_tolerance: Annotated[
        NotNegative, parameter("Tolerance between a logged prediction and the release's model", "prediction")
    ]
    label_days: Annotated[NotNegative, parameter("Days until the label of a row is expected", "days")]
    label_ratio: Annotated[Ratio, parameter("Minimum fraction of older rows with a label", "fraction")]
    conflicting_ratio: Annotated[Ratio, parameter("Maximum fraction of contradicting labels", "fraction")]
    confidence: Annotated[Inside, parameter("Confidence of every interval", "probability")]
    resamples: Annotated[Count, parameter("Bootstrap resamples", "resamples")]
    block_hours: Annotated[Positive, parameter("Hours of a bootstrap block", "hours")]
    minimum_labels: Annotated[Count, parameter("Labeled rows that performance needs", "rows")]
    minimum_segment_labels: Annotated[Count, parameter("Labeled rows that a segment needs", "rows")]
    performance_rows: Annotated[Count, parameter("Labeled rows drawn at most", "rows")]
    decay_margin: Annotated[NotNegative, parameter("Acceptable loss of the primary metric", "metric")]
    segment_margin: Annotated[NotNegative, parameter("Acceptable loss in a segment", "metric")]
    loss_margin: Annotated[NotNegative, parameter("Acceptable loss increase on labels of one class", "nats")]
    attribution_ratio: Annotated[
        Ratio, parameter("Minimum fraction of total importance for a column to be judged", "fraction")
    ]
    attribution_days: Annotated[NotNegative, parameter("Days that the labels must span", "days")]
    attribution_rows: Annotated[Count, parameter("Labeled rows on which columns are shuffled", "rows")]
    attribution_retention: Annotated[
        NotNegative, parameter("Minimum fraction of its importance that a column retains", "fraction")
    ]
    attribution_errors: Annotated[NotNegative, parameter("Tolerance in standard errors", "standard errors")]
    data_days: Annotated[Positive, parameter("Maximum age in days of the newest row in the model's data", "days")]
    model_days: Annotated[Positive, parameter("Maximum age in days of the model", "days")]
    minimum_requests: Annotated[Count, parameter("Requests below which the service is not judged", "requests")]
    error_ratio: Annotated[Ratio, parameter("Maximum fraction of failed requests", "fraction")]
    refused_ratio: Annotated[Ratio, parameter("Maximum fraction of rejected requests", "fraction")]
    lost_ratio: Annotated[Ratio, parameter("Maximum fraction of predictions that the log dropped", "fraction")]
    latency_ratio: Annotated[Positive, parameter("Maximum ratio of latency to the load test's", "ratio")]
    latency_milliseconds: Annotated[
        NotNegative, parameter("Latency in milliseconds that is never slow", "milliseconds")
    ]
    saturation_ratio: Annotated[Positive, parameter("Maximum ratio of requests/s to the load test's", "ratio")]


class RetrainingSection(Section):
    """Limits of `slipway retrain`."""

    triggers: Annotated[list[Trigger], parameter("Triggers that may start a retraining")]
    every_days: Annotated[NotNegative, parameter("Minimum days between two retrainings on schedule", "days")]
    cooldown_days: Annotated[NotNegative, parameter("Minimum days between two retrainings of any trigger", "days")]
    max_retrainings: Annotated[Whole, parameter("Maximum retrainings within window_days", "retrainings")]
    window_days: Annotated[NotNegative, parameter("Days over which max_retrainings counts", "days")]
    batches: Annotated[Count, parameter("Batches of new data per retraining", "batches")]
