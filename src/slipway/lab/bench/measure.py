"""Interleaved measurement of servers with the same model, because interference on a machine outlasts a block.

Every round sends one block of requests to each contestant. A ratio is the median of the ratios within the rounds.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from slipway import output
from slipway.lab.bench import plain_model
from slipway.lab.bench.bench_result import BenchCell, Size
from slipway.lab.bench.load import Block, play, request
from slipway.loadtest.samples import percentiles

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.lab.bench.quiet import IdleWait
    from slipway.lab.bench.servers import Server
    from slipway.settings.serving import BenchSection

MODEL = "model alone"


@dataclass(frozen=True)
class Contestant:
    """A line of the table: a server of `servers.SERVERS`, and a function from rows in JSON to a body for it."""

    name: str
    server: str
    body: Callable[[Sequence[str]], str]


def as_rows(rows: Sequence[str]) -> str:
    """Return a body for this service: a row, or an array of rows."""
    return rows[0] if len(rows) == 1 else f"[{','.join(rows)}]"


def _as_frame(rows: Sequence[str]) -> str:
    return f'{{"rows":[{",".join(rows)}]}}'


def _as_columns(rows: Sequence[str]) -> str:
    content = [json.loads(row) for row in rows]
    return json.dumps({"columns": {name: [row[name] for row in content] for name in content[0]}})


CONTESTANTS = [
    Contestant("vanilla", "vanilla", _as_frame),
    Contestant("service", "service", as_rows),
    Contestant("service, columns", "service", _as_columns),
    Contestant("ceiling", "ceiling", as_rows),
    Contestant("no-op", "no-op", as_rows),
]
BASELINES = ("vanilla", "ceiling", MODEL)
"""Contestants to which the others are compared."""


@dataclass(frozen=True)
class BlockSample:
    """A block of requests to one contestant, and the CPU seconds of its server and of the load generator."""

    block: Block
    cpu: float
    client_cpu: float

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.block.latencies) / self.block.seconds


def measure(
    servers: Mapping[str, Server],
    rows: Sequence[str],
    model_dir: Path,
    plan: BenchSection,
    idle: IdleWait,
    contestants: Sequence[Contestant] = CONTESTANTS,
    baselines: Sequence[str] = BASELINES,
) -> list[BenchCell]:
    """Return every cell of the table: each contestant for each number of rows and of connections.

    `rows` are valid rows in JSON. The ratios of a cell are those to `baselines`. Raises UserError if a contestant
    responds with a status other than 200.
    """
    cells: list[BenchCell] = []
    for count in plan.rows:
        samplers = _samplers(servers, _bodies(rows, count, plan.bodies), model_dir, contestants)
        for connections in plan.connections:
            rounds = _rounds(samplers, connections, plan, idle)
            output.progress(f"bench: {count} rows, {connections} connections: {len(rounds)} rounds")
            cells += [_cell(name, Size(count, connections), rounds, baselines) for name in rounds[0]]
    return cells


def _bodies(rows: Sequence[str], count: int, bodies_max: int) -> list[list[str]]:
    supply = cycle(rows)
    return [list(islice(supply, count)) for _ in range(max(1, min(bodies_max, len(rows) // count)))]


Sampler: TypeAlias = "Callable[[int, BenchSection], BlockSample]"


def _samplers(
    servers: Mapping[str, Server], bodies: list[list[str]], model_dir: Path, contestants: Sequence[Contestant]
) -> dict[str, Sampler]:
    """Return a function per contestant that measures one block."""
    samplers = {MODEL: _model_sampler(model_dir, bodies[0])}
    for contestant in contestants:
        requests = [request(contestant.body(body).encode()) for body in bodies]
        samplers[contestant.name] = _server_sampler(contestant.name, servers[contestant.server], requests)
    return samplers


def _server_sampler(name: str, server: Server, requests: list[bytes]) -> Sampler:
    def sample(connections: int, plan: BenchSection) -> BlockSample:
        cpu, own = server.cpu_seconds(), time.process_time()
        block = play(name, server.port, requests, connections, plan.block_seconds, plan.max_requests)
        return BlockSample(block, server.cpu_seconds() - cpu, time.process_time() - own)

    return sample


def _model_sampler(model_dir: Path, rows: list[str]) -> Sampler:
    """Return a sampler of the model in this process, on one thread with rows in arrays: the limit for any server."""
    call = _model_call(model_dir, rows)

    def sample(_: int, plan: BenchSection) -> BlockSample:
        block, own, start = Block(), time.process_time(), time.perf_counter()
        now = start
        while now - start < plan.block_seconds and len(block.latencies) < plan.max_requests:
            call()
            previous, now = now, time.perf_counter()
            block.latencies.append(now - previous)
        block.seconds = now - start
        cpu = time.process_time() - own
        return BlockSample(block, cpu, cpu)

    return sample


def _model_call(model_dir: Path, rows: list[str]) -> Callable[[], Any]:
    from slipway import predictor

    content = [json.loads(row) for row in rows]
    signature = predictor.signature(model_dir)
    table = {column["name"]: [row[column["name"]] for row in content] for column in signature["columns"]}
    if signature["format"] != "onnx":
        model = predictor.load(model_dir)
        return lambda: model.predict(table)
    run, inputs = plain_model.onnx_session(model_dir), predictor.as_inputs(signature, table)
    return lambda: run(inputs)


def _rounds(
    samplers: Mapping[str, Sampler], connections: int, plan: BenchSection, idle: IdleWait
) -> list[dict[str, BlockSample]]:
    """Return the rounds that fit into the time, after one for warm-up; each starts with a different contestant."""
    names = list(samplers)
    rounds: list[dict[str, BlockSample]] = []
    deadline = time.monotonic() + plan.group_seconds
    while len(rounds) <= plan.rounds or time.monotonic() < deadline:
        first, samples = len(rounds) % len(names), {}
        for name in names[first:] + names[:first]:
            idle.wait()
            samples[name] = samplers[name](connections, plan)
        rounds.append({name: samples[name] for name in names})
    return rounds[1:]


def _cell(name: str, size: Size, rounds: list[dict[str, BlockSample]], baselines: Sequence[str]) -> BenchCell:
    samples = [samples[name] for samples in rounds]
    latencies = [latency for sample in samples for latency in sample.block.latencies]
    quantiles = percentiles("", latencies)
    return BenchCell(
        rows=size.rows,
        connections=size.connections,
        name=name,
        requests=len(latencies),
        requests_per_second=median(sample.rate for sample in samples),
        p50_milliseconds=quantiles["p50_milliseconds"] or math.nan,
        p99_milliseconds=quantiles["p99_milliseconds"] or math.nan,
        cpu_seconds_per_1000=1000 * sum(sample.cpu for sample in samples) / len(latencies),
        client_cpu=sum(sample.client_cpu for sample in samples) / sum(sample.block.seconds for sample in samples),
        ratios={
            other: median(sample.rate / round_[other].rate for sample, round_ in zip(samples, rounds, strict=True))
            for other in baselines
        },
    )
