"""Every job writes a result, even when it crashes."""

from __future__ import annotations

import json
import math
import re

import pytest

from slipway import results
from slipway.errors import GateError, SettingError, UnreadableFileError
from slipway.evaluation.compared import Decile
from slipway.gates import Outcome, Verdict
from slipway.gates.comparison_evidence import ComparisonEvidence


def test_a_result_survives_the_round_trip(tmp_path):
    with results.recorded(results.DATA, tmp_path) as result:
        result.verdicts = [Verdict("g", Outcome.PASS, "t", "o")]
    assert result == results.read(tmp_path)["data"]


def test_nan_is_null_in_the_file_and_nan_again_in_the_model(tmp_path):
    with results.recorded(results.COMPARE, tmp_path) as result:
        result.evidence = ComparisonEvidence(rows=1, calibration=[Decile(predicted=math.nan, observed=0.5)])
    assert '"predicted": null' in (tmp_path / "compare.json").read_text()
    assert math.isnan(results.find(results.COMPARE, tmp_path).evidence.calibration[0].predicted)


def test_a_job_that_measured_nothing_leaves_an_empty_mapping(tmp_path):
    with results.recorded(results.TRAIN, tmp_path):
        pass
    assert '"evidence": {}' in (tmp_path / "train.json").read_text()
    assert results.find(results.TRAIN, tmp_path).evidence is None
    assert results.find(results.COMPARE, tmp_path) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evidence": {"rows": "many"}}, "evidence.rows: 'many': Input should be a valid integer"),
        ({"evidence": {"rows": 1, "other": 2}}, "evidence.other: 2: Extra inputs are not permitted"),
        ({"seconds": -1}, "seconds: -1: Input should be greater than or equal to 0"),
        ({"verdicts": [{"gate": "g"}]}, r"verdicts.0.outcome: {'gate': 'g'}: Field required"),
    ],
)
def test_a_file_of_another_form_is_one_line_with_file_key_and_value(tmp_path, change, message):
    with results.recorded(results.COMPARE, tmp_path):
        pass
    path = tmp_path / "compare.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for read in (results.read, lambda folder: results.find(results.COMPARE, folder)):
        with pytest.raises(UnreadableFileError, match=rf"^{re.escape(f'{path}: {message}')}[^\n]*$"):
            read(tmp_path)


def test_a_file_that_is_not_json_is_one_line(tmp_path):
    (tmp_path / "compare.json").write_bytes(b"\xff{")
    with pytest.raises(UnreadableFileError, match=r"compare\.json: content: .*run the step that writes it again$"):
        results.read(tmp_path)


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
