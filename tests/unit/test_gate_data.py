"""Gates on the data: every kind of violation blocks, and missing evidence fails."""

from __future__ import annotations

import json

import pytest

from slipway.checks.evidence_file import read_evidence
from slipway.gates import Outcome
from slipway.gates.data import CONTRACT, SUITES, blockers, verdicts
from slipway.gates.data_evidence import DataEvidence
from slipway.settings import read_settings
from slipway.settings.data_checks import DataSection
from tests.params import VALID

VALID_LIMITS = read_settings(VALID).data
CONTRACT_LIMITS = {"unlabeled_ratio": 0.2, "duplicate_ratio": 0.01, "overlap_days": 0, "gap_days": 7}


def limits(reason: str = "its library cannot draw from one row") -> DataSection:
    """Return limits under which `Flaky Check` may not run, with the reason."""
    suites = VALID_LIMITS.suites.model_copy(update={"may_not_run": {"Flaky Check": reason}})
    return DataSection(
        contract=VALID_LIMITS.contract.model_copy(update=CONTRACT_LIMITS),
        relations=VALID_LIMITS.relations,
        suites=suites,
    )


def record(file: str, month: int, **changes) -> dict:
    times = {"first": f"2013-{month:02}-01T00:00:00+00:00", "last": f"2013-{month:02}-28T00:00:00+00:00"}
    clean = {"rows": 100, "unlabelled": 1, "duplicates": 0, "findings": [], "clock": "with time zone"}
    return {"file": file, "sha256": file * 64, "rules": "1", **times, **clean, **changes}


def check(outcome: str = "pass", name: str = "Drift") -> dict:
    return {"check": name, "condition": "score < 0.3", "outcome": outcome, "observed": "score is 0.1"}


def evidence(newest: dict | None = None, suites: dict | None = None) -> DataEvidence:
    files = [record("1", 1), newest or record("2", 2)]
    suites = {"checks": [check()]} if suites is None else suites
    return DataEvidence.model_validate({"files": files, "new": ["2"], "suites": suites})


FINDING = {"column": "size", "kind": "limit", "rule": "at most 9 mm", "count": 2, "examples": [{"row": 7, "value": 12}]}

BROKEN_FILES = [
    ("limit", {"findings": [FINDING]}),
    ("unlabelled", {"unlabelled": 21}),
    ("unlabelled", {"unlabelled": None}),
    ("duplicates", {"duplicates": 2}),
    ("duplicates", {"duplicates": None}),
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


def outcomes(evidence: DataEvidence | None) -> dict[str, Outcome]:
    return {verdict.gate: verdict.outcome for verdict in verdicts(evidence, limits())}


def kinds(evidence: DataEvidence) -> list[str]:
    return [blocker.kind for blocker in blockers(evidence, limits())]


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


def test_the_check_with_the_strongest_finding_blocks_first():
    checks = [check("fail", name) for name in ("Drift", "Row Order", "Relation")]
    findings = [
        {"check": name, "column": "size", "segment": "all", "statistic": "error", "score": score, "sentence": "wrong"}
        for name, score in (("Relation", 4.0), ("Row Order", 1.2))
    ]
    blocking = blockers(evidence(suites={"checks": checks, "findings": findings}), limits())
    assert ["Relation", "Row Order", "Drift"] == [blocker.check for blocker in blocking]


def test_a_check_in_may_not_run_need_not_run():
    assert Outcome.PASS is outcomes(evidence(suites={"checks": [check("not run", "Flaky Check")]}))[SUITES]


def test_a_check_in_may_not_run_must_not_fail():
    assert Outcome.FAIL is outcomes(evidence(suites={"checks": [check("fail", "Flaky Check")]}))[SUITES]


def test_a_check_in_may_not_run_without_a_reason_must_run():
    not_run = evidence(suites={"checks": [check("not run", "Flaky Check")]})
    assert Outcome.FAIL is verdicts(not_run, limits(reason=""))[1].outcome


@pytest.mark.parametrize("missing", [DataEvidence(), None])
def test_missing_evidence_fails_both_gates(missing):
    assert {CONTRACT: Outcome.FAIL, SUITES: Outcome.FAIL} == outcomes(missing)


def numbers(node: object, path: tuple = ()) -> list[tuple]:
    """Return the path of every number in a document."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] if isinstance(node, int) else [leaf for key, part in children for leaf in numbers(part, (*path, key))]


@pytest.mark.parametrize("leaf", numbers(evidence().model_dump()), ids=lambda leaf: "/".join(map(str, leaf)))
def test_a_file_whose_counts_are_not_numbers_is_no_evidence_and_fails(leaf, tmp_path):
    document = node = evidence().model_dump(mode="json")
    *path, last = leaf
    for key in path:
        node = node[key]
    node[last] = float("nan")
    (tmp_path / "data.json").write_text(json.dumps(document))
    assert {CONTRACT: Outcome.FAIL, SUITES: Outcome.FAIL} == outcomes(read_evidence(tmp_path / "data.json"))


def test_a_verdict_names_file_column_rule_count_and_example():
    reason = verdicts(evidence(record("2", 2, findings=[FINDING])), limits())[0].reason
    assert "2: size: limit: at most 9 mm (2 rows, row 7: 12)" == reason


def test_a_verdict_names_a_few_blockers_and_counts_the_others():
    reason = verdicts(evidence(record("2", 2, findings=[FINDING] * 5)), limits())[0].reason
    assert reason.endswith("; and 2 more")


def test_a_file_without_rows_does_not_divide_by_zero():
    empty = {**FINDING, "column": "", "kind": "unreadable"}
    unreadable = {"file": "2", "sha256": "2", "rules": "1", "rows": 0, "findings": [empty]}
    assert ["unreadable"] == kinds(evidence(unreadable))
