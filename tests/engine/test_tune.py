"""Tests of the search on another task: it resumes after a kill, counts failed trials, and reads no test row."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/toy_regression"
TRIALS = 7
TIMEOUT_SECONDS = 60
COMMENTED = "split: {}\nmodel:\n  max_iter: 5   # trees\n"


@pytest.fixture
def project(tmp_path):
    """Return a folder with prepared training rows of the toy problem and no test rows; more trees are better there."""
    draw = np.random.default_rng(3)
    size, machine = draw.uniform(0, 100, 800), draw.choice(["small", "large"], 800)
    seconds = size * np.where(machine == "small", 2.0, 0.5)
    (tmp_path / "build/prepared").mkdir(parents=True)
    rows = pd.DataFrame({"size": size.astype(np.float32), "machine": machine, "seconds": seconds})
    rows.to_parquet(tmp_path / "build/prepared/train.parquet")
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    tune = shipped["tune"] | {"trials": TRIALS, "ranges": {"model.max_iter": {"low": -1, "high": 60}}}
    rest = {"seed": 1, "gates": shipped["gates"] | {"primary": "rmse", "resamples": 100}, "tune": tune}
    rest = {name: section for name, section in (shipped | rest).items() if name not in {"model", "split"}}
    (tmp_path / "params.yaml").write_text(COMMENTED + yaml.safe_dump(rest))
    return tmp_path


def _start(root: Path, *flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "slipway.cli", "tune", *flags],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(PROBLEM)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_search_resumes_and_its_change_can_be_applied(project):
    process = _start(project)
    family = _kill_after(process, trials=3)
    assert -signal.SIGKILL == process.returncode
    _, alive = psutil.wait_procs(family, timeout=TIMEOUT_SECONDS)
    assert [] == alive
    output, errors = _start(project, "--apply").communicate()
    assert "+  max_iter: " in output, errors
    text = (project / "params.yaml").read_text()
    assert "# trees" in text
    assert 5 < yaml.safe_load(text)["model"]["max_iter"]
    evidence = json.loads((project / "metrics/tune.json").read_text())
    trials = evidence["trials"]
    assert (TRIALS, True, True) == (trials["tried"], trials["resumed"] >= 3, 1 <= trials["killed"] <= 2)
    assert evidence["judged"]["gain"]["low"] > 0


def _kill_after(process: subprocess.Popen, trials: int) -> list[psutil.Process]:
    """Kill the search after `trials` reported trials, and return its worker processes."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    for _ in range(trials):
        assert process.stderr.readline().startswith("tune: ")
        assert time.monotonic() < deadline
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    return family


def test_a_search_without_a_successful_trial_is_one_line_with_the_reason(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("max_iter: 5 ", "max_iter: -1").replace("high: 60", "high: 0"))
    process = _start(project, "--trials", "2")
    _, errors = process.communicate()
    assert 2 == process.returncode
    assert "slipway: tune: no trial succeeded; adjust tune.ranges; the last error: " in errors.splitlines()[-1]
    assert "max_iter" in errors.splitlines()[-1]
