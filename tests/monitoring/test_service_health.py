"""Production is held against the load test that is kept beside its release; without one, it is not called well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from slipway.delivery.evidence import keep
from slipway.delivery.store import FolderStore
from slipway.gates import Outcome, Verdict
from slipway.monitoring import gates
from slipway.monitoring.job import proved
from slipway.monitoring.power import GOOD, LOAD
from slipway.monitoring.questions import health
from slipway.monitoring.reference import Promise
from slipway.results import JobResult
from slipway.settings import read_params

LIMITS = read_params()["monitoring"]
BUILT = datetime(2026, 1, 1, tzinfo=UTC)


def verdict(service, load=LOAD) -> Verdict:
    promise = Promise("v0.1.0", BUILT, {}, {}, load)
    look = SimpleNamespace(
        window=SimpleNamespace(service=service), limits=LIMITS, reference=SimpleNamespace(promise=promise)
    )
    return gates.judge("health", health.evidence(look), LIMITS)


def test_a_service_that_does_as_its_load_test_said_is_well():
    assert Outcome.PASS == verdict(GOOD).outcome


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"p50_milliseconds": 40.0}, "p50 40 ms, at most 25 ms; 2 ms in the load test"),
        ({"p99_milliseconds": 60.0}, "p99 60 ms, at most 45 ms; 15 ms in the load test"),
        ({"peak_rate": 180.0}, "180 requests/s at the busiest, 200 were load tested"),
        ({"errors": 2_500}, "5.00% of the requests failed"),
        ({"refused": 10_000}, "20.00% broke the contract"),
        ({"lost_rows": 20_000}, "20,000 rows not logged"),
    ],
)
def test_a_fault_is_told_with_what_the_load_test_showed(fault, said):
    found = verdict(replace(GOOD, **fault))
    assert (Outcome.FAIL, said) == (found.outcome, found.reason)


def test_a_slower_load_test_promises_less():
    slow = LOAD | {"p99_milliseconds": 30.0}
    assert Outcome.PASS == verdict(replace(GOOD, p99_milliseconds=60.0), slow).outcome


def test_without_a_load_test_nobody_calls_it_well_and_the_line_says_how_to_get_one():
    found = verdict(replace(GOOD, p99_milliseconds=9_000.0), None)
    assert Outcome.INCONCLUSIVE == found.outcome
    assert "`slipway loadtest --environment staging`, then `slipway release keep`" in found.reason


def test_without_a_load_test_what_fails_is_told_all_the_same():
    assert Outcome.FAIL == verdict(replace(GOOD, errors=2_500), None).outcome


@pytest.mark.parametrize("service", [None, replace(GOOD, requests=5)])
def test_without_requests_or_readings_it_is_inconclusive(service):
    assert Outcome.INCONCLUSIVE == verdict(service).outcome


def _kept(tmp_path, *runs: tuple[int, Outcome, float]) -> FolderStore:
    """A store with a release, and load tests of it by the hour: their outcome and p50."""
    store = FolderStore(tmp_path / "store")
    (store.root / "v0.1.0").mkdir(parents=True)
    for hour, outcome, p50 in runs:
        told = LOAD | {"p50_milliseconds": p50, "release": "v0.1.0", "environment": "staging"}
        verdicts = [Verdict("load test: p50", outcome, "", "")]
        result = JobResult(job="loadtest", started=datetime(2026, 1, 1, hour, tzinfo=UTC), evidence=told)
        folder = tmp_path / f"results-{hour}"
        folder.mkdir()
        (folder / "loadtest.json").write_text(result.model_copy(update={"verdicts": verdicts}).model_dump_json())
        keep(store, None, folder)
    return store


def test_the_newest_load_test_that_passed_is_what_production_is_held_against(tmp_path):
    store = _kept(
        tmp_path, (1, Outcome.PASS, 1.0), (3, Outcome.PASS, 3.0), (2, Outcome.PASS, 2.0), (4, Outcome.FAIL, 9.0)
    )
    assert LOAD | {"p50_milliseconds": 3.0} == proved(store, "v0.1.0")


@pytest.mark.parametrize("runs", [(), ((1, Outcome.FAIL, 1.0), (2, Outcome.INCONCLUSIVE, 2.0))])
def test_a_load_test_that_did_not_pass_proves_nothing(tmp_path, runs):
    assert proved(_kept(tmp_path, *runs), "v0.1.0") is None
