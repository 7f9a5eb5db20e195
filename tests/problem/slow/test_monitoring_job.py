"""The verb `monitor`, from the lines of a log to results/: the release that is trained here, and a real later week."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

import problem
from slipway import results
from slipway.delivery.home import Place
from slipway.errors import UserError
from slipway.gates import Outcome
from slipway.monitoring import collect, job

WEEK = ("2013-10-02", "2013-10-09")
QUESTIONS = {"validity", "traffic", "model", "labels", "skew", "drift", "predictions", "performance", "segments"}
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def environment(scene, tmp_path, monkeypatch):
    """An environment that has logged a week, in a folder of its own; labels of all but the last day have arrived."""
    reference, later, params = scene
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SLIPWAY_COLLECTED", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").symlink_to(REPOSITORY / "params.yaml")
    october = later.months[0]
    week = october[(october["time"] >= WEEK[0]) & (october["time"] < WEEK[1])]
    place = Place.of("production")
    place.predictions.mkdir(parents=True)
    lines = map(_line, week.to_dict("records"))
    (place.predictions / "predictions-1.jsonl").write_text("".join(lines))
    known = week[week["time"] < "2013-10-08"][["request_id", problem.TARGET]]
    monkeypatch.setattr(problem, "labels", lambda *_: known)
    monkeypatch.setattr(job, "reference_of", lambda *_: (reference, params))
    return SimpleNamespace(place=place, rows=len(week), root=tmp_path)


def _line(one: dict) -> str:
    row = {name: None if one[name] != one[name] else one[name] for name in problem.Row.model_fields}
    head = {name: one[name] for name in ("release", "request_id", "index")}
    return json.dumps(head | {"time": one["time"].isoformat(timespec="milliseconds"), "row": row,
                              "prediction": one["prediction"]}, default=int) + "\n"  # fmt: skip


def asked(**changes: object) -> job.WindowOptions:
    return job.WindowOptions(**{"days": None, "since": WEEK[0], "until": WEEK[1], "labels": Path("data")} | changes)


def test_a_real_week_is_collected_judged_and_shown_and_what_was_seen_is_kept(environment):
    assert 1 == job.main("production", asked(), as_json=True)
    result = results.read(Path("results"))["monitor"]
    assert environment.rows == result.evidence["collected"]["rows"] == result.evidence["window"]["rows"]
    assert ("production", "candidate") == (result.evidence["environment"], result.evidence["release"])
    outcomes = {verdict.gate: verdict.outcome for verdict in result.verdicts}
    assert set(outcomes) >= QUESTIONS
    assert Outcome.FAIL not in set(outcomes.values())
    assert Outcome.INCONCLUSIVE == outcomes["health"]
    assert result.evidence["retrain"]["trigger"] is None
    for page in ("index.html", "report.md"):
        assert "production" in (Path("results/monitor") / page).read_text()
    memory = remembered(environment.place)
    assert [datetime(2013, 10, 9, tzinfo=UTC)] == [point.end for point in memory.points]
    job.main("production", asked(), as_json=False)
    assert memory.alarms == remembered(environment.place).alarms
    assert 0 == results.read(Path("results"))["monitor"].evidence["collected"]["rows"]


def remembered(place):
    return job.read_state(collect.of_environment(place, problem.Row))


def test_what_one_machine_collects_and_remembers_another_looks_at(environment, tmp_path, monkeypatch):
    """A runner of GitHub begins with nothing each day; an alarm takes two looks in a row."""
    monkeypatch.setenv("SLIPWAY_COLLECTED", str(tmp_path / "shared"))
    assert job.only_collect("production").startswith(f"production: {environment.rows} rows, 0 of Slipway's own skipped")
    for day in (1, 2):
        monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / f"runner-{day}"))
        job.main("production", asked(since=f"2013-10-0{day}", until=f"2013-10-0{day + 7}"), as_json=True)
        place = Place.of("production")
        assert not place.predictions.exists()
        assert day == len(remembered(place).points)


def test_a_window_that_ends_before_it_begins_is_refused(environment):
    with pytest.raises(UserError, match="not before the end of the window"):
        job.main("production", asked(until="2013-10-01"), as_json=True)
    assert "not before" in results.read(Path("results"))["monitor"].error


def test_what_is_no_time_is_refused():
    with pytest.raises(UserError, match="--since yesterday: not a time; use the form 2013-10-01"):
        job.parse_time("--since", "yesterday")


def test_an_environment_that_runs_nothing_says_so(monkeypatch):
    monkeypatch.setattr(job, "DeployBranch", lambda _: SimpleNamespace(fetch=lambda: None, read=lambda _: None))
    with pytest.raises(UserError, match="production: nothing is deployed"):
        job.reference_of("production", {})


def test_the_reference_is_what_the_release_was_trained_on_and_not_what_came_since(
    scene, trained, tmp_path, monkeypatch
):
    manifest = {
        "version": "v0.2.0",
        "built": "2013-09-01T00:00:00+00:00",
        "metrics": {"prepare": {"period": {"test": ["2013-08-03 00:00:00+00:00", "2013-09-01 03:59:00+00:00"]}}},
    }
    (tmp_path / "model").symlink_to(trained / "model")
    (tmp_path / "params.yaml").symlink_to(REPOSITORY / "params.yaml")
    built = SimpleNamespace(manifest=manifest, folder=tmp_path)
    desired = SimpleNamespace(release="v0.2.0", digest="sha256:2")
    monkeypatch.setattr(job, "DeployBranch", lambda _: SimpleNamespace(fetch=lambda: None, read=lambda _: desired))
    monkeypatch.setattr(job, "open_store", lambda _: SimpleNamespace(evidence_names=lambda _: []))
    fetched = {("v0.2.0", "sha256:2"): built}
    monkeypatch.setattr(job, "fetch", lambda _, version, digest, __: fetched[version, digest])
    reference, _ = job.reference_of("production", scene[2])
    assert "v0.2.0" == reference.baseline.release
    assert datetime(2013, 9, 1, 3, 59, tzinfo=UTC) >= reference.data_end
    assert len(reference.rows) < len(scene[0].rows)
