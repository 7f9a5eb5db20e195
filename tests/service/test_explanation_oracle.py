"""Explanations of a tree ensemble, in ONNX and in skops, agree with SHAP, which runs in an environment of its own.

SHAP, numba and LLVM take 200 MB, too much for the environment of the repository; their start takes most of the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from slipway import predictor, tools
from slipway.explainer import Explainer
from slipway.settings import read_settings

if TYPE_CHECKING:
    from slipway.explainer import Explanation

ORACLE = Path(__file__).parent / "shap_oracle.py"
PACKAGES = ("shap==0.51.0", *(f"{name}=={version(name)}" for name in ("numpy", "scikit-learn")))
SETTINGS = read_settings().serving.explain
TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
WIDTH, EXPLAINED = 10, 20
NAMES = [f"x{place}" for place in range(WIDTH)]


@pytest.fixture(scope="module")
def tables() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    features = random.normal(size=(3000, WIDTH)).astype("float32")
    features[random.random(3000) < 0.1, 4] = np.nan
    filled = np.nan_to_num(features, nan=2.0)
    score = filled[:, 0] * filled[:, 1] + 2 * (filled[:, 2] > 0.5) - filled[:, 3] * filled[:, 4] + np.sin(filled[:, 5])
    target = (score + random.normal(size=3000) > 0.5).astype(int)
    background, rows = features[: SETTINGS.background_rows], features[-EXPLAINED:]
    return {"train": features, "target": target, "background": background, "rows": rows}


@pytest.fixture(scope="module")
def oracle(tables, tmp_path_factory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("oracle") / "tables.npz"
    np.savez(file, **tables)
    command = [tools.require("uv"), "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable]
    command += [word for package in PACKAGES for word in ("--with", package)]
    done = subprocess.run([*command, "python", ORACLE, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def estimator(tables) -> Pipeline:
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0)  # as in the oracle
    by_name = make_pipeline(make_column_transformer(("passthrough", NAMES)), model)
    return by_name.fit(pd.DataFrame(tables["train"], columns=NAMES), tables["target"])


@pytest.fixture(scope="module", params=["onnx", "skops"])
def explanations(request, estimator, tables, tmp_path_factory) -> list[Explanation]:
    """Return the explanation of each row at the default accuracy, by the model in a format."""
    folder = tmp_path_factory.mktemp("model")
    columns = [{"name": name, "kind": "number", "nullable": True} for name in NAMES]
    signature = {"format": request.param, "task": "binary", "target": "y", "classes": [0, 1], "columns": columns}
    (folder / "signature.json").write_text(json.dumps(signature | {"trusted_types": TRUSTED}))
    if request.param == "onnx":
        inputs = [(name, FloatTensorType([None, 1])) for name in NAMES]
        graph = to_onnx(estimator, initial_types=inputs, target_opset=21, options={id(estimator): {"zipmap": False}})
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
    else:
        skops.io.dump(estimator, folder / "model.skops")
    background = dict(zip(NAMES, tables["background"].T, strict=True))
    explainer = Explainer(predictor.load(folder), background, SETTINGS.walks)
    return [explainer.explain(dict(zip(NAMES, row[:, None], strict=True))) for row in tables["rows"]]


def test_the_oracle_explains_the_same_predictions_from_the_same_base(explanations, oracle):
    assert np.allclose(oracle["predictions"], [explanation.prediction[0] for explanation in explanations], atol=1e-6)
    assert oracle["base"] == pytest.approx(explanations[0].base[0], abs=1e-6)


def test_the_contributions_are_those_of_the_oracle(explanations, oracle):
    actual, expected = np.array([explanation.contributions[:, 0] for explanation in explanations]), oracle["values"]
    assert np.corrcoef(actual.ravel(), np.ravel(expected))[0, 1] >= 0.99


def test_the_standard_errors_cover_the_distance_to_the_oracle(explanations, oracle):
    """They include the choice of the background rows, which the oracle shares, so they are larger than the distance."""
    actual = np.array([explanation.contributions[:, 0] for explanation in explanations])
    errors = np.array([explanation.standard_errors[:, 0] for explanation in explanations])
    ratio = np.sqrt(np.mean((actual - oracle["values"]) ** 2) / np.mean(errors**2))
    assert 0.2 <= ratio <= 1
