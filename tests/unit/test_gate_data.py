"""Gates on the data: every kind of violation blocks, and missing evidence fails."""

from __future__ import annotations

import pytest

from slipway.gates import Outcome
from slipway.gates.data import CONTRACT, SUITES, blockers, verdicts

LIMITS = {
    "contract": {"unlabeled_ratio": 0.2, "duplicate_ratio": 0.01, "overlap_days": 0, "gap_days": 7},
    "suites": {"may_not_run": {"Flaky Check": "its library cannot draw from one row"}},
}
NAN = float("nan")


def record(file: str, month: int, **changes) -> dict:
    times = {"first": f"2013-{month:02}-01T00:00:00+00:00", "last": f"2013-{month:02}-28T00:00:00+00:00"}
    clean = {"rows": 100, "unlabelled": 1, "duplicates": 0, "findings": [], "clock": "with time zone"}
    return {"file": file, **times, **clean, **changes}


def check(outcome: str = "pass", name: str = "Drift") -> dict:
    return {"check": name, "condition": "score < 0.3", "outcome": outcome, "observed": "score is 0.1"}


def evidence(newest: dict | None = None, suites: dict | None = None) -> dict:
    files = [record("1", 1), newest or record("2", 2)]
    return {"files": files, "new": ["2"], "suites": {"checks": [check()]} if suites is None else suites}


FINDING = {"column": "size", "kind": "limit", "rule": "at most 9 mm", "count": 2, "examples": [{"row": 7, "value": 12}]}

BROKEN_FILES = [
    ("limit", {"findings": [FINDING]}),
    ("unlabelled", {"unlabelled": 21}),
    ("unlabelled", {"unlabelled": NAN}),
    ("duplicates", {"duplicates": 2}),
    ("clock", {"clock": "without time zone"}),
    ("overlap", {"first": "2013-01-27T00:00:00+00:00"}),
    ("gap", {"first": "2013-02-05T00:00:00+00:00"}),
]
BROKEN_SUITES = [
    ("fail", {"checks": [check("fail")]}),
    ("not run", {"checks": [check("not run")]}),
    ("not run", {"checks": []}),
    ("not run", {"error": "deepchecks did not run: no such file"}),
    ("not run", {}),
]


def outcomes(evidence: dict) -> dict[str, Outcome]:
    return {verdict.gate: verdict.outcome for verdict in verdicts(evidence, LIMITS)}


def kinds(evidence: dict) -> list[str]:
    return [blocker.kind for blocker in blockers(evidence, LIMITS)]


def test_clean_evidence_passes_both_gates():
    assert {CONTRACT: Outcome.PASS, SUITES: Outcome.PASS} == outcomes(evidence())


@pytest.mark.parametrize(("kind", "changes"), BROKEN_FILES)
def test_a_broken_file_fails_the_contract_by_its_kind(kind, changes):
    broken = evidence(record("2", 2, **changes))
    assert (Outcome.FAIL, [kind]) == (outcomes(broken)[CONTRACT], kinds(broken))


@pytest.mark.parametrize(("kind", "suites"), BROKEN_SUITES)
def test_a_broken_suite_fails_by_its_kind(kind, suites):
    broken = evidence(suites=suites)
    assert (Outcome.FAIL, [kind]) == (outcomes(broken)[SUITES], kinds(broken))


def test_a_check_in_may_not_run_need_not_run():
    assert Outcome.PASS is outcomes(evidence(suites={"checks": [check("not run", "Flaky Check")]}))[SUITES]


def test_a_check_in_may_not_run_must_not_fail():
    assert Outcome.FAIL is outcomes(evidence(suites={"checks": [check("fail", "Flaky Check")]}))[SUITES]


def test_a_check_in_may_not_run_without_a_reason_must_run():
    limits = {**LIMITS, "suites": {"may_not_run": {"Flaky Check": ""}}}
    not_run = evidence(suites={"checks": [check("not run", "Flaky Check")]})
    assert Outcome.FAIL is verdicts(not_run, limits)[1].outcome


@pytest.mark.parametrize("missing", [{}, {"files": []}, {"files": [{"file": "1"}], "new": [], "suites": {}}, None])
def test_missing_evidence_fails_both_gates(missing):
    assert {CONTRACT: Outcome.FAIL, SUITES: Outcome.FAIL} == outcomes(missing)


def test_a_verdict_names_file_column_rule_count_and_example():
    reason = verdicts(evidence(record("2", 2, findings=[FINDING])), LIMITS)[0].reason
    assert "2: size: limit: at most 9 mm (2 rows, row 7: 12)" == reason


def test_a_verdict_names_a_few_blockers_and_counts_the_others():
    reason = verdicts(evidence(record("2", 2, findings=[FINDING] * 5)), LIMITS)[0].reason
    assert reason.endswith("; and 2 more")


def test_a_file_without_rows_does_not_divide_by_zero():
    empty = {**FINDING, "column": "", "kind": "unreadable"}
    assert ["unreadable"] == kinds(evidence({"file": "2", "rows": 0, "findings": [empty]}))
