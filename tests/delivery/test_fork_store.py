"""A pull request from a fork gets no variables from GitHub, even where the store is not the default one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from slipway.errors import GateError, NoReleaseError
from slipway.gates.comparison_evidence import ComparisonEvidence
from slipway.pull_request import compare
from slipway.release.store import WrongReleaseError
from slipway.results import read
from slipway.settings import read_settings

OURS, FORK = {"full_name": "team/flights"}, {"full_name": "mallory/flights"}
WORKFLOW = Path(__file__).parents[2] / ".github/workflows/pull-request.yaml"
PARAMS = Path(__file__).parents[2] / "params.yaml"
GAIN = {"value": 0.1, "low": 0.1, "high": 0.1}
MEASURED = {
    "rows": 100,
    "champion": None,
    "production": {},
    "baselines": {
        "linear": {
            "all": [{"metric": "roc_auc", "rows": 100, **dict.fromkeys(("candidate", "champion", "gain"), GAIN)}]
        }
    },
    "calibration": [{"predicted": 0.1, "observed": 0.1}],
    "bytes": {"candidate": 1},
    "staging": None,
}
"""Return the evidence of `compare.measure` for a good model without a release to compare with."""


@pytest.fixture
def asked():
    """Return the champion and the staging release of each comparison."""
    return []


@pytest.fixture
def fork(project, asked, tmp_path, monkeypatch):
    """Return a function that runs `compare` in a pull request, by default from a fork; production runs v0.1.0."""
    project.publish("v0.1.0")
    for environment in ("staging", "production"):
        project.promote("v0.1.0", environment)
    shutil.copy(PARAMS, project.root)
    monkeypatch.setattr(compare, "blobs", lambda _: ("md5", []))

    def measure(champion, staging, _):
        asked.append([champion, staging])
        return ComparisonEvidence.model_validate(MEASURED)

    monkeypatch.setattr(compare, "measure", measure)

    def run(head: dict[str, str] | None = FORK, event: str = "pull_request", store: str = "file:///nowhere") -> None:
        content = {"repository": OURS, "pull_request": {"head": {"repo": head}}}
        (tmp_path / "event.json").write_text(json.dumps(content))
        monkeypatch.setenv("GITHUB_EVENT_NAME", event)
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
        if store:
            monkeypatch.setenv("SLIPWAY_STORE", store)
        compare.compare()

    return run


@pytest.mark.parametrize("head", [FORK, None])
def test_a_comparison_with_a_release_that_a_fork_cannot_fetch_is_inconclusive(fork, asked, head):
    with pytest.raises(GateError) as blocked:
        fork(head)
    result = read()["compare"]
    outcomes = {verdict.gate: verdict.outcome for verdict in result.verdicts}
    of_production = ("champion", "segments", "model size", "one-row latency")
    assert {"inconclusive"} == {outcomes[gate] for gate in of_production}
    assert {"pass"} == {outcomes[gate] for gate in ("baselines", "calibration")}
    assert str(blocked.value).startswith(
        "compare: blocked by champion inconclusive: v0.1.0 is not in the store file:///nowhere, and a fork's run has"
        " no variable SLIPWAY_STORE; push the branch to this repository to compare; segments inconclusive"
    )
    assert [[None, None]] == asked


def test_a_store_that_a_fork_can_read_is_used(fork, asked):
    fork(store="")
    ((champion, staging),) = asked
    assert ("v0.1.0", "v0.1.0") == (champion.version, staging.version)


@pytest.mark.parametrize(("head", "event"), [(OURS, "pull_request"), (FORK, "workflow_dispatch")])
def test_a_missing_release_outside_of_a_fork_is_an_error(fork, head, event):
    with pytest.raises(NoReleaseError, match="nowhere"):
        fork(head, event)
    assert [] == read()["compare"].verdicts


def test_a_wrong_release_is_an_error_in_a_fork(fork, project):
    project.publish("v0.2.0")
    shutil.rmtree(project.store.root / "v0.1.0")
    shutil.copytree(project.store.root / "v0.2.0", project.store.root / "v0.1.0")
    with pytest.raises(WrongReleaseError):
        fork(store="")


def test_the_default_store_of_a_run_is_github_releases():
    job = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["train"]
    assert "${{ vars.SLIPWAY_STORE || 'github:' }}" == job["env"]["SLIPWAY_STORE"]
    assert read_settings(PARAMS).gates.primary == MEASURED["baselines"]["linear"]["all"][0]["metric"]
