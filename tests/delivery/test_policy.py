"""Approval and soak time: neither an agent nor Argo CD gets a promotion that the policy does not allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slipway.agent.follower import Follower
from slipway.deployment import policy, promotion
from slipway.environment import manifests
from slipway.environment.spec import Policy, parse, render
from slipway.errors import NotReadyError

APPROVAL, SOAK = Policy(approval=True), Policy(soak_hours=24)


@pytest.fixture
def production(project):
    """Return the project with v0.1.0 in staging and production, and v0.2.0 published."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    project.promote("v0.1.0", "production")
    project.publish("v0.2.0")
    return project


def _set(project, chosen: Policy) -> None:
    state = project.desired_state("production")
    state.change(state.read().model_copy(update={"policy": chosen}), "Set the policy\n", number=None)


def _promote(project):
    state = project.desired_state("production")
    return promotion.promote(state, "v0.2.0", project.store, forward=True)


def _require(project, later: timedelta) -> None:
    state = project.desired_state("production")
    policy.require(state, state.branch.published("v0.2.0"), SOAK, datetime.now(UTC) + later)


def test_a_promotion_waits_for_an_approval_that_rollbacks_do_not_need(production):
    _set(production, APPROVAL)
    before = production.branch.head
    with pytest.raises(NotReadyError, match="needs an approval; run `slipway approve --environment production"):
        _promote(production)
    assert (
        before == production.desired_state("production").branch.head
    )  # neither the file for the agent nor the manifests for Argo CD
    commit = policy.approve(production.desired_state("production"), "v0.2.0")
    assert commit == policy.approve(production.desired_state("production"), "v0.2.0")
    assert ("v0.2.0", APPROVAL) == (_promote(production).release, production.desired_state("production").read().policy)
    back = promotion.rollback(production.desired_state("production"), None, production.store)
    assert ("v0.1.0", APPROVAL) == (back.release, back.policy)


def test_an_approval_counts_for_one_release_in_one_environment_and_outlives_a_publication(production):
    policy.approve(production.desired_state("staging"), "v0.2.0")
    policy.approve(production.desired_state("production"), "v0.1.0")
    _set(production, APPROVAL)
    with pytest.raises(NotReadyError):
        _promote(production)
    policy.approve(production.desired_state("production"), "v0.2.0")
    production.publish("v0.3.0")
    assert "v0.2.0" == _promote(production).release


def test_a_release_soaks_in_staging_for_the_hours_of_the_policy(production):
    with pytest.raises(NotReadyError, match="must soak in staging for 1 day, 0:00:00, and is not its desired release"):
        _require(production, timedelta(days=9))
    production.promote("v0.2.0")
    with pytest.raises(NotReadyError, match="soaks in staging until"):
        _require(production, timedelta(hours=23))
    _require(production, timedelta(hours=25))
    production.promote("v0.1.0")
    production.promote("v0.2.0")  # the time starts again
    with pytest.raises(NotReadyError, match="soaks in staging until"):
        _require(production, timedelta(hours=23))


def test_a_canary_in_staging_does_not_soak(production):
    production.promote("v0.2.0", canary={"steps": [10], "shadow_percent": 0})
    with pytest.raises(NotReadyError, match="is not its desired release"):
        _require(production, timedelta(days=9))


def test_the_policy_is_part_of_the_file_and_of_no_manifest(production):
    _set(production, SOAK)
    content = production.desired_state("production").read()
    assert content == parse(render("production", content), "here")
    assert all("soak" not in kind.template for kind in manifests.KINDS)
    assert "policy" not in render("production", content.release_state)


@pytest.fixture
def ago(monkeypatch):
    """Let the next commits have a time so many hours ago; zero ends it."""

    def set_time(hours: float) -> None:
        time = datetime.now(UTC) - timedelta(hours=hours)
        if hours:
            monkeypatch.setenv("GIT_COMMITTER_DATE", time.isoformat())
        else:
            monkeypatch.delenv("GIT_COMMITTER_DATE")

    return set_time


def _edit(project, **changes):
    """Name v0.2.0 in the file of production by hand, and return what the agent observes."""
    state = project.desired_state("production")
    chosen = project.branch.published("v0.2.0")
    facts = {"release": "v0.2.0", "digest": chosen.digest, "commit": chosen.built_from}
    content = render("production", state.read().model_copy(update=facts | changes)).encode()
    commit = state.branch.git.commit(
        state.branch.tree(state.branch.head, {state.path: content}), [state.branch.head], "Edit"
    )
    state.branch.push(commit, {})
    return _observed(project)


def _observed(project):
    return Follower(project.root / "build/mirror", str(project.origin), "production").poll()


@pytest.mark.parametrize(
    "changes", [{}, {"policy": None}, {"policy": Policy(soak_hours=1)}], ids=["", "no policy", "shorter"]
)
def test_an_edit_by_hand_before_a_release_has_soaked_is_refused(production, ago, changes):
    _set(production, SOAK)
    ago(23)
    production.promote("v0.2.0")
    ago(0)
    observed = _edit(production, **changes)
    assert observed.content is None
    assert (
        "v0.2.0 has soaked in staging for 23.0 of the 24 hours that the policy requires; wait, or" in observed.problem
    )


def test_an_edit_by_hand_after_a_release_has_soaked_is_allowed_although_staging_moved_on(production, ago):
    _set(production, SOAK)
    ago(25)
    production.promote("v0.2.0")
    ago(0)
    production.promote("v0.1.0")
    assert "v0.2.0" == _edit(production).content.release


def test_times_in_staging_with_another_release_between_are_not_added(production, ago):
    _set(production, SOAK)
    for hours, version in ((40, "v0.2.0"), (20, "v0.1.0"), (15, "v0.2.0")):
        ago(hours)
        production.promote(version)
    ago(0)
    assert "v0.2.0 has soaked in staging for 20.0 of" in _edit(production).problem


def test_a_canary_in_staging_soaks_for_the_agent_once_it_has_passed(production, ago):
    _set(production, SOAK)
    ago(30)
    production.promote("v0.2.0", canary={"steps": [10], "shadow_percent": 0})
    ago(0)
    assert "v0.2.0 has soaked in staging for 0.0 of" in _edit(production).problem
    staging = production.desired_state("staging")
    staging.conclude(staging.read(), "The canary has passed")
    assert "v0.2.0" == _observed(production).content.release


def test_a_rollback_by_hand_needs_no_soak_time(production, ago):
    production.promote("v0.2.0")
    production.promote("v0.2.0", "production")
    production.promote("v0.1.0", "production")
    _set(production, SOAK)
    assert "v0.2.0" == _edit(production).content.release
