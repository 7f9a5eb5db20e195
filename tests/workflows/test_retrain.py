"""retrain.yaml and monitor.yaml as they are shipped, with training and watching left out: what follows on what."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from slipway.local import act
from slipway.local.home import Home
from tests import github_api
from tests.delivery import conftest
from tests.workflows.standing_in import OnGitHub

project = conftest.project
UV = """#!{python}
# Stands in for uv. What asks or tells GitHub is real; a retraining and a look at production only leave their result.
import json, os, pathlib, sys
words = sys.argv[1:]
if words[:2] == ["python", "find"]:
    print(sys.executable)
if words[:2] != ["run", "slipway"]:
    sys.exit()
verb, *options = words[2:]
with open(os.environ["ASKED"], "a") as log:
    print(json.dumps(words[2:]), file=log)
found = json.loads(os.environ["FOUND"])
if verb in ("propose", "health") or (verb == "retrain" and found is None):
    os.execv(sys.executable, [sys.executable, "-m", "slipway.cli", verb, *options])
if found is None:
    sys.exit("slipway: production runs nothing yet")
pathlib.Path("results").mkdir(exist_ok=True)
given = dict(zip(options[::2], options[1::2]))
if verb == "retrain":
    import subprocess
    base = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    proposal = pathlib.Path("build/proposal")
    (proposal / ".dvcstore").mkdir(parents=True)
    (proposal / ".dvcstore/rows").write_text("rows")
    (proposal / "data.dvc").write_text("more")
    with open(os.environ["GITHUB_OUTPUT"], "a") as out:
        print("proposal=true", file=out)
    found |= {{"trigger": given["--trigger"], "because": given["--because"], "base": base, "proposal": True}}
verdicts = [{{"gate": "drift", "outcome": found.pop("outcome", "pass"), "threshold": "", "observed": ""}}]
result = {{"job": verb, "started": "2026-01-01T00:00:00Z", "verdicts": verdicts, "evidence": found}}
pathlib.Path("results", verb + ".json").write_text(json.dumps(result))
sys.exit(verdicts[0]["outcome"] != "pass")
"""


class Fork(OnGitHub):
    """A project on GitHub, and runs of its workflows in it."""

    def __init__(self, project: conftest.Project, folder: Path, github: github_api.GitHub) -> None:
        super().__init__(project, folder, github)
        project.commit()
        self.stand_in("uv", UV.format(python=sys.executable))

    def run(self, workflow: str, event: str = "schedule", found: str = "null", **inputs: str) -> act.Run:
        return self.act(workflow, event, {"ref": "refs/heads/main", "inputs": inputs}, {"FOUND": found}, {})


@pytest.fixture
def fork(project, tmp_path):
    with github_api.serve(tmp_path) as github:
        yield Fork(project, tmp_path, github)


def _results(run: act.Run) -> dict[str, str]:
    return {name: job.result for name, job in run.jobs.items()}


def test_on_a_fork_where_nothing_is_deployed_both_are_green_and_say_what_is_missing(fork):
    retrain, monitor = fork.run("retrain.yaml"), fork.run("monitor.yaml")
    assert {"train": "success", "propose": "skipped"} == _results(retrain)
    assert {"monitor": "success", "health": "success"} == _results(monitor)
    assert "nothing is in production yet" in (retrain.folder / "summary.md").read_text()
    assert "production runs nothing yet, so there is nothing to watch" in (monitor.folder / "summary.md").read_text()
    assert ([], [], []) == (fork.github.pulls, fork.github.issues, fork.github.started)


BECAUSE = 'roc_auc is low"; touch canary; echo "$(touch canary)'


def test_what_is_trained_becomes_a_pull_request_with_its_trigger_and_its_evidence(fork):
    run = fork.run("retrain.yaml", "workflow_dispatch", '{"files": ["b.csv"]}', trigger="decay", because=BECAUSE)
    assert {"train": "success", "propose": "success"} == _results(run)
    (pull,) = fork.github.pulls
    assert "Retrain on b.csv (decay)" == pull["title"]
    assert BECAUSE in pull["body"]
    assert [("pull-request.yaml", "retrain", {})] == fork.github.started
    listed = conftest.git(fork.project.origin, "diff", "--name-only", "main", "retrain").splitlines()
    assert [".dvcstore/rows", "data.dvc"] == listed
    assert [] == list(fork.folder.rglob("canary"))


def test_what_the_calendar_starts_says_so(fork):
    fork.run("retrain.yaml", found='{"files": ["b.csv"]}')
    assert '["retrain", "--trigger", "schedule", "--because", ""]' in fork.asked


def test_trouble_in_production_opens_the_issue_and_starts_a_retraining(fork):
    for environment in ("staging", "production"):
        fork.project.publish(f"v0.{len(environment)}.0")
        fork.project.promote(f"v0.{len(environment)}.0", environment)
    found = '{"retrain": {"wanted": true, "trigger": "drift", "because": "PSI 0.4"}, "outcome": "fail"}'
    run = fork.run("monitor.yaml", found=found)
    assert {"monitor": "success", "health": "success"} == _results(run)
    assert ["production is not healthy: drift"] == [issue["title"] for issue in fork.github.issues]
    assert [("retrain.yaml", "main", {"trigger": "drift", "because": "PSI 0.4"})] == fork.github.started


@pytest.mark.parametrize("workflow", ["retrain.yaml", "monitor.yaml"])
def test_a_run_by_hand_on_another_branch_does_nothing(fork, workflow):
    payload = {"ref": "refs/heads/topic", "repository": {"full_name": act.REPOSITORY}}
    home = Home(fork.folder / "home")
    home.root.mkdir()
    event = act.Event("workflow_dispatch", payload)
    run = act.run(
        workflow, fork.project.root, event, fork.folder / "run", env=home.environment(), variables={}, log=print
    )
    assert {"skipped"} == set(_results(run).values())
