"""Tests of the files of `slipway new`: Python that passes the linters, and params.yaml with its comments."""

from __future__ import annotations

import importlib
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from slipway.errors import DataError, SettingError
from slipway.evaluation import metrics
from slipway.pull_request.jobs import run_tool
from slipway.scaffold import columns, drift, limits, new, params_file, plan, render, room
from slipway.scaffold.params_file import Change
from slipway.settings import read_settings

PARAMS = """\
# Every number.
seed: 1                  # of all sections

gates:                   # two
  floor: 0.62            # measured
  edges: []              # none
data:
  gates:
    floor: 3             # other
"""


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"seed": Change(7, "why")}, "seed: 7                  # why"),
        ({"gates": Change(None, "why")}, "gates:                   # why"),
        ({"gates.floor": Change(0.5, "why")}, "  floor: 0.5             # why"),
        ({"gates.floor": Change(1e-05, "why", "ceiling")}, "  ceiling: 1e-05         # why"),
        ({"data.gates.floor": Change(12, "why")}, "    floor: 12            # why"),
        ({"gates.edges": Change("much longer than before", "why")}, "  edges: much longer than before # why"),
    ],
)
def test_an_edit_changes_one_line(changes, line):
    edited = params_file.edit(PARAMS, changes).splitlines()
    assert [line] == [new for new, old in zip(edited, PARAMS.splitlines(), strict=True) if new != old]


def test_keys_are_removed():
    assert {"floor": 0.62} == yaml.safe_load(params_file.edit(PARAMS, {}, ["gates.edges", "gates.none"]))["gates"]


def test_a_missing_key_is_named():
    with pytest.raises(SettingError, match=r"params\.yaml: gates\.roof: missing"):
        params_file.edit(PARAMS, {"gates.roof": Change(1, "why")})


def test_an_edit_without_changes_keeps_the_shipped_file():
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text == params_file.edit(text, {})
    sections = yaml.safe_load(text)
    assert {*sections} <= params_file.places(text)
    assert {f"gates.{key}" for key in sections["gates"]} <= params_file.places(text)


@pytest.mark.parametrize(
    ("value", "above", "below"), [(0.1234, 0.13, 0.12), (0.12, 0.12, 0.12), (41.2, 42, 41), (0, 0, 0)]
)
def test_limits_are_rounded_to_two_digits_away_from_the_measurement(value, above, below):
    assert (above, below) == (limits.rounded_up(value), limits.rounded_down(value))


@pytest.mark.parametrize(("measured", "limit"), [(0.5, 0.01), (0.02, 0.01), (0.005, -0.02), (-0.1, -0.15)])
def test_a_lead_over_a_baseline_is_required_only_where_it_was_measured(measured, limit):
    assert limit == pytest.approx(limits._lead(0.01, measured))


def test_a_limit_stays_where_the_problem_is_well_within_it():
    assert (0.25, 0.45) == (limits.upper_limit(0.25, 0.1), limits.upper_limit(0.25, 0.3))
    assert (0.5, 0.2) == (limits.lower_limit(0.5, 0.9), limits.lower_limit(0.5, 0.3))


def test_equal_files_differ_by_noise_only_and_shifted_files_by_more(made):
    frame = pd.DataFrame({feature.name: np.random.default_rng(3).normal(size=2000) for feature in made.features})
    frame = frame.assign(kind=np.resize(["a", "b"], 2000), label=np.resize([0, 1, 1], 2000))
    same = drift.measure(drift.pairs(frame, [1000, 1000], 1000, 1), made)
    other = pd.concat([frame[:1000], frame[1000:] + frame[1000:]])
    moved = drift.measure(drift.pairs(other, [1000, 1000], 1000, 1), made)
    assert same["numeric"] < same["noise"] < moved["numeric"]
    assert (0, 1) == (round(same["category"], 1), moved["category"])
    assert (0, 1) == (same["unseen"], moved["unseen"])


def test_files_have_about_equal_length_and_never_share_a_time():
    frame = pd.DataFrame({"year": np.repeat([2001, 2002, 2003, 2004], 500)})
    assert [500] * 4 == [len(chunk) for chunk in new.chunks(frame, "year")]
    frame["year"] = 2001
    assert [2000] == [len(chunk) for chunk in new.chunks(frame, "year")]
    assert [500] * 4 == [len(chunk) for chunk in new.chunks(frame, "")]
    assert [999] == [len(chunk) for chunk in new.chunks(frame.head(999), "")]


