"""Tests of tables of trees: their sums are those of ONNX Runtime, to the last bit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression

from slipway import predictor
from slipway.onnx_message import GRAPH, NODE, Node, by_number
from slipway.tree_tables import ROWS_MIN, SUMS, TreeTables, tables_of

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(1)
COLUMNS = 6
MATRIX = RANDOM.normal(size=(600, COLUMNS)).astype(np.float32)
MATRIX[:, 2] = RANDOM.integers(0, 5, 600)
TARGET = MATRIX[:, 0] * MATRIX[:, 1] + MATRIX[:, 2] ** 2
GAPS = np.where(RANDOM.random(MATRIX.shape) < 0.2, np.nan, MATRIX)
LIMITS = np.array([[np.inf] * COLUMNS, [-np.inf] * COLUMNS, [1e30] * COLUMNS, [-0.0] * COLUMNS], np.float32)
SMALL_LEAVES = {"min_samples_leaf": 1, "max_iter": 20}
SUPPORTED = {
    "regression": HistGradientBoostingRegressor(max_leaf_nodes=31, **SMALL_LEAVES),
    "64 leaves": HistGradientBoostingRegressor(max_leaf_nodes=64, **SMALL_LEAVES),
    "32 leaves": HistGradientBoostingRegressor(max_leaf_nodes=32, **SMALL_LEAVES),
    "boosted": GradientBoostingRegressor(n_estimators=20),
    "binary": HistGradientBoostingClassifier(**SMALL_LEAVES),
}
OTHERS = {
    "65 leaves": HistGradientBoostingRegressor(max_leaf_nodes=65, **SMALL_LEAVES),
    "several classes": HistGradientBoostingClassifier(**SMALL_LEAVES),
    "linear": LinearRegression(),
    "no splits": HistGradientBoostingRegressor(min_samples_leaf=400),
    "large": RandomForestRegressor(n_estimators=20, max_leaf_nodes=60, random_state=0),
}


def exported(name: str, estimator) -> bytes:
    target = {"binary": TARGET > 1, "several classes": TARGET.astype(int) % 3}.get(name, np.abs(TARGET))
    matrix = GAPS if "Hist" in type(estimator).__name__ else MATRIX
    types = [("matrix", FloatTensorType([None, COLUMNS]))]
    options = {id(estimator): {"zipmap": False}} if "Classifier" in type(estimator).__name__ else None
    fitted = estimator.fit(matrix, target)
    content: bytes = to_onnx(fitted, initial_types=types, target_opset=21, options=options).SerializeToString()
    return content


def run(content: bytes, **inputs: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several threads add up the trees in another order
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    scores: np.ndarray = session.run(None, inputs)[-1]
    return scores


def tables(content: bytes) -> TreeTables:
    result = tables_of(content, "matrix")
    assert result is not None
    return result


@pytest.mark.parametrize("name", SUPPORTED)
def test_the_sums_are_those_of_onnx_runtime(name):
    content = exported(name, SUPPORTED[name])
    trees = tables(content)
    rows = np.concatenate([GAPS, LIMITS, trees.probes(COLUMNS)]).astype(np.float32)
    assert np.array_equal(run(content, matrix=rows), run(trees.rest, **{SUMS: trees.sums(rows)}))


def test_rows_are_summed_in_blocks(monkeypatch):
    content = exported("regression", SUPPORTED["regression"])
    monkeypatch.setattr("slipway.tree_tables.BLOCK_BYTES", 5_000)
    trees = tables(content)
    assert trees.sums(MATRIX[:7]).shape == (7, 1)
    assert np.array_equal(run(content, matrix=MATRIX), run(trees.rest, **{SUMS: trees.sums(MATRIX)}))


def test_the_probes_are_on_both_sides_of_thresholds_and_missing():
    trees = tables(exported("regression", SUPPORTED["regression"]))
    probes = trees.probes(COLUMNS)
    whole = probes[:, 2][~np.isnan(probes[:, 2])]
    assert 0.02 < np.isnan(probes).mean() < 0.2
    assert {0.5, 1.5} < {*whole.tolist()}
    assert np.nextafter(np.float32(0.5), np.float32(1)) in whole


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_have_no_tables(name, monkeypatch):
    monkeypatch.setattr("slipway.tree_tables.TABLE_BYTES_MAX", 40_000 if name == "large" else 10_000_000)
    assert tables_of(exported(name, OTHERS[name]), "matrix") is None


def test_numbers_of_a_node_are_those_of_onnx():
    content = exported("regression", SUPPORTED["regression"])
    graph = onnx.load_from_string(content).graph
    node = Node(by_number(by_number(content)[GRAPH][0])[NODE][0])
    for attribute in graph.node[0].attribute:
        if attribute.type in {onnx.AttributeProto.FLOATS, onnx.AttributeProto.INTS}:
            assert list(attribute.floats or attribute.ints) == node.numbers(attribute.name).tolist()
    negative = onnx.helper.make_node("Any", ["x"], ["y"], places=[-1, 300, -(2**40)])
    assert [-1, 300, -(2**40)] == Node(negative.SerializeToString()).numbers("places").tolist()
    assert [] == Node(negative.SerializeToString()).numbers("others").tolist()


def saved(folder: Path, content: bytes) -> predictor.Predictor:
    names = [f"c{place}" for place in range(COLUMNS)]
    model = onnx.load_from_string(content)
    split = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 1]) for name in names]
    model.graph.node.insert(0, onnx.helper.make_node("Concat", names, ["matrix"], axis=1))
    del model.graph.input[:]
    model.graph.input.extend(split)
    (folder / predictor.ONNX).write_bytes(model.SerializeToString())
    columns = [{"name": name, "kind": "number"} for name in names]
    signature = {"format": "onnx", "task": "regression", "columns": columns}
    (folder / predictor.SIGNATURE).write_text(json.dumps(signature))
    return predictor.load(folder)


def columns_of(matrix: np.ndarray) -> dict[str, list[float]]:
    return {f"c{place}": values.tolist() for place, values in enumerate(matrix.T)}


def test_the_predictor_uses_tables_for_many_rows(tmp_path, monkeypatch):
    calls: list[int] = []
    sums = TreeTables.sums
    monkeypatch.setattr(TreeTables, "sums", lambda self, matrix: calls.append(len(matrix)) or sums(self, matrix))
    model = saved(tmp_path, exported("regression", SUPPORTED["regression"]))
    assert model.has_tables
    calls.clear()
    few, many = (model.predict(columns_of(MATRIX[:rows])).tolist() for rows in (ROWS_MIN - 1, len(MATRIX)))
    assert [len(MATRIX)] == calls
    assert few == many[: ROWS_MIN - 1]


def test_trees_that_are_summed_in_another_way_are_left_to_onnx_runtime(tmp_path):
    content = exported("regression", SUPPORTED["regression"])
    model = onnx.load_from_string(content)
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("aggregate_function", "AVERAGE"))
    mean = model.SerializeToString()
    assert tables_of(mean, "matrix") is not None
    averaged = saved(tmp_path, mean)
    assert not averaged.has_tables
    assert run(mean, matrix=MATRIX).ravel().tolist() == averaged.predict(columns_of(MATRIX)).tolist()
