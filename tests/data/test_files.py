"""Tests of the record of a data file, and of unreadable files."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

import problem
from slipway.checks import files
from slipway.errors import MissingFileError
from slipway.gates.data_evidence import BrokenRule, FileRecord

pytestmark = pytest.mark.skipif(problem.TIME_COLUMN is None, reason="the problem has no time column to corrupt")
TIME = str(problem.TIME_COLUMN)
BLANK = FileRecord(file="1", sha256="", rules="", rows=0)
FINDING = BrokenRule(column="", kind="limit", rule="at most 9", count=1)
LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)


def kinds(frame: pd.DataFrame, **arguments) -> list[tuple[str, str]]:
    return [(finding.column, finding.kind) for finding in files.describe(BLANK, [frame], 1, **arguments).findings]


def test_a_clean_frame_has_no_finding(frame):
    assert [] == kinds(frame)


def test_times_in_the_future_are_found(frame):
    assert [(TIME, "future")] == kinds(frame, now=LONG_AGO)


def test_times_out_of_order_are_found(frame):
    assert [(TIME, "time order")] == kinds(frame[::-1])


def test_missing_times_are_found(frame):
    assert (TIME, "missing value") in kinds(frame.assign(**{TIME: frame[TIME].mask(frame.index == 3)}))


def test_times_that_are_text_are_found(frame):
    assert [(TIME, "type")] == kinds(frame.assign(**{TIME: frame[TIME].astype(str)}))


def test_a_missing_label_column_is_found(frame):
    assert [(problem.TARGET, "missing column")] == kinds(frame.drop(columns=problem.TARGET))


@pytest.mark.parametrize("label", ["yes", float("inf")])
def test_labels_that_no_estimator_can_learn_from_are_found(frame, label):
    corrupted = frame.assign(**{problem.TARGET: label})
    assert problem.TASK == "multiclass" or [(problem.TARGET, "label")] == kinds(corrupted)


def test_no_rows_are_a_finding(frame):
    assert ("", "empty") in kinds(frame.head(0))


def test_unlabeled_and_repeated_rows_are_counted(frame):
    rows = pd.concat([frame.head(4), frame.head(4)]).assign(**{problem.TARGET: pd.NA})
    counted = files.describe(BLANK, [rows], 1)
    assert (8, 8, 4) == (counted.rows, counted.unlabelled, counted.duplicates)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"<html>502 Bad Gateway</html>", "Flüge".encode("utf-16")])
def test_an_unreadable_file_is_a_finding_that_names_the_cause(folder, newest, content):
    (folder / newest).write_bytes(content)
    findings = files.record(folder, newest, [], 1).findings
    assert findings
    if newest.endswith(".parquet"):
        assert ["unreadable"] == [finding.kind for finding in findings]
    for finding in findings:
        assert finding.rule
        assert str(folder) not in finding.rule
        assert "/tmp" not in finding.rule  # noqa: S108  the folder of the link means nothing to the reader


def test_a_file_that_the_loader_skips_is_a_finding(folder, newest):
    (folder / newest).rename(folder / "notes.txt")
    assert "unreadable" == files.record(folder, "notes.txt", [], 1).findings[0].kind


def test_a_clean_record_of_the_same_bytes_is_reused(folder, newest, monkeypatch):
    record = files.record(folder, newest, [], 1)
    monkeypatch.setattr(files, "batches", None)  # would crash if it were called
    assert record == files.record(folder, newest, [record], 1)


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"rules": "0" * 64}, {"findings": [FINDING]}])
def test_a_record_of_other_bytes_or_rules_or_with_findings_is_made_again(folder, newest, change):
    record = files.record(folder, newest, [], 1)
    assert record == files.record(folder, newest, [record.model_copy(update=change)], 1)


def test_a_folder_without_data_is_one_clear_line(tmp_path):
    with pytest.raises(MissingFileError, match="no data; run `dvc pull`"):
        files.listed(tmp_path)
