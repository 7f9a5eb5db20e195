"""Rules that GitHub keeps and this repository can only ask for: they fit the workflows, branches and tags there are."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.delivery import desired_state, versions
from slipway.delivery.trust import keys

GITHUB = Path(".github")
DOCS = Path("docs/security.md").read_text(encoding="utf-8")
RULESETS = sorted(path for path in (GITHUB / "rulesets").glob("*.json") if path.stem != "environment")


def read(name: str) -> dict[str, Any]:
    return json.loads((GITHUB / "rulesets" / f"{name}.json").read_text(encoding="utf-8"))


def rules(name: str) -> dict[str, dict[str, Any]]:
    return {rule["type"]: rule.get("parameters", {}) for rule in read(name)["rules"]}


@pytest.mark.parametrize("path", RULESETS, ids=lambda path: path.name)
def test_a_ruleset_is_active_for_everybody_and_keeps_history(path):
    assert ("active", []) == (read(path.stem)["enforcement"], read(path.stem)["bypass_actors"])
    assert {"deletion", "non_fast_forward"} <= rules(path.stem).keys()


@pytest.mark.parametrize("path", sorted((GITHUB / "rulesets").glob("*.json")), ids=lambda path: path.name)
def test_the_documentation_has_the_command_that_applies_it(path):
    assert f"--input {path}" in DOCS


def test_main_asks_for_a_review_of_the_last_push_by_a_code_owner():
    review = rules("main")["pull_request"]
    assert review["required_approving_review_count"] >= 1
    assert review["require_code_owner_review"]
    assert review["dismiss_stale_reviews_on_push"]
    assert review["require_last_push_approval"]


def test_main_asks_for_statuses_that_jobs_of_a_pull_request_have():
    workflow = yaml.safe_load((GITHUB / "workflows" / "pull-request.yaml").read_text(encoding="utf-8"))
    asked = {check["context"] for check in rules("main")["required_status_checks"]["required_status_checks"]}
    assert {"required"} == asked & {job["name"] for job in workflow["jobs"].values()}


def test_deploy_is_the_branch_that_is_promoted_on():
    assert [f"refs/heads/{desired_state.BRANCH}"] == read("deploy")["conditions"]["ref_name"]["include"]


@pytest.mark.parametrize("tag", [versions.version_tag("v1.0.0"), versions.stage_tag("production", 1)])
def test_tags_of_versions_and_stages_can_be_made_but_not_moved(tag):
    patterns = read("tags")["conditions"]["ref_name"]["include"]
    assert any(fnmatchcase(f"refs/tags/{tag}", pattern) for pattern in patterns)
    assert "update" in rules("tags")
    assert "creation" not in rules("tags")


def owned() -> list[str]:
    lines = (GITHUB / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def test_every_line_of_codeowners_has_an_owner_and_is_there():
    on_deploy = {"/environments/"}  # on the branch `deploy`, which has a copy of this file
    assert [] == [path for path in owned() if path not in on_deploy and not Path(path.strip("/")).exists()]


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/deploy.yaml",
        ".github/CODEOWNERS",
        f"{keys.TRUSTED}/release.pem",
        ".github/rulesets/main.json",
        "deploy/base/deployment.yaml",
        "environments/production.yaml",
        "uv.lock",
        "src/slipway/comment.py",
        "params.yaml",
        "dvc.yaml",
        ".ci/bootstrap",
    ],
)
def test_what_decides_what_runs_has_an_owner(path):
    assert any(f"/{path}".startswith(pattern) for pattern in owned())


def test_a_security_policy_says_how_to_report_and_when_to_hear():
    policy = Path("SECURITY.md").read_text(encoding="utf-8")
    assert re.search(r"\]\(https://", policy)
    assert re.search(r"\d+ (working )?days", policy)
    assert {"vulnerability", "disclosure"} <= set(re.findall(r"\w+", policy))


def test_every_secret_and_variable_of_a_workflow_is_documented():
    text = "".join(path.read_text(encoding="utf-8") for path in (GITHUB / "workflows").glob("*.yaml"))
    named = set(re.findall(r"\b(?:secrets|vars)\.(\w+)", text))
    documented = DOCS + Path("docs/workflows.md").read_text(encoding="utf-8")
    assert set() == {name for name in named if f"`{name}`" not in documented}


def steps_with_a_secret(text: str) -> list[dict[str, Any]]:
    """Steps that read one; what reads one outside of a step is a step without a condition."""
    jobs = yaml.safe_load(text)["jobs"].values()
    steps = [step for job in jobs for step in job.get("steps", []) if "secrets." in str(step)]
    outside = len(re.findall(r"\bsecrets\b", text)) > sum(len(re.findall(r"\bsecrets\b", str(step))) for step in steps)
    return [*steps, *([{}] if outside else [])]


def runs_without_it(step: dict[str, Any]) -> bool:
    """Whether it is only run where somebody has set a variable."""
    return bool(re.fullmatch(r"vars\.\w+ != ''", step.get("if", "")))


def test_no_workflow_needs_a_secret():
    texts = [path.read_text(encoding="utf-8") for path in (GITHUB / "workflows").glob("*.yaml")]
    assert [] == [step for text in texts for step in steps_with_a_secret(text) if not runs_without_it(step)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("        if: vars.RETRAIN_APP != ''\n", ""),
        ("if: vars.RETRAIN_APP != ''", "if: always()"),
        ("environment: retraining", "env: {KEY: '${{ secrets.KEY }}'}\n    environment: retraining"),
    ],
)
def test_a_secret_that_is_needed_is_found(text, fault):
    whole = (GITHUB / "workflows" / "retrain.yaml").read_text(encoding="utf-8")
    assert text in whole
    assert [one for one in steps_with_a_secret(whole.replace(text, fault, 1)) if not runs_without_it(one)]
