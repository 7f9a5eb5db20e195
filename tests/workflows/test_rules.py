"""The rulesets for GitHub match the workflows, branches and tags of this repository."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.environment import deploy_branch, versions
from slipway.github import checked_run
from slipway.release.signing import keys

GITHUB = Path(".github")
DOCS = Path("docs/security.md").read_text(encoding="utf-8")
RULESETS = sorted(path for path in (GITHUB / "rulesets").glob("*.json") if path.stem != "environment")


def read(name: str) -> dict[str, Any]:
    return json.loads((GITHUB / "rulesets" / f"{name}.json").read_text(encoding="utf-8"))


def rules(name: str) -> dict[str, dict[str, Any]]:
    return {rule["type"]: rule.get("parameters", {}) for rule in read(name)["rules"]}


@pytest.mark.parametrize("path", RULESETS, ids=lambda path: path.name)
def test_ruleset_is_active_without_bypass_and_protects_history(path):
    assert ("active", []) == (read(path.stem)["enforcement"], read(path.stem)["bypass_actors"])
    assert {"deletion", "non_fast_forward"} <= rules(path.stem).keys()


@pytest.mark.parametrize("path", sorted((GITHUB / "rulesets").glob("*.json")), ids=lambda path: path.name)
def test_documentation_has_the_command_that_applies_it(path):
    assert f"--input {path}" in DOCS


def test_main_requires_a_code_owners_review_of_the_last_push():
    review = rules("main")["pull_request"]
    assert review["required_approving_review_count"] >= 1
    assert review["require_code_owner_review"]
    assert review["dismiss_stale_reviews_on_push"]
    assert review["require_last_push_approval"]


def test_main_requires_statuses_that_pull_request_jobs_report():
    files = [(GITHUB / "workflows" / checks.file).read_text(encoding="utf-8") for checks in checked_run.CHECKS]
    names = [job["name"] for file in files for job in yaml.safe_load(file)["jobs"].values()]
    assert len(names) == len(set(names))  # GitHub accepts either of two checks of one name
    required = {check["context"] for check in rules("main")["required_status_checks"]["required_status_checks"]}
    assert {checks.context for checks in checked_run.CHECKS} == required
    assert required <= set(names)


def test_deploy_ruleset_protects_the_branch_of_the_desired_state():
    assert [f"refs/heads/{deploy_branch.BRANCH}"] == read("deploy")["conditions"]["ref_name"]["include"]


@pytest.mark.parametrize("tag", [versions.version_tag("v1.0.0"), versions.stage_tag("production", 1)])
def test_tags_of_versions_and_stages_can_be_created_but_not_moved(tag):
    patterns = read("tags")["conditions"]["ref_name"]["include"]
    assert any(fnmatchcase(f"refs/tags/{tag}", pattern) for pattern in patterns)
    assert "update" in rules("tags")
    assert "creation" not in rules("tags")


def owned() -> list[str]:
    lines = (GITHUB / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def test_every_path_of_codeowners_exists():
    on_deploy = {"/environments/"}  # exists on the branch `deploy`, which has a copy of this file
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
        "src/slipway/pull_request/comment.py",
        "params.yaml",
        "dvc.yaml",
        ".ci/bootstrap",
    ],
)
def test_files_that_control_deployments_have_an_owner(path):
    assert any(f"/{path}".startswith(pattern) for pattern in owned())


def test_security_policy_has_the_report_address_and_the_response_time():
    policy = Path("SECURITY.md").read_text(encoding="utf-8")
    assert re.search(r"\]\(https://", policy)
    assert re.search(r"\d+ (working )?days", policy)
    assert {"vulnerability", "disclosure"} <= set(re.findall(r"\w+", policy))


def test_every_secret_and_variable_of_a_workflow_is_documented():
    text = "".join(path.read_text(encoding="utf-8") for path in (GITHUB / "workflows").glob("*.yaml"))
    names = set(re.findall(r"\b(?:secrets|vars)\.(\w+)", text))
    documented = DOCS + Path("docs/workflows.md").read_text(encoding="utf-8")
    assert set() == {name for name in names if f"`{name}`" not in documented}


OPTIONAL_SECRETS = ("SLIPWAY_WEBHOOK",)
"""Secrets without which a command only sends nothing; see tests/unit/test_webhook.py."""


def steps_with_a_secret(text: str) -> list[dict[str, Any]]:
    """Return the steps that read a secret; a secret outside a step counts as a step without a condition."""
    jobs = yaml.safe_load(text)["jobs"].values()
    steps = [step for job in jobs for step in job.get("steps", []) if "secrets." in str(step)]
    read = re.compile(r"\bsecrets\b")
    outside = len(read.findall(str(yaml.safe_load(text)))) > sum(len(read.findall(str(step))) for step in steps)
    return [*steps, *([{}] if outside else [])]


def is_optional(step: dict[str, Any]) -> bool:
    """Whether a step runs only if the user sets a repository variable, or does the rest of its work without secrets."""
    needed = re.sub(rf"\bsecrets\.({'|'.join(OPTIONAL_SECRETS)})\b", "", str(step))
    return bool(re.fullmatch(r"vars\.\w+ != ''", step.get("if", ""))) or bool(step and "secrets" not in needed)


def test_no_workflow_needs_a_secret():
    contents = [path.read_text(encoding="utf-8") for path in (GITHUB / "workflows").glob("*.yaml")]
    assert [] == [step for content in contents for step in steps_with_a_secret(content) if not is_optional(step)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("        if: vars.RETRAIN_APP != ''\n", ""),
        ("if: vars.RETRAIN_APP != ''", "if: always()"),
        ("environment: retraining", "env: {KEY: '${{ secrets.KEY }}'}\n    environment: retraining"),
    ],
)
def test_required_secret_is_detected(text, fault):
    content = (GITHUB / "workflows" / "retrain.yaml").read_text(encoding="utf-8")
    assert text in content
    assert [step for step in steps_with_a_secret(content.replace(text, fault, 1)) if not is_optional(step)]
