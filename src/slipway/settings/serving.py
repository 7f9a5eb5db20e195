"""Sections of `params.yaml` for predictions: service, batch scoring, load test and benchmark."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.settings.values import Count, Edges, Inside, NotNegative, Positive, Ratio, Section, Whole


class PredictionLogSection(Section):
    """Prediction log in the folder `$SLIPWAY_PREDICTIONS`."""

    sample: Annotated[Ratio, Field(description="Fraction of rows that are logged")]
    rows_a_second: Annotated[Positive, Field(description="Maximum rows per second of a worker")]
    queue_bytes: Annotated[Count, Field(description="Bytes queued in a worker")]
    file_bytes: Annotated[Count, Field(description="Bytes of a file before it is rotated")]
    files: Annotated[Count, Field(description="Newest files kept")]


class ServingSection(Section):
    """HTTP service."""

    workers: Annotated[Count, Field(description="Processes")]
    max_rows: Annotated[Count, Field(description="Maximum rows of a request")]
    max_bytes: Annotated[Count, Field(description="Maximum bytes of a body")]
    timeout_seconds: Annotated[
        Positive, Field(description="Timeout in seconds for a body to arrive, and for slow work")
    ]
    max_concurrency: Annotated[Count, Field(description="Maximum requests in progress in a worker")]
    max_waiting_bytes: Annotated[Count, Field(description="Maximum bytes of incomplete bodies in a worker")]
    max_connections: Annotated[Count, Field(description="Maximum open connections of a worker")]
    max_head_bytes: Annotated[Count, Field(description="Maximum bytes of a request's headers")]
    idle_seconds: Annotated[Positive, Field(description="Seconds without a request before a connection is closed")]
    linger_seconds: Annotated[NotNegative, Field(description="Seconds after SIGTERM for the last request to arrive")]
    retry_after_seconds: Annotated[Whole, Field(description="Seconds in the header `Retry-After`")]
    inline_seconds: Annotated[NotNegative, Field(description="Estimated seconds of work below which no thread is used")]
    access_log: Annotated[Ratio, Field(description="Fraction of successful requests that are logged")]
    lines_a_second: Annotated[Count, Field(description="Log lines per second of a worker")]
    prediction_edges: Annotated[
        Edges, Field(description="Bucket bounds of the prediction histogram; [] for the default")
    ]
    prediction_log: PredictionLogSection


class ScoreSection(Section):
    """Batch prediction."""

    chunk_rows: Annotated[Count, Field(description="Rows in memory per thread")]
    threads: Annotated[Count, Field(description="Prediction threads")]


class AgainstSection(Section):
    """Comparison of the candidate with production in one run."""

    block_requests: Annotated[Count, Field(description="Requests to one service before the other's block")]
    confidence: Annotated[Inside, Field(description="Confidence of the interval of the ratio of medians")]
    resamples: Annotated[Count, Field(description="Bootstrap resamples of pairs of blocks")]
    margin: Annotated[NotNegative, Field(description="Acceptable relative increase of the median")]


class LoadTestSection(Section):
    """Load test before a promotion."""

    users: Annotated[Count, Field(description="Open connections")]
    rate: Annotated[Positive, Field(description="Requests per second offered")]
    seconds: Annotated[Positive, Field(description="Seconds of measurement after the warm-up")]
    warmup_seconds: Annotated[NotNegative, Field(description="Seconds of the warm-up")]
    minimum_requests: Annotated[Count, Field(description="Requests below which a run is invalid")]
    achieved_rate: Annotated[
        Ratio, Field(description="Minimum fraction of the offered rate; a run below it is invalid")
    ]
    generator_cpu: Annotated[
        Positive, Field(description="Maximum fraction of a core for the generator; a run above it is invalid")
    ]
    p50_milliseconds: Annotated[Positive, Field(description="Maximum median latency in milliseconds")]
    p99_milliseconds: Annotated[Positive, Field(description="Maximum 99th percentile of latency in milliseconds")]
    failure_ratio: Annotated[Ratio, Field(description="Maximum fraction of failed requests")]
    timeout_seconds: Annotated[Positive, Field(description="Timeout in seconds of a request")]
    payloads: Annotated[Count, Field(description="Distinct rows that are sent")]
    hosts: Annotated[list[str], Field(description="Hosts other than this machine that may be loaded")]
    against: AgainstSection


class BenchTargetsSection(Section):
    """Targets of `slipway bench`."""

    connections: Annotated[Count, Field(description="Connections at which the targets are evaluated")]
    vanilla_ratio: Annotated[Positive, Field(description="Minimum ratio of requests/s to the vanilla service")]
    ceiling_ratio: Annotated[Positive, Field(description="Minimum ratio of requests/s to the bare server")]
    p99_ratio: Annotated[Positive, Field(description="Maximum ratio of the 99th percentile to the bare server")]
    model_ratio: Annotated[Positive, Field(description="Minimum ratio of rows/s to the model alone")]
    ready_seconds: Annotated[Positive, Field(description="Maximum seconds from start to ready")]
    memory_ratio: Annotated[Positive, Field(description="Maximum ratio of resident memory to the bare server")]


class BenchSection(Section):
    """Benchmark of the service and of other servers with the same model."""

    rows: Annotated[list[Count], Field(min_length=1, description="Rows of a request")]
    connections: Annotated[list[Count], Field(min_length=1, description="Connections, each with one request in flight")]
    block_seconds: Annotated[Positive, Field(description="Seconds of a block of requests to one server")]
    group_seconds: Annotated[Positive, Field(description="Seconds of one combination of rows and connections")]
    idle_timeout_seconds: Annotated[NotNegative, Field(description="Timeout in seconds for the machine to be idle")]
    rounds: Annotated[Count, Field(description="Minimum number of rounds")]
    max_requests: Annotated[Count, Field(description="Maximum requests of a block")]
    bodies: Annotated[Count, Field(description="Distinct bodies that are sent")]
    tables: Annotated[Count, Field(description="Distinct rows, as a multiple of the rows of the largest request")]
    starts: Annotated[Count, Field(description="Starts of each server")]
    targets: BenchTargetsSection
