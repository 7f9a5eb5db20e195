"""The service is compared with the stored load test of its release, and is inconclusive without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from slipway.errors import GateError
from slipway.gates import Outcome, Verdict, monitoring
from slipway.lab.monitoring_power import HEALTHY_SERVICE, LOAD_TEST
from slipway.monitoring.checks import health
from slipway.monitoring.job import load_test_result
from slipway.monitoring.reference import ReleaseBaseline
from slipway.release.evidence import store_results
from slipway.release.store import FolderStore
from slipway.results import JobResult
from slipway.settings import read_settings

LIMITS = read_settings().monitoring
BUILT = datetime(2026, 1, 1, tzinfo=UTC)


def verdict(service, load=LOAD_TEST) -> Verdict:
    baseline = ReleaseBaseline("v0.1.0", BUILT, {}, {}, load)
    context = SimpleNamespace(
        window=SimpleNamespace(service=service), limits=LIMITS, reference=SimpleNamespace(baseline=baseline)
    )
    return monitoring.judge("health", health.evidence(context), LIMITS)


def test_a_service_as_fast_as_its_load_test_passes():
    assert Outcome.PASS == verdict(HEALTHY_SERVICE).outcome


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"p50_milliseconds": 40.0}, "p50 40 ms, limit 25 ms; 2 ms in the load test"),
        ({"p99_milliseconds": 60.0}, "p99 60 ms, limit 45 ms; 15 ms in the load test"),
        ({"peak_rate": 180.0}, "peak of 180 requests/s; 200 in the load test"),
        ({"errors": 2_500}, "5.00% of the requests failed"),
        ({"refused": 10_000}, "20.00% violated the contract"),
        ({"lost_rows": 20_000}, "20,000 rows not logged"),
    ],
)
def test_a_fault_is_reported_with_its_limit(fault, reason):
    judged = verdict(replace(HEALTHY_SERVICE, **fault))
    assert (Outcome.FAIL, reason) == (judged.outcome, judged.reason)


def test_a_slower_load_test_raises_the_limit():
    slow = LOAD_TEST.model_copy(update={"p99_milliseconds": 30.0})
    assert Outcome.PASS == verdict(replace(HEALTHY_SERVICE, p99_milliseconds=60.0), slow).outcome


def test_without_a_load_test_the_verdict_is_inconclusive_and_names_the_commands():
    judged = verdict(replace(HEALTHY_SERVICE, p99_milliseconds=9_000.0), None)
    assert Outcome.INCONCLUSIVE == judged.outcome
    assert "`slipway loadtest --environment staging`, then `slipway release keep`" in judged.reason


def test_without_a_load_test_a_failure_is_still_reported():
    assert Outcome.FAIL == verdict(replace(HEALTHY_SERVICE, errors=2_500), None).outcome


@pytest.mark.parametrize("service", [None, replace(HEALTHY_SERVICE, requests=5)])
def test_without_requests_or_snapshots_the_verdict_is_inconclusive(service):
    assert Outcome.INCONCLUSIVE == verdict(service).outcome


def _store(tmp_path, *runs: tuple[int, Outcome, float]) -> FolderStore:
    """Return a store with a release and load tests of it, each given by hour, outcome and p50."""
    store = FolderStore(tmp_path / "store")
    (store.root / "v0.1.0").mkdir(parents=True)
    for hour, outcome, p50 in runs:
        measured = LOAD_TEST.model_dump() | {"p50_milliseconds": p50, "release": "v0.1.0", "environment": "staging"}
        verdicts = [Verdict("load test: p50", outcome, "", "")]
        result = JobResult(job="loadtest", started=datetime(2026, 1, 1, hour, tzinfo=UTC), evidence=measured)
        folder = tmp_path / f"results-{hour}"
        folder.mkdir()
        (folder / "loadtest.json").write_text(result.model_copy(update={"verdicts": verdicts}).model_dump_json())
        store_results(store, None, folder)
    return store


def test_the_newest_passed_load_test_is_the_baseline(tmp_path):
    store = _store(
        tmp_path, (1, Outcome.PASS, 1.0), (3, Outcome.PASS, 3.0), (2, Outcome.PASS, 2.0), (4, Outcome.FAIL, 9.0)
    )
    assert LOAD_TEST.model_copy(update={"p50_milliseconds": 3.0}) == load_test_result(store, "v0.1.0")


@pytest.mark.parametrize("runs", [(), ((1, Outcome.FAIL, 1.0), (2, Outcome.INCONCLUSIVE, 2.0))])
def test_a_load_test_that_did_not_pass_is_ignored(tmp_path, runs):
    assert load_test_result(_store(tmp_path, *runs), "v0.1.0") is None


def test_a_stored_load_test_with_an_invalid_value_is_one_line(tmp_path):
    store = _store(tmp_path, (1, Outcome.PASS, "fast"))
    with pytest.raises(
        GateError, match=r"^v0\.1\.0: its newest passed load test: evidence\.p50_milliseconds: \"fast\""
    ):
        load_test_result(store, "v0.1.0")
