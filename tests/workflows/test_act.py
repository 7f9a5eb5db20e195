"""Workflow files under act, with stand-ins for third-party actions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.errors import MissingFileError
from slipway.local import act
from slipway.local.home import Home
from slipway.pull_request.jobs import SCHEMA, run_tool

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
CACHE = "actions/cache/{}@27d5ce7f107fe9357f9df03efb73ab90386fccae"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"

WORKFLOW = f"""
on: pull_request
jobs:
  good:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - run: mkdir results && cp file results/good.json && echo "# Good" >> "$GITHUB_STEP_SUMMARY"
      - uses: {UPLOAD}
        with: {{name: results-good, path: results/}}
      - run: echo "${{{{ vars.COLOR }}}} $GITHUB_REPOSITORY $GITHUB_HEAD_REF"
  bad:
    runs-on: ubuntu-latest
    steps:
      - run: echo all is lost && sleep 0.5 && exit 3
      - if: always()
        uses: {UPLOAD}
        with: {{name: results-bad, path: results/}}
  after:
    needs: [good, bad]
    runs-on: ubuntu-latest
    steps:
      - run: echo never
  report:
    needs: [good, bad, after]
    if: always()
    runs-on: ubuntu-latest
    steps:
      - uses: {DOWNLOAD}
        with: {{pattern: results-*, path: results/, merge-multiple: true}}
      - run: ls results && echo "$NEEDS"
        env: {{NEEDS: "${{{{ toJSON(needs) }}}}"}}
"""
EVENT = act.GitHubEvent(
    "pull_request", {"number": 1, "pull_request": {"head": {"ref": "topic"}, "base": {"ref": "main"}}}
)


def repository(folder: Path, workflow: str) -> Path:
    file = folder / ".github" / "workflows" / "toy.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(workflow, encoding="utf-8")
    (folder / "file").write_text("content", encoding="utf-8")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"]
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "All"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def run(tree: Path, folder: Path, output: list[str] | None = None) -> act.WorkflowRun:
    lines = [] if output is None else output
    return act.run("toy.yaml", tree, EVENT, folder, env=os.environ, variables={"COLOR": "blue"}, log=lines.append)


@pytest.fixture(scope="module")
def output() -> list[str]:
    return []


@pytest.fixture(scope="module")
def finished(tmp_path_factory, output) -> act.WorkflowRun:
    tree = repository(tmp_path_factory.mktemp("tree"), WORKFLOW)
    return run(tree, tmp_path_factory.mktemp("home") / "run", output)


def test_run_with_a_failed_job_has_not_succeeded(finished):
    assert not finished.succeeded


def test_each_job_has_its_result(finished):
    results = {"good": "success", "bad": "failure", "after": "skipped", "report": "success"}
    assert results == {name: job.result for name, job in finished.jobs.items()}


def test_each_job_has_its_time(finished):
    assert 0 < finished.jobs["good"].seconds < finished.seconds


def test_uploaded_artifact_is_kept(finished):
    assert "content" == (finished.artifact("results-good") / "good.json").read_text(encoding="utf-8")


def test_upload_of_no_files_creates_no_artifact(finished):
    assert not finished.artifact("results-bad").exists()


def test_downloaded_artifacts_are_merged(finished):
    assert "good.json" in (finished.folder / "report.log").read_text(encoding="utf-8")


def test_needs_have_the_result_of_each_job(finished):
    log = (finished.folder / "report.log").read_text(encoding="utf-8")
    needs = json.loads(log[log.index("{") :])
    assert {"good": "success", "bad": "failure", "after": "skipped"} == {k: v["result"] for k, v in needs.items()}


def test_variables_repository_and_branch_reach_a_step(finished):
    log = (finished.folder / "good.log").read_text(encoding="utf-8")
    assert "blue local/throwaway topic" in log.splitlines()


def test_job_summary_is_kept(finished):
    assert "# Good\n" == (finished.folder / "summary.md").read_text(encoding="utf-8")


def test_start_of_a_job_is_logged_once(output):
    assert ["bad        starts"] == [line for line in output if line == "bad        starts"]


def test_failed_step_is_logged_with_its_last_lines(output):
    assert ["bad          | all is lost"] == [line for line in output if line.endswith("all is lost")]


TOLERATED = f"""
on: pull_request
jobs:
  comment:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - run: echo first; echo CML is not installed; exit 1
        continue-on-error: true
      - id: named
        uses: ./.github/actions/broken
        continue-on-error: ${{{{ github.event_name == 'pull_request' }}}}
      - run: exit 3
        if: always()
        continue-on-error: ${{{{ github.event_name == 'push' }}}}
