"""How an agent follows `deploy`: a problem is reported once, and the current release keeps serving."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from slipway.agent import follower, processes, supervision
from slipway.deployment import policy, promotion, waiting
from slipway.environment import client, state
from slipway.environment.environment import Environment
from slipway.environment.spec import Policy, path_of, render
from slipway.errors import NoReleaseError
from tests.delivery.conftest import CANARY, TIMEOUT_SECONDS, git

FILE = path_of("staging")


@pytest.fixture
def first(project, crew):
    """v0.1.0 serves."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    return crew


@pytest.fixture
def operator(project, first):
    """An operator's clone of `deploy`."""
    clone = project.root.parent / "operator"
    git(project.root.parent, "clone", "--quiet", "--branch", "deploy", str(project.origin), str(clone))
    return clone


def _push(project, content: bytes | None, *, force: bool = False) -> str:
    """Commit this content of the environment's file, and return the commit."""
    branch = project.branch
    tree = branch.git.tree(branch.head, {FILE: content})
    commit = branch.git.commit(tree, [] if force else [branch.head], "Break it")
    branch.git.run("push", "--quiet", "origin", f"{'+' if force else ''}{commit}:refs/heads/deploy")
    return commit


def _poll_repeatedly(crew) -> None:
    """Poll twice, and by a successor, which must not repeat a report."""
    for _ in range(2):
        crew.settle()
    crew.replace()
    crew.settle()


def _reports(crew, part: str) -> int:
    return sum(part in event for event in crew.events)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"release: 7\n", f"deploy:{FILE}: release: Input should be a valid string; `git revert` the commit"),
        (b"\xff\xfe\x00", f"deploy:{FILE}: not text in UTF-8; `git revert` the commit"),
        (None, f"deploy:{FILE}: missing; `slipway promote --environment staging` writes it"),
    ],
    ids=["wrong", "binary", "removed"],
)
def test_an_unreadable_file_is_reported_once_and_the_old_release_keeps_serving(project, first, content, problem):
    """The other faults of its text are those of `spec.parse`, in test_desired_state.py."""
    _push(project, content)
    _poll_repeatedly(first)
    assert "v0.1.0" == first.serves
    assert first.agent.state.problem.startswith(problem)
    assert 1 == _reports(first, problem)
    project.publish("v0.2.0")
    project.promote("v0.2.0")
    first.settle()
    assert ("v0.2.0", None) == (first.serves, first.agent.state.problem)


def test_a_deleted_branch_changes_nothing(project, first):
    project.git("push", "--quiet", "origin", ":refs/heads/deploy")
    _poll_repeatedly(first)
    assert "v0.1.0" == first.serves
    assert 1 == _reports(first, "has no branch deploy; ")


REWRITES = {
    "amended": lambda project: _push(project, project.git("show", f"origin/deploy:{FILE}").encode(), force=True),
    "reset": lambda project: project.git("push", "--quiet", "--force", "origin", "origin/deploy~1:refs/heads/deploy"),
}


@pytest.fixture
def rewritten(project, first, request):
    """Serve v0.2.0, rewrite the branch, and return its former commit."""
    project.publish("v0.2.0")
    project.promote("v0.2.0")
    first.settle()
    before = project.branch.head
    REWRITES[request.param](project)
    _poll_repeatedly(first)
    return before


@pytest.mark.parametrize("rewritten", REWRITES, indirect=True)
def test_a_rewritten_branch_is_reported_once_and_not_followed(project, first, rewritten):
    assert ("v0.2.0", rewritten) == (first.serves, first.agent.state.head)
    assert (
        f"does not descend from {rewritten[:9]}, which stays desired; push {rewritten[:9]} again"
        in first.agent.state.problem
    )
    assert 1 == _reports(first, "deploy was rewritten")


@pytest.mark.parametrize("rewritten", ["reset"], indirect=True)
def test_a_restored_branch_is_followed_again(project, first, rewritten):
    project.git("push", "--quiet", "--force", "origin", f"{rewritten}:refs/heads/deploy")
    first.settle()
    assert ("v0.2.0", None, None) == (first.serves, first.agent.state.problem, first.agent.state.rewritten)


