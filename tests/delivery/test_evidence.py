"""Evidence is stored with its release, and pruning removes releases that no environment uses."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from slipway.environment import client
from slipway.environment.release_facts import ReleaseFacts
from slipway.errors import NoReleaseError, ToolError, UnreadableFileError
from slipway.loadtest import loadtest
from slipway.release import evidence
from slipway.release.store import fetch
from slipway.results import JobResult


def _leave(folder, job: str, started: str = "2026-01-02T03:04:05Z", pages=(), **facts: str) -> None:
    """Write the result of a job and its pages in `results/`."""
    (folder / job).mkdir(parents=True, exist_ok=True)
    (folder / f"{job}.json").write_text(JobResult(job=job, started=started, evidence=facts).model_dump_json())
    for page in pages:
        (folder / job / page).write_text(f"page of {job}")


def _slipway(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert 0 == done.exit_code, done.output
    return done.output


def test_a_load_test_is_stored_as_json_and_html_with_its_release(project):
    project.publish("v0.1.0")
    project.publish("v0.2.0")
    _leave(project.root / "results", "loadtest", pages=["report.html"], environment="staging", release="v0.1.0")
    output = _slipway("release", "keep")
    names = ["staging-loadtest-20260102T030405Z.html", "staging-loadtest-20260102T030405Z.json"]
    assert (names, []) == (project.store.evidence_names("v0.1.0"), project.store.evidence_names("v0.2.0"))
    assert "v0.1.0: stored staging-loadtest" in output


def test_a_result_without_a_release_is_stored_with_that_of_the_commit(project):
    project.publish("v0.1.0")
    _leave(project.root / "results", "compare")
    _slipway("release", "keep")
    assert ["compare-20260102T030405Z.json"] == project.store.evidence_names("v0.1.0")


def test_another_run_of_a_check_adds_evidence(project):
    project.publish("v0.1.0")
    for started in ("2026-01-02T03:04:05Z", "2026-01-02T03:09:00Z"):
        _leave(project.root / "results", "smoke", started, environment="staging", release="v0.1.0")
        _slipway("release", "keep")
    assert 2 == len(project.store.evidence_names("v0.1.0"))


@pytest.mark.parametrize("release", ["v9.9.9", "../../elsewhere", ""])
def test_a_result_about_an_unknown_release_is_not_stored(project, release):
    project.publish("v0.1.0")
    _leave(project.root / "results", "smoke", release=release)
    assert "nothing was stored" in _slipway("release", "keep")
    assert [] == project.store.evidence_names("v0.1.0")


GH = """#!/bin/sh
# A fake of GitHub's `gh` with one release that refuses further assets.
case "$2" in
  list) echo model@v0.1.0 ;;
  upload) echo "HTTP 422: {reason} (https://uploads.github.example/releases/1/assets)" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def refusing(project, monkeypatch):
    """Return a function that makes GitHub refuse further assets of the release for a reason."""
    project.publish("v0.1.0")
    _leave(project.root / "results", "smoke", release="v0.1.0")
    tools = project.root.parent / "tools"
    tools.mkdir()

    def refuse(reason: str) -> None:
        (tools / "gh").write_text(GH.format(reason=reason))
        (tools / "gh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("SLIPWAY_STORE", "github:")

    return refuse


def test_immutable_releases_are_a_line_in_the_summary_and_do_not_fail_a_deployment(refusing, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    refusing("Cannot upload assets to an immutable release.")
    output = _slipway("release", "keep")
    for text in (output, (tmp_path / "summary.md").read_text()):
        assert "No evidence was stored with the release" in text
        assert "Settings → General → Releases → Enable release immutability, or set SLIPWAY_STORE" in text


def test_another_refusal_of_evidence_fails(refusing):
    refusing("Validation Failed")
    with pytest.raises(ToolError, match=r"gh release upload model@v0\.1\.0: HTTP 422: Validation Failed"):
        _slipway("release", "keep")


def test_an_unknown_environment_is_not_part_of_a_name(project):
    project.publish("v0.1.0")
    _leave(project.root / "results", "smoke", environment="../..", release="v0.1.0")
    _slipway("release", "keep")
    assert ["smoke-20260102T030405Z.json"] == project.store.evidence_names("v0.1.0")


def test_evidence_does_not_change_the_release(project):
    built = project.publish("v0.1.0")
    _leave(project.root / "results", "smoke", release="v0.1.0")
    _slipway("release", "keep")
    assert built.digest == fetch(project.store, "v0.1.0", built.digest, project.root.parent / "got").digest


def test_the_circumstances_of_a_build_are_recorded_outside_of_the_release(project, monkeypatch):
    project.publish("v0.1.0")
    for name, value in {"SERVER_URL": "https://github.example", "REPOSITORY": "team/flights", "RUN_ID": "7"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.setenv("GITHUB_ACTOR", "kim")  # no hexadecimal word, which a digest might contain
    _slipway("release", "build")
    recorded = json.loads((project.root / "results/build.json").read_text())["evidence"]
    assert ("kim", "https://github.example/team/flights/actions/runs/7") == (recorded["by"], recorded["run"])
    manifest = (project.root / "build/release/manifest.json").read_text()
    assert [] == [text for text in ("kim", "github.example", recorded["machine"]) if text in manifest]


def test_the_reason_of_a_failed_promotion_is_recorded(project):
    project.publish("v0.1.0")
    with pytest.raises(NoReleaseError):
        _slipway("promote", "--environment", "staging", "--release", "v9.0.0", "--no-wait")
    result = json.loads((project.root / "results/promote.json").read_text())
    assert "staging" == result["evidence"]["environment"]
    assert result["error"].startswith("v9.0.0: no such release on origin")


def _publish(project, count: int) -> list[str]:
    versions = [f"v0.{number}.0" for number in range(1, count + 1)]
    for version in versions:
        project.publish(version)
    return versions


def test_only_the_newest_releases_stay_when_no_environment_uses_the_others(project):
    _publish(project, 4)
    output = _slipway("release", "prune", "--keep", "2")
    assert ["v0.3.0", "v0.4.0"] == project.store.versions()
    assert "2 removed, 2 left" in output


def test_the_current_and_the_previous_release_of_an_environment_stay(project):
    _publish(project, 6)
    for environment, version in (
        ("staging", "v0.2.0"),
        ("staging", "v0.5.0"),
        ("production", "v0.1.0"),
        ("production", "v0.2.0"),
    ):
        project.promote(version, environment)
    _slipway("release", "prune", "--keep", "1")
    assert ["v0.1.0", "v0.2.0", "v0.5.0", "v0.6.0"] == project.store.versions()


def test_the_target_of_a_second_rollback_stays(project):
    _publish(project, 5)
    for version in ("v0.1.0", "v0.2.0", "v0.3.0"):
        project.promote(version, "production")
    _slipway("rollback", "--environment", "production", "--no-wait")
    _slipway("release", "prune", "--keep", "1")
    _slipway("rollback", "--environment", "production", "--no-wait")
    assert project.desired_state("production").read().release in project.store.versions()


def test_pruning_removes_evidence_and_the_version_is_still_listed(project):
    _publish(project, 2)
    _leave(project.root / "results", "smoke", release="v0.1.0")
    _slipway("release", "keep")
    _slipway("release", "prune", "--keep", "1")
    assert [] == project.store.evidence_names("v0.1.0")
    assert "not in the store" in _slipway("release", "list").splitlines()[-1]


def test_nothing_is_removed_while_the_desired_state_cannot_be_read(project):
    _publish(project, 3)
    project.promote("v0.1.0", "production")
    clone = project.root.parent / "clone"
    project.git("clone", "--quiet", "--branch", "deploy", str(project.origin), str(clone))
    (clone / "environments/production.yaml").write_text("release: [")
    project.git("-C", str(clone), "commit", "--quiet", "--all", "--message", "Break it")
    project.git("-C", str(clone), "push", "--quiet")
    with pytest.raises(UnreadableFileError, match=r"deploy:environments/production\.yaml"):
        _slipway("release", "prune", "--keep", "1")
    assert 3 == len(project.store.versions())


def test_pruning_all_releases_is_refused(project):
    _publish(project, 1)
    assert 2 == CliRunner().invoke(app, ["release", "prune", "--keep", "0"]).exit_code


@pytest.mark.parametrize(("keep", "expected"), [(1, ["a", "c"]), (3, ["a"]), (4, []), (9, [])])
def test_prunable_releases(keep, expected):
    assert expected == evidence.prunable(["a", "b", "c", "d"], {"b"}, keep)


def test_the_time_in_a_name_is_utc(project):
    project.publish("v0.1.0")
    _leave(project.root / "results", "smoke", "2026-01-02T03:04:05+02:00", release="v0.1.0")
    _slipway("release", "keep")
    assert ["smoke-20260102T010405Z.json"] == project.store.evidence_names("v0.1.0")


@pytest.mark.parametrize(
    ("target", "served", "expected"),
    [
        ("staging", ReleaseFacts(version="v0.1.0"), {"environment": "staging", "release": "v0.1.0"}),
        ("http://127.0.0.1:3000", ReleaseFacts(version="v0.1.0"), {"release": "v0.1.0"}),
        ("staging", None, {"environment": "staging"}),
        ("http://127.0.0.1:3000", None, {}),
    ],
)
def test_a_load_test_names_its_environment_and_release(monkeypatch, target, served, expected):
    monkeypatch.setattr(client, "get_release", lambda _: served)
    assert expected == loadtest.subject(target, "http://127.0.0.1:3000").model_dump(include={"environment", "release"})
