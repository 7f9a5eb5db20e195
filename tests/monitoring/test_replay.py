"""A replay of a world that changes, and of one that stays: continuous training is told to pay in the one only.

The worlds are a toy problem's, in processes of their own; everything but the problem is real.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from slipway.report import replay as report

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/toy_stream"
FIRST, DAYS, ROWS, CHANGE = 12, 20, 400, 6
"""Days that the first model knows, days after them, rows a day, and the day of them on which the world changes."""


def _fill(root: Path, *, changes: bool) -> None:
    """A problem's data, and days that are yet to come."""
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
    command = [sys.executable, "-m", "slipway.cli", "replay", *options]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """What a replay tells of a world that changes, and of one that does not."""
    told = {}
    for changes in (True, False):
        root = tmp_path_factory.mktemp("world")
        _fill(root, changes=changes)
        done = _replay(root, "--json")
        assert 0 == done.returncode, done.stderr
        told[changes] = json.loads(done.stdout) | {"root": root, "said": done.stderr}
    return told


def test_where_the_world_changes_a_retraining_is_asked_for_and_promoted_and_pays(worlds):
    monitored = worlds[True]["policies"]["monitored"]
    assert {"decay"} <= {event["trigger"] for event in monitored["events"]}
    assert any(event["promoted"] for event in monitored["events"])
    assert min(event["day"] for event in monitored["events"]) > f"2026-01-{FIRST + CHANGE:02}"
    assert 0 < monitored["gains"]["roc_auc"]["low"]


def test_where_the_world_stays_nothing_asks_for_a_retraining(worlds):
    monitored = worlds[False]["policies"]["monitored"]
    assert [] == monitored["events"]
    assert 0 == monitored["gains"]["roc_auc"]["value"]
    assert "makes no significant difference" in report.title(worlds[False])


def test_what_the_calendar_asks_for_is_told_beside_it(worlds):
    events = worlds[False]["policies"]["calendar"]["events"]
    assert ["2026-01-25"] == [event["day"] for event in events]


def test_the_same_replay_tells_the_same(worlds):
    again = json.loads(_replay(worlds[True]["root"], "--json").stdout)
    assert {name: worlds[True][name] for name in again} == again


def test_a_table_and_a_plot_are_left_for_people(worlds):
    folder = worlds[True]["root"] / "results/replay"
    assert "<svg" in (folder / "index.html").read_text()
    assert report.title(worlds[True]) in (folder / "report.md").read_text()
    table = report.text(worlds[True]).splitlines()
    assert ["week", "rows", "never", "calendar", "monitored"] == table[0].split()
    assert len(worlds[True]["weeks"]) == len([line for line in table if line.split()[0].isdigit()])


def test_what_the_gates_saw_of_a_retraining_stands_beside_what_came_of_it(worlds):
    events = worlds[True]["policies"]["monitored"]["events"]
    assert all(re.fullmatch(r"[+-]0\.\d{4} \[[+-]0\.\d{4}, [+-]0\.\d{4}\]", one["gain"]) for one in events)
    assert f"decay: {events[0]['gain']} when judged, " in report.text(worlds[True])
    assert "Gain when judged" in (worlds[True]["root"] / "results/replay/report.md").read_text()


def test_progress_goes_to_stderr(worlds):
    assert "monitored: retrained (decay)" in worlds[True]["said"]


def test_labels_that_come_later_delay_the_retraining(worlds):
    late = json.loads(_replay(worlds[True]["root"], "--json", "--label-days", "2").stdout)
    first = [told["policies"]["monitored"]["events"][0]["day"] for told in (worlds[True], late)]
    assert first[0] < first[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--since", "2027-01-01"], "data: no rows from 2027-01-01 on, and problem.next_batch has none; use --since"),
        (["--since", "2025-01-01"], "--since 2025-01-01: no rows before it to train the first model on"),
        (["--since", "soon"], "--since soon: no day; give one such as 2013-10-01"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_one_line(worlds, options, reason):
    done = _replay(worlds[True]["root"], *options)
    assert (2, f"slipway: {reason}\n") == (done.returncode, done.stderr)


def test_a_problem_without_a_time_is_refused_in_one_line(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests/problems/toy_regression'}{os.pathsep}{ROOT / 'src'}"}
    command = [sys.executable, "-m", "slipway.cli", "replay"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    reason = "problem.TIME_COLUMN: None; without a time there are no days to replay"
    assert (2, f"slipway: {reason}\n") == (done.returncode, done.stderr)
