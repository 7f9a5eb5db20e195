"""Every task works, without a time column, with several rows a request, and with columns that nobody knows by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("any_task.py")


def look(task: str, fault: str) -> dict:
    done = subprocess.run([sys.executable, PROGRAM, task, fault], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_rows_that_are_as_in_training_raise_no_alarm(task):
    assert [] == look(task, "none")["failed"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_column_that_hangs_is_named_and_nothing_is_learned_from_it(task):
    found = look(task, "stuck")
    assert ("skew", "size") == (found["failed"][0], found["worst"])
    assert not found["retrain"]["wanted"]


def test_labels_of_one_class_have_no_ranking_and_the_loss_shows_that_the_model_is_wrong():
    found = look("binary", "one class")
    assert {"performance", "segments"} <= set(found["failed"])
    assert found["thresholds"]["performance"].startswith("log_loss ")
    assert "inconclusive" == found["outcomes"]["attribution"]


def test_a_model_that_is_no_longer_right_asks_for_a_new_one():
    assert "decay" == look("regression", "shuffled")["retrain"]["trigger"]
