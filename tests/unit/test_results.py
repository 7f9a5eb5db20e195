"""Every job writes a result, even when it crashes."""

from __future__ import annotations

import pytest

from slipway import results
from slipway.errors import GateError, SettingError
from slipway.gates import Outcome, Verdict


def test_a_result_survives_the_round_trip(tmp_path):
    with results.recorded("data", tmp_path) as result:
        result.verdicts = [Verdict("g", Outcome.PASS, "t", "o")]
    assert result == results.read(tmp_path)["data"]


def test_a_crash_is_recorded_and_re_raised(tmp_path):
    with pytest.raises(ValueError, match="boom"), results.recorded("train", tmp_path):
        raise ValueError("boom\nsecond line")
    assert ("ValueError: boom", "fail") == (
        results.read(tmp_path)["train"].error,
        results.read(tmp_path)["train"].outcome,
    )


def test_an_interrupted_job_writes_a_result(tmp_path):
    with pytest.raises(KeyboardInterrupt), results.recorded("train", tmp_path):
        raise KeyboardInterrupt
    assert "KeyboardInterrupt" == results.read(tmp_path)["train"].error


def test_a_job_without_a_verdict_fails(tmp_path):
    with results.recorded("data", tmp_path) as result:
        pass
    with pytest.raises(GateError, match="no gate ran"):
        result.require()


def test_require_names_the_blocking_gate(tmp_path):
    with results.recorded("data", tmp_path) as result:
        result.verdicts = [Verdict("floor", Outcome.FAIL, "t", "0.5", "too low")]
    with pytest.raises(GateError, match="floor fail: too low"):
        result.require()


def test_job_statuses_are_read_from_needs():
    needs = '{"lint": {"result": "success", "outputs": {}}, "train": {"result": "failure", "outputs": {"a": "b"}}}'
    assert {"lint": "success", "train": "failure"} == results.job_statuses(needs)
    assert {} == results.job_statuses("")


@pytest.mark.parametrize("needs", ["success", "[]", '{"lint": "success"}', '{"lint": {"result": null}}'])
def test_malformed_needs_are_reported_in_one_line(needs):
    with pytest.raises(SettingError, match=r"^NEEDS: .+; set it to GitHub's `toJSON\(needs\)`$"):
        results.job_statuses(needs)
