"""The sections of `params.yaml` for predictions: the service, batch scoring, and their measurement."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.settings.values import Count, Edges, Inside, NotNegative, Positive, Ratio, Section, Whole


class PredictionLog(Section):
    """The log in the folder `$SLIPWAY_PREDICTIONS`."""

    sample: Annotated[Ratio, Field(description="Fraction of rows that are logged")]
    rows_a_second: Annotated[Positive, Field(description="Rows per second of a worker at most")]
    queue_bytes: Annotated[Count, Field(description="Bytes that wait in a worker")]
    file_bytes: Annotated[Count, Field(description="Bytes of a file before the next one begins")]
    files: Annotated[Count, Field(description="Files kept in the folder")]


class Serving(Section):
    """The HTTP service."""

    workers: Annotated[Count, Field(description="Processes")]
    max_rows: Annotated[Count, Field(description="Rows of a request")]
    max_bytes: Annotated[Count, Field(description="Bytes of a body")]
    timeout_seconds: Annotated[Positive, Field(description="Seconds for a body to arrive, and for slow work")]
    max_concurrency: Annotated[Count, Field(description="Requests in progress in a worker")]
    max_waiting_bytes: Annotated[Count, Field(description="Bytes of unfinished bodies in a worker")]
    max_connections: Annotated[Count, Field(description="Open connections of a worker")]
    max_head_bytes: Annotated[Count, Field(description="Bytes of a request's headers")]
    idle_seconds: Annotated[Positive, Field(description="Seconds that a connection may be without a request")]
    linger_seconds: Annotated[NotNegative, Field(description="Seconds after SIGTERM for the last request")]
    retry_after_seconds: Annotated[Whole, Field(description="Seconds in the header `Retry-After`")]
    inline_seconds: Annotated[NotNegative, Field(description="Seconds of work below which no thread is used")]
    access_log: Annotated[Ratio, Field(description="Fraction of answered requests that are logged")]
    lines_a_second: Annotated[Count, Field(description="Log lines per second of a worker")]
    prediction_edges: Annotated[Edges, Field(description="Bounds of the histogram of predictions; [] for the default")]
    prediction_log: PredictionLog


class Score(Section):
    """Batch prediction."""

    chunk_rows: Annotated[Count, Field(description="Rows in memory for each thread")]
    threads: Annotated[Count, Field(description="Threads that predict")]


class Against(Section):
    """The candidate compared with production in one run."""

    block_requests: Annotated[Count, Field(description="Requests to one service before it is the other's turn")]
    confidence: Annotated[Inside, Field(description="Confidence of the interval of the ratio of medians")]
    resamples: Annotated[Count, Field(description="Bootstrap resamples of pairs of blocks")]
    margin: Annotated[NotNegative, Field(description="Acceptable relative increase of the median")]


class LoadTest(Section):
    """The load test before a promotion."""

    users: Annotated[Count, Field(description="Connections held open")]
    rate: Annotated[Positive, Field(description="Requests per second offered")]
    seconds: Annotated[Positive, Field(description="Seconds of measurement after the warm-up")]
    warmup_seconds: Annotated[NotNegative, Field(description="Seconds that do not count")]
    minimum_requests: Annotated[Count, Field(description="Requests below which a run is invalid")]
    achieved_rate: Annotated[Ratio, Field(description="Fraction of the rate below which a run is invalid")]
    generator_cpu: Annotated[Positive, Field(description="Fraction of a core above which a run is invalid")]
    p50_milliseconds: Annotated[Positive, Field(description="Limit of the median latency")]
    p99_milliseconds: Annotated[Positive, Field(description="Limit of the 99th percentile of latency")]
    failure_ratio: Annotated[Ratio, Field(description="Largest fraction of failed requests")]
    timeout_seconds: Annotated[Positive, Field(description="Seconds to wait for an answer")]
    payloads: Annotated[Count, Field(description="Different rows that are sent")]
    hosts: Annotated[list[str], Field(description="Hosts other than this machine that may be loaded")]
    against: Against


class BenchTargets(Section):
    """What `slipway bench` has to reach."""

    connections: Annotated[Count, Field(description="Connections at which the targets are read")]
    stock_ratio: Annotated[Positive, Field(description="Smallest ratio of requests/s to the vanilla service")]
    ceiling_ratio: Annotated[Positive, Field(description="Smallest ratio of requests/s to the bare server")]
    p99_ratio: Annotated[Positive, Field(description="Largest ratio of the 99th percentile to the bare server")]
    model_ratio: Annotated[Positive, Field(description="Smallest ratio of rows/s to the model alone")]
    ready_seconds: Annotated[Positive, Field(description="Seconds from start to ready")]
    memory_ratio: Annotated[Positive, Field(description="Largest ratio of resident memory to the bare server")]


class Bench(Section):
    """The benchmark of the service alongside other servers."""

    rows: Annotated[list[Count], Field(min_length=1, description="Rows of a request")]
    connections: Annotated[list[Count], Field(min_length=1, description="Connections, each with one request")]
    block_seconds: Annotated[Positive, Field(description="Seconds of requests to one server")]
    group_seconds: Annotated[Positive, Field(description="Seconds of one number of rows and connections")]
    patience_seconds: Annotated[NotNegative, Field(description="Seconds to wait for an idle machine")]
    rounds: Annotated[Count, Field(description="Rounds at least")]
    most_requests: Annotated[Count, Field(description="Requests of a block at most")]
    bodies: Annotated[Count, Field(description="Different bodies that are sent")]
    tables: Annotated[Count, Field(description="Different rows, in requests of the largest size")]
    starts: Annotated[Count, Field(description="Starts of each server")]
    targets: BenchTargets
