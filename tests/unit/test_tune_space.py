"""Tests of the search space: strict ranges, and edits of params.yaml that change nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

import problem
from slipway.errors import SettingError
from slipway.settings import read_settings
from slipway.tune import space
from slipway.tune.rows import TuningRows
from tests import forks

TEXT = Path("params.yaml").read_text(encoding="utf-8")
RANGES = space.read(yaml.safe_load(TEXT))
WORDS = st.sampled_from(["a b", "yes", True])
VALUES = st.one_of(st.integers(0, 10**9), st.floats(1e-9, 1e9).map(space.rounded), WORDS)


@settings(max_examples=25)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(RANGES, VALUES)))
def test_an_edit_changes_values_and_keeps_comments(values):
    after = space.rewritten(TEXT, values)
    assert space.with_values(yaml.safe_load(TEXT), values) == yaml.safe_load(after)
    comments = [[line.partition("#")[2] for line in text.splitlines()] for text in (TEXT, after)]
    assert comments[0] == comments[1]
    assert len(space.diff(TEXT, after).splitlines()) <= 2 + 3 * len(values)


def test_a_comment_keeps_its_column_where_it_fits():
    assert "a: 1000  # why\n" == space.rewritten("a: 1     # why\n", {"a": 1000})
    assert "a: 1     # why\n" == space.rewritten("a: 1000  # why\n", {"a": 1})
    assert "a: 123456 # why\n" == space.rewritten("a: 1 # why\n", {"a": 123456})


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"model.depth": {"low": 1, "high": 2}}, "tune.ranges: model.depth: no such parameter"),
        ({"model.max_iter": {"low": 2, "high": 2}}, "model.max_iter: .*low must be less than high"),
        ({"model.max_iter": {"low": 0, "high": 2, "log": True}}, "greater than 0 with log"),
        ({"model.max_iter": {"low": 1}}, "set low and high, or choices"),
        ({"model.max_iter": {"choices": [1], "low": 1, "high": 2}}, "set low and high, or choices"),
        ({"model.max_iter": {"low": 1, "hihg": 2}}, "Extra inputs are not permitted"),
        ({"model.max_iter": 7}, "tune.ranges: model.max_iter"),
        ({}, "tune.ranges is empty"),
    ],
)
def test_an_invalid_range_is_named(ranges, message):
    with pytest.raises(SettingError, match=message):
        space.read({"model": {"max_iter": 1}, "tune": {"ranges": ranges}})


def outside(params: dict[str, Any]) -> list[str]:
    ranges = space.read(params)
    return [path for path, value in space.current(params, ranges).items() if not ranges[path].holds(value)]


def test_the_current_parameters_are_within_their_ranges():
    assert [] == outside(read_settings().for_problem())


@pytest.mark.parametrize("name", ["titanic", "penguins", "houses"])
def test_another_problem_has_its_own_ranges(tmp_path, name):
    shutil.copy("params.yaml", tmp_path)
    forks.edit_params(tmp_path / "params.yaml", forks.PROBLEMS / name / "params.yaml")
    assert [] == outside(read_settings(tmp_path / "params.yaml").for_problem())


@pytest.mark.parametrize(("judged_target", "metric"), [((0, 1), "roc_auc"), ((0, 0), "log_loss")])
def test_hold_out_rows_of_one_class_are_judged_by_the_loss(monkeypatch, judged_target, metric):
    monkeypatch.setattr(problem, "TASK", "binary")
    monkeypatch.setattr(problem, "TIME_COLUMN", None)
    monkeypatch.setattr(problem, "build_model", lambda _: LogisticRegression())
    shipped = read_settings()
    gates = shipped.gates.model_copy(update={"primary": "roc_auc", "resamples": 50})
    settings = shipped.model_copy(update={"gates": gates})
    x = np.random.default_rng(0).normal(size=1000)
    target = (x > 0).astype(int)
    _, holdout = TuningRows(pd.DataFrame({"x": x}), target, settings)._split()
    target[holdout] = np.resize(judged_target, len(holdout))
    assert metric == TuningRows(pd.DataFrame({"x": x}), target, settings).judge({}, {}).metric


def test_each_fold_trains_on_earlier_rows_and_the_newest_rows_are_held_out(monkeypatch):
    monkeypatch.setattr(problem, "TIME_COLUMN", "when")
    settings = read_settings()
    rows = TuningRows(pd.DataFrame({"x": np.arange(1000)}), np.arange(1000), settings)
    searched, holdout = rows._split()
    folds = list(rows._folds())
    assert (settings.tune.folds, round(1000 * settings.tune.holdout_ratio)) == (len(folds), len(holdout))
    assert all(train.max() < test.min() <= test.max() < holdout.min() for train, test in folds)
    assert searched.max() < holdout.min()
