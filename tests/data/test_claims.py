"""Tests of claims: a file that a pull request claims as checked is checked nonetheless."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from slipway.checks import claims, data, files, job
from slipway.dvc import command, recovery
from slipway.errors import GateError
from slipway.files import write_json
from slipway.gates import Outcome
from slipway.gates.data_evidence import CheckOutcome, DataEvidence, SuiteEvidence
from slipway.lab.data_mutants import READERS, WRITERS
from slipway.results import read

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from slipway.settings import Settings

EVIDENCE = Path("metrics/data.json")
STAGES = {"stages": {"data": {"metrics": [{str(EVIDENCE): {"cache": False}}]}}}
PASSED = SuiteEvidence(checks=[CheckOutcome(check="any", condition="", outcome="pass", observed="")], drift={})
HONEST = {
    "accepted": ["a" * 64],
    "files": [{"file": "a", "sha256": "a" * 64, "rules": "1", "rows": 1, "findings": []}],
}


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def commit() -> None:
    git("add", "dvc.yaml", "dvc.lock", str(EVIDENCE))
    git("commit", "--quiet", "--allow-empty", "--message", "State")


def lock(what: str) -> None:
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"data": {"deps": what}}}), encoding="utf-8")


def collected(folder: Path, settings: Settings) -> dict:
    """Return what the stage writes after the evidence of its last run."""
    earlier = data.read_evidence(EVIDENCE) or DataEvidence()
    return data.collect(folder, earlier, settings, None).model_dump(mode="json")


@pytest.fixture
def pull_request(tmp_path, folder, settings, monkeypatch):
    """Return the calls of DVC in a repository with a checked base and an open pull request without changes."""
    calls: list[tuple[str, ...]] = []

    def dvc(*arguments: str) -> None:
        """Run the stage as DVC does: only when forced, because dvc.lock calls it up to date."""
        calls.append(arguments)
        if "--force" in arguments:
            write_json(EVIDENCE, collected(folder, settings))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "run", dvc)
    monkeypatch.setattr(job, "read_settings", lambda: settings)
    monkeypatch.setattr(data, "compare", lambda *_: PASSED)
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    git("init", "--quiet")
    Path("dvc.yaml").write_text(yaml.safe_dump(STAGES), encoding="utf-8")
    lock("old data")
    write_json(EVIDENCE, collected(folder, settings))
    commit()
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    return calls


def outcomes() -> dict[str, Outcome]:
    return {verdict.gate: verdict.outcome for verdict in read()["data"].verdicts}


def rewrite(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    WRITERS[path.suffix](change(READERS[path.suffix](path)), path)


def forge(folder: Path) -> str:
    """Corrupt the newest file, forge its evidence and the up-to-date entry in dvc.lock, and return its SHA-256."""
    path = folder / files.listed(folder)[-1]
    rewrite(path, lambda rows: rows.iloc[:, :3])
    evidence = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    digest = files.record(folder, path.name, [], 0).sha256
    evidence["files"][-1]["sha256"] = digest
    evidence["accepted"] = sorted([*evidence["accepted"], digest])
    write_json(EVIDENCE, evidence)
    lock("new data")
    commit()
    return digest


def test_forged_evidence_would_pass_without_a_base(pull_request, folder, monkeypatch):
    forge(folder)
    monkeypatch.delenv("GITHUB_BASE_REF")
    monkeypatch.delenv("SLIPWAY_BASE", raising=False)
    job.data()
    assert {Outcome.PASS} == set(outcomes().values())


def test_a_pull_request_that_forges_its_evidence_is_blocked_by_the_data_and_by_the_forgery(pull_request, folder):
    digest = forge(folder)
    with pytest.raises(GateError, match="data contract fail"):
        job.data()
    assert {"data contract": Outcome.FAIL, claims.GATE: Outcome.FAIL}.items() <= outcomes().items()
    assert digest not in json.loads(EVIDENCE.read_text(encoding="utf-8"))["accepted"]


def test_a_pull_request_that_forges_only_the_lock_is_checked(pull_request, folder):
    evidence = EVIDENCE.read_text(encoding="utf-8")
    forge(folder)
    EVIDENCE.write_text(evidence, encoding="utf-8")
    commit()
    with pytest.raises(GateError, match="data contract fail"):
        job.data()


def test_a_claim_about_a_future_file_is_blocked(pull_request):
    evidence = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    write_json(EVIDENCE, evidence | {"accepted": [*evidence["accepted"], "f" * 64]})
    commit()
    with pytest.raises(GateError, match=rf"{claims.GATE} fail: accepted"):
        job.data()


def test_a_pull_request_with_the_output_of_the_stage_passes(pull_request, folder, settings):
    rewrite(folder / files.listed(folder)[-1], lambda rows: rows.iloc[:-1])
    write_json(EVIDENCE, collected(folder, settings))
    lock("new data")
    commit()
    job.data()
    assert {Outcome.PASS} == set(outcomes().values())


def test_a_pull_request_without_changed_evidence_runs_dvc_as_usual(pull_request):
    job.data()
    assert [("repro", "--single-item", "data")] == pull_request


@pytest.mark.parametrize("is_alive", [True, False])
def test_paths_in_use_by_dead_processes_are_released(pull_request, is_alive):
    recovery.RWLOCK.parent.mkdir(parents=True)
    entry = {"pid": os.getpid(), "cmd": "dvc repro"}
    recovery.RWLOCK.write_text(json.dumps({"write": {"data": entry}}), encoding="utf-8")
    if not is_alive:
        os.utime(recovery.RWLOCK, (1e9, 1e9))  # long before this process started, so the id was another's
    job.data()
    assert recovery.RWLOCK.exists() == is_alive


def test_without_a_readable_base_everything_is_checked(pull_request):
    git("update-ref", "-d", "refs/remotes/origin/main")
    job.data()
    assert ("repro", "--single-item", "--force", "data") == pull_request[-1]


@pytest.mark.parametrize(
    ("claimed", "outcome"),
    [
        (HONEST, Outcome.PASS),
        ({}, Outcome.PASS),
        (HONEST | {"files": [HONEST["files"][0] | {"rules": "2"}]}, Outcome.PASS),
        (HONEST | {"accepted": ["a" * 64, "b" * 64]}, Outcome.FAIL),
        (HONEST | {"files": [HONEST["files"][0] | {"sha256": "b" * 64}]}, Outcome.FAIL),
        (HONEST | {"files": [HONEST["files"][0] | {"rows": 2}]}, Outcome.FAIL),
        (HONEST | {"files": ["nonsense"]}, Outcome.FAIL),
        (HONEST | {"accepted": "nonsense"}, Outcome.PASS),
    ],
)
def test_gate_on_claims(claimed, outcome):
    assert outcome is claims.verdict(claimed, HONEST, {}).outcome


def test_a_claim_of_the_base_may_be_repeated():
    assert Outcome.PASS is claims.verdict(HONEST, {}, HONEST).outcome


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_invalid_evidence_claims_nothing(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("evidence.json").write_text(text, encoding="utf-8")
    Path("dvc.lock").write_text("a: [", encoding="utf-8")
    assert claims.Claims({}, {}) == claims.of_work_tree(Path("evidence.json"), "data")


def test_an_entry_of_the_lock_counts_even_if_only_dvc_understands_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text("stages: {data: {outs: [{path: data, size: '12'}]}}\n")
    assert claims.Claims({}, {}) != claims.of_work_tree(Path("evidence.json"), "data")
