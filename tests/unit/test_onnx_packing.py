"""Tests of packed columns: the packed model returns the predictions of the original, to the last bit."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from slipway.onnx_packing import SORTED_ROWS_MIN, PackedModel, pack
from slipway.predictor import ONNX, SIGNATURE, as_inputs, load

KINDS = {"size": "number", "kind": "category", "weight": "number", "name": "category"}
RANDOM = np.random.default_rng(1)
TRAIN = pd.DataFrame(
    {
        "size": RANDOM.uniform(0, 100, 300),
        "kind": RANDOM.choice(["a", "b", ""], 300),
        "weight": np.where(RANDOM.random(300) < 0.3, np.nan, RANDOM.normal(size=300)),
        "name": RANDOM.choice(["XY", "PQ", "é"], 300),
    }
)
ROWS = {
    "size": [1.5, 80.0, 33.3, None, 1e30],
    "kind": ["a", None, "unseen", "b", ""],
    "weight": [None, 0.5, -1.25, float("nan"), 3.0],
    "name": ["PQ", "é", "XY", "", "unseen"],
}
CATEGORIES, NUMBERS = ["kind", "name"], ["size", "weight"]
UNKNOWN = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
IMPUTED = make_pipeline(SimpleImputer(), StandardScaler())
STEPS = {
    "codes": [(UNKNOWN, CATEGORIES), ("passthrough", NUMBERS)],
    "one hot": [(OneHotEncoder(handle_unknown="ignore"), CATEGORIES), ("passthrough", NUMBERS)],
    "scaled": [(UNKNOWN, CATEGORIES), (IMPUTED, NUMBERS)],
    "numbers": [("passthrough", NUMBERS)],
}
OTHERS = {"codes": (), "one hot": ("kind", "name"), "scaled": (), "numbers": ()}
"""Columns that are left outside the matrix."""


def exported(name: str) -> bytes:
    last = HistGradientBoostingRegressor(max_iter=10) if name != "scaled" else LinearRegression()
    estimator = make_pipeline(make_column_transformer(*STEPS[name]), last).fit(TRAIN, TRAIN["size"] + TRAIN.index)
    types = {"number": FloatTensorType, "category": StringTensorType}
    inputs = [(column, types[kind]([None, 1])) for column, kind in KINDS.items()]
    content: bytes = to_onnx(estimator, initial_types=inputs, target_opset=21).SerializeToString()
    return content


def run(content: bytes, inputs: dict[str, np.ndarray]) -> list[float]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {entry.name: inputs[entry.name] for entry in session.get_inputs()})[0].ravel().tolist()


def run_packed(packed: PackedModel, columns: dict) -> list[float]:
    kinds = {name: KINDS[name] for name in packed.others}
    signature = {"columns": [{"name": name, "kind": kind} for name, kind in kinds.items()]}
    return run(packed.content, {**as_inputs(signature, columns), packed.matrix: packed.pack(columns)})


def original(content: bytes, columns: dict) -> list[float]:
    return run(content, as_inputs({"columns": [{"name": name, "kind": kind} for name, kind in KINDS.items()]}, columns))


@pytest.mark.parametrize("name", STEPS)
def test_the_packed_model_returns_the_same_predictions(name):
    content = exported(name)
    packed = pack(content, KINDS)
    assert OTHERS[name] == packed.others
    assert original(content, ROWS) == run_packed(packed, ROWS)
    for place in range(len(ROWS["size"])):
        row = {column: values[place : place + 1] for column, values in ROWS.items()}
        assert original(content, row) == run_packed(packed, row)


def test_the_encoding_of_the_columns_is_removed():
    graph = onnx.load_from_string(pack(exported("codes"), KINDS).content).graph
    assert ["TreeEnsembleRegressor"] == [node.op_type for node in graph.node]
    assert 1 == len(graph.input)


def test_rows_of_trees_are_sorted_by_the_first_split():
    packed = pack(exported("numbers"), KINDS)
    tree = onnx.load_from_string(packed.content).graph.node[0]
    features = next(attribute.ints for attribute in tree.attribute if attribute.name == "nodes_featureids")
    assert features[0] == packed.first_split
    matrix = RANDOM.normal(size=(SORTED_ROWS_MIN, len(packed.features))).astype(np.float32)
    assert np.all(np.diff(matrix[packed.order(matrix), packed.first_split]) >= 0)
    assert packed.order(matrix[:-1]) is None


@pytest.mark.parametrize("name", ["one hot", "scaled"])
def test_rows_of_other_models_are_not_sorted(name):
    assert pack(exported(name), KINDS).first_split is None


def test_rows_of_trees_without_a_known_split_are_not_sorted():
    changed = onnx.load_from_string(exported("numbers"))
    tree = next(node for node in changed.graph.node if node.op_type == "TreeEnsembleRegressor")
    tree.attribute.remove(next(attribute for attribute in tree.attribute if attribute.name == "nodes_featureids"))
    assert pack(changed.SerializeToString(), KINDS).first_split is None


@pytest.mark.parametrize("table_bytes", [0, 8_000_000])
def test_predictions_are_in_the_order_of_the_rows(tmp_path, monkeypatch, table_bytes):
    monkeypatch.setattr("slipway.tree_tables.TABLE_BYTES_MAX", table_bytes)
    (tmp_path / ONNX).write_bytes(exported("codes"))
    columns = [{"name": name, "kind": kind} for name, kind in KINDS.items()]
    (tmp_path / SIGNATURE).write_text(json.dumps({"format": "onnx", "task": "regression", "columns": columns}))
    model, rows = load(tmp_path), TRAIN.to_dict("list")
    alone = [model.predict({name: values[row : row + 1] for name, values in rows.items()})[0] for row in TRAIN.index]
    assert len(alone) >= SORTED_ROWS_MIN
    assert alone == model.predict(rows).tolist()


def model(*nodes, kinds=KINDS, output="y", constants=()) -> bytes:
    types = {"number": TensorProto.FLOAT, "category": TensorProto.STRING}
    inputs = [helper.make_tensor_value_info(name, types[kind], [None, 1]) for name, kind in kinds.items()]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 2)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def encoder(*codes: int) -> onnx.NodeProto:
    keys = ["a", "b"][: len(codes)]
    return helper.make_node(
        "LabelEncoder",
        ["kind"],
        ["code"],
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_int64s=codes,
        default_int64=-7,
    )


CAST = helper.make_node("Cast", ["code"], ["number"], to=TensorProto.FLOAT)
NEGATED = helper.make_node("Neg", ["number"], ["y"])
ONE = {"kind": "category"}


@pytest.mark.parametrize("code", [-3, 2**24])
def test_a_code_that_float32_holds_is_packed(code):
    content = model(encoder(code), CAST, NEGATED, kinds=ONE)
    packed = pack(content, ONE)
    assert [-code, 7, 7] == run_packed(packed, {"kind": ["a", "c", None]})


SHAPED = helper.make_node("Reshape", ["size", "shape"], ["flat"])
CONDITION = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
BRANCH = helper.make_graph(
    [helper.make_node("Neg", ["size"], ["y"])],
    "branch",
    [],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
)


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (model(encoder(2**24 + 1), CAST, NEGATED, kinds=ONE), ONE),
        (model(helper.make_node("Cast", ["kind"], ["y"], to=TensorProto.FLOAT), kinds=ONE), ONE),
        (model(encoder(1), CAST, kinds=ONE, output="number"), ONE),
        (model(NEGATED, kinds={"number": "number"}), {"other": "number"}),
        (
            model(
                helper.make_node("If", ["yes"], ["y"], then_branch=BRANCH, else_branch=BRANCH),
                helper.make_node("Neg", ["size"], ["unused"]),
                kinds={"size": "number"},
                constants=[CONDITION],
            ),
            {"size": "number"},
        ),
    ],
    ids=["code beyond float32", "string as number", "column as output", "other inputs", "subgraph"],
)
def test_a_graph_that_cannot_be_packed_is_left(content, kinds):
    assert pack(content, kinds) is None


@pytest.mark.parametrize(("shape", "is_removed"), [([-1, 1], True), ([1, -1], False)])
@pytest.mark.parametrize("is_raw", [True, False])
def test_only_a_reshape_that_keeps_the_shape_is_removed(shape, is_removed, is_raw):
    values = np.array(shape).tobytes() if is_raw else shape
    constant = helper.make_tensor("shape", TensorProto.INT64, [2], values, raw=is_raw)
    kinds = {"size": "number"}
    content = model(SHAPED, helper.make_node("Neg", ["flat"], ["y"]), kinds=kinds, constants=[constant])
    packed = pack(content, kinds)
    assert is_removed == (b"Reshape" not in packed.content)
    assert [-1, -2] == run_packed(packed, {"size": [1, 2]})
