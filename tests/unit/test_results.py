"""A job leaves a result however it ends."""

from __future__ import annotations

import pytest

from slipway import results
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict


def test_a_result_is_read_back_as_it_was_written(tmp_path):
    with results.recorded("data", tmp_path) as result:
        result.verdicts = [Verdict("g", Outcome.PASS, "t", "o")]
    assert result == results.read(tmp_path)["data"]


def test_a_crash_is_recorded_and_raised_again(tmp_path):
    with pytest.raises(ValueError, match="boom"), results.recorded("train", tmp_path):
        raise ValueError("boom\nsecond line")
    assert ("ValueError: boom", "fail") == (
        results.read(tmp_path)["train"].error,
        results.read(tmp_path)["train"].outcome,
    )


def test_an_interrupted_job_leaves_a_result_too(tmp_path):
    with pytest.raises(KeyboardInterrupt), results.recorded("train", tmp_path):
        raise KeyboardInterrupt
    assert "KeyboardInterrupt" == results.read(tmp_path)["train"].error


def test_a_job_without_a_verdict_has_failed(tmp_path):
    with results.recorded("data", tmp_path) as result:
        pass
    with pytest.raises(UserError, match="no gate having run"):
        result.require()


def test_requiring_names_the_gate_that_blocks(tmp_path):
    with results.recorded("data", tmp_path) as result:
        result.verdicts = [Verdict("floor", Outcome.FAIL, "t", "0.5", "too low")]
    with pytest.raises(UserError, match="floor fail: too low"):
        result.require()
