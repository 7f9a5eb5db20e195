"""A canary behind a real gateway, against a baseline of the same age; the services are stubs."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager

import pytest

from slipway.gates import Outcome, Verdict, canary_progress
from slipway.loadtest import traffic
from tests.delivery.conftest import AGENT, CANARY, CANARY_SECTION

PARAMS = {"agent": AGENT, "canary": CANARY, "loadtest": {"hosts": []}, "seed": 1}
ROWS = [{"x": 1}, {"x": 2.5}]


@pytest.fixture
def first(project, crew):
    """v0.1.0 serves."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    return crew


@contextmanager
def loaded(crew, rate=200):
    """Send requests during the block."""
    with traffic.sending(crew.agent.url, ROWS, rate, 1) as answers:
        yield answers


def try_out(project, crew, kind="good", *, rate=200, **changes) -> traffic.Responses:
    """Promote v0.2.0 of this kind as a canary, and reconcile until it has ended."""
    project.publish("v0.2.0", kind)
    crew.agent.canary = CANARY_SECTION.model_copy(update=changes)
    project.promote("v0.2.0", canary={**CANARY, **changes})
    crew.agent.follower.poll()
    with loaded(crew, rate) if rate else loaded(crew, 1) as answers:
        crew.until(lambda: crew.agent.reconcile())
    return answers


def test_a_canary_takes_over_in_steps_and_no_request_fails(project, first):
    answers = try_out(project, first)
    assert ("v0.2.0", "passed") == (first.serves, first.agent.state.canary.outcome)
    assert 0 == answers.failed, answers.failures
    reported = [text for text in first.events if "canary" in text]
    assert [
        "v0.2.0 is a canary: 25% of the requests",
        "v0.2.0 is a canary: 50% of the requests",
        "the canary v0.2.0 passed",
    ] == reported
    assert ["v0.2.0"] == [instance.release for instance in first.agent.state.instances]


@pytest.mark.parametrize(
    ("kind", "outcome", "gate"),
    [
        ("failing", "refused", "canary: errors"),
        ("slow", "refused", "canary: latency"),
        ("other", "refused", "canary: predictions"),
        ("mute", "inconclusive", "no metrics of the canary"),
        ("nan", "inconclusive", "metrics of the canary are not finite numbers"),
    ],
)
def test_a_canary_with_a_fault_is_rolled_back_and_the_old_release_keeps_serving(project, first, kind, outcome, gate):
    try_out(project, first, kind, hold_seconds=8 if outcome == "refused" else 1)
    assert ("v0.1.0", outcome) == (first.serves, first.agent.state.canary.outcome)
    assert gate in first.agent.state.bad.reason
    assert ["v0.1.0"] == [instance.release for instance in first.agent.state.instances]


@pytest.mark.parametrize(
    ("column", "outcome", "reason"),
    [
        ("x", "refused", "refused: canary: errors: fails more often than the baseline"),
        ("y", "inconclusive", "inconclusive: canary: "),
    ],
)
def test_a_breaking_change_of_the_contract_is_named(project, first, monkeypatch, column, outcome, reason):
    """Each side answers by its own contract; clients of the old one must not be lost silently."""
    monkeypatch.setattr(sys.modules[__name__], "ROWS", [{column: 1}, {column: 2.5}])
    answers = try_out(project, first, "renamed", hold_seconds=8 if outcome == "refused" else 1)
    assert ("v0.1.0", outcome) == (first.serves, first.agent.state.canary.outcome)
    assert first.agent.state.bad.reason.startswith(reason)
    assert first.agent.state.bad.reason.endswith("the contract changes: clients must stop sending `x`; send `y`")
    assert "v0.2.0 changes the contract: clients must stop sending `x`; send `y`" in first.events
    assert {"status 422"} == {failure.split(" ", 1)[1] for failure in answers.failures}
    assert {"v0.1.0" if column == "x" else "v0.2.0"} == set(answers.releases)


