"""ONNX graph whose columns are packed into one matrix, which ONNX Runtime takes in a fraction of the time.

An exported pipeline has an input tensor per column, and encodes and concatenates the columns in its first nodes. ONNX
Runtime takes longer to receive nineteen tensors, and to copy and look up strings, than to score a row. `pack` removes
the nodes that only encode, cast and concatenate columns, so that the others read their result from one matrix. No
number changes: the codes of categories are whole, and float32 holds them exactly.

Many rows are sorted before trees score them, because a processor predicts the branches of similar rows better.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.onnx_message import (
    ATTRIBUTE,
    ATTRIBUTE_NAME,
    ATTRIBUTE_TYPE,
    DATA_TYPE,
    DIMENSIONS,
    FLOAT,
    GRAPH,
    INITIALIZER,
    INPUT,
    INT64,
    INT_ATTRIBUTE,
    INT_VALUE,
    NODE,
    NODE_INPUT,
    NODE_OUTPUT,
    OPERATOR,
    OUTPUT,
    RAW_DATA,
    STRING,
    TENSOR_NAME,
    VALUE_NAME,
    Node,
    by_number,
    fields_of,
    int64s,
    matrix_input,
    message_of,
    named,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.onnx_message import Field

    Columns = Mapping[str, Sequence[Any] | np.ndarray]

PACKED, PLACES = "slipway_packed", "slipway_places_"
FLOAT32_WHOLE_MAX = 2**24  # up to which float32 holds every whole number
DEFAULT_CODES = {INT64: -1, FLOAT: -0.0}  # of the operator LabelEncoder
TREES = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor"})
BY_VALUE = frozenset({"Cast", "Identity", "Reshape"})  # operators whose result for a row depends on that row alone
SORTED_ROWS_MIN = 200  # the gain of fewer rows is less than sorting takes
WITH_SUBGRAPH = frozenset({"If", "Loop", "Scan", "SequenceMap"})  # may read any tensor of the outer graph


class Codes(dict[Any, float]):
    """Codes of the categories of a column, with a default for others; None is the category ""."""

    def __init__(self, codes: Mapping[str, float], default: float) -> None:
        super().__init__(codes)
        self._default = default

    def __missing__(self, value: Any) -> float:
        return self.get("" if value is None else str(value), self._default)


@dataclass(frozen=True)
class Feature:
    """A column of the matrix: a number, or a category by its code."""

    column: str
    codes: Codes | None = None


@dataclass(frozen=True)
class PackedModel:
    """A model with the input `matrix`, float32 of shape (rows, features), and with `others` as in the original."""

    content: bytes
    matrix: str
    features: tuple[Feature, ...]
    others: tuple[str, ...]
    first_split: int | None
    """Column of the matrix at the root of the first tree; None unless the model is trees alone."""

    def order(self, matrix: np.ndarray) -> np.ndarray | None:
        """Return the places of the rows of `matrix` in the order in which they are scored fastest; None for theirs."""
        if self.first_split is None or len(matrix) < SORTED_ROWS_MIN:
            return None
        return matrix[:, self.first_split].argsort()

    def pack(self, columns: Columns) -> np.ndarray:
        """Return the matrix of n rows. None is NaN in a number."""
        values = [(columns[feature.column], feature.codes) for feature in self.features]
        if len(values[0][0]) == 1:  # in a fifth of the time of the general case
            row = [column[0] if codes is None else codes[column[0]] for column, codes in values]
            return np.array([row], dtype=np.float32)
        rows = len(values[0][0])
        packed = np.empty((rows, len(values)), dtype=np.float32)
        for place, (column, codes) in enumerate(values):
            packed[:, place] = (
                column if codes is None else np.fromiter(map(codes.__getitem__, column), np.float32, rows)
            )
        return packed


@dataclass(frozen=True)
class _Tensor:
    """A tensor that consists of columns side by side."""

    element: int
    features: tuple[Feature, ...]


def pack(content: bytes, kinds: Mapping[str, str]) -> PackedModel | None:
    """Return the model with its columns packed, or None where its graph does not allow that.

    `content` is a ModelProto with an input of shape (rows, 1) for each of `kinds`, which has "number" or "category" by
    column.
    """
    model = list(fields_of(content))
    graph = list(fields_of(by_number(content)[GRAPH][0]))
    nodes = [Node(value) for value in values_of(graph, NODE)]
    constants = dict(named(graph, INITIALIZER, TENSOR_NAME))
    inputs = dict(named(graph, INPUT, VALUE_NAME))
    if inputs.keys() != kinds.keys() or any(node.operator in WITH_SUBGRAPH for node in nodes):
        return None
    tensors = {name: _Tensor(FLOAT if kind == "number" else STRING, (Feature(name),)) for name, kind in kinds.items()}
    left = _without_encoding(nodes, tensors, constants)
    read = dict.fromkeys(name for node in left for name in node.inputs)
    packed = {name: tensors[name].features for name in read if name in tensors and tensors[name].element == FLOAT}
    others = tuple(name for name in read if name in kinds and name not in packed)
    unavailable = read.keys() - packed.keys() - set(others) | dict(named(graph, OUTPUT, VALUE_NAME)).keys()
    if not packed or not tensors.keys().isdisjoint(unavailable):
        return None
    matrix, features, splits = _matrix(packed)
    kept = [field for field in graph if field[0] not in {NODE, INITIALIZER, INPUT}]
    kept += [(INITIALIZER, constants[name]) for name in read if name in constants]
    kept += [(INPUT, inputs[name]) for name in others] + [(INPUT, matrix_input(matrix, len(features)))]
    kept += [*splits, *((NODE, node.content) for node in left)]
    edited = [(number, message_of(kept) if number == GRAPH else value) for number, value in model]
    return PackedModel(message_of(edited), matrix, features, others, None if others else _first_split(left, matrix))


def _without_encoding(nodes: Sequence[Node], tensors: dict[str, _Tensor], constants: Mapping[str, bytes]) -> list[Node]:
    """Return the nodes that do more than to encode, cast and concatenate columns; add the outputs of the others."""
    left = []
    for node in nodes:
        encode = _ENCODERS.get(node.operator) if node.is_standard else None
        inputs = [tensors[name] for name in node.inputs if name in tensors]
        result = encode(node, inputs, constants) if encode and inputs else None
        if result is None:
            left.append(node)
        else:
            tensors[node.outputs[0]] = result
    return left


def _concatenated(node: Node, inputs: list[_Tensor], _: Mapping[str, bytes]) -> _Tensor | None:
    elements = {tensor.element for tensor in inputs}
    if len(inputs) != len(node.inputs) or len(elements) > 1 or node.attributes()["axis"] not in {1, -1}:
        return None
    return _Tensor(elements.pop(), tuple(chain.from_iterable(tensor.features for tensor in inputs)))


def _encoded(node: Node, inputs: list[_Tensor], _: Mapping[str, bytes]) -> _Tensor | None:
    attributes, (tensor,) = node.attributes(), inputs
    element, suffix = (INT64, "int64") if "values_int64s" in attributes else (FLOAT, "float")
    keys, values = attributes.get("keys_strings"), attributes.get(f"values_{suffix}s")
    if not keys or not values or tensor.element != STRING or len(tensor.features) > 1:
        return None
    codes = Codes(dict(zip(keys, values, strict=True)), attributes.get(f"default_{suffix}", DEFAULT_CODES[element]))
    if element == INT64 and max(map(abs, codes.values())) > FLOAT32_WHOLE_MAX:
        return None
    return _Tensor(element, (Feature(tensor.features[0].column, codes),))


def _reshaped(node: Node, inputs: list[_Tensor], constants: Mapping[str, bytes]) -> _Tensor | None:
    shape = int64s(constants[node.inputs[1]]) if node.inputs[1] in constants else []
    return inputs[0] if shape == [-1, len(inputs[0].features)] else None


def _cast(node: Node, inputs: list[_Tensor], _: Mapping[str, bytes]) -> _Tensor | None:
    is_number = node.attributes()["to"] == FLOAT and inputs[0].element != STRING
    return _Tensor(FLOAT, inputs[0].features) if is_number else None


_ENCODERS = {"Concat": _concatenated, "LabelEncoder": _encoded, "Reshape": _reshaped, "Cast": _cast}


def _first_split(nodes: Sequence[Node], matrix: str) -> int | None:
    """Return the column of the matrix at the root of the first tree; None if `nodes` do more than to sum up trees."""
    if not {node.operator for node in nodes} <= TREES | BY_VALUE:
        return None
    trees = (node for node in nodes if node.operator in TREES and node.inputs == [matrix])
    columns = (tree.numbers("nodes_featureids") for tree in trees)
    return next((int(column[0]) for column in columns if len(column)), None)


def _matrix(packed: Mapping[str, tuple[Feature, ...]]) -> tuple[str, tuple[Feature, ...], list[Field]]:
    """Return name and columns of the matrix, and the nodes and constants that split it for several tensors."""
    if len(packed) == 1:
        ((name, features),) = packed.items()
        return name, features, []
    places: dict[tuple[str, int], tuple[int, Feature]] = {}
    splits: list[Field] = []
    for name, features in packed.items():
        chosen = [
            places.setdefault((feature.column, id(feature.codes)), (len(places), feature))[0] for feature in features
        ]
        splits += [(INITIALIZER, _constant(PLACES + name, chosen)), (NODE, _gather(PLACES + name, name))]
    return PACKED, tuple(feature for _, feature in places.values()), splits


def _constant(name: str, values: Sequence[int]) -> bytes:
    """Return the TensorProto of int64 `values`."""
    content = np.array(values, dtype="<i8").tobytes()
    return message_of(
        [(DIMENSIONS, len(values)), (DATA_TYPE, INT64), (TENSOR_NAME, name.encode()), (RAW_DATA, content)]
    )


def _gather(places: str, output: str) -> bytes:
    """Return the NodeProto that selects columns of the matrix."""
    axis = message_of([(ATTRIBUTE_NAME, b"axis"), (INT_VALUE, 1), (ATTRIBUTE_TYPE, INT_ATTRIBUTE)])
    inputs: list[Field] = [(NODE_INPUT, PACKED.encode()), (NODE_INPUT, places.encode())]
    return message_of([*inputs, (NODE_OUTPUT, output.encode()), (OPERATOR, b"Gather"), (ATTRIBUTE, axis)])
