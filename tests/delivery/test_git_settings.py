"""Delivery does not depend on the user's git settings, variables, hooks and signed commits."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from slipway.agent import status
from slipway.deployment import promotion
from slipway.environment.desired_state import DesiredState
from slipway.environment.environment import Environment
from slipway.environment.spec import path_of
from slipway.errors import ToolError, UnreadableFileError
from slipway.git import GitReadError
from slipway.history.entries import History
from slipway.release import publish
from slipway.release.build import Source
from slipway.release.evidence import in_use
from slipway.release.store.folder import FolderStore
from tests import hostile_git
from tests.delivery.conftest import Project, create, settle


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a project that promoted three releases to production, created once."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        settle(folder, patch)
        project = create(folder)
        patch.chdir(project.root)
        for version in ("v0.1.0", "v0.2.0", "v0.3.0"):
            project.publish(version)
            project.promote(version, "production")
    return folder


@pytest.fixture
def three(made, tmp_path, monkeypatch):
    """Return a copy of that project for one test."""
    folder = shutil.copytree(made, tmp_path / "made")
    settle(folder, monkeypatch)
    project = Project(folder / "project", folder / "origin.git", FolderStore(folder / "store"))
    project.git("remote", "set-url", "origin", str(project.origin))
    monkeypatch.chdir(project.root)
    return project


@pytest.fixture
def reverted(three):
    """Revert the newest promotion with a signed commit, like those of GitHub's web page."""
    three.git("fetch", "--quiet", "origin", "deploy")
    three.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    three.git(*hostile_git.signer(three.root.parent), "revert", "--no-edit", "HEAD")
    assert "gpgsig" in three.git("cat-file", "commit", "HEAD")
    three.git("push", "--quiet", "origin", "HEAD:deploy")
    three.git("checkout", "--quiet", "main")
    return three


def read_all(project) -> dict[str, object]:
    """Return everything that delivery reads from git, with a trained model and without an agent."""
    branch = project.branch
    production = status.status(project.root)["environments"]["production"]
    return {
        "status": [[entry["time"], entry["subject"], entry["release"]] for entry in production["history"]],
        "history": [
            (promotion_.commit, promotion_.author, promotion_.time, promotion_.content, promotion_.problem)
            for promotion_ in DesiredState(branch, "production").history()
        ],
        "entries": History(branch.git, project.store).entries(5),
        "diff": History(branch.git, project.store).diff("v0.1.0", "v0.3.0").model_dump(),
        "next": DesiredState(branch, "production").next_assignment(),
        "in use": in_use(DesiredState(branch, "production")),
        "published": [branch.published(version) for version in branch.versions()],
        "built": Source.read(project.root).committed,
    }


def _production(content: dict) -> dict:
    return content["environments"]["production"]


def test_the_users_settings_change_nothing_and_a_rollback_goes_back(reverted, monkeypatch):
    plain = read_all(reverted)
    hostile_git.apply(reverted.root.parent / "user", monkeypatch)
    assert plain == read_all(reverted)
    rolled = promotion.rollback(reverted.desired_state("production"), None, reverted.store)
    assert ("v0.1.0", rolled) == (rolled.release, reverted.desired_state("production").read())
    assert 5 == len(reverted.desired_state("production").history())


def test_publishing_and_promoting_work_under_these_settings(project, monkeypatch):
    folder = project.build("v0.1.0")
    hostile_git.apply(project.root.parent / "user", monkeypatch)
    built = publish.publish(project.root, folder, project.store)
    project.promote("v0.1.0", "production")
    desired = project.desired_state("production")
    assert (built.digest, 1) == (desired.read().digest, len(desired.history()))


# Unreadable files on the branch.


def write(project, content: bytes, message: str = "Edit by hand") -> str:
    """Commit production's file by hand, like an operator, and return the commit."""
    branch = project.branch
    tree = branch.git.tree(branch.head, {path_of("production"): content})
    commit = branch.git.commit(tree, [branch.head], message)
    branch.git.push("origin", f"{commit}:refs/heads/deploy")
    return commit


