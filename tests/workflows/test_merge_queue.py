"""The checks of a pull request in a merge queue report their statuses, and compare the merge commit with `main`."""

from __future__ import annotations

import json
import sys

import pytest

from tests import github_api, preloaded
from tests.delivery import conftest
from tests.workflows.standing_in import ActProject

project = conftest.project
UV = """#!{python} -IS
# A fake uv. `required` is real; the other jobs write a result, and record the base of their comparison.
import json, os, pathlib, sys
words = sys.argv[1:]
if words[:2] == ["python", "find"]:
    print(sys.executable)
if words[:2] != ["run", "slipway"]:
    sys.exit()
command, *options = words[2:]
if command == "required":
    os.execv("{preloaded}", ["python", "-m", "slipway.cli", command, *options])
base = os.environ.get("GITHUB_BASE_REF") or os.environ.get("SLIPWAY_BASE")
with open(os.environ["CALLS"], "a") as log:
    print(json.dumps([command, base]), file=log)
import site; site.main()
from slipway.results import source
verdict = {{"outcome": "pass", "title": "every gate passes", "content": source().content}}
results = pathlib.Path("results")
(results / "report").mkdir(parents=True, exist_ok=True)
(results / f"{{command}}.json").write_text("{{}}")
(results / "report/verdict.json").write_text(json.dumps(verdict))
(results / "report/evidence.json").write_text("{{}}")
"""


@pytest.fixture
def queue(project, tmp_path):
    project.commit()
    with github_api.serve(tmp_path) as github:
        fork = ActProject(project, tmp_path, github)
        fork.replace_tool("uv", UV.format(python=sys.executable, preloaded=preloaded.program()))
        yield fork


def _event(project: conftest.Project) -> dict:
    """Return the payload that GitHub sends when a pull request enters the queue."""
    head = conftest.git(project.root, "rev-parse", "HEAD")
    base = conftest.git(project.root, "rev-parse", "origin/main")
    ref = f"refs/heads/gh-readonly-queue/main/pr-7-{base}"
    group = {"head_sha": head, "head_ref": ref, "base_sha": base, "base_ref": "refs/heads/main"}
    return {"action": "checks_requested", "ref": ref, "merge_group": group | {"head_commit": {"id": head}}}


@pytest.mark.parametrize(
    ("workflow", "commands"),
    [
        ("pull-request.yaml", ["compare", "data", "report", "train"]),
        ("pull-request-code.yaml", ["lint", "report", "test"]),
    ],
)
def test_merge_group_is_compared_with_main_and_reports_required(queue, workflow, commands):
    run = queue.act(workflow, "merge_group", _event(queue.project), {}, {})
    assert {"success"} == {job.result for job in run.jobs.values()}
    assert "required" in run.jobs
    calls = sorted(map(tuple, map(json.loads, queue.calls)))
    assert [(name, "main") for name in commands] == calls