"""
BROKEN_ACTION = "runs: {using: composite, steps: [{run: echo no runner of GitHub && exit 1, shell: bash}]}"


def test_step_that_may_fail_is_skipped_with_its_reason(tmp_path):
    action = tmp_path / "tree/.github/actions/broken/action.yml"
    action.parent.mkdir(parents=True)
    action.write_text(BROKEN_ACTION, encoding="utf-8")
    lines: list[str] = []
    finished = run(repository(tmp_path / "tree", TOLERATED), tmp_path / "run", lines)
    logged = [re.sub(r"[\d.]+ s ", "", " ".join(line.removeprefix("comment").split())) for line in lines]
    assert [
        "starts",
        f"ok {CHECKOUT.split('@')[0]}",
        "skipped echo first; echo CML is not installed; exit 1 (may fail)",
        "skipped ./.github/actions/broken (may fail)",
        "FAILED exit 3",
        "| CML is not installed",
        "| no runner of GitHub",
    ] == logged
    assert "failure" == finished.jobs["comment"].result


def test_tail_is_what_a_terminal_displays():
    assert ["done", "an error"] == act.tail("1%\r50%\rdone\r\n\n\x1b[31man error\x1b[39m\n")


def test_long_lines_of_the_tail_are_cut():
    assert [act.LINE_CHARACTERS_MAX] == [len(line) for line in act.tail("x" * 1000)]


def test_workspaces_are_removed(finished):
    assert not (finished.folder / "act").exists()


def test_missing_workflow_is_one_line(tmp_path):
    with pytest.raises(MissingFileError, match=r"toy\.yaml: no such workflow"):
        run(tmp_path, tmp_path / "run")


def test_action_without_a_stand_in_is_one_line(tmp_path):
    tree = repository(tmp_path / "tree", WORKFLOW.replace("actions/upload-artifact@", "some/action@"))
    with pytest.raises(MissingFileError, match=r"some/action: has no local stand-in"):
        run(tree, tmp_path / "run")


def cached(action: str, keys: str) -> str:
    return f"""
on: pull_request
jobs:
  cached:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir -p cached && touch "cached/{action}"
      - uses: {CACHE.format(action)}
        with: {{path: cached, {keys}}}
      - run: ls cached
"""


def test_saved_cache_is_restored_by_a_prefix_of_its_key(tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path / "cache"))
    run(repository(tmp_path / "one", cached("save", "key: a-1")), tmp_path / "first")
    second = run(repository(tmp_path / "two", cached("restore", "key: a-2, restore-keys: a-")), tmp_path / "second")
    assert ["restore", "save"] == (second.folder / "cached.log").read_text(encoding="utf-8").split()[-2:]


def test_missing_cache_is_no_error(tmp_path):
    tree = repository(tmp_path / "tree", cached("restore", "key: a-2, restore-keys: a-"))
    assert run(tree, tmp_path / "run").succeeded


def test_second_upload_of_a_name_fails_as_on_github(tmp_path):
    twice = f"""
on: pull_request
jobs:
  twice:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
      - uses: {UPLOAD}
        with: {{name: a, path: file}}
      - uses: {UPLOAD}
        with: {{name: a, path: file}}
"""
    tree = repository(tmp_path / "tree", twice)
    assert "failure" == run(tree, tmp_path / "run").jobs["twice"].result


def test_stand_ins_are_valid(tmp_path):
    files = sorted(act.STANDINS.glob("*/*/action.yml"))
    bad = tmp_path / "action.yml"
    bad.write_text("name: bad\nruns: {using: composite}\n", encoding="utf-8")
    assert files
    assert (0, 1) == tuple(
        run_tool([*SCHEMA, "vendor.github-actions", *map(str, chosen)])[0] for chosen in (files, [*files, bad])
    )


@pytest.mark.parametrize("workflow", sorted(Path(".github/workflows").glob("*.yaml")), ids=lambda path: path.name)
def test_every_action_of_a_shipped_workflow_has_a_stand_in(workflow):
    assert all((act.STANDINS / action).is_dir() for action, _ in act.actions(workflow))


RECORDING_UV = """#!/bin/sh
case "$1" in
  python) echo /chosen/python ;;
  *)
    echo "${UV_PYTHON-none} ${UV_PROJECT_ENVIRONMENT##*/} $*" >>"$CALLS"
    touch "$(realpath "${UV_PROJECT_ENVIRONMENT}")/installed"
    ;;
esac
"""


def test_each_version_of_python_installs_both_environments_and_runs_every_step(tmp_path):
    tree = repository(tmp_path / "tree", Path(".github/workflows/python-versions.yaml").read_text(encoding="utf-8"))
    shutil.copytree(".github/actions", tree / ".github/actions")
    shutil.copytree(".ci", tree / ".ci")
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(RECORDING_UV, encoding="utf-8")
    uv.chmod(0o755)
    home = Home(tmp_path / "home").environment()
    env = home | {"PATH": f"{uv.parent}{os.pathsep}{home['PATH']}", "CALLS": str(tmp_path / "calls")}
    event = act.GitHubEvent("schedule", {"repository": {"full_name": act.REPOSITORY}})
    finished = act.run("toy.yaml", tree, event, tmp_path / "run", env=env, variables={}, log=print)
    assert finished.succeeded
    expected = [
        "/chosen/python .venv sync --frozen --no-default-groups --group dev",
        "/chosen/python .venv-checks sync --frozen --no-default-groups --group checks",
        f"{sys.executable} .venv run slipway test",
        f"{sys.executable} .venv run slipway train --fresh",
    ]
    assert sorted(expected * 2) == sorted((tmp_path / "calls").read_text().splitlines())
    kept = sorted(path.parent.name for path in (tmp_path / "home/environments").glob("*/.venv*/installed"))
    assert [".venv", ".venv", ".venv-checks", ".venv-checks"] == kept  # two jobs at a time never share one
