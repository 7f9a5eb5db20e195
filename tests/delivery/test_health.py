"""A process is replaced after several failed checks in a row, and not before."""

from __future__ import annotations

import pytest

from slipway.agent import health


@pytest.fixture
def checked(monkeypatch):
    """Return whether a process with these results of its checks counts as hung, after three failures."""
    monkeypatch.setattr(health, "CHECK_INTERVAL_SECONDS", 0)
    answers: list[bool] = []
    monkeypatch.setattr(health.client, "is_reachable", lambda *_: answers.pop(0))
    checks = health.HealthChecks(1, 3)

    def check(*given: bool) -> bool:
        for answer in given:
            answers.append(answer)
            checks.check({"tag": "http://127.0.0.1:1"})
        return "tag" in checks.hung

    return check


@pytest.mark.parametrize(
    ("answers", "hung"),
    [
        ([True], False),
        ([False, False], False),
        ([False, False, True, False, False], False),
        ([False, False, False], True),
        ([False, False, False, True], False),
    ],
)
def test_only_consecutive_failures_count(checked, answers, hung):
    assert hung == checked(*answers)


def test_a_process_that_is_no_longer_checked_is_dropped(monkeypatch):
    monkeypatch.setattr(health, "CHECK_INTERVAL_SECONDS", 0)
    monkeypatch.setattr(health.client, "is_reachable", lambda *_: False)
    checks = health.HealthChecks(1, 1)
    checks.check({"first": "http://127.0.0.1:1"})
    checks.check({"second": "http://127.0.0.1:1"})
    assert {"second"} == checks.hung


def test_a_process_is_checked_at_most_once_a_second(monkeypatch):
    requested = []
    monkeypatch.setattr(health.client, "is_reachable", lambda url, _: requested.append(url) or True)
    checks = health.HealthChecks(1, 3)
    for _ in range(5):
        checks.check({"tag": "http://127.0.0.1:1"})
    assert 1 == len(requested)