@pytest.mark.parametrize(("gate", "is_named"), [("latency", False), ("errors", True), ("predictions", True)])
def test_only_a_fault_that_the_contract_can_cause_is_blamed_on_it(gate, is_named):
    change = "read predictions of `z`, not of `y`"
    verdict = Verdict(f"canary: {gate}", Outcome.FAIL, "e-value < 300", "9", "differs")
    progress = canary_progress.begin(1, 0.0, [change]).model_copy(update={"verdicts": (verdict,)})
    reason = canary_progress.failure_reason(progress)
    assert is_named == reason.endswith(f"; the contract changes: clients must {change}")


def test_without_requests_it_ends_inconclusive(project, first):
    try_out(project, first, rate=0, hold_seconds=0.5)
    assert ("v0.1.0", "inconclusive") == (first.serves, first.agent.state.canary.outcome)
    assert "too few responses for a verdict" in first.agent.state.bad.reason


def test_the_baseline_has_the_age_of_the_canary(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    ages = {instance.role + instance.release: instance.since for instance in first.agent.state.instances}
    assert abs(ages["mainv0.2.0"] - ages["baselinev0.1.0"]) < 1
    assert {"mainv0.1.0", "mainv0.2.0", "baselinev0.1.0"} == set(ages)


def test_a_canary_whose_service_ends_is_rolled_back(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    (instance,) = [instance for instance in first.agent.state.instances if instance.release == "v0.2.0"]
    os.kill(instance.pid, signal.SIGKILL)
    first.until(first.agent.reconcile)
    assert ("v0.1.0", "refused") == (first.serves, first.agent.state.canary.outcome)
    assert "its service ended" in first.agent.state.bad.reason


def test_a_canary_that_does_not_start_is_refused(project, first):
    try_out(project, first, "crash", rate=0)
    assert "v0.1.0" == first.serves
    assert "it ended before it was ready" in first.agent.state.bad.reason


def test_a_succeeding_agent_continues_the_canary(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    with loaded(first) as answers:
        first.until(lambda: first.agent.state.canary and first.agent.state.canary.evidence.windows > 1)
        before, running = first.agent.state.canary.evidence.canary.requests, first.running
        first.replace()
        assert before == first.agent.state.canary.evidence.canary.requests
        assert running == first.running
        first.settle()
    assert ("v0.2.0", 0) == (first.serves, answers.failed)


def test_an_agent_without_state_repeats_a_canary_that_git_has_not_concluded(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    first.place.state.write_text("{")
    first.replace()
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    assert "v0.1.0" == first.agent.state.serving.release
    assert {"v0.1.0", "v0.2.0"} == {instance.release for instance in first.agent.state.instances}


def test_a_concluded_canary_serves_all_requests_without_steps(project, first):
    project.publish("v0.2.0")
    content = project.promote("v0.2.0", canary=CANARY)
    project.desired_state("staging").conclude(content, "Promote v0.2.0 to staging")
    first.settle()
    assert ("v0.2.0", None) == (first.serves, first.agent.state.canary)


def test_answers_to_copied_requests_are_compared_and_never_sent_to_clients(project, first):
    answers = try_out(project, first, "other", shadow_percent=100, hold_seconds=8)
    progress = first.agent.state.canary
    assert ("refused", 0) == (progress.outcome, progress.step)
    assert {"v0.1.0"} == set(answers.releases)
    assert 0 < progress.shadow["compared"]
    assert (0, 495) == (progress.shadow["equal"], progress.shadow["largest"])


def test_the_steps_follow_the_copied_requests(project, first):
    try_out(project, first, shadow_percent=50)
    assert "v0.2.0" == first.serves
    assert "v0.2.0 is a canary: copies of requests" in first.events
    counts = first.agent.state.canary.shadow
    assert 0 < counts["compared"] == counts["equal"], counts
