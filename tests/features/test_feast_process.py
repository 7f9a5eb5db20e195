"""The commands of the feature store start Feast's Python, exchange files with it, and stop it; with a stand-in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway import locked_environment
from slipway.errors import ToolError
from slipway.feature_store import REQUIREMENTS, feast_process
from tests.features import weather_arrivals
from tests.features.weather_arrivals import PROBLEM, ROOT

STAND_IN = f"""#!{sys.executable}
# Stand-in for the Python of Feast's environment.
import json, os, pathlib, shutil, sys, time
assert ["-m", "slipway.feature_store.feast_runner"] == sys.argv[1:3]
packages = os.environ["PYTHONPATH"].split(os.pathsep)
assert pathlib.Path(packages[0], "problem").is_dir() and pathlib.Path(packages[1], "slipway").is_dir()
request = json.loads(pathlib.Path(sys.argv[3]).read_text())
assert ("features", "build/features") == (request["sources"], request["store"])
answer = {{"rows": 3, "features": 9, "empty": 1}}
if request["action"] == "serve":
    pathlib.Path("process").write_text(f"{{os.getpid()}} {{request['port']}}")
    time.sleep(60)
if pathlib.Path("fails").exists():
    sys.exit("a cause\\nImportError: no module")
shutil.copy(request["rows"], request["out"])
pathlib.Path(sys.argv[4]).write_text(json.dumps(answer))
"""


@pytest.fixture
def fork(tmp_path, monkeypatch):
    """Change to a fork of the worked problem, whose environment of Feast has a stand-in for Python."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", f"{PROBLEM}{os.pathsep}{ROOT / 'src'}")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    environment = locked_environment.folder(REQUIREMENTS)
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").write_text(STAND_IN)
    (environment / "bin/python").chmod(0o755)
    (environment / locked_environment.COMPLETE).touch()
    for name in ("incoming", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "incoming/flights.parquet").write_bytes(b"rows")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_next_batch_of_the_worked_problem_is_joined(fork, capfd):
    assert Path("data/flights.parquet") == weather_arrivals.problem().next_batch(Path("data"))
    assert "data/flights.parquet: 3 rows with 9 features; 1 rows have none of them" in "".join(capfd.readouterr())
    assert b"rows" == (fork / "data/flights.parquet").read_bytes()


def test_a_failed_start_is_one_line_with_its_fix(fork, monkeypatch):
    monkeypatch.setattr(feast_process, "problem", SimpleNamespace(feature_views=None, __path__=[PROBLEM / "problem"]))
    (fork / "fails").touch()
    installed = re.escape(str(locked_environment.folder(REQUIREMENTS)))
    with pytest.raises(
        ToolError, match=rf"^Feast did not run: ImportError: no module; remove {installed} to install it"
    ):
        feast_process.join(Path("incoming/flights.parquet"), Path("data/flights.parquet"))


def test_the_server_stops_with_its_command(fork):
    with subprocess.Popen(["slipway", "features", "serve", "--port", "7001"]) as process:
        limit = time.monotonic() + 60
        while not (fork / "process").exists() or not (fork / "process").read_text():
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
        server, port = (fork / "process").read_text().split()
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)
    assert "7001" == port
    assert not Path("/proc", server).exists()