@pytest.mark.parametrize(
    ("task", "metric", "model", "warnings"),
    [
        ("binary", "roc_auc", 0.7, []),
        ("binary", "roc_auc", 0.6, ["linear"]),
        ("regression", "rmse", 0.7, ["dummy and linear, so `gates.floor` blocks it"]),
        ("regression", "rmse", 0.4, []),
    ],
)
def test_a_first_model_no_better_than_a_baseline_gets_a_warning(task, metric, model, warnings):
    first, *rest = new.first_model(task, {"model": {metric: model}, "dummy": {metric: 0.5}, "linear": {metric: 0.6}})
    assert f"First model: {metric} model {model}, dummy 0.5, linear 0.6" == first
    assert [f"It is no better than {rivals}:" for rivals in warnings] == [line[: line.index(":") + 1] for line in rest]


@pytest.mark.parametrize(
    ("task", "metric", "model", "dummy", "floor"),
    [
        ("binary", "roc_auc", 0.8, 0.5, 0.65),
        ("binary", "roc_auc", 0.48, 0.5, 0.51),
        ("regression", "rmse", 20, 38.3, 30),
        ("regression", "rmse", 40.7, 38.3, 37.3),
        ("regression", "rmse", 1.73, 1.79, 1.76),
        ("binary", "roc_auc", 0.5001, 0.5, 0.50005),
    ],
)
def test_guessing_never_reaches_the_floor(task, metric, model, dummy, floor):
    assert floor == limits._floor({"model": model, "dummy": dummy}, metrics.for_task(task)[metric])


def table(task: str, *, plain: bool) -> pd.DataFrame:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({'Size "big" (mm)': random.normal(size=200), "when": pd.date_range("2026-01-01", periods=200)})
    if not plain:
        frame["Kind"] = np.resize(["a\\b", 'c"d', "é"], 200)
        frame["open"] = np.resize([f"text {row}" for row in range(50)], 200)
        frame["flag"] = np.resize([True, False, None], 200)
        frame["id"] = range(200)
    frame["The label"] = {
        "binary": random.choice(["yes", "no"], 200),
        "multiclass": random.choice(list("abc"), 200),
    }.get(task, random.normal(size=200))
    return frame


@pytest.fixture(params=["binary", "multiclass", "regression"])
def task(request):
    return request.param


def test_parameters_of_the_plan_fit_the_shipped_file(made):
    text = Path("params.yaml").read_text(encoding="utf-8")
    regression = replace(made, target=replace(made.target, task="regression"))
    written = [
        yaml.safe_load(params_file.edit(text, limits.of_plan(plan, params_file.places(text)), limits.SAMPLE_ONLY))
        for plan in (made, regression)
    ]
    assert [{"test_ratio": 0.3}] * 2 == [params["split"] for params in written]
    assert ["roc_auc", "rmse"] == [params["gates"]["primary"] for params in written]
    assert 1e-4 == written[1]["export"]["parity_tolerance"]


@pytest.mark.parametrize(
    ("columns", "convergence_rows", "importance_rows", "fit_rows"), [(2, 20000, 10000, 5000), (300, 6600, 5000, 1600)]
)
def test_a_wide_table_is_trained_and_shuffled_on_fewer_rows(
    made, tmp_path, columns, convergence_rows, importance_rows, fit_rows
):
    sample = {"evaluate.importance_rows": Change(10000, ""), "data.relations.fit_rows": Change(5000, "")}
    text = params_file.edit(Path("params.yaml").read_text(encoding="utf-8"), sample)
    wide = replace(made, features=made.features[:1] * columns)
    changes = limits.of_plan(wide, params_file.places(text))
    written = tmp_path / "params.yaml"
    written.write_text(params_file.edit(text, changes, limits.SAMPLE_ONLY), encoding="utf-8")
    settings = read_settings(written)
    assert convergence_rows == settings.convergence.train_rows
    assert importance_rows == settings.evaluate.importance_rows
    assert fit_rows == settings.data.relations.fit_rows


@pytest.fixture
def made(tmp_path):
    frame = table("binary", plain=True).assign(kind=np.resize(["a", "b"], 200)).rename(columns={"The label": "label"})
    frame.to_parquet(tmp_path / "t.parquet")
    return plan.infer(tmp_path / "t.parquet", plan.ForkRequest("label"), 1)[0]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("time", ["", "when"])
