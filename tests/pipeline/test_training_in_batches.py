"""A training on rows larger than memory: the problem gets the rows in batches, and the later stages follow."""

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
PROBLEM = ROOT / "tests/problems/toy_batches"
TRUSTED = {
    "network": ["sklearn.neural_network._stochastic_optimizers.AdamOptimizer"],
    "trees": ["xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"],
}
PIPELINE = """
import sys
from pathlib import Path
from slipway.pipeline import evaluate, export, prepare, tables, train
tables.BATCH_ROWS = int(sys.argv[1])
data, prepared, model, metrics, scores = map(Path, ("data", "build/prepared", "model", "metrics", "build/p.parquet"))
prepare.prepare(data, prepared, metrics / "prepare.json")
train.read_rows = None  # a training in batches reads no table as a whole
for name in ("first", "second"):
    train.train(prepared, Path(f"build/{name}.skops"), metrics / "loss.csv", Path("build/checkpoints"))
export.export(Path("build/first.skops"), prepared, model, metrics / "export.json")
evaluate.evaluate(model, prepared, scores, metrics / "evaluate.json", metrics / "importance.json")
"""


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the wheel of xgboost-cpu that the tests install")


@pytest.fixture(params=["network", pytest.param("trees", marks=ON_LINUX)])
def trained(request, tmp_path):
    """Return a folder in which the stages have run on two files, with several batches in each."""
    (tmp_path / "data").mkdir()
    for part in range(2):
        draw = np.random.default_rng(part)
        size, machine = draw.uniform(0, 100, 700), draw.choice(["small", "large"], 700)
        seconds = size * np.where(machine == "small", 2.0, 0.5) + draw.normal(0, 1, 700)
        rows = pd.DataFrame({"size": size, "machine": machine, "seconds": seconds})
        rows.to_parquet(tmp_path / f"data/jobs-{part}.parquet")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"split": {"test_percent": 20}, "model": {"kind": request.param, "rounds": 80, "bins": 64}}
    params["gates"]["primary"], params["export"]["trusted_types"] = "rmse", TRUSTED[request.param]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    environment = os.environ | {"PYTHONPATH": str(PROBLEM)}
    done = preloaded.python("-c", PIPELINE, "256", cwd=tmp_path, env=environment)
    assert 0 == done.returncode, done.stderr
    return tmp_path


def test_the_model_is_equal_byte_by_byte_and_beats_the_linear_baseline(trained):
    first, second = ((trained / f"build/{name}.skops").read_bytes() for name in ("first", "second"))
    assert first == second
    error = {
        name: values["rmse"] for name, values in json.loads((trained / "metrics/evaluate.json").read_text()).items()
    }
    assert error["model"] < 0.8 * error["linear"]
    rows = json.loads((trained / "metrics/prepare.json").read_text())["rows"]
    assert (1400, 0) == (rows["train"] + rows["test"], rows["unlabelled"])
