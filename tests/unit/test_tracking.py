"""What a run took is measured from outside of its stages, and written so that DVC's tools read it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import yaml

from slipway.pipeline import run, tracking
from slipway.pipeline.tracking import Meter, Sample

BUSY = (
    "import time\nheld = bytearray(60_000_000)\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"
)
LOSS = [{"iteration": at, "rows": rows, "loss": 1 / at} for rows in ("train", "test") for at in (1, 5)]


def test_processor_and_memory_of_a_stage_are_those_of_the_processes_that_it_started():
    with Meter() as meter:
        meter.stage = "busy"
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        meter.stage = "idle"
        time.sleep(3 * tracking.SECONDS)
    found = meter.summary()
    assert 60 < found["busy"]["peak_megabytes"]
    assert 0.1 < found["busy"]["cpu_seconds"] < 10
    assert found.get("idle", {"cpu_seconds": 0})["cpu_seconds"] < found["busy"]["cpu_seconds"]


def test_the_curves_are_written_as_dvclive_writes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracking.write(tmp_path / "live", [Sample("train", 0.5, 0.5, 100.0), Sample("train", 1.0, 0.5, 200.0)], LOSS)
    plots = tmp_path / "live/plots/metrics"
    read = {str(path.relative_to(plots)): path.read_text().splitlines() for path in plots.rglob("*.tsv")}
    assert ["step\ttrain", "1\t1.0", "5\t0.2"] == read["loss/train.tsv"]
    assert ["step\tcores", "0\t1.0", "1\t2.0"] == read["resources/cores.tsv"]
    shown = json.loads((tmp_path / "live/metrics.json").read_text())["resources"]
    assert {"cores": 2.0, "megabytes": 200.0, "peak_megabytes": 200.0} == shown


def test_dvc_finds_what_is_tracked_and_takes_none_of_it_for_an_output():
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text())
    shown = [*pipeline["metrics"], *(name for plot in pipeline["plots"] for name in plot)]
    assert [f"{run.LIVE}/metrics.json", f"{run.LIVE}/plots/metrics"] == shown
    assert str(run.LIVE) not in yaml.safe_dump(pipeline["stages"])
