"""The result of `slipway bench`."""

from __future__ import annotations

from typing import NamedTuple

from slipway.schema.bounds import Evidence


class Size(NamedTuple):
    """The size of a measurement."""

    rows: int
    """Of a request."""
    connections: int


class BenchCell(Evidence):
    """One contestant with requests of one size."""

    rows: int
    connections: int
    name: str
    requests: int
    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    cpu_seconds_per_1000: float
    """CPU of the server for 1,000 requests."""
    client_cpu: float
    """CPU of the load generator, as a fraction of one core."""
    ratios: dict[str, float]
    """Requests per second, divided by those of another contestant, by its name."""

    @property
    def size(self) -> Size:
        """Return the size of its requests, and the connections."""
        return Size(self.rows, self.connections)


class BenchServer(Evidence):
    """Start and memory of one server, at rest and after the load."""

    name: str
    ready_seconds: float
    worker_megabytes: float
    all_megabytes: float
    loaded_worker_megabytes: float
    loaded_all_megabytes: float


class PeersResult(Evidence):
    """Measurements of the service and of what a user may pick instead."""

    workers: int
    """Worker processes of each server."""
    quiet: bool
    """Whether the machine was idle before each block."""
    versions: dict[str, str]
    """Packages of each server with their versions, by its name."""
    megabytes: dict[str, float]
    """Resident memory of all processes of each server after the load, by its name."""
    cells: list[BenchCell]


class BenchResult(Evidence):
    """All measurements of a benchmark."""

    workers: int
    """Worker processes of each server."""
    quiet: bool
    """Whether the machine was idle before each block."""
    servers: list[BenchServer]
    cells: list[BenchCell]