@pytest.mark.parametrize("rewritten", ["reset"], indirect=True)
def test_a_rewritten_branch_is_followed_after_an_operator_confirms_it(project, first, rewritten):
    now = follower.accept_rewritten(first.place)
    first.settle()
    assert ("v0.1.0", now, None) == (first.serves, first.agent.state.head, first.agent.state.problem)


@pytest.mark.parametrize("rewritten", ["reset"], indirect=True)
def test_a_rewrite_that_was_not_confirmed_is_not_followed(project, first, rewritten):
    follower.accept_rewritten(first.place)
    project.git("push", "--quiet", "--force", "origin", "origin/deploy~2:refs/heads/deploy")
    first.settle()
    assert ("v0.2.0", rewritten) == (first.serves, first.agent.state.head)


def test_without_a_rewritten_branch_there_is_nothing_to_confirm(first):
    with pytest.raises(NoReleaseError, match="no rewritten branch deploy is reported; there is nothing to confirm"):
        follower.accept_rewritten(first.place)


def test_an_agent_that_starts_before_the_first_promotion_reports_no_recovery(project, crew):
    crew.settle()
    assert 1 == _reports(crew, "has no branch deploy yet")
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.agent.follower.poll()
    crew.agent._take_observation()
    assert (0, 1) == (_reports(crew, "readable again"), _reports(crew, "desired is v0.1.0"))


def test_without_its_remote_it_serves_reports_the_staleness_and_catches_up(project, first):
    fetched = first.agent.state.fetched
    project.origin.rename(project.origin.with_name("away"))
    _poll_repeatedly(first)
    assert ("v0.1.0", fetched) == (first.serves, first.agent.state.fetched)
    assert 1 == _reports(first, "not reached")
    project.origin.with_name("away").rename(project.origin)
    project.publish("v0.2.0")
    project.promote("v0.2.0")
    first.settle()
    assert ("v0.2.0", None) == (first.serves, first.agent.state.problem)
    assert fetched < first.agent.state.fetched


def test_a_corrupt_or_missing_mirror_is_fetched_again(project, first):
    for damage in (
        lambda mirror: [path.unlink() for path in (mirror / "objects").rglob("*") if path.is_file()],
        lambda mirror: subprocess.run(["rm", "-rf", str(mirror)], check=True),
        lambda mirror: (mirror / "refs/heads/deploy.lock").touch(),
    ):
        damage(first.place.mirror)
        project.publish(version := f"v0.{len(project.branch.versions()) + 1}.0")
        project.promote(version)
        first.until(lambda: first.agent.follower.poll().content and first.agent.reconcile())
        assert (version, None) == (first.serves, first.agent.state.problem)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("missing", "no such release"), ("tampered", "SHA-256 is"), ("crash", "it ended before it was ready")],
)
def test_a_bad_release_is_tried_once_reported_once_and_cleared_by_the_next_good_one(project, first, kind, reason):
    project.publish("v0.2.0", kind)
    project.promote("v0.2.0")
    stored = project.store.root / "v0.2.0"
    if kind == "missing":
        stored.rename(stored.with_name("elsewhere"))
    elif kind == "tampered":
        (stored / "kind").write_text("good")
    _poll_repeatedly(first)
    assert "v0.1.0" == first.serves
    assert reason in first.agent.state.bad.reason
    assert [1, 1] == [_reports(first, part) for part in ("installing v0.2.0", "v0.2.0 is bad and will not be retried")]
    assert int(kind == "crash") == _reports(first, "starting v0.2.0")
    project.publish("v0.3.0")
    project.promote("v0.3.0")
    first.settle()
    assert ("v0.3.0", None) == (first.serves, first.agent.state.bad)


def test_the_serving_release_is_restarted_while_another_one_does_not_become_ready(project, first):
    project.publish("v0.2.0", "deaf")
    project.promote("v0.2.0")
    first.agent.follower.poll()
    first.until(lambda: {"v0.1.0", "v0.2.0"} == {instance.release for instance in first.agent.state.instances})
    (old,) = [instance for instance in first.agent.state.instances if instance.release == "v0.1.0"]
    os.kill(old.pid, signal.SIGKILL)
    first.until(lambda: first.serves == "v0.1.0")
    assert first.agent.state.bad is None