@pytest.mark.parametrize("content", [b"release: [", b"release: v9.9.9\nunknown: 1\n", b"", b"\xff"])
def test_an_unreadable_state_stops_a_rollback_across_it(three, content):
    broken = write(three, content)
    for _ in range(2):  # as the newest commit, and with a promotion on top of it
        before = three.branch.head
        with pytest.raises(UnreadableFileError, match=f"commit {broken[:12]}: deploy:environments/production.yaml: "):
            promotion.rollback(three.desired_state("production"), None, three.store)
        assert before == three.branch.head
        three.promote("v0.2.0", "production")


def test_a_rollback_may_cross_a_reverted_state(three):
    good = three.branch.git.read(three.branch.head, path_of("production"))
    write(three, b"release: [")
    write(three, good, "Revert")
    assert "v0.2.0" == promotion.rollback(three.desired_state("production"), None, three.store).release


def test_a_release_that_an_unreadable_state_may_name_is_not_deleted(three):
    write(three, b"release: [")
    three.promote("v0.3.0", "production")
    with pytest.raises(UnreadableFileError, match="not YAML"):
        in_use(three.desired_state("production"))


def test_status_and_history_report_an_unreadable_state_with_its_reason(three):
    write(three, b"release: [")
    three.promote("v0.3.0", "production")
    (newest, broken, *_) = _production(status.status(three.root))["history"]
    assert ("v0.3.0", None) == (newest["release"], broken["release"])
    assert broken["evidence"][0].startswith("deploy:environments/production.yaml: not YAML")
    decided = [line for entry in History(three.branch.git, three.store).entries(5) for line in entry.decisions]
    assert any("replaced by an unreadable environment file" in line for line in decided)


def test_an_unreadable_history_is_reported_and_not_empty(three):
    branch = three.branch
    (first, *_) = DesiredState(branch, "production").history()[::-1]
    blob = branch.git.entries(first.commit, path_of("production"))[path_of("production")].id
    (three.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert any(blob in problem for problem in _production(status.status(three.root))["troubles"])


def test_a_shallow_history_stops_a_rollback(three, tmp_path):
    promotion.rollback(three.desired_state("production"), None, three.store)
    clone = tmp_path / "shallow"
    options = ["--quiet", "--depth=2", "--branch=deploy", "--no-single-branch"]
    subprocess.run(["git", "clone", *options, f"file://{three.origin}", str(clone)], check=True)
    with pytest.raises(GitReadError, match="this clone is shallow; run `git fetch --unshallow origin deploy`"):
        promotion.rollback(Environment("production", clone).fetch(), None, three.store)
    subprocess.run(["git", "fetch", "--quiet", "--unshallow", "origin", "deploy"], cwd=clone, check=True)
    assert "v0.1.0" == promotion.rollback(Environment("production", clone).fetch(), None, three.store).release


def test_a_missing_object_stops_every_reader(three):
    desired = three.desired_state("production")
    first = desired.history()[-1].commit
    blob = desired.branch.git.entries(first, path_of("production"))[path_of("production")].id
    (three.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    for read in (desired.history, desired.next_assignment):
        with pytest.raises(GitReadError, match=blob):
            read()


# Refused pushes.

CANARY = {"steps": [50], "shadow_percent": 0}
WORDS = """\
error: GH013: Repository rule violations found for refs/heads/deploy.
- Cannot update this ref.
error: GH001: Large files detected.
error: File model is 123.00 MB; the limit is 100.00 MB
"""


@pytest.mark.parametrize("step", ["publish", "promote", "rollback", "conclude"])
def test_every_refused_push_quotes_the_remote(three, step):
    built, content = three.build("v0.4.0"), three.desired_state("production").read()
    steps = {
        "publish": lambda: publish.publish(three.root, built, three.store),
        "promote": lambda: three.promote("v0.1.0", "production"),
        "rollback": lambda: promotion.rollback(three.desired_state("production"), None, three.store),
        "conclude": lambda: promotion.conclude(three.desired_state("production"), content, []),
    }
    if step == "conclude":
        three.promote("v0.1.0", "production", canary=CANARY)
        content = three.desired_state("production").read()
    hostile_git.program(three.origin / "hooks/pre-receive", f"cat >&2 <<'END'\n{WORDS}END\nexit 1")
    refs = three.branch.tags, three.branch.head
    with pytest.raises(ToolError, match=r"refused the push to .*: pre-receive hook declined") as error:
        steps[step]()
    assert all(f"remote: {line}" in str(error.value) for line in WORDS.splitlines())
    assert refs == (three.branch.tags, three.branch.head)