def test_written_python_passes_the_linters(tmp_path, monkeypatch, task, plain, time):
    path = tmp_path / "a table with a very long name that goes on and on and on and on, and then ends.parquet"
    table(task, plain=plain).to_parquet(path)
    made, _ = plan.infer(path, plan.ForkRequest("The label", time=time), 1)
    require_clean_python(made, tmp_path, monkeypatch)


def test_written_python_of_a_wide_table_passes_the_linters(made, tmp_path, monkeypatch):
    names = [f"column_{number}" for number in range(plan.WIDE_COLUMNS_MIN)]
    numbers = tuple(replace(made.features[0], name=name, source=name) for name in names)
    kinds = {**made.kinds, **dict.fromkeys(names, "number")}
    require_clean_python(replace(made, features=(*numbers, *made.features), kinds=kinds), tmp_path, monkeypatch)


def require_clean_python(made, tmp_path, monkeypatch):
    for name, text in render.render(made).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy("pyproject.toml", tmp_path)
    (tmp_path / "src/slipway").symlink_to(
        Path("src/slipway").resolve()
    )  # otherwise ruff sorts its imports as third-party
    monkeypatch.chdir(tmp_path)
    assert "All checks passed!\n" == run_tool(["ruff", "check", "--no-cache", "src/problem", "tests"])[1]
    assert 0 == run_tool(["ruff", "format", "--no-cache", "--check", "src/problem", "tests"])[0]


@pytest.fixture
def row(tmp_path, monkeypatch):
    """Return the written `Row` for a table with a column of each kind."""
    path = tmp_path / "t.parquet"
    table("binary", plain=False).to_parquet(path)
    made, _ = plan.infer(path, plan.ForkRequest("The label"), 1)
    (tmp_path / "written_row.py").write_text(render.render(made)[render.PACKAGE / "row.py"])
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("written_row").Row
    del sys.modules["written_row"]


def test_the_written_row_accepts_observed_values_only(row):
    values = {"size_big_mm": 0.5, "kind": 'c"d', "open": "text 3", "flag": None}
    assert values == row(**values).model_dump()
    for change in ({"size_big_mm": 1e9}, {"kind": "z"}, {"open": ""}, {"open": None}, {"flag": "yes"}, {"other": 1}):
        with pytest.raises(ValueError, match="1 validation error"):
            row(**{**values, **change})


def test_the_group_of_the_problem_is_emptied_and_nothing_else_changes():
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    edited = new.GROUP.sub(new.EMPTY_GROUP, text)
    assert 1 == edited.count("problem = []")
    assert edited == new.GROUP.sub(new.EMPTY_GROUP, edited)
    group = new.GROUP.search(text)[0]
    assert text.replace(group, new.EMPTY_GROUP) == edited


@pytest.fixture
def large(made):
    """Return rows of two columns of 8 MB of numbers that do not compress."""
    random = np.random.default_rng(1)
    return pd.DataFrame({source: random.normal(size=1_000_000) for source in made.imported})


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """Return a function that sets DVC's default remote of the current folder."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return lambda name: (tmp_path / ".dvc/config").write_text(f"[core]\n    remote = {name}\n", encoding="utf-8")


TOO_LARGE = r"MB or more as Parquet exceed the 10 MB of the embedded store; add your own remote"


def test_rows_beyond_the_embedded_store_are_rejected(large, remote):
    remote("embedded")
    with pytest.raises(DataError, match=TOO_LARGE):
        room.require("t.csv", large)


def test_smaller_rows_and_another_remote_are_accepted(large, remote):
    remote("embedded")
    room.require("t.csv", large.head(100_000))
    remote("storage")
    room.require("t.csv", large)


def test_rows_are_rejected_before_the_inference_reads_them(large, remote, tmp_path, monkeypatch):
    remote("embedded")
    large.assign(few=[1.5] * 10 + [None] * (len(large) - 10)).to_parquet(tmp_path / "t.parquet")
    assert list(large) == columns.certain(pd.read_parquet(tmp_path / "t.parquet"))
    monkeypatch.delattr(columns, "examine_all")
    with pytest.raises(DataError, match=TOO_LARGE):
        plan.infer(tmp_path / "t.parquet", plan.ForkRequest(str(large.columns[0])), 1, partial(room.require, "t"))
