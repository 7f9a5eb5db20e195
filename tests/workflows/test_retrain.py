"""The jobs of retrain.yaml and monitor.yaml run in order; only training and monitoring are stubs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from slipway.github import checked_run
from slipway.local import act
from slipway.local.home import Home
from tests import github_api, preloaded
from tests.delivery import conftest
from tests.workflows.standing_in import ActProject

project = conftest.project
UV = """#!{python} -IS
# Stands in for uv. The commands that call GitHub are real; retrain and monitor only write their result.
import json, os, pathlib, sys
words = sys.argv[1:]
if words[:2] == ["python", "find"]:
    print(sys.executable)
if words[:2] != ["run", "slipway"]:
    sys.exit()
command, *options = words[2:]
with open(os.environ["CALLS"], "a") as log:
    print(json.dumps(words[2:]), file=log)
evidence = json.loads(os.environ["EVIDENCE"])
if command in ("propose", "health") or (command == "retrain" and evidence is None):
    os.execv("{preloaded}", ["python", "-m", "slipway.cli", command, *options])
if evidence is None:
    sys.exit("slipway: production: nothing is deployed")
pathlib.Path("results").mkdir(exist_ok=True)
given = dict(zip(options[::2], options[1::2]))
if command == "retrain":
    import subprocess
    base = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    proposal = pathlib.Path("build/proposal")
    (proposal / ".dvcstore").mkdir(parents=True)
    (proposal / ".dvcstore/rows").write_text("rows")
    (proposal / "data.dvc").write_text("more")
    with open(os.environ["GITHUB_OUTPUT"], "a") as out:
        print("proposal=true", file=out)
    evidence |= {{"trigger": given["--trigger"], "because": given["--because"], "base": base, "proposal": True}}
verdicts = [{{"gate": "drift", "outcome": evidence.pop("outcome", "pass"), "threshold": "", "observed": ""}}]
result = {{"job": command, "started": "2026-01-01T00:00:00Z", "verdicts": verdicts, "evidence": evidence}}
pathlib.Path("results", command + ".json").write_text(json.dumps(result))
sys.exit(verdicts[0]["outcome"] != "pass")
"""


class Fork(ActProject):
    """A project on GitHub, and runs of its workflows in it."""

    def __init__(self, project: conftest.Project, folder: Path, github: github_api.GitHub) -> None:
        super().__init__(project, folder, github)
        project.commit()
        self.replace_tool("uv", UV.format(python=sys.executable, preloaded=preloaded.program()))

    def run(self, workflow: str, event: str = "schedule", evidence: str = "null", **inputs: str) -> act.WorkflowRun:
        return self.act(workflow, event, {"ref": "refs/heads/main", "inputs": inputs}, {"EVIDENCE": evidence}, {})


@pytest.fixture
def fork(project, tmp_path):
    with github_api.serve(tmp_path) as github:
        yield Fork(project, tmp_path, github)


def _results(run: act.WorkflowRun) -> dict[str, str]:
    return {name: job.result for name, job in run.jobs.items()}


def test_both_pass_on_a_fork_without_a_deployment_and_report_what_is_missing(fork):
    retrain, monitor = fork.run("retrain.yaml"), fork.run("monitor.yaml")
    assert {"train": "success", "propose": "skipped"} == _results(retrain)
    assert {"monitor": "success", "health": "success"} == _results(monitor)
    assert "nothing is in production yet" in (retrain.folder / "summary.md").read_text()
    assert (
        "nothing is deployed to production yet, so there is nothing to monitor"
        in (monitor.folder / "summary.md").read_text()
    )
    assert ([], [], []) == (fork.github.pulls, fork.github.issues, fork.github.dispatched)


BECAUSE = 'roc_auc is low"; touch canary; echo "$(touch canary)'


def test_a_retraining_becomes_a_pull_request_with_its_trigger_and_evidence(fork):
    run = fork.run("retrain.yaml", "workflow_dispatch", '{"files": ["b.csv"]}', trigger="decay", because=BECAUSE)
    assert {"train": "success", "propose": "success"} == _results(run)
    (pull,) = fork.github.pulls
    assert "Retrain on b.csv (decay)" == pull["title"]
    assert BECAUSE in pull["body"]
    assert [(checks.file, "retrain", {}) for checks in checked_run.CHECKS] == fork.github.dispatched
    listed = conftest.git(fork.project.origin, "diff", "--name-only", "main", "retrain").splitlines()
    assert [".dvcstore/rows", "data.dvc"] == listed
    assert [] == list(fork.folder.rglob("canary"))


def test_a_scheduled_run_has_the_trigger_schedule(fork):
    fork.run("retrain.yaml", evidence='{"files": ["b.csv"]}')
    assert '["retrain", "--trigger", "schedule", "--because", ""]' in fork.calls


def test_a_failed_check_opens_the_issue_and_starts_a_retraining(fork):
    for environment in ("staging", "production"):
        fork.project.publish(f"v0.{len(environment)}.0")
        fork.project.promote(f"v0.{len(environment)}.0", environment)
    evidence = '{"retrain": {"trigger": "drift", "because": "PSI 0.4"}, "outcome": "fail"}'
    run = fork.run("monitor.yaml", evidence=evidence)
    assert {"monitor": "success", "health": "success"} == _results(run)
    assert ["production is not healthy: drift"] == [issue["title"] for issue in fork.github.issues]
    assert [("retrain.yaml", "main", {"trigger": "drift", "because": "PSI 0.4"})] == fork.github.dispatched


@pytest.mark.parametrize("workflow", ["retrain.yaml", "monitor.yaml"])
def test_a_manual_run_on_another_branch_does_nothing(fork, workflow):
    payload = {"ref": "refs/heads/topic", "repository": {"full_name": act.REPOSITORY}}
    home = Home(fork.folder / "home")
    home.root.mkdir()
    event = act.GitHubEvent("workflow_dispatch", payload)
    run = act.run(
        workflow, fork.project.root, event, fork.folder / "run", env=home.environment(), variables={}, log=print
    )
    assert {"skipped"} == set(_results(run).values())
