"""Tests of the search on another task: it resumes after a kill, counts failed trials, and reads no test row."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
import pandas as pd
import psutil
import pytest
import yaml
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from slipway.errors import MissingToolError, SettingError
from slipway.evaluation import metrics
from slipway.tune.comparison import FOLDER
from slipway.tune.search import STUDY, SearchProgress
from slipway.tune.storage import open_storage
from slipway.tune.study import HEARTBEAT, SEARCHER, SharedStudy

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

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
    assert process.stderr.readline().startswith("tune: ")  # its tables exist
    url = f"sqlite:///{project / FOLDER / STUDY}"
    family = _kill_in_a_trial(process, url, _searcher(url))
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
    assert (TRIALS, True, True) == (trials["tried"], trials["resumed"] >= 1, 1 <= trials["killed"] <= 2)
    assert evidence["judged"]["gain"]["low"] > 0


def _searcher(url: str) -> str:
    """Wait for the first process of the study, and return its name."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with suppress(KeyError, StopIteration):  # the study is being created
            names = _stored(url).user_attrs
            return next(name.partition(":")[2] for name in names if name.startswith(f"{HEARTBEAT}:"))
        time.sleep(0.05)
    raise AssertionError("no process searches")


def _stored(url: str) -> optuna.Study:
    storage = open_storage(url)
    (name,) = optuna.get_all_study_names(storage) or [""]
    return optuna.load_study(study_name=name, storage=storage)


def _kill_in_a_trial(process: subprocess.Popen, url: str, searcher: str) -> list[psutil.Process]:
    """Kill the search while it runs a trial and has a result; return its worker processes."""
    study, deadline = _stored(url), time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        states = {trial.state for trial in study.trials if trial.user_attrs.get(SEARCHER) == searcher}
        if {TrialState.COMPLETE, TrialState.RUNNING} <= states:
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.communicate()
            return family
        time.sleep(0.01)
    raise AssertionError(states)


def test_a_search_without_a_successful_trial_is_one_line_with_the_reason(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("max_iter: 5 ", "max_iter: -1").replace("high: 60", "high: 0"))
    process = _start(project, "--trials", "2")
    _, errors = process.communicate()
    assert 2 == process.returncode
    assert "slipway: tune: no trial succeeded; adjust tune.ranges; the last error: " in errors.splitlines()[-1]
    assert "max_iter" in errors.splitlines()[-1]


def test_a_machine_repeats_the_trials_of_another_one_that_was_killed(project, tmp_path):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("lost_seconds: 60", "lost_seconds: 3"))
    url = f"journal://{tmp_path}/shared/journal.log"
    killed = _start(project, "--storage", url)
    searcher = _searcher(url)
    survivor = _start(project, "--storage", url, "--json")
    _kill_in_a_trial(killed, url, searcher)
    output, errors = survivor.communicate(timeout=TIMEOUT_SECONDS)
    trials = json.loads(output)["evidence"]["trials"]
    assert (TRIALS, True) == (trials["tried"], 1 <= trials["killed"] <= 2), errors


def _study(storage: BaseStorage, lost_seconds: float = 60, seed: int = 1) -> SharedStudy:
    return SharedStudy(storage, "study", seed, None, lost_seconds)


@pytest.fixture(params=["journal", "sqlite"])
def storage(request, tmp_path):
    name = "journal://{}" if request.param == "journal" else "sqlite:///{}"
    return open_storage(name.format(tmp_path / "study"))


def test_machines_with_one_seed_and_a_resumed_search_draw_different_parameters(storage):
    studies = [_study(storage), _study(storage), _study(storage, 0), _study(storage, 0)]
    drawn = []
    for study in [*studies, *studies]:
        trial = study.claim(100)
        drawn.append(trial.suggest_float("x", 0, 1))
        study.study.tell(trial, 0.0)
    assert len(drawn) == len(set(drawn))
    assert studies[0]._seed_of(0) != studies[1]._seed_of(0)


def test_a_trial_of_a_lost_process_is_repeated_once_and_its_late_result_is_dropped(storage, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("slipway.tune.study.time.monotonic", lambda: now[0])
    lost, *others = [_study(storage) for _ in range(3)]
    trial = lost.claim(2)
    value = trial.suggest_float("x", 0, 1)
    for now[0] in (10.0, 30.0, 65.0, 75.0):
        for study in others:
            study.beat()
    assert [{0}, {0}] == [study.killed for study in others]
    repeated = others[0].claim(2)
    assert value == repeated.suggest_float("x", 0, 1)
    SearchProgress(lost, 2, metrics.primary("regression", "rmse"))._store(trial, 5.0)
    others[0].study.tell(repeated, 1.0)
    assert [1.0] == [trial.value for trial in others[1].done]


def test_a_process_with_a_heartbeat_keeps_its_trials(storage, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("slipway.tune.study.time.monotonic", lambda: now[0])
    alive, other = _study(storage), _study(storage)
    alive.claim(2)
    for now[0] in range(0, 200, 10):
        alive.beat()
        other.beat()
    assert set() == other.killed


def test_trials_that_two_processes_claim_at_the_same_time_do_not_exceed_the_requested_number(storage, monkeypatch):
    first, second = _study(storage), _study(storage)
    assert first.claim(2)
    counted = second._counted
    stale = counted()
    assert first.claim(2)
    snapshots = iter([stale])
    monkeypatch.setattr(second, "_counted", lambda: next(snapshots, None) or counted())
    assert second.claim(2) is None
    assert [0, 1] == [trial.number for trial in first._counted()]


@pytest.mark.parametrize(
    ("url", "error", "complaint"),
    [
        ("nonsense:secret", SettingError, "the storage is not a URL"),
        ("postgresql+psycopg2://me:secret@localhost/x", MissingToolError, "uv sync --frozen --group postgresql"),
        ("sqlite:////no/such/folder/secret", SettingError, "the storage cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_line_without_its_password(url, error, complaint):
    with pytest.raises(error, match=complaint) as raised:
        open_storage(url)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_whose_tables_another_process_creates_is_opened_again(monkeypatch, tmp_path):
    failures = iter([OperationalError("CREATE TABLE", {}, Exception("table studies already exists"))])

    def open_once_too_early(url: str) -> BaseStorage:
        if failure := next(failures, None):
            raise failure
        return RDBStorage(url)

    monkeypatch.setattr("slipway.tune.storage.RDBStorage", open_once_too_early)
    monkeypatch.setattr("slipway.tune.storage.ATTEMPT_INTERVAL_SECONDS", 0)
    assert [] == open_storage(f"sqlite:///{tmp_path}/study").get_all_studies()
