"""A training on Dask arrays: what is equal byte by byte however many workers there are, and what is not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests import preloaded

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/toy_dask"
TRUSTED = {"squares": [], "trees": ["xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"]}
WORKERS = {"one": 1, "two": 2, "again": 2}
PIPELINE = f"""
import os, dask, distributed
from pathlib import Path
from slipway.pipeline import evaluate, export, prepare, tables, train
tables.BATCH_ROWS = 256
data, prepared, model, metrics, scores = map(Path, ("data", "build/prepared", "model", "metrics", "build/p.parquet"))
prepare.prepare(data, prepared, metrics / "prepare.json")
train.read_rows = None  # a training in batches reads no table as a whole
for name, workers in {WORKERS}.items():
    with distributed.LocalCluster(n_workers=workers, processes=False, dashboard_address=None) as cluster:
        os.environ["DASK_SCHEDULER_ADDRESS"] = cluster.scheduler_address
        dask.config.refresh()  # Dask has read the variables before
        train.train(prepared, Path(f"build/{{name}}.skops"), metrics / "loss.csv", Path("build/checkpoints"))
export.export(Path("build/two.skops"), prepared, model, metrics / "export.json")
evaluate.evaluate(model, prepared, scores, metrics / "evaluate.json", metrics / "importance.json")
"""


@pytest.fixture
def trained(request, tmp_path):
    """Return the bytes of the models of the clusters in WORKERS, and the metrics of one of them."""
    (tmp_path / "data").mkdir()
    draw = np.random.default_rng(5)
    size, machine = draw.uniform(0, 100, 2000), draw.choice(["small", "large"], 2000)
    seconds = size * 1.5 + np.where(machine == "small", 20.0, 5.0) + draw.normal(0, 1, 2000)
    pd.DataFrame({"size": size, "machine": machine, "seconds": seconds}).to_parquet(tmp_path / "data/jobs.parquet")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"split": {"test_ratio": 0.2}, "model": {"kind": request.param, "rounds": 30, "bins": 16}}
    params["gates"]["primary"], params["export"]["trusted_types"] = "rmse", TRUSTED[request.param]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    done = preloaded.python("-c", PIPELINE, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROBLEM)})
    assert 0 == done.returncode, done.stderr
    models = {name: (tmp_path / f"build/{name}.skops").read_bytes() for name in WORKERS}
    return models, json.loads((tmp_path / "metrics/evaluate.json").read_text())


@pytest.mark.parametrize("trained", ["squares"], indirect=True)
def test_least_squares_is_the_same_model_by_any_number_of_workers(trained):
    models, metrics = trained
    assert models["one"] == models["two"] == models["again"]
    assert metrics["model"]["rmse"] < 1.1  # the noise is 1


@pytest.mark.skipif(sys.platform != "linux", reason="the wheel of xgboost-cpu that the tests install")
@pytest.mark.parametrize("trained", ["trees"], indirect=True)
def test_trees_are_the_same_model_by_as_many_workers_and_another_one_by_more(trained):
    models, metrics = trained
    assert models["two"] == models["again"]
    assert models["one"] != models["two"]
    assert metrics["model"]["rmse"] < 0.1 * metrics["dummy"]["rmse"]
