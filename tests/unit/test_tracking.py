"""Tests of the resource usage of a run: measured from the parent process, and written for DVC's tools."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import yaml

from slipway.gates.training_evidence import LossPoint
from slipway.pipeline import run, tracking
from slipway.pipeline.tracking import Meter, ResourceSample

BUSY = (
    "import time\nheld = bytearray(60_000_000)\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"
)
LOSS = [LossPoint(iteration=at, rows=rows, loss=1 / at) for rows in ("train", "test") for at in (1, 5)]


def test_cpu_and_memory_of_a_stage_are_those_of_its_child_processes():
    with Meter() as meter:
        meter.stage = "busy"
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        meter.stage = "idle"
        time.sleep(3 * tracking.INTERVAL_SECONDS)
    summary = meter.summary()
    assert summary["busy"]["peak_megabytes"] > 60
    assert 0.1 < summary["busy"]["cpu_seconds"] < 10
    assert summary.get("idle", {"cpu_seconds": 0})["cpu_seconds"] < summary["busy"]["cpu_seconds"]


def test_a_process_from_before_counts_only_from_the_start_on():
    busy = "import time\nwhile time.process_time() < 1.5: pass\nprint(flush=True)\ntime.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as before:
        before.stdout.readline()
        with Meter("stage") as meter:
            time.sleep(2 * tracking.INTERVAL_SECONDS)
        before.kill()
    assert sum(sample.cpu_seconds for sample in meter.samples) < 1


def test_memory_that_the_stages_share_with_their_server_is_not_counted():
    holds = "import time\nheld = bytearray(60_000_000)\nprint(flush=True)\ntime.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", holds], stdout=subprocess.PIPE) as server:
        server.stdout.readline()
        with Meter("stage") as whole, Meter("stage", server=server.pid) as meter:
            time.sleep(3 * tracking.INTERVAL_SECONDS)
        server.kill()
    peaks = [summary["stage"]["peak_megabytes"] for summary in (whole.summary(), meter.summary())]
    assert peaks[0] - peaks[1] > 50


def test_curves_have_the_format_of_dvclive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracking.write(
        tmp_path / "live", [ResourceSample("train", 0.5, 0.5, 100.0), ResourceSample("train", 1.0, 0.5, 200.0)], LOSS
    )
    plots = tmp_path / "live/plots/metrics"
    read = {str(path.relative_to(plots)): path.read_text().splitlines() for path in plots.rglob("*.tsv")}
    assert ["step\ttrain", "1\t1.0", "5\t0.2"] == read["loss/train.tsv"]
    assert ["step\tcores", "0\t1.0", "1\t2.0"] == read["resources/cores.tsv"]
    resources = json.loads((tmp_path / "live/metrics.json").read_text())["resources"]
    assert {"cores": 2.0, "megabytes": 200.0, "peak_megabytes": 200.0} == resources


def test_dvc_yaml_lists_tracked_files_as_metrics_and_plots_of_no_stage():
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text())
    listed = [*pipeline["metrics"], *(name for plot in pipeline["plots"] for name in plot)]
    assert [f"{run.LIVE}/metrics.json", f"{run.LIVE}/plots/metrics"] == listed
    assert str(run.LIVE) not in yaml.safe_dump(pipeline["stages"])
