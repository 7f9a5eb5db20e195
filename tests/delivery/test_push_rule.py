"""Slipway's pushes satisfy GitHub's rule for workflow files, which every origin in these tests enforces."""

from __future__ import annotations

import subprocess

import pytest

from slipway.deployment import promotion
from slipway.environment import deploy_branch
from slipway.environment.deploy_branch import WORKFLOWS
from slipway.errors import ToolError
from slipway.release import publish
from tests.delivery.conftest import CANARY, WORKFLOW
from tests.delivery.test_desired_state import gto

REFUSED = "refusing to allow a GitHub App to create or update workflow"


def push(project, *refs: str) -> str:
    """Push and return the error of the remote; empty when it accepts."""
    command = ["git", "push", "origin", *refs]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@pytest.fixture
def left_behind(project) -> str:
    """Return a commit of `main` whose workflow files are no longer on any branch."""
    commit = project.commit()
    project.commit()
    return commit


@pytest.mark.parametrize("ref", ["refs/heads/deploy", "refs/heads/retrain", "refs/tags/model@v0.1.0"])
def test_the_rule_refuses_workflow_files_that_are_on_no_branch(project, left_behind, ref):
    assert f"{REFUSED} `{WORKFLOW}` without `workflows` permission" in push(project, f"{left_behind}:{ref}")


def test_the_rule_accepts_workflow_files_that_are_on_a_branch(project, left_behind):
    assert not push(project, f"{left_behind}:refs/heads/topic")
    assert not push(project, f"{left_behind}:refs/tags/model@v0.1.0", "HEAD:refs/heads/deploy")
    assert not push(project, ":refs/tags/model@v0.1.0")


def carries_workflows(project) -> set[str]:
    """Return the refs pushed by Slipway whose tree has workflow files."""
    refs = project.git("-C", str(project.origin), "for-each-ref", "--format=%(refname)").splitlines()
    trees = {ref: project.git("-C", str(project.origin), "ls-tree", "-r", ref, WORKFLOWS) for ref in refs}
    return {ref for ref, tree in trees.items() if tree} - {"refs/heads/main"}


@pytest.fixture
def deployed(project):
    """Return a project in which production went from v0.1.0 to v0.2.0 and `main` has another workflow."""
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
        project.promote(version, "production")
    project.commit()
    return project


@pytest.mark.parametrize("version", [None, "v0.1.0"])
def test_a_rollback_passes_the_rule(deployed, version):
    promotion.rollback(deployed.desired_state("production"), version, deployed.store)
    assert "v0.1.0" == deployed.desired_state("production").read().release
    assert "model#production#3" in deployed.branch.tags
    assert set() == carries_workflows(deployed)


def test_a_release_older_than_a_workflow_change_passes_the_rule(project):
    project.commit()
    folder = project.build("v0.1.0")
    project.commit()
    publish.publish(project.root, folder, project.store)
    project.promote("v0.1.0")
    assert set() == carries_workflows(project)


def test_a_canary_that_passes_after_main_moved_passes_the_rule(deployed):
    deployed.publish("v0.3.0")
    content = deployed.promote("v0.3.0", "production", CANARY)
    deployed.commit()
    promotion.conclude(deployed.desired_state("production"), content, [])
    assert deployed.desired_state("production").is_concluded(content)


def test_a_rollback_to_workflow_files_would_be_refused(deployed, monkeypatch):
    """The seeded fault: a release commit that keeps its workflow files."""
    monkeypatch.setattr(deploy_branch, "WORKFLOWS", "nothing")
    folder = deployed.build("v0.3.0")
    publish.publish(deployed.root, folder, deployed.store)  # of the newest commit, so that it passes once
    deployed.promote("v0.3.0", "production")
    deployed.publish("v0.4.0")
    deployed.promote("v0.4.0", "production")
    with pytest.raises(ToolError):
        promotion.rollback(deployed.desired_state("production"), None, deployed.store)


@pytest.fixture
def older(project, monkeypatch):
    """Return a project with two releases that an older version published with their workflow files."""
    hook = project.origin / "hooks/pre-receive"
    hook.rename(hook.with_name("off"))
    with monkeypatch.context() as patch:
        patch.setattr(deploy_branch, "WORKFLOWS", "nothing")
        for version in ("v0.1.0", "v0.2.0"):
            project.publish(version)
            project.promote(version, "production")
    assert "refs/heads/deploy" in carries_workflows(project)
    hook.with_name("off").rename(hook)
    project.commit()
    return project


def test_a_rollback_to_a_release_that_was_published_with_workflow_files_passes_the_rule(older):
    promotion.rollback(older.desired_state("production"), None, older.store)
    assert "v0.1.0" == older.desired_state("production").read().release
    tagged, release = older.branch.tags["model#production#3"], older.branch.published("v0.1.0").commit
    assert tagged == gto(older)["stage"]["production"]
    assert f"{WORKFLOW}\n{WORKFLOWS}/nested/other.yaml" == older.git("diff", "--name-only", release, tagged)


def test_a_release_that_was_published_with_workflow_files_is_promoted_and_concluded(older):
    older.promote("v0.1.0", "staging")
    older.promote("v0.2.0", "staging")
    content = older.promote("v0.1.0", "production", CANARY)
    promotion.conclude(older.desired_state("production"), content, [])
    assert older.desired_state("production").is_concluded(content)
    assert "refs/heads/deploy" not in carries_workflows(older)
