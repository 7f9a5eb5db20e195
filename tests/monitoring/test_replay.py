"""Backtests of a changing and of a stable toy problem: continuous training pays off only in the first.

Each runs in a separate process; everything except the problem is real.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from slipway.lab.backtest.replay_result import ReplayResult
from slipway.report import replay as report
from tests import preloaded

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/toy_stream"
FIRST, DAYS, ROWS, CHANGE = 12, 20, 400, 6
"""Days of training data, days after them, rows per day, and the later day on which the relation changes."""


def _fill(root: Path, *, changes: bool) -> None:
    """Write the data of a problem, and the batches of later days."""
    random = np.random.default_rng(7)
    for day in range(FIRST + DAYS):
        warmth, line = random.normal(0, 2, ROWS), random.choice(["a", "b"], ROWS)
        time = pd.Timestamp("2026-01-01") + pd.Timedelta(days=day) + pd.to_timedelta(np.sort(random.random(ROWS)), "D")
        slope = (warmth**2 - 3) if changes and day >= FIRST + CHANGE else 2 * warmth
        fails = (random.random(ROWS) < 1 / (1 + np.exp(-slope))).astype(int)
        folder = root / ("data" if day < FIRST else "source")
        folder.mkdir(exist_ok=True)
        rows = pd.DataFrame({"time": time, "warmth": warmth, "line": line, "fails": fails})
        rows.to_csv(folder / f"{day:03}.csv", index=False)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["split"], params["model"] = {"test_days": 4}, {"max_iter": 20}
    params["gates"] |= {"primary": "roc_auc", "floor": 0.62, "margin": 0.2, "segment_margin": 0.05}
    params["gates"] |= {"resamples": 200, "calibration": 0.5, "baseline_margin": 0}
    params["monitoring"] |= {"minimum_labels": 300, "window_days": 3, "resamples": 100}
    params["retraining"] |= {"cooldown_days": 4, "every_days": 12}
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def _replay(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{PROBLEM}{os.pathsep}{ROOT / 'src'}"}
    return preloaded.run("replay", *options, cwd=root, env=environment)


def _result(world: dict[str, Any]) -> ReplayResult:
    return ReplayResult.model_validate({name: world[name] for name in ReplayResult.model_fields})


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Return the results of the backtests, by whether the relation changes."""
    results = {}
    for changes in (True, False):
        root = tmp_path_factory.mktemp("world")
        _fill(root, changes=changes)
        done = _replay(root, "--json")
        assert 0 == done.returncode, done.stderr
        results[changes] = json.loads(done.stdout) | {"root": root, "progress": done.stderr}
    return results


def test_in_a_changing_world_a_retraining_is_requested_promoted_and_pays_off(worlds):
    monitored = worlds[True]["policies"]["monitored"]
    assert {"decay"} <= {event["trigger"] for event in monitored["events"]}
    assert any(event["promoted"] for event in monitored["events"])
    assert min(event["day"] for event in monitored["events"]) > f"2026-01-{FIRST + CHANGE:02}"
    assert 0 < monitored["gains"]["roc_auc"]["low"]


def test_in_a_stable_world_no_retraining_is_requested(worlds):
    monitored = worlds[False]["policies"]["monitored"]
    assert [] == monitored["events"]
    assert 0 == monitored["gains"]["roc_auc"]["value"]
    assert "makes no significant difference" in report.title(_result(worlds[False]))


def test_the_calendar_policy_retrains_even_in_a_stable_world(worlds):
    events = worlds[False]["policies"]["calendar"]["events"]
    assert ["2026-01-25"] == [event["day"] for event in events]


def test_a_replay_is_reproducible(worlds):
    again = json.loads(_replay(worlds[True]["root"], "--json").stdout)
    assert {name: worlds[True][name] for name in again} == again


def test_a_table_and_a_plot_are_written(worlds):
    folder = worlds[True]["root"] / "results/replay"
    assert "<svg" in (folder / "index.html").read_text()
    assert report.title(_result(worlds[True])) in (folder / "report.md").read_text()
    table = report.text(_result(worlds[True])).splitlines()
    assert ["week", "rows", "never", "calendar", "monitored"] == table[0].split()
    assert len(worlds[True]["weeks"]) == len([line for line in table if line.split()[0].isdigit()])


def test_each_retraining_has_its_gain_and_its_decision(worlds):
    events = worlds[True]["policies"]["monitored"]["events"]
    assert all(re.fullmatch(r"[+-]0\.\d{4} \[[+-]0\.\d{4}, [+-]0\.\d{4}\]", event["gain"]) for event in events)
    assert f"decay: {events[0]['gain']} when judged, " in report.text(_result(worlds[True]))
    assert "Gain when judged" in (worlds[True]["root"] / "results/replay/report.md").read_text()


def test_progress_goes_to_stderr(worlds):
    assert "monitored: retrained (decay)" in worlds[True]["progress"]


def test_later_labels_delay_the_retraining(worlds):
    late = json.loads(_replay(worlds[True]["root"], "--json", "--label-days", "2").stdout)
    first = [result["policies"]["monitored"]["events"][0]["day"] for result in (worlds[True], late)]
    assert first[0] < first[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--since", "2027-01-01"], "data: no rows from 2027-01-01 on, and problem.next_batch has none; use --since"),
        (["--since", "2025-01-01"], "--since 2025-01-01: no rows before it to train the first model on"),
        (["--since", "soon"], "--since soon: not a day; use the form 2013-10-01"),
    ],
)
def test_an_impossible_replay_is_rejected_in_one_line(worlds, options, reason):
    done = _replay(worlds[True]["root"], *options)
    assert (2, f"slipway: {reason}\n") == (done.returncode, done.stderr)


def test_a_problem_without_a_time_is_rejected_in_one_line(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests/problems/toy_regression'}{os.pathsep}{ROOT / 'src'}"}
    done = preloaded.run("replay", cwd=tmp_path, env=environment)
    reason = "problem.TIME_COLUMN: None; a replay needs the time of each row"
    assert (2, f"slipway: {reason}\n") == (done.returncode, done.stderr)
