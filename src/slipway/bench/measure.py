"""`slipway bench`: servers with one model side by side, in turns, because a machine's moods are longer than a block.

Every round gives each contestant one block of requests. A ratio is the median of the ratios within the rounds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import TYPE_CHECKING, Any

from slipway.bench.load import Block, play, request
from slipway.bench.servers import ALIKE
from slipway.delivery.load.samples import percentiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from slipway.bench.quiet import Patience
    from slipway.bench.servers import Server

MODEL = "model alone"


@dataclass(frozen=True)
class Contestant:
    """A line of the table: a server of `servers.SERVERS`, and how a body carries JSON texts of rows to it."""

    name: str
    server: str
    body: Callable[[Sequence[str]], str]


def _as_rows(rows: Sequence[str]) -> str:
    return rows[0] if len(rows) == 1 else f"[{','.join(rows)}]"


def _as_frame(rows: Sequence[str]) -> str:
    return f'{{"rows":[{",".join(rows)}]}}'


def _as_columns(rows: Sequence[str]) -> str:
    content = [json.loads(row) for row in rows]
    return json.dumps({"columns": {name: [row[name] for row in content] for name in content[0]}})


CONTESTANTS = [
    Contestant("stock", "stock", _as_frame),
    Contestant("service", "service", _as_rows),
    Contestant("service, columns", "service", _as_columns),
    Contestant("ceiling", "ceiling", _as_rows),
    Contestant("no-op", "no-op", _as_rows),
]


@dataclass(frozen=True)
class Turn:
    """A block of requests to one contestant, and the CPU seconds that its server and the load generator used."""

    block: Block
    cpu: float
    client_cpu: float

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return len(self.block.latencies) / self.block.seconds


def measure(
    servers: Mapping[str, Server], rows: Sequence[str], model_dir: Path, plan: Mapping[str, Any], patience: Patience
) -> list[dict[str, Any]]:
    """Every cell of the table: for each number of rows and of connections, each contestant.

    `rows` are JSON texts of valid rows. Raises UserError when a contestant answers anything but 200.
    """
    cells = []
    for count in plan["rows"]:
        turns = _turns(servers, _bodies(rows, count, plan["bodies"]), model_dir)
        for connections in plan["connections"]:
            rounds = _rounds(turns, connections, plan, patience)
            print(f"bench: {count} rows, {connections} connections: {len(rounds)} rounds", file=sys.stderr)
            cells += [{"rows": count, "connections": connections, **cell} for cell in _cells(rounds)]
    return cells


def _bodies(rows: Sequence[str], count: int, most: int) -> list[list[str]]:
    supply = cycle(rows)
    return [list(islice(supply, count)) for _ in range(max(1, min(most, len(rows) // count)))]


Play = "Callable[[int, Mapping[str, Any]], Turn]"


def _turns(servers: Mapping[str, Server], bodies: list[list[str]], model_dir: Path) -> dict[str, Play]:
    """How to play a block of each contestant."""
    turns = {MODEL: _model_turn(model_dir, bodies[0])}
    for each in CONTESTANTS:
        requests = [request(each.body(body).encode()) for body in bodies]
        turns[each.name] = _server_turn(each.name, servers[each.server], requests)
    return turns


def _server_turn(name: str, server: Server, requests: list[bytes]) -> Play:
    def turn(connections: int, plan: Mapping[str, Any]) -> Turn:
        cpu, own = server.cpu_seconds(), time.process_time()
        block = play(name, server.port, requests, connections, plan["block_seconds"], plan["max_requests"])
        return Turn(block, server.cpu_seconds() - cpu, time.process_time() - own)

    return turn


def _model_turn(model_dir: Path, rows: list[str]) -> Play:
    """The model in this process, on one thread, its rows in arrays: what no server can be quicker than."""
    call = _model_call(model_dir, rows)

    def turn(_: int, plan: Mapping[str, Any]) -> Turn:
        block, own, start = Block(), time.process_time(), time.perf_counter()
        now = start
        while now - start < plan["block_seconds"] and len(block.latencies) < plan["max_requests"]:
            call()
            before, now = now, time.perf_counter()
            block.latencies.append(now - before)
        block.seconds = now - start
        cpu = time.process_time() - own
        return Turn(block, cpu, cpu)

    return turn


def _model_call(model_dir: Path, rows: list[str]) -> Callable[[], Any]:
    from slipway import predictor

    content = [json.loads(row) for row in rows]
    signature = predictor.signature(model_dir)
    table = {column["name"]: [row[column["name"]] for row in content] for column in signature["columns"]}
    if signature["format"] != "onnx":
        model = predictor.load(model_dir)
        return lambda: model.predict(table)
    os.environ.update(ALIKE)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model_dir / predictor.ONNX, options, providers=["CPUExecutionProvider"])
    inputs, outputs = predictor.as_inputs(signature, table), [session.get_outputs()[-1].name]
    return lambda: session.run(outputs, inputs)


def _rounds(
    turns: Mapping[str, Play], connections: int, plan: Mapping[str, Any], patience: Patience
) -> list[dict[str, Turn]]:
    """As many rounds as fit into the time, after one to warm up; each starts with another contestant."""
    names, rounds = list(turns), []
    deadline = time.monotonic() + plan["group_seconds"]
    while len(rounds) <= plan["rounds"] or time.monotonic() < deadline:
        first, played = len(rounds) % len(names), {}
        for name in names[first:] + names[:first]:
            patience.wait()
            played[name] = turns[name](connections, plan)
        rounds.append({name: played[name] for name in names})
    return rounds[1:]


def _cells(rounds: list[dict[str, Turn]]) -> list[dict[str, Any]]:
    return [_cell(name, [turns[name] for turns in rounds], rounds) for name in rounds[0]]


def _cell(name: str, turns: list[Turn], rounds: list[dict[str, Turn]]) -> dict[str, Any]:
    latencies = [each for turn in turns for each in turn.block.latencies]
    found = percentiles("", latencies)
    return {
        "name": name,
        "requests": len(latencies),
        "requests_per_second": median(turn.rate for turn in turns),
        "p50_milliseconds": found["p50_milliseconds"],
        "p99_milliseconds": found["p99_milliseconds"],
        "cpu_seconds_per_1000": 1000 * sum(turn.cpu for turn in turns) / len(latencies),
        "client_cpu": sum(turn.client_cpu for turn in turns) / sum(turn.block.seconds for turn in turns),
        "ratios": {
            other: median(turn.rate / round_[other].rate for turn, round_ in zip(turns, rounds, strict=True))
            for other in ("stock", "ceiling", MODEL)
        },
    }
