"""Tests of the search on another task: it resumes after a kill, counts failed trials, and reads no test row."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import psutil
import pytest
import yaml
from optuna.storages import RDBStorage
from sqlalchemy.exc import OperationalError

from slipway.errors import MissingToolError, SettingError
from slipway.evaluation import metrics
from slipway.tune.comparison import FOLDER
from slipway.tune.search import STUDY, SearchProgress
from slipway.tune.storage import open_storage
from slipway.tune.study import SharedStudy
from tests import searches

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

TRIALS = 7


@pytest.fixture
def project(tmp_path):
    return searches.prepare(tmp_path, trials=TRIALS)


def test_a_killed_search_resumes_and_its_change_can_be_applied(project):
    process = searches.start(project)
    assert process.stderr.readline().startswith("tune: ")  # its tables exist
    storage = open_storage(f"sqlite:///{project / FOLDER / STUDY}")
    family = searches.kill_in_a_trial(process, storage, searches.searcher(storage))
    assert -signal.SIGKILL == process.returncode
    _, alive = psutil.wait_procs(family, timeout=searches.TIMEOUT_SECONDS)
    assert [] == alive
    output, errors = searches.start(project, "--apply").communicate()
    assert "+  max_iter: " in output, errors
    text = (project / "params.yaml").read_text()
    assert "# trees" in text
    assert 5 < yaml.safe_load(text)["model"]["max_iter"]
    evidence = json.loads((project / "metrics/tune.json").read_text())
    trials = evidence["trials"]
    assert (TRIALS, True, True) == (trials["tried"], trials["resumed"] >= 1, 1 <= trials["killed"] <= 2)
    assert evidence["judged"]["gain"]["low"] > 0


def test_a_search_without_a_successful_trial_is_one_line_with_the_reason(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("max_iter: 5 ", "max_iter: -1").replace("high: 60", "high: 0"))
    process = searches.start(project, "--trials", "2")
    _, errors = process.communicate()
    assert 2 == process.returncode
    assert "slipway: tune: no trial succeeded; adjust tune.ranges; the last error: " in errors.splitlines()[-1]
    assert "max_iter" in errors.splitlines()[-1]


def test_a_machine_repeats_the_trials_of_another_one_that_was_killed(project, tmp_path):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("lost_seconds: 60", "lost_seconds: 3"))
    url = f"journal://{tmp_path}/shared/journal.log"
    killed = searches.start(project, "--storage", url)
    storage = open_storage(url)
    searcher = searches.searcher(storage)
    survivor = searches.start(project, "--storage", url, "--json")
    searches.kill_in_a_trial(killed, storage, searcher)
    output, errors = survivor.communicate(timeout=searches.TIMEOUT_SECONDS)
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
