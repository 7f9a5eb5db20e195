"""KServe's own client, in an environment of its own, gets the predictions of POST /predict from the service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from slipway import tools

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 14), reason="kserve 0.21 requires an earlier Python")
CLIENT = Path(__file__).parent / "kserve_client.py"
PACKAGES = ("--with", "kserve==0.21.0")
ROWS = [
    {"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": None},
    {"size": 80.0, "count": 3, "kind": "b", "name": "PQ", "weight": 0.5},
]


@pytest.fixture(scope="module")
def received(url):
    """Return what the client received."""
    command = [
        tools.require("uv"),
        "run",
        "--quiet",
        "--no-project",
        "--isolated",
        "--python",
        sys.executable,
        *PACKAGES,
    ]
    done = subprocess.run([*command, "python", CLIENT, url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_its_predictions_are_those_of_the_service(received, url):
    predictions = httpx.post(f"{url}/predict", json=ROWS).json()["predictions"]
    assert (predictions, "42") == (received["predictions"], received["id"])


def test_it_finds_server_and_model_ready(received):
    assert [True] * 3 == [received[name] for name in ("live", "ready", "model_ready")]


def test_it_reports_the_rule_that_a_row_breaks(received):
    assert "row 1, count: Input should be less than or equal to 9" in received["refusal"]
