"""Report of a benchmark for the terminal: tables of results, servers and targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Cell = Callable[[str, int], Mapping[str, Any]]
    from slipway.settings.serving import BenchSection

CELL_COLUMNS = ("", "requests/s", "p50 ms", "p99 ms", "CPU s/1,000", "/ vanilla", "/ ceiling", "/ model")
BUSY_WARNING = "The machine was not idle, and the wait for it timed out: only the ratios are reliable."
CLIENT_WARNING = (
    "The no-op is hardly faster than the ceiling: the load generator was the limit, so the results are unreliable."
)
NOOP_RATIO_MIN = 1.5  # of no-op to ceiling; below, the load generator was the limit
SERVER_COLUMNS = ("", "ready s", "worker MB", "all MB", "worker MB loaded", "all MB loaded")


def text(results: Mapping[str, Any], plan: BenchSection) -> str:
    """Return the tables of cells, servers and targets, with warnings about unreliable results."""
    targets = [
        (name, limit, f"{value:.3g}", "met" if met else "missed")
        for name, limit, value, met in targets_of(results, plan)
    ]
    tables = [
        _table([CELL_COLUMNS, *_cell_lines(results["cells"])]),
        _table([SERVER_COLUMNS, *_server_lines(results["servers"])]),
        _table([("target", "limit", "observed", ""), *targets]),
    ]
    return "\n\n".join([*tables, *_warnings(results)])


def targets_of(results: Mapping[str, Any], plan: BenchSection) -> Iterator[tuple[str, str, float, bool]]:
    """Yield name, limit, observed value and whether the limit is met, for each target of `plan`."""
    limits = plan.targets
    cells = {(cell["name"], cell["rows"], cell["connections"]): cell for cell in results["cells"]}
    few, many, connections = min(plan.rows), max(plan.rows), limits.connections
    service, ceiling = cells["service", few, connections], cells["ceiling", few, connections]
    servers = {server["name"]: server for server in results["servers"]}
    lower_bounds = [
        ("one row, requests/s / vanilla", service["ratios"]["vanilla"], limits.vanilla_ratio),
        ("one row, requests/s / ceiling", service["ratios"]["ceiling"], limits.ceiling_ratio),
        (f"{many} rows, requests/s / model alone", _best(cells, many, connections), limits.model_ratio),
    ]
    p99 = service["p99_milliseconds"] / ceiling["p99_milliseconds"]
    memory, loaded = (
        servers["service"][key] / servers["ceiling"][key] for key in ("worker_megabytes", "loaded_worker_megabytes")
    )
    upper_bounds = [
        ("one row, p99 / ceiling", p99, limits.p99_ratio),
        ("ready s", servers["service"]["ready_seconds"], limits.ready_seconds),
        ("worker MB / ceiling", memory, limits.memory_ratio),
        ("worker MB loaded / ceiling", loaded, limits.memory_ratio),
    ]
    yield from ((name, f"≥ {limit:g}", value, value >= limit) for name, value, limit in lower_bounds)
    yield from ((name, f"≤ {limit:g}", value, value <= limit) for name, value, limit in upper_bounds)


def _warnings(results: Mapping[str, Any]) -> Iterator[str]:
    if not results["quiet"]:
        yield BUSY_WARNING
    if any(cell["ratios"]["ceiling"] < NOOP_RATIO_MIN for cell in results["cells"] if cell["name"] == "no-op"):
        yield CLIENT_WARNING


def _best(cells: Mapping[Any, Mapping[str, Any]], rows: int, connections: int) -> float:
    """Return the best ratio to the model alone among the body formats of the service."""
    return max(
        float(cell["ratios"]["model alone"])
        for (name, *size), cell in cells.items()
        if name.startswith("service") and size == [rows, connections]
    )


def _cell_lines(cells: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    group = None
    for cell in cells:
        size = cell["rows"], cell["connections"]
        if size != group:
            group = size
            yield (f"{_plural(size[0], 'row')}, {_plural(size[1], 'connection')}", *[""] * (len(CELL_COLUMNS) - 1))
        yield (
            f"  {cell['name']}",
            f"{cell['requests_per_second']:,.0f}",
            f"{cell['p50_milliseconds']:.2f}",
            f"{cell['p99_milliseconds']:.2f}",
            f"{cell['cpu_seconds_per_1000']:.3f}",
            *(f"{ratio:.2f}" for ratio in cell["ratios"].values()),
        )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _server_lines(servers: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for server in servers:
        megabytes = (f"{value:.0f}" for key, value in server.items() if key.endswith("megabytes"))
        yield server["name"], f"{server['ready_seconds']:.2f}", *megabytes


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first, *rest = widths
    return "\n".join(
        line[0].ljust(first) + "".join(f"  {cell:>{width}}" for cell, width in zip(line[1:], rest, strict=True))
        for line in lines
    )
