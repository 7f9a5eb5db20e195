"""The error rates of the canary gate with the default parameters, on simulated traffic."""

from __future__ import annotations

import pytest

from slipway.lab import canary_power
from slipway.lab.canary_power import CASES, STALLING, Case, Service
from slipway.settings import read_settings

LIMITS = read_settings().canary


def _outcomes(case: Case, count: int) -> list[tuple[str, int]]:
    return list(canary_power.measure(case, LIMITS, count, seed=7, processes=1))


@pytest.mark.parametrize("service", [Service(), STALLING], ids=["calm", "stalling"])
def test_at_most_1_percent_of_500_equal_canaries_are_rolled_back_and_none_is_inconclusive(service):
    outcomes = [outcome for outcome, _ in _outcomes(Case("", service, service, equal=True), 500)]
    assert outcomes.count("refused") <= 5
    assert 0 == outcomes.count("inconclusive")


@pytest.mark.parametrize(
    ("canary", "requests"),
    [
        (Service(errors=0.05), 600),
        (Service(errors=0.2), 200),
        (Service(median=0.004), 1000),
        (Service(predictions=(4, 6)), 300),
    ],
    ids=["errors 5%", "errors 20%", "latency 2 times", "predictions"],
)
def test_most_faulty_canaries_are_rolled_back_soon(canary, requests):
    """Simulated; `slipway power --canary` measures more cases."""
    outcomes = _outcomes(Case("", canary), 40)
    assert [outcome for outcome, _ in outcomes].count("refused") >= 39
    assert sorted(count for _, count in outcomes)[20] <= requests


def test_longer_steps_detect_a_smaller_slowdown():
    """The default steps, for a laptop, are too short: about half of these canaries pass."""
    outcomes = _outcomes(Case("", Service(median=0.003), step_seconds=60), 40)
    assert [outcome for outcome, _ in outcomes].count("refused") >= 32


def test_the_power_command_prints_the_rate_of_every_case_and_its_requirement(capsys, monkeypatch):
    monkeypatch.setattr(canary_power, "CASES", (CASES[0], Case("an undetectable fault", Service())))
    assert not canary_power.run(3, 1)
    output = capsys.readouterr().out
    assert "Simulated: 3 canaries each" in output
    assert "an undetectable fault: rolled back 0.0%; at least 80% required" in output
