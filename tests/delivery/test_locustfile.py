"""The locustfile, started with Locust's own command line against a stub service on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.delivery.test_loadtest import GOOD, served

SECONDS_MAX = 60
USERS, REQUESTS = 3, 6
TOY = Path(__file__).parents[1] / "service/toy"
ROW = {"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": None}
"""A valid row of the toy problem."""


class Responses:
    """Responses of the stub with one body; `enough` is set after REQUESTS of them."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.times: list[float] = []
        self.enough = threading.Event()

    def __call__(self) -> tuple[int, str]:
        self.times.append(time.monotonic())
        if len(self.times) >= REQUESTS:
            self.enough.set()
        return 200, self.body


@pytest.fixture
def locust(tmp_path):
    """Run Locust against a host until it ends or an event is set, and return its exit status and output.

    `--run-time` would be too short on a busy machine, because Locust counts from before it starts the users.
    """
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([ROW]), encoding="utf-8")
    program = str(Path(sys.executable).with_name("locust"))
    arguments = ["--headless", "--users", str(USERS), "--spawn-rate", str(USERS), "--payloads", str(rows)]

    def run(host: str, *further: str, until: threading.Event | None = None) -> tuple[int, str]:
        command = [program, "-f", "loadtests/locustfile.py", "--host", host, *arguments, *further]
        environment = os.environ | {"PYTHONPATH": str(TOY)}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(command, env=environment, text=True, **streams) as process:
            try:
                if until:
                    assert until.wait(SECONDS_MAX)
                    process.terminate()
                output, _ = process.communicate(timeout=SECONDS_MAX)
            finally:
                process.kill()
        return process.returncode, output

    return run


def test_users_send_valid_rows_and_valid_responses_pass(locust):
    responses = Responses(GOOD)
    with served(responses) as (url, bodies):
        code, output = locust(url, until=responses.enough)
    assert 0 == code, output
    assert 0.9 <= responses.times[REQUESTS - 1] - responses.times[0]  # each user waits for a second
    assert all(ROW == json.loads(body) for body in bodies)


def test_a_response_without_a_prediction_is_a_failure(locust):
    responses = Responses(GOOD.replace("0.25", "null"))
    with served(responses) as (url, _):
        code, output = locust(url, until=responses.enough)
    assert 1 == code
    assert "prediction is not a finite number" in output


def test_missing_rows_are_reported_in_one_line_before_anything_is_sent(locust):
    code, output = locust("http://127.0.0.1:9", "--payloads", "nowhere.parquet")
    assert 2 == code
    assert "nowhere.parquet: file of rows not found; run `slipway train`" in output
    assert "Traceback" not in output


def test_another_host_is_refused_before_anything_is_sent(locust):
    code, output = locust("http://192.0.2.1", "--run-time", "2s")
    assert 2 == code
    assert "http://192.0.2.1: not this machine; if you own it, add 192.0.2.1 to loadtest.hosts" in output
    assert "POST" not in output
