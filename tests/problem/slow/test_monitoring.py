"""Tests of monitoring on real data: the release that is trained here, and the weeks after it.

`slipway monitor` runs from prediction logs to results/, and the checks detect a subset of the faults of
`slipway power --monitor`. Both are in one file, so that the model is trained once.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import problem
from slipway import results
from slipway.environment.environment import Environment, NotDeployedError
from slipway.environment.place import Place
from slipway.errors import ArgumentError
from slipway.gates import Outcome
from slipway.lab import live_faults, monitoring_power
from slipway.monitoring import collect, job
from slipway.monitoring.log_columns import KEY, LOGGED, PREFIX, TIME
from slipway.settings import read_settings
from tests import preloaded

WEEK = ("2013-10-02", "2013-10-09")
CHECKS = {"validity", "traffic", "model", "labels", "skew", "drift", "predictions", "performance", "segments"}
REPOSITORY = Path(__file__).parents[3]
STAGES = ("prepare", "train", "export", "evaluate")
CHOSEN = ("stuck", "half gone", "missing as -999", "swapped", "mix", "yesterday again", "labels late", "refused")
"""A fault of each family and check."""
PAIRED = ("mixed up: temperature", "recycled: carrier", "biased: distance")
"""Faults in a column that another one nearly determines, so that either could be named."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Return a folder with data, params.yaml, and the outputs of the stages."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("data", "params.yaml"):
        (folder / name).symlink_to(REPOSITORY / name)
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    for stage in STAGES:
        done = preloaded.python(*stages[stage]["cmd"].split()[1:], cwd=folder)
        assert 0 == done.returncode, done.stderr
    return folder


@pytest.fixture(scope="module")
def scene(trained):
    """Return the release that is trained here, and the data after it; `slipway.lab.monitoring_power` caches it."""
    with contextlib.chdir(trained):
        return monitoring_power.scene()


@pytest.fixture
def environment(scene, tmp_path, monkeypatch):
    """Return an environment with a week of prediction logs, and with labels of all but the last day."""
    reference, later, _ = scene
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SLIPWAY_COLLECTED", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").symlink_to(REPOSITORY / "params.yaml")
    october = later.months[0]
    week = october[(october[TIME] >= WEEK[0]) & (october[TIME] < WEEK[1])]
    place = Place.of("production")
    place.predictions.mkdir(parents=True)
    lines = map(_line, week.to_dict("records"))
    (place.predictions / "predictions-1.jsonl").write_text("".join(lines))
    request = KEY[0]
    labels = week[week[TIME] < "2013-10-08"][[request, problem.TARGET]].rename(columns={request: "request_id"})
    monkeypatch.setattr(problem, "labels", lambda *_: labels)
    monkeypatch.setattr(job, "reference_of", lambda *_: reference)
    return SimpleNamespace(place=place, rows=len(week), root=tmp_path)


def _line(logged: dict) -> str:
    row = {name: None if logged[name] != logged[name] else logged[name] for name in problem.Row.model_fields}
    head = {name.removeprefix(PREFIX): logged[name] for name in LOGGED}
    head["time"] = head["time"].isoformat(timespec="milliseconds")
    return json.dumps(head | {"row": row}, default=int) + "\n"


def window_options(**changes: object) -> job.WindowOptions:
    return job.WindowOptions(**{"days": None, "since": WEEK[0], "until": WEEK[1], "labels": Path("data")} | changes)


def test_a_real_week_is_collected_judged_reported_and_stored(environment):
    assert 1 == job.main(Environment("production"), window_options())
    result = results.read(Path("results"))["monitor"]
    assert environment.rows == result.evidence.collected.rows == result.evidence.window.rows
    assert ("production", "candidate") == (result.evidence.environment, result.evidence.release)
    outcomes = {verdict.gate: verdict.outcome for verdict in result.verdicts}
    assert set(outcomes) >= CHECKS
    assert Outcome.FAIL not in set(outcomes.values())
    assert Outcome.INCONCLUSIVE == outcomes["health"]
    assert result.evidence.retrain.trigger is None
    for page in ("index.html", "report.md"):
        assert "production" in (Path("results/monitor") / page).read_text()
    state = stored_state(environment.place)
    assert [datetime(2013, 10, 9, tzinfo=UTC)] == [point.end for point in state.points]
    job.main(Environment("production"), window_options())
    assert state.alarms == stored_state(environment.place).alarms
    assert 0 == results.read(Path("results"))["monitor"].evidence.collected.rows


