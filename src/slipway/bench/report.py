"""What a bench found, for the terminal: the table, and which targets it met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Cell = Callable[[str, int], Mapping[str, Any]]

CELLS = ("", "requests/s", "p50 ms", "p99 ms", "CPU s/1,000", "/ stock", "/ ceiling", "/ model")
BUSY = "The machine had other work, and the patience for it ran out: believe the ratios, and no figure alone."
CLIENT = "The no-op is hardly quicker than the ceiling: the load generator was the limit, and the figures are its own."
LEAST_LEAD = 1.5  # of the no-op on the ceiling, for the load generator not to be the limit
SERVERS = ("", "ready s", "worker MB", "all MB", "worker MB loaded", "all MB loaded")


def text(found: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Three tables: the cells, the servers, the targets; and warnings where they are not to be believed."""
    targets = [
        (name, limit, f"{value:.3g}", "met" if met else "missed") for name, limit, value, met in targets_of(found, plan)
    ]
    parts = [
        _table([CELLS, *_cell_lines(found["cells"])]),
        _table([SERVERS, *_server_lines(found["servers"])]),
        _table([("target", "limit", "observed", ""), *targets]),
    ]
    return "\n\n".join([*parts, *_warnings(found)])


def targets_of(found: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[tuple[str, str, float, bool]]:
    """Name, limit, observed value and whether it is met, of each target of `plan`."""
    limits = plan["targets"]
    cells = {(cell["name"], cell["rows"], cell["connections"]): cell for cell in found["cells"]}
    one, many, connections = min(plan["rows"]), max(plan["rows"]), limits["connections"]
    service, ceiling = cells["service", one, connections], cells["ceiling", one, connections]
    servers = {server["name"]: server for server in found["servers"]}
    at_least = [
        ("one row, requests/s / stock", service["ratios"]["stock"], limits["vanilla_ratio"]),
        ("one row, requests/s / ceiling", service["ratios"]["ceiling"], limits["ceiling_ratio"]),
        (f"{many} rows, requests/s / model alone", _best(cells, many, connections), limits["model_ratio"]),
    ]
    p99 = service["p99_milliseconds"] / ceiling["p99_milliseconds"]
    memory, loaded = (
        servers["service"][key] / servers["ceiling"][key] for key in ("worker_megabytes", "loaded_worker_megabytes")
    )
    at_most = [
        ("one row, p99 / ceiling", p99, limits["p99_ratio"]),
        ("ready s", servers["service"]["ready_seconds"], limits["ready_seconds"]),
        ("worker MB / ceiling", memory, limits["memory_ratio"]),
        ("worker MB loaded / ceiling", loaded, limits["memory_ratio"]),
    ]
    yield from ((name, f"≥ {limit:g}", value, value >= limit) for name, value, limit in at_least)
    yield from ((name, f"≤ {limit:g}", value, value <= limit) for name, value, limit in at_most)


def _warnings(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["quiet"]:
        yield BUSY
    if any(cell["ratios"]["ceiling"] < LEAST_LEAD for cell in found["cells"] if cell["name"] == "no-op"):
        yield CLIENT


def _best(cells: Mapping[Any, Mapping[str, Any]], rows: int, connections: int) -> float:
    """Of the bodies that the service takes, the quickest."""
    return max(
        cell["ratios"]["model alone"]
        for (name, *where), cell in cells.items()
        if name.startswith("service") and where == [rows, connections]
    )


def _cell_lines(cells: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    group = None
    for cell in cells:
        where = cell["rows"], cell["connections"]
        if where != group:
            group = where
            yield (f"{_plural(where[0], 'row')}, {_plural(where[1], 'connection')}", *[""] * (len(CELLS) - 1))
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
