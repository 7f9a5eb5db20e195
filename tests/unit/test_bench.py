"""Units of the benchmark: load generator with error detection, servers that always stop, and targets."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest

from slipway.errors import ToolError
from slipway.lab.bench import load, quiet, report, servers
from slipway.lab.bench.bench_result import BenchCell, BenchResult, BenchServer
from slipway.lab.bench.load import play, request
from slipway.lab.bench.report import targets_of
from slipway.settings import read_settings
from tests.params import VALID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.settings.serving import BenchSection

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BAD = b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 8\r\n\r\nno row 7"


def plan(rows: list[int], targets: dict[str, float]) -> BenchSection:
    shipped = read_settings(VALID).bench
    return shipped.model_copy(update={"rows": rows, "targets": shipped.targets.model_copy(update=targets)})


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """Serve these responses to one client, one per request, and then close the connection."""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            for answer in answers:
                client.recv(10_000)
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def test_every_response_is_timed():
    with answering(GOOD, GOOD, GOOD) as port:
        block = play("toy", port, [request(b"{}")], connections=1, seconds=5, requests_max=3)
    assert 3 == len(block.latencies)
    assert 0 < sum(block.latencies) <= block.seconds


def test_a_chunked_response_is_one_response():
    with answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n") as port:
        assert 1 == len(play("toy", port, [request(b"{}")], connections=1, seconds=5, requests_max=1).latencies)


def test_an_error_response_fails_the_benchmark():
    with (
        answering(GOOD, BAD) as port,
        pytest.raises(ToolError, match="bench: the server toy answered 422: no row 7"),
    ):
        play("toy", port, [request(b"{}")], connections=1, seconds=5, requests_max=9)


def test_a_closed_connection_fails_the_benchmark():
    with answering(GOOD) as port, pytest.raises(ToolError, match="the server toy closed a connection"):
        play("toy", port, [request(b"{}")], connections=1, seconds=5, requests_max=9)


def test_a_server_that_does_not_respond_fails_the_benchmark(monkeypatch):
    monkeypatch.setattr(load, "BLOCK_TIMEOUT_SECONDS", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(ToolError, match=r"the server toy did not respond within 0.1 s"),
    ):
        play("toy", listener.getsockname()[1], [request(b"{}")], connections=1, seconds=0.1, requests_max=9)


def test_a_missing_server_fails_the_benchmark():
    with pytest.raises(ToolError, match="the server toy accepts no connection"):
        play("toy", servers.free_port(), [request(b"{}")], connections=1, seconds=1, requests_max=9)


def test_servers_are_stopped_when_the_benchmark_is_interrupted(tmp_path):
    family = []

    def interrupted() -> None:
        with servers.running("no-op", 2, tmp_path, os.environ) as server:
            family.extend(server.family())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(family) > 2
    assert [] == [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path, monkeypatch):
    monkeypatch.setitem(servers.SERVERS, "no-op", ["uvicorn", "slipway.lab.bench.nothing:app"])
    with (
        pytest.raises(ToolError, match=r"the server no-op does not start: .*slipway\.lab\.bench\.nothing"),
        servers.running("no-op", 1, tmp_path, os.environ),
    ):
        raise AssertionError("it runs")


@pytest.mark.parametrize(("idle", "samples"), [([95.0], 1), ([10.0, 60.0, 91.0], 3), ([0.0] * 9, 4)])
def test_a_benchmark_waits_for_an_idle_machine_up_to_the_timeout(monkeypatch, idle, samples):
    requested, clock = [], iter(range(100))
    monkeypatch.setattr(quiet.time, "monotonic", lambda: next(clock))

    def sample(seconds: float) -> SimpleNamespace:
        requested.append(seconds)
        return SimpleNamespace(idle=idle[len(requested) - 1])

    monkeypatch.setattr(quiet.psutil, "cpu_times_percent", sample)
    wait = quiet.IdleWait(4)
    wait.wait()
    assert samples == len(requested)
    assert (wait.left > 0) is (samples < 4)


def server(name: str, seconds: float, at_rest: float, loaded: float) -> BenchServer:
    return BenchServer(
        name=name,
        ready_seconds=seconds,
        worker_megabytes=at_rest,
        all_megabytes=at_rest,
        loaded_worker_megabytes=loaded,
        loaded_all_megabytes=loaded,
    )


def cell(name: str, rows: int = 1, connections: int = 1, *, ceiling: float = 1.8, alone: float = 0.5) -> BenchCell:
    return BenchCell(
        name=name,
        rows=rows,
        connections=connections,
        requests=1,
        requests_per_second=1.0,
        p50_milliseconds=10.0,
        p99_milliseconds=10.0,
        cpu_seconds_per_1000=0.1,
        client_cpu=0.1,
        ratios={"vanilla": 120.0, "ceiling": ceiling, "model alone": alone},
    )


RESULT = BenchResult(
    workers=1,
    quiet=True,
    servers=[server("service", 2.0, 120.0, 125.0), server("ceiling", 1.0, 100.0, 100.0)],
    cells=[
        cell(name, rows, 16, alone=alone)
        for rows in (1, 1000)
        for name, alone in (("service", 0.5), ("service, columns", 0.85), ("ceiling", 0.7))
    ],
)


@pytest.mark.parametrize(
    ("quiet_machine", "lead", "expected"),
    [(True, 4.0, []), (False, 4.0, [report.BUSY_WARNING]), (True, 1.2, [report.CLIENT_WARNING])],
)
def test_unreliable_results_have_a_warning(quiet_machine, lead, expected):
    names = ("service", "ceiling", "no-op")
    cells = [cell(name, ceiling=lead) for name in names]
    text = report.text(
        RESULT.model_copy(update={"quiet": quiet_machine, "cells": cells}), plan([1], {"connections": 1})
    )
    assert expected == [line for line in (report.BUSY_WARNING, report.CLIENT_WARNING) if line in text]


def missed(**limits: float) -> list[str]:
    return [name for name, _, _, met in targets_of(RESULT, plan([1, 1000], limits)) if not met]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, []),
        ({"vanilla_ratio": 121}, ["one row, requests/s / vanilla"]),
        ({"ceiling_ratio": 1.9}, ["one row, requests/s / ceiling"]),
        ({"model_ratio": 0.9}, ["1000 rows, requests/s / model alone"]),
        ({"p99_ratio": 0.9}, ["one row, p99 / ceiling"]),
        ({"ready_seconds": 1}, ["ready s"]),
        ({"memory_ratio": 1.22}, ["worker MB loaded / ceiling"]),
        ({"memory_ratio": 1.1}, ["worker MB / ceiling", "worker MB loaded / ceiling"]),
    ],
)
def test_a_target_outside_its_limit_is_missed(limits, expected):
    assert expected == missed(**limits)
