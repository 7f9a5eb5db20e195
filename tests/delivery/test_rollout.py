"""A canary from the command line, and its record in git, independent of which process waited for it."""

from __future__ import annotations

import json
import re

import pytest

from slipway.deployment import promotion
from slipway.environment import client
from slipway.environment.environment import Environment
from slipway.environment.spec import Baseline
from slipway.errors import RemoteMovedError
from tests.delivery.conftest import CANARY

PRODUCTION = ("--environment", "production")


@pytest.fixture
def production(project, slipway):
    """An agent that serves v0.1.0, the first release, which needs no canary."""
    project.publish("v0.1.0")
    slipway("agent", *PRODUCTION, "--detach")
    output = slipway("promote", *PRODUCTION, "--release", "v0.1.0")
    assert "canary" not in output
    return project


def _message(project, revision="deploy") -> str:
    project.git("fetch", "--quiet", "origin", "deploy", "--tags")
    return project.git("log", "-1", "--format=%B", f"origin/{revision}")


def _stages(project) -> list[str]:
    return sorted(name for name in project.branch.tags if "#production#" in name)


def test_a_canary_that_passes_gets_its_stage_tag_with_the_evidence(production, slipway):
    production.publish("v0.2.0")
    output = slipway("promote", *PRODUCTION, "--release", "v0.2.0")
    assert "production: the canary v0.2.0 passed" in output
    assert " 0 failed: " in output
    assert "production: serves v0.2.0" in output
    assert ["model#production#1", "model#production#2"] == _stages(production)
    production.git("fetch", "--quiet", "origin", "--tags")
    tag = production.git("tag", "--list", "--format=%(contents)", "model#production#2")
    assert tag.startswith("Promote v0.2.0 to production\n\ncanary: metrics: pass")
    assert "canary: errors: pass (0.00% of" in tag
    result = json.loads((production.root / "results/canary.json").read_text())
    assert ("passed", "v0.1.0", 0) == (
        result["evidence"]["outcome"],
        result["evidence"]["replaces"],
        result["evidence"]["synthetic"]["failed"],
    )


def test_a_canary_that_fails_is_rolled_back_by_a_commit_with_the_evidence(production, slipway):
    production.publish("v0.2.0", "failing")
    before = production.branch.head
    output = slipway("promote", *PRODUCTION, "--release", "v0.2.0", expected=2)
    assert "production: v0.2.0 was rolled back to v0.1.0: refused: canary: errors: fails more often" in output
    message = _message(production)
    assert message.startswith("Roll production back to v0.1.0\n\nThis reverts commit")
    assert "canary: errors: fail (" in message
    assert "v0.1.0" == production.desired_state("production").read().release
    assert production.desired_state("production").read() == production.desired_state("production").read(before)
    assert ["model#production#1"] == _stages(production)
    assert "fail" == json.loads((production.root / "results/canary.json").read_text())["verdicts"][2]["outcome"]


def test_a_release_that_does_not_start_is_rolled_back_too(production, slipway):
    production.publish("v0.2.0", "crash")
    output = slipway("promote", *PRODUCTION, "--release", "v0.2.0", expected=2)
    assert "production: v0.2.0 was rolled back to v0.1.0: v0.2.0: it ended before it was ready" in output
    assert "v0.1.0" == production.desired_state("production").read().release


def test_a_later_promotion_records_the_result(production, slipway):
    production.publish("v0.2.0")
    slipway("promote", *PRODUCTION, "--release", "v0.2.0", "--no-wait")
    assert ["model#production#1"] == _stages(production)
    assert "the canary v0.2.0 passed" in slipway("promote", *PRODUCTION, "--release", "v0.2.0")
    assert ["model#production#1", "model#production#2"] == _stages(production)
    assert "is already the desired release" in slipway("promote", *PRODUCTION, "--release", "v0.2.0")


def test_a_hotfix_needs_no_canary(production, slipway):
    production.publish("v0.2.0")
    slipway("promote", *PRODUCTION, "--release", "v0.2.0", "--no-canary")
    assert production.desired_state("production").read().canary is None
    assert ["model#production#1", "model#production#2"] == _stages(production)


def test_a_rollback_aborts_a_canary_and_its_number_is_not_reused(production, slipway):
    production.publish("v0.2.0")
    slipway("promote", *PRODUCTION, "--release", "v0.2.0", "--no-wait")
    slipway("rollback", *PRODUCTION)
    assert ("v0.1.0", 1) == (lambda now: (now.release, now.promotion))(production.desired_state("production").read())
    assert ["model#production#1"] == _stages(production)
    assert 3 == production.promote("v0.2.0", "production", CANARY).promotion


def test_a_promotion_ends_when_no_other_release_gets_requests(production, slipway):
    """The next request, for example of a smoke test, must not reach the previous release."""
    production.publish("v0.2.0")
    slipway("promote", *PRODUCTION, "--release", "v0.2.0")
    url = Environment("production").url
    assert {"v0.2.0"} == {client.get_release(url).version for _ in range(50)}


def test_status_has_the_canary(production, slipway):
    production.publish("v0.2.0", "failing")
    slipway("promote", *PRODUCTION, "--release", "v0.2.0", expected=2)
    output = slipway("status")
    # The releases are named until both services of the canary have stopped.
    assert re.search("canary of promotion 2(, v0.2.0 against v0.1.0)?: refused", output), output
    assert "canary: errors: fail" in output


def _promoted(project, *versions: str) -> None:
    for version in versions:
        project.publish(version)


def test_a_promotion_during_a_canary_is_compared_with_what_serves(project):
    _promoted(project, "v0.1.0", "v0.2.0", "v0.3.0")
    project.promote("v0.1.0", "production", CANARY)
    project.promote("v0.2.0", "production", CANARY)
    assert "v0.1.0" == project.promote("v0.3.0", "production", CANARY).canary.baseline.release


def test_a_rollback_never_goes_to_a_canary_that_did_not_pass(project):
    _promoted(project, "v0.1.0", "v0.2.0", "v0.3.0")
    project.promote("v0.1.0", "production")
    project.promote("v0.2.0", "production", CANARY)
    project.promote("v0.3.0", "production")
    assert "v0.1.0" == promotion.rollback(project.desired_state("production"), None, project.store).release


def test_the_end_of_a_canary_that_was_overtaken_changes_nothing(project):
    _promoted(project, "v0.1.0", "v0.2.0", "v0.3.0")
    project.promote("v0.1.0", "production")
    overtaken = project.promote("v0.2.0", "production", CANARY)
    project.promote("v0.3.0", "production", CANARY)
    head = project.branch.head
    assert "v0.3.0" == promotion.abort(project.desired_state("production"), overtaken, [])
    with pytest.raises(RemoteMovedError, match="a newer promotion replaced v0"):
        promotion.conclude(project.desired_state("production"), overtaken, [])
    assert head == project.branch.head


def test_a_canary_is_readable_in_git(project):
    _promoted(project, "v0.1.0", "v0.2.0")
    first = project.promote("v0.1.0", "production", CANARY)
    second = project.promote("v0.2.0", "production", CANARY)
    assert first.canary is None
    assert Baseline(**first.model_dump(include=set(Baseline.model_fields))) == second.canary.baseline
    assert second == project.desired_state("production").read()
