"""How often the canary's gate is wrong, as it is shipped, on simulated traffic."""

from __future__ import annotations

import pytest
import yaml

from slipway.delivery import canary_power
from slipway.delivery.canary_power import CASES, STALLING, Case, Service

with open("params.yaml", encoding="utf-8") as _file:  # noqa: PTH123  the numbers as they are shipped
    LIMITS = yaml.safe_load(_file)["canary"]


def _ended(case: Case, count: int) -> list[tuple[str, int]]:
    return list(canary_power.measure(case, LIMITS, count, seed=7, processes=1))


@pytest.mark.parametrize("service", [Service(), STALLING], ids=["calm", "stalling"])
def test_of_500_equal_canaries_at_most_1_percent_are_rolled_back_and_none_is_held_up(service):
    outcomes = [outcome for outcome, _ in _ended(Case("", service, service, equal=True), 500)]
    assert 5 >= outcomes.count("refused")
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
    """Simulated; `slipway power --canary` tells more."""
    ended = _ended(Case("", canary), 40)
    assert 39 <= [outcome for outcome, _ in ended].count("refused")
    assert requests >= sorted(count for _, count in ended)[20]


def test_a_smaller_slowdown_is_found_where_steps_are_longer():
    """As shipped, for a laptop, the steps are too short: about half of these canaries pass."""
    ended = _ended(Case("", Service(median=0.003), step_seconds=60), 40)
    assert 32 <= [outcome for outcome, _ in ended].count("refused")


def test_the_power_command_tells_every_case_and_whether_it_keeps_its_level(capsys, monkeypatch):
    monkeypatch.setattr(canary_power, "CASES", (CASES[0], Case("a fault that nobody sees", Service())))
    assert not canary_power.run(3, 1)
    said = capsys.readouterr().out
    assert "Simulated: 3 canaries each" in said
    assert "a fault that nobody sees: rolled back 0.0%; at least 80% wanted" in said