def test_a_revert_to_a_served_release_needs_no_canary_even_without_a_stage_tag(project, first, operator):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    passed = project.desired_state("staging").read()
    first.agent.follower.poll()
    first.agent.reconcile()
    first.agent._confirm_serving(passed)
    project.publish("v0.3.0")
    project.promote("v0.3.0")
    first.settle()
    assert "v0.3.0" == first.serves
    _revert(operator, "HEAD")
    first.settle()
    assert (passed, "v0.2.0") == (first.agent.state.desired, first.serves)


def _revert(clone, *commits: str) -> None:
    git(clone, "pull", "--quiet", "--ff-only")
    git(clone, "revert", "--no-edit", *commits)
    git(clone, "push", "--quiet", "origin", "deploy")


def test_a_git_revert_serves_the_former_release_within_30_seconds(project, crew, monkeypatch):
    """With a real agent and only git: without training, build and store."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    url = supervision.detach(crew.place, TIMEOUT_SECONDS)
    waiting.until_served(Environment("staging"), project.desired_state("staging").read(), TIMEOUT_SECONDS)
    project.publish("v0.2.0")
    waiting.until_served(Environment("staging"), project.promote("v0.2.0"), TIMEOUT_SECONDS)
    clone = project.root.parent / "operator"
    git(project.root.parent, "clone", "--quiet", "--branch", "deploy", str(project.origin), str(clone))
    project.store.root.rename(project.store.root.with_name("away"))
    start = time.monotonic()
    _revert(clone, "HEAD")
    while "v0.1.0" != getattr(client.get_release(url), "version", None):
        assert time.monotonic() - start < 30, state.read(crew.place)
        time.sleep(0.05)
    print(f"{time.monotonic() - start:.1f} s")


def test_an_agent_whose_remote_hangs_keeps_healing(project, crew, monkeypatch):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 60 #")
    project.git("remote", "set-url", "origin", "ssh://nowhere/project.git")
    url = supervision.detach(crew.place, TIMEOUT_SECONDS)
    (instance,) = state.read(crew.place).instances
    processes.kill([instance.pid])
    start = time.monotonic()
    while state.read(crew.place).instances in ([], [instance]) or not client.is_ok(f"{url}/release"):
        assert time.monotonic() - start < TIMEOUT_SECONDS
        time.sleep(0.05)
    assert time.monotonic() - start < 8


@pytest.fixture
def approving(project, crew):
    """v0.1.0 serves, v0.2.0 is published, and the policy requires an approval."""
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
    project.promote("v0.1.0")
    desired = project.desired_state()
    desired.change(desired.read().model_copy(update={"policy": Policy(approval=True)}), "Set the policy", number=None)
    crew.settle()
    return crew


def _edit(project, **changes) -> None:
    """Name v0.2.0 in the file by hand, as no command does."""
    chosen = project.branch.published("v0.2.0")
    facts = {"release": "v0.2.0", "digest": chosen.digest, "commit": chosen.built_from}
    content = project.desired_state().read().model_copy(update={**facts, **changes})
    _push(project, render("staging", content).encode())


@pytest.mark.parametrize("changes", [{}, {"policy": None}, {"promotion": 2}], ids=["", "without policy", "new number"])
def test_an_edit_by_hand_that_the_policy_forbids_is_reported_and_not_served(project, approving, changes):
    _edit(project, **changes)
    _poll_repeatedly(approving)
    assert 1 == _reports(approving, "v0.2.0 has no approval, which the policy requires; `slipway approve --environment")
    assert "v0.1.0" == approving.serves


def test_an_approval_allows_what_was_refused(project, approving):
    _edit(project)
    approving.settle()
    assert "v0.1.0" == approving.serves
    policy.approve(project.desired_state(), "v0.2.0")
    approving.agent.follower.poll()
    approving.until(lambda: approving.serves == "v0.2.0")


def test_a_rollback_under_a_policy_needs_no_approval(project, approving):
    policy.approve(project.desired_state(), "v0.2.0")
    promotion.promote(project.desired_state(), "v0.2.0", project.store, forward=True)
    approving.agent.follower.poll()
    approving.until(lambda: approving.serves == "v0.2.0")
    promotion.rollback(project.desired_state(), None, project.store)
    approving.agent.follower.poll()
    approving.until(lambda: approving.serves == "v0.1.0")
