"""Sections of `params.yaml` for predictions: service, batch scoring, load test and benchmark."""

from __future__ import annotations

from typing import Annotated, Literal

from slipway.settings.values import (
    Count,
    Edges,
    Inside,
    NotBlank,
    NotNegative,
    Positive,
    Ratio,
    Section,
    Whole,
    parameter,
)

InputChecks = Literal["off", "warn", "fail"]


class PredictionLogSection(Section):
    """Prediction log in the folder `$SLIPWAY_PREDICTIONS`."""

    sample: Annotated[Ratio, parameter("Fraction of rows that are logged", "fraction")]
    rows_a_second: Annotated[Positive, parameter("Maximum rows per second of a worker", "rows/s")]
    queue_bytes: Annotated[Count, parameter("Bytes queued in a worker", "bytes")]
    file_bytes: Annotated[Count, parameter("Bytes of a file before it is rotated", "bytes")]
    files: Annotated[Count, parameter("Newest files kept", "files")]
    retention_days: Annotated[
        Positive | None, parameter("Days after which rows are deleted, raw and collected; without it, none are", "days")
    ] = None


class ExplainSection(Section):
    """Explanations of predictions."""

    background_rows: Annotated[Count, parameter("Training rows that a row is compared with", "rows", ge=2)]
    walks: Annotated[Count, parameter("Pairs of antithetic walks from each of these rows", "walks")]
    max_concurrency: Annotated[Count, parameter("Maximum explanations in progress in a worker", "requests")]


class ServingSection(Section):
    """HTTP service."""

    workers: Annotated[Count, parameter("Processes", "processes")]
    provider: Annotated[NotBlank, parameter("Execution provider of ONNX Runtime; a model in skops has none")]
    max_rows: Annotated[Count, parameter("Maximum rows of a request", "rows")]
    max_bytes: Annotated[Count, parameter("Maximum bytes of a body", "bytes")]
    timeout_seconds: Annotated[
        Positive, parameter("Timeout in seconds for a body to arrive, and for slow work", "seconds")
    ]
    max_concurrency: Annotated[Count, parameter("Maximum requests in progress in a worker", "requests")]
    max_waiting_bytes: Annotated[Count, parameter("Maximum bytes of incomplete bodies in a worker", "bytes")]
    max_connections: Annotated[Count, parameter("Maximum open connections of a worker", "connections")]
    max_head_bytes: Annotated[Count, parameter("Maximum bytes of a request's headers", "bytes")]
    idle_seconds: Annotated[Positive, parameter("Seconds without a request before a connection is closed", "seconds")]
    linger_seconds: Annotated[NotNegative, parameter("Seconds after SIGTERM for the last request to arrive", "seconds")]
    retry_after_seconds: Annotated[Whole, parameter("Seconds in the header `Retry-After`", "seconds")]
    inline_seconds: Annotated[
        NotNegative, parameter("Estimated seconds of work below which no thread is used", "seconds")
    ]
    access_log: Annotated[Ratio, parameter("Fraction of successful requests that are logged", "fraction")]
    lines_a_second: Annotated[Count, parameter("Log lines per second of a worker", "lines/s")]
    prediction_edges: Annotated[
        Edges, parameter("Bucket bounds of the prediction histogram; [] for the default", "prediction")
    ]
    prediction_log: PredictionLogSection
    explain: ExplainSection


class ScoreSection(Section):
    """Batch prediction."""

    chunk_rows: Annotated[Count, parameter("Rows in memory per thread", "rows")]
    threads: Annotated[Count, parameter("Prediction threads", "threads")]
    checks: Annotated[InputChecks, parameter("Whether findings on the input are ignored, warnings or errors")] = "warn"


class AgainstSection(Section):
    """Comparison of the candidate with production in one run."""

    block_requests: Annotated[Count, parameter("Requests to one service before the other's block", "requests")]
    confidence: Annotated[Inside, parameter("Confidence of the interval of the ratio of medians", "probability")]
    resamples: Annotated[Count, parameter("Bootstrap resamples of pairs of blocks", "resamples")]
    margin: Annotated[NotNegative, parameter("Acceptable relative increase of the median", "relative")]


class LoadTestSection(Section):
    """Load test before a promotion."""

    users: Annotated[Count, parameter("Open connections", "connections")]
    rate: Annotated[Positive, parameter("Requests per second offered", "requests/s")]
    seconds: Annotated[Positive, parameter("Seconds of measurement after the warm-up", "seconds")]
    warmup_seconds: Annotated[NotNegative, parameter("Seconds of the warm-up", "seconds")]
    minimum_requests: Annotated[Count, parameter("Requests below which a run is invalid", "requests")]
    achieved_rate: Annotated[
        Ratio, parameter("Minimum fraction of the offered rate; a run below it is invalid", "fraction")
    ]
    generator_cpu: Annotated[
        Positive, parameter("Maximum fraction of a core for the generator; a run above it is invalid", "cores")
    ]
    p50_milliseconds: Annotated[Positive, parameter("Maximum median latency in milliseconds", "milliseconds")]
    p99_milliseconds: Annotated[
        Positive, parameter("Maximum 99th percentile of latency in milliseconds", "milliseconds")
    ]
    failure_ratio: Annotated[Ratio, parameter("Maximum fraction of failed requests", "fraction")]
    timeout_seconds: Annotated[Positive, parameter("Timeout in seconds of a request", "seconds")]
    payloads: Annotated[Count, parameter("Distinct rows that are sent", "rows")]
    hosts: Annotated[list[str], parameter("Hosts other than this machine that may be loaded")]
    against: AgainstSection


class BenchTargetsSection(Section):
    """Targets of `slipway bench`."""

    connections: Annotated[Count, parameter("Connections at which the targets are evaluated", "connections")]
    vanilla_ratio: Annotated[Positive, parameter("Minimum ratio of requests/s to the vanilla service", "ratio")]
    ceiling_ratio: Annotated[Positive, parameter("Minimum ratio of requests/s to the bare server", "ratio")]
    p99_ratio: Annotated[Positive, parameter("Maximum ratio of the 99th percentile to the bare server", "ratio")]
    model_ratio: Annotated[Positive, parameter("Minimum ratio of rows/s to the model alone", "ratio")]
    ready_seconds: Annotated[Positive, parameter("Maximum seconds from start to ready", "seconds")]
    memory_ratio: Annotated[Positive, parameter("Maximum ratio of resident memory to the bare server", "ratio")]


class BenchSection(Section):
    """Benchmark of the service and of other servers with the same model."""

    rows: Annotated[list[Count], parameter("Rows of a request", "rows", min_length=1)]
    connections: Annotated[
        list[Count], parameter("Connections, each with one request in flight", "connections", min_length=1)
    ]
    block_seconds: Annotated[Positive, parameter("Seconds of a block of requests to one server", "seconds")]
    group_seconds: Annotated[Positive, parameter("Seconds of one combination of rows and connections", "seconds")]
    idle_timeout_seconds: Annotated[NotNegative, parameter("Timeout in seconds for the machine to be idle", "seconds")]
    rounds: Annotated[Count, parameter("Minimum number of rounds", "rounds")]
    max_requests: Annotated[Count, parameter("Maximum requests of a block", "requests")]
    bodies: Annotated[Count, parameter("Distinct bodies that are sent", "bodies")]
    tables: Annotated[Count, parameter("Distinct rows, as a multiple of the rows of the largest request", "ratio")]
    starts: Annotated[Count, parameter("Starts of each server", "starts")]
    targets: BenchTargetsSection
