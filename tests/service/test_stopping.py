"""Stop and crash of workers: every request gets a response, and dead workers are replaced.

STOP_CYCLES=20 pytest tests/service/test_stopping.py -k cycle -s
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx
import psutil
import pytest

from .conftest import BENTOML, IMAGE, both_ways

ROW = b'{"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": null}'
JSON = {"content-type": "application/json"}
CYCLES = int(os.environ.get("STOP_CYCLES", "2"))  # 20 cycles take two minutes per kind of client
CLIENTS = 16
LOAD_SECONDS = 0.5  # before the stop
BACK_SECONDS = 10.0
READY = "        gc.collect()\n"  # first statement of a worker in its loop
SECOND_IS_LATE = """        import pathlib, time
        try:
            os.mkdir({mark!r})
        except FileExistsError:
            pathlib.Path({mark!r}, "late").touch()
            time.sleep(1.5)
"""


@pytest.mark.parametrize("flags", [(), ("--reconnect",)], ids=["connections stay", "a connection for each request"])
@pytest.mark.parametrize(
    ("serve", "workers"), [(BENTOML, 1), (BENTOML, 2), (IMAGE, 1)], indirect=["serve"], scope="session"
)
def test_a_stop_under_load_loses_no_request_in_any_cycle(
    serve, numbers, start_load, model_dir, tmp_path, workers, flags
):
    """Connected clients get a response; the kernel refuses later ones before they send a request."""
    variables = numbers(workers=workers)
    for cycle in range(CYCLES):
        with serve(model_dir, tmp_path, **variables) as (url, process):
            load = start_load(url, CLIENTS, 20, ROW, *flags)
            time.sleep(LOAD_SECONDS + 0.2)
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            result = json.loads(load.communicate(timeout=30)[0])
        answers = {status: len(latencies) for status, latencies in result["answers"].items()}
        print(f"cycle {cycle}: {answers}, lost {result['lost']}")
        assert (["200"], 0) == (list(answers), result["lost"])
        assert answers["200"] > CLIENTS


def test_a_worker_that_is_not_ready_when_the_service_stops_does_not_listen_again(serve, numbers, model_dir, tmp_path):
    """The workers share their socket. If one has closed it for all, another must not start to listen again."""
    variables = numbers(workers=2)
    worker = Path(variables["PYTHONPATH"].split(os.pathsep)[0]) / "slipway" / "serving" / "worker.py"
    text = worker.read_text()
    assert 1 == text.count(READY)
    worker.write_text(text.replace(READY, SECOND_IS_LATE.format(mark=str(tmp_path / "mark")) + READY))
    with serve(model_dir, tmp_path, **variables) as (url, process):
        while not (tmp_path / "mark" / "late").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        taken = []
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            taken.append(_is_taken(int(url.rsplit(":", 1)[1])))
            time.sleep(0.005)
    assert False in taken
    assert not any(taken[taken.index(False) :])


def _is_taken(port: int) -> bool:
    with socket.socket() as client:
        return 0 == client.connect_ex(("127.0.0.1", port))


@both_ways
def test_an_idle_connection_does_not_delay_a_stop(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (url, process), httpx.Client(base_url=url) as client:
        client.get("/readyz")
        process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        assert 0 == process.wait(15)
        assert time.monotonic() - start < 6


def test_killed_workers_are_replaced_quickly(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (url, process):
        for _ in range(2):
            for worker in process.children():
                worker.kill()
            start = time.monotonic()
            assert 200 == httpx.post(f"{url}/predict", content=ROW, headers=JSON, timeout=60).status_code
            assert time.monotonic() - start < BACK_SECONDS


def test_restarts_of_a_worker_that_cannot_start_are_limited(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (_, process):
        hidden = model_dir.with_name("hidden")
        model_dir.rename(hidden)
        workers: set[int] = {worker.pid for worker in process.children()}
        try:
            for worker in process.children():
                worker.kill()
            end = time.monotonic() + 8
            while time.monotonic() < end:
                workers |= {worker.pid for worker in process.children()}
                time.sleep(0.05)
        finally:
            hidden.rename(model_dir)
        assert len(workers) in {2, 3, 4}


def test_a_stop_during_a_reload_is_not_lost(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (_, process):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)  # circus handles the signals in turn, and a reload takes seconds
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(15)
    assert "Got signal SIG_TERM" not in (tmp_path / "log").read_text()


def test_one_of_two_workers_can_be_stopped_under_load(serve, numbers, start_load, model_dir, tmp_path):
    with serve(model_dir, tmp_path, **numbers(workers=2)) as (url, process):
        time.sleep(1)  # the first is ready before the second
        load = start_load(url, CLIENTS, 2, ROW, "--reconnect")
        time.sleep(1)
        process.children()[0].send_signal(signal.SIGTERM)
        result = json.loads(load.communicate(timeout=30)[0])
        assert (["200"], 0, 0) == (list(result["answers"]), result["lost"], result["refused"])


def test_workers_end_after_the_command_was_killed(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (url, process):
        workers = process.children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.5)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/readyz")
        _, left = psutil.wait_procs(workers, timeout=5)
        assert ([], True) == (left, len(workers) > 0)
