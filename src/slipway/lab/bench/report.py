"""Report of a benchmark for the terminal: tables of results, servers and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway import figures
from slipway.lab.bench.bench_result import Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slipway.lab.bench.bench_result import BenchCell, BenchResult, BenchServer
    from slipway.settings.serving import BenchSection

CELL_COLUMNS = ("", "requests/s", "p50 ms", "p99 ms", "CPU s/1,000", "/ vanilla", "/ ceiling", "/ model")
BUSY_WARNING = "The machine was not idle, and the wait for it timed out: only the ratios are reliable."
CLIENT_WARNING = (
    "The no-op is hardly faster than the ceiling: the load generator was the limit, so the results are unreliable."
)
NOOP_RATIO_MIN = 1.5  # of no-op to ceiling; below, the load generator was the limit
SERVER_COLUMNS = ("", "ready s", "worker MB", "all MB", "worker MB loaded", "all MB loaded")


def text(results: BenchResult, plan: BenchSection) -> str:
    """Return the tables of cells, servers and targets, with warnings about unreliable results."""
    targets = [
        (name, limit, f"{value:.3g}", "met" if met else "missed")
        for name, limit, value, met in targets_of(results, plan)
    ]
    tables = [
        table([CELL_COLUMNS, *_cell_lines(results.cells)]),
        table([SERVER_COLUMNS, *_server_lines(results.servers)]),
        table([("target", "limit", "observed", ""), *targets]),
    ]
    return "\n\n".join([*tables, *_warnings(results)])


def targets_of(results: BenchResult, plan: BenchSection) -> Iterator[tuple[str, str, float, bool]]:
    """Yield name, limit, observed value and whether the limit is met, for each target of `plan`."""
    limits = plan.targets
    cells = {(cell.name, cell.size): cell for cell in results.cells}
    few, many = (Size(rows, limits.connections) for rows in (min(plan.rows), max(plan.rows)))
    service, ceiling = cells["service", few], cells["ceiling", few]
    servers = {server.name: server for server in results.servers}
    lower_bounds = [
        ("one row, requests/s / vanilla", service.ratios["vanilla"], limits.vanilla_ratio),
        ("one row, requests/s / ceiling", service.ratios["ceiling"], limits.ceiling_ratio),
        (f"{many.rows} rows, requests/s / model alone", _best(results.cells, many), limits.model_ratio),
    ]
    p99 = service.p99_milliseconds / ceiling.p99_milliseconds
    ours, smallest = servers["service"], servers["ceiling"]
    memory = ours.worker_megabytes / smallest.worker_megabytes
    loaded = ours.loaded_worker_megabytes / smallest.loaded_worker_megabytes
    upper_bounds = [
        ("one row, p99 / ceiling", p99, limits.p99_ratio),
        ("ready s", ours.ready_seconds, limits.ready_seconds),
        ("worker MB / ceiling", memory, limits.memory_ratio),
        ("worker MB loaded / ceiling", loaded, limits.memory_ratio),
    ]
    yield from ((name, f"≥ {limit:g}", value, value >= limit) for name, value, limit in lower_bounds)
    yield from ((name, f"≤ {limit:g}", value, value <= limit) for name, value, limit in upper_bounds)


def _warnings(results: BenchResult) -> Iterator[str]:
    if not results.quiet:
        yield BUSY_WARNING
    if any(cell.ratios["ceiling"] < NOOP_RATIO_MIN for cell in results.cells if cell.name == "no-op"):
        yield CLIENT_WARNING


def _best(cells: Sequence[BenchCell], size: Size) -> float:
    """Return the best ratio to the model alone among the body formats of the service."""
    return max(cell.ratios["model alone"] for cell in cells if cell.name.startswith("service") and cell.size == size)


def _cell_lines(cells: Sequence[BenchCell]) -> Iterator[tuple[str, ...]]:
    group = None
    for cell in cells:
        if cell.size != group:
            group = cell.size
            size = f"{figures.count(group.rows, 'row')}, {figures.count(group.connections, 'connection')}"
            yield (size, *[""] * (len(CELL_COLUMNS) - 1))
        yield (
            f"  {cell.name}",
            f"{cell.requests_per_second:,.0f}",
            f"{cell.p50_milliseconds:.2f}",
            f"{cell.p99_milliseconds:.2f}",
            f"{cell.cpu_seconds_per_1000:.3f}",
            *(f"{ratio:.2f}" for ratio in cell.ratios.values()),
        )


def _server_lines(servers: Sequence[BenchServer]) -> Iterator[tuple[str, ...]]:
    for server in servers:
        megabytes = (
            server.worker_megabytes,
            server.all_megabytes,
            server.loaded_worker_megabytes,
            server.loaded_all_megabytes,
        )
        yield server.name, f"{server.ready_seconds:.2f}", *(f"{value:.0f}" for value in megabytes)


def table(lines: Sequence[tuple[str, ...]]) -> str:
    """Return lines as a table with aligned columns; the first line has the names of the columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first, *rest = widths
    return "\n".join(
        line[0].ljust(first) + "".join(f"  {cell:>{width}}" for cell, width in zip(line[1:], rest, strict=True))
        for line in lines
    )
