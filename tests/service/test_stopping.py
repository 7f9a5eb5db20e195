"""Stop and death: who asked is answered, and somebody answers again.

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

ROW = b'{"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": null}'
JSON = {"content-type": "application/json"}
CYCLES = int(os.environ.get("STOP_CYCLES", "2"))  # 20 take two minutes for each kind of client
CLIENTS = 16
LOAD_SECONDS = 0.5  # before the stop
BACK_SECONDS = 10.0
READY = "    gc.collect()\n"  # the first that a worker does in its loop
SECOND_IS_LATE = """    import pathlib, time
    try:
        os.mkdir({mark!r})
    except FileExistsError:
        pathlib.Path({mark!r}, "late").touch()
        time.sleep(1.5)
"""


@pytest.mark.parametrize("flags", [(), ("--reconnect",)], ids=["connections stay", "a connection for each request"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_under_load_loses_no_request_in_any_cycle(
    serve, numbers, start_load, model_dir, tmp_path, workers, flags
):
    """Whoever is connected is answered; who comes later is refused by the kernel, before there is a request."""
    variables = numbers(workers=workers)
    for cycle in range(CYCLES):
        with serve(model_dir, tmp_path, **variables) as (url, process):
            load = start_load(url, CLIENTS, 20, ROW, *flags)
            time.sleep(LOAD_SECONDS + 0.2)
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            seen = json.loads(load.communicate(timeout=30)[0])
        answers = {status: len(each) for status, each in seen["answers"].items()}
        print(f"cycle {cycle}: {answers}, lost {seen['lost']}")
        assert (["200"], 0) == (list(answers), seen["lost"])
        assert answers["200"] > CLIENTS


def test_a_worker_that_is_not_ready_when_the_service_stops_does_not_listen_again(serve, numbers, model_dir, tmp_path):
    """The workers share their socket: what one has closed for all, another that begins to listen opens for nobody."""
    variables = numbers(workers=2)
    service = Path(variables["PYTHONPATH"].split(os.pathsep)[0]) / "slipway" / "serving" / "service.py"
    text = service.read_text()
    assert 1 == text.count(READY)
    service.write_text(text.replace(READY, SECOND_IS_LATE.format(mark=str(tmp_path / "mark")) + READY))
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


def test_an_idle_connection_does_not_hold_up_a_stop(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (url, process), httpx.Client(base_url=url) as client:
        client.get("/readyz")
        process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        process.wait(15)
        assert time.monotonic() - start < 6


def test_a_killed_worker_is_replaced_soon_and_so_is_the_next(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (url, process):
        for _ in range(2):
            for worker in process.children():
                worker.kill()
            start = time.monotonic()
            assert 200 == httpx.post(f"{url}/predict", content=ROW, headers=JSON, timeout=60).status_code
            assert time.monotonic() - start < BACK_SECONDS


def test_a_worker_that_cannot_start_is_not_started_all_the_time(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (_, process):
        hidden = model_dir.with_name("hidden")
        model_dir.rename(hidden)
        seen: set[int] = {worker.pid for worker in process.children()}
        try:
            for worker in process.children():
                worker.kill()
            end = time.monotonic() + 8
            while time.monotonic() < end:
                seen |= {worker.pid for worker in process.children()}
                time.sleep(0.05)
        finally:
            hidden.rename(model_dir)
        assert len(seen) in {2, 3, 4}


def test_two_workers_share_the_work_and_one_of_them_may_be_stopped(serve, numbers, start_load, model_dir, tmp_path):
    with serve(model_dir, tmp_path, **numbers(workers=2)) as (url, process):
        time.sleep(1)  # the first is ready before the second
        load = start_load(url, CLIENTS, 2, ROW, "--reconnect")
        time.sleep(1)
        process.children()[0].send_signal(signal.SIGTERM)
        seen = json.loads(load.communicate(timeout=30)[0])
        assert (["200"], 0, 0) == (list(seen["answers"]), seen["lost"], seen["refused"])


def test_nobody_is_answered_after_the_command_was_killed(serve, model_dir, tmp_path):
    with serve(model_dir, tmp_path) as (url, process):
        workers = process.children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.5)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/readyz")
        _, left = psutil.wait_procs(workers, timeout=5)
        assert ([], True) == (left, len(workers) > 0)
