"""The number of git processes of a step does not grow with the releases and promotions."""

from __future__ import annotations

import pytest

from slipway.agent.follower import Follower
from slipway.environment.desired_state import DesiredState
from slipway.git import client
from slipway.release import evidence
from tests.simulate_growth import Counter, edit_by_hand, grow

RELEASES = 30
PROCESSES_MAX = 15


@pytest.fixture
def processes(project, monkeypatch) -> Counter:
    """Return the counter of git's processes; each release of the project is promoted to staging."""
    grow(project, RELEASES)
    counter = Counter()
    monkeypatch.setattr(client, "execute", counter.wrap(client.execute))
    return counter


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda branch: len(branch.releases()), RELEASES),
        (lambda branch: branch.version_of(f"c{2:039x}"), "v0.2.0"),
        (lambda branch: len(DesiredState(branch, "staging").history()), RELEASES - 1),
        (lambda branch: DesiredState(branch, "staging").next_assignment(), RELEASES + 1),
        (lambda branch: len(evidence.in_use(DesiredState(branch, "staging"))), evidence.VERSIONS_IN_USE_MIN),
    ],
    ids=["releases", "release of a commit", "history", "next promotion", "releases in use"],
)
def test_a_reader_of_deploy_starts_few_processes(project, processes, step, expected):
    branch = project.branch
    before = processes.count
    assert expected == step(branch)
    assert processes.count - before <= PROCESSES_MAX


def test_a_poll_that_refuses_a_commit_starts_few_processes(project, processes, tmp_path):
    edit_by_hand(project)
    before = processes.count
    observed = Follower(tmp_path / "mirror", str(project.origin), "production").poll()
    assert "has soaked in staging for" in observed.problem
    assert processes.count - before <= 2 * PROCESSES_MAX
