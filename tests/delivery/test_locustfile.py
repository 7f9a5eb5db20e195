"""The locustfile, started with Locust's own command line against a stub service on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.delivery.test_loadtest import GOOD, served

SECONDS_MAX = 60
TOY = Path(__file__).parents[1] / "service/toy"
ROW = {"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": None}
"""A valid row of the toy problem."""


@pytest.fixture
def locust(tmp_path):
    """Run Locust against a host and return its exit status and output."""
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([ROW]), encoding="utf-8")
    program = str(Path(sys.executable).with_name("locust"))
    arguments = ["--headless", "--users", "3", "--spawn-rate", "3", "--run-time", "2s", "--payloads", str(rows)]

    def run(host: str, *further: str) -> tuple[int, str]:
        command = [program, "-f", "loadtests/locustfile.py", "--host", host, *arguments, *further]
        environment = os.environ | {"PYTHONPATH": str(TOY)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_users_send_valid_rows_and_valid_responses_pass(locust):
    with served() as (url, bodies):
        code, output = locust(url)
    assert 0 == code, output
    assert 3 <= len(bodies) <= 12
    assert all(ROW == json.loads(body) for body in bodies)


def test_a_response_without_a_prediction_is_a_failure(locust):
    with served(lambda: (200, GOOD.replace("0.25", "null"))) as (url, _):
        code, output = locust(url)
    assert 1 == code
    assert "prediction is not a finite number" in output


def test_missing_rows_are_reported_in_one_line_before_anything_is_sent(locust):
    code, output = locust("http://127.0.0.1:9", "--payloads", "nowhere.parquet")
    assert 2 == code
    assert "nowhere.parquet: file of rows not found; run `slipway train`" in output
    assert "Traceback" not in output


def test_another_host_is_refused_before_anything_is_sent(locust):
    code, output = locust("http://192.0.2.1")
    assert 2 == code
    assert "http://192.0.2.1: not this machine; if you own it, add 192.0.2.1 to loadtest.hosts" in output
    assert "POST" not in output