def stored_state(place):
    return job.read_state(collect.of_environment(place, problem.Row))


def test_another_machine_continues_from_the_collected_rows_and_the_state(environment, tmp_path, monkeypatch):
    """A GitHub runner starts empty each day, and an alarm needs two consecutive windows."""
    monkeypatch.setenv("SLIPWAY_COLLECTED", str(tmp_path / "shared"))
    assert job.only_collect(Environment("production")).startswith(
        f"production: {environment.rows} rows, 0 of Slipway's own skipped"
    )
    for day in (1, 2):
        monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / f"runner-{day}"))
        job.main(
            Environment("production"),
            window_options(since=f"2013-10-0{day}", until=f"2013-10-0{day + 7}"),
        )
        place = Place.of("production")
        assert not place.predictions.exists()
        assert day == len(stored_state(place).points)


def test_a_window_that_ends_before_it_begins_is_refused(environment):
    with pytest.raises(ArgumentError, match="not before the end of the window"):
        job.main(Environment("production"), window_options(until="2013-10-01"))
    assert "not before" in results.read(Path("results"))["monitor"].error


def test_an_invalid_time_is_rejected():
    with pytest.raises(ArgumentError, match="--since yesterday: not a time; use the form 2013-10-01"):
        job.parse_time("--since", "yesterday")


def test_an_environment_without_a_release_is_reported(monkeypatch):
    production = Environment("production")
    production.desired = lambda: None
    with pytest.raises(NotDeployedError, match="production: nothing is deployed"):
        job.reference_of(production, {}, 1)


def test_the_reference_has_the_rows_of_the_release_and_no_later_ones(scene, trained, tmp_path, monkeypatch):
    period = {"test": ["2013-08-03 00:00:00+00:00", "2013-09-01 03:59:00+00:00"]}
    manifest = SimpleNamespace(
        version="v0.2.0", built="2013-09-01T00:00:00+00:00", metrics={"prepare": {"period": period}}
    )
    (tmp_path / "model").symlink_to(trained / "model")
    (tmp_path / "params.yaml").symlink_to(REPOSITORY / "params.yaml")
    built = SimpleNamespace(manifest=manifest, folder=tmp_path)
    desired = SimpleNamespace(release="v0.2.0", digest="sha256:2")
    production = Environment("production")
    production.desired = lambda: desired
    monkeypatch.setattr(job, "open_store", lambda: SimpleNamespace(evidence_names=lambda _: []))
    fetched = {("v0.2.0", "sha256:2"): built}
    monkeypatch.setattr(job, "fetch_desired", lambda desired, *_: fetched[desired.release, desired.digest])
    reference = job.reference_of(production, read_settings(REPOSITORY / "params.yaml").for_problem(), 10**6)
    assert "v0.2.0" == reference.baseline.release
    assert reference.data_end <= datetime(2013, 9, 1, 3, 59, tzinfo=UTC)
    assert len(reference.rows) < len(scene[0].rows)


# --- the sensitivity of the checks ---


@pytest.fixture(scope="module")
def corpus(scene):
    reference, _, settings = scene
    return live_faults.corpus(reference, settings)


def test_the_corpus_has_fifteen_kinds_of_fault_or_more_each_of_its_own_name(corpus):
    assert len(corpus) == len({fault.name for fault in corpus})
    assert len({fault.name.partition(":")[0] for fault in corpus}) >= 15


@pytest.mark.parametrize("chosen", [*CHOSEN, *PAIRED])
def test_a_fault_is_named(chosen, corpus):
    place = next(place for place, fault in enumerate(corpus) if fault.name.startswith(chosen))
    detection = monitoring_power.detect(place)
    assert detection.detected, detection.first


def test_stable_windows_raise_no_alarm(scene, monkeypatch):
    monkeypatch.setattr(monitoring_power, "RUN_WINDOWS", 3)
    assert [[], [], []] == [alarms for alarms, _ in monitoring_power.stable_run(1)]
