"""Monitoring works for every task, without a time column, with several rows per request, and with any columns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("any_task.py")


def assess(task: str, fault: str) -> dict:
    done = subprocess.run([sys.executable, PROGRAM, task, fault], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_rows_as_in_training_raise_no_alarm(task):
    report = assess(task, "none")
    assert ([], []) == (report["failed"], report["causes"])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_stuck_column_is_named_and_requests_no_retraining(task):
    report = assess(task, "stuck")
    assert ("skew", "size") == (report["failed"][0], report["worst"])
    assert {"size", "machine"} == set(report["causes"])
    assert report["retrain"]["trigger"] is None


def test_labels_of_one_class_are_judged_by_the_loss():
    report = assess("binary", "one class")
    assert {"performance", "segments"} <= set(report["failed"])
    assert report["thresholds"]["performance"].startswith("log_loss ")
    assert "inconclusive" == report["outcomes"]["attribution"]


def test_a_model_that_has_decayed_requests_a_retraining():
    assert "decay" == assess("regression", "shuffled")["retrain"]["trigger"]
