"""ONNX graph whose columns are packed into one matrix, which ONNX Runtime takes in a fraction of the time.

An exported pipeline has an input tensor per column, and encodes and concatenates the columns in its first nodes. ONNX
Runtime takes longer to receive nineteen tensors, and to copy and look up strings, than to score a row. `pack` removes
the nodes that only encode, cast and concatenate columns, so that the others read their result from one matrix. No
number changes: the codes of categories are whole, and float32 holds them exactly.

Many rows are sorted before trees score them, because a processor predicts the branches of similar rows better.

The graph is edited as protobuf messages, of which only a few fields are read, because the service does not install the
package `onnx`. Source: onnx/onnx-ml.proto, and protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Field = tuple[int, int | bytes]
    Columns = Mapping[str, Sequence[Any] | np.ndarray]

PACKED, PLACES = "slipway_packed", "slipway_places_"
FLOAT, INT64, STRING = 1, 7, 8  # types of elements
FLOAT32_WHOLE_MAX = 2**24  # up to which float32 holds every whole number
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # encodings of a field
GRAPH = 7  # fields of ModelProto
NODE, INITIALIZER, INPUT, OUTPUT = 1, 5, 11, 12  # of GraphProto
NODE_INPUT, NODE_OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7  # of NodeProto
ATTRIBUTE_NAME, FLOAT_VALUE, INT_VALUE, FLOATS, INTS, STRINGS, ATTRIBUTE_TYPE = 1, 2, 3, 7, 8, 9, 20  # AttributeProto
VALUE_NAME = 1  # of ValueInfoProto
INT_ATTRIBUTE = 2  # of AttributeProto.AttributeType
DEFAULT_CODES = {INT64: -1, FLOAT: -0.0}  # of the operator LabelEncoder
DIMENSIONS, DATA_TYPE, INT64_DATA, TENSOR_NAME, RAW_DATA = 1, 2, 7, 8, 9  # of TensorProto
DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml"})
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
        packed = np.empty((len(values[0][0]), len(values)), dtype=np.float32)
        for place, (column, codes) in enumerate(values):
            packed[:, place] = np.asarray(
                column if codes is None else list(map(codes.__getitem__, column)), dtype=np.float32
            )
        return packed


@dataclass(frozen=True)
class _Tensor:
    """A tensor that consists of columns side by side."""

    element: int
    features: tuple[Feature, ...]


class _Node:
    """The fields of a NodeProto that `pack` needs."""

    def __init__(self, content: bytes) -> None:
        fields = _by_number(content)
        self.content = content
        self.inputs = [name.decode() for name in fields[NODE_INPUT]]
        self.outputs = [name.decode() for name in fields[NODE_OUTPUT]]
        self.operator = fields[OPERATOR][0].decode()
        self.is_standard = {*fields[DOMAIN]} <= DOMAINS
        self._attributes = fields[ATTRIBUTE]

    def attributes(self) -> dict[str, Any]:
        """Return the whole numbers, numbers and lists among the attributes, by name."""
        values: dict[str, Any] = {}
        for content in self._attributes:
            fields = _by_number(content)
            name = fields[ATTRIBUTE_NAME][0].decode()
            if INT_VALUE in fields:
                values[name] = _signed(fields[INT_VALUE][0])
            elif FLOAT_VALUE in fields:
                values[name] = _floats(fields[FLOAT_VALUE])[0]
            elif STRINGS in fields:
                values[name] = [value.decode() for value in fields[STRINGS]]
            elif FLOATS in fields:
                values[name] = _floats(fields[FLOATS])
            else:
                values[name] = _ints(fields[INTS])
        return values

    def first_whole_number(self, attribute: str) -> int | None:
        """Return the first of a list of whole numbers, without reading the others, which a tree has by the thousand."""
        for content in self._attributes:
            fields = _fields(content)
            if next(fields) == (ATTRIBUTE_NAME, attribute.encode()):
                return next((_ints([value])[0] for number, value in fields if number == INTS), None)
        return None


def pack(content: bytes, kinds: Mapping[str, str]) -> PackedModel | None:
    """Return the model with its columns packed, or None where its graph does not allow that.

    `content` is a ModelProto with an input of shape (rows, 1) for each of `kinds`, which has "number" or "category" by
    column.
    """
    model = list(_fields(content))
    graph = list(_fields(_by_number(content)[GRAPH][0]))
    nodes = [_Node(value) for value in _values(graph, NODE)]
    constants = dict(_named(graph, INITIALIZER, TENSOR_NAME))
    inputs = dict(_named(graph, INPUT, VALUE_NAME))
    if inputs.keys() != kinds.keys() or any(node.operator in WITH_SUBGRAPH for node in nodes):
        return None
    tensors = {name: _Tensor(FLOAT if kind == "number" else STRING, (Feature(name),)) for name, kind in kinds.items()}
    left = _without_encoding(nodes, tensors, constants)
    read = dict.fromkeys(name for node in left for name in node.inputs)
    packed = {name: tensors[name].features for name in read if name in tensors and tensors[name].element == FLOAT}
    others = tuple(name for name in read if name in kinds and name not in packed)
    unavailable = read.keys() - packed.keys() - set(others) | dict(_named(graph, OUTPUT, VALUE_NAME)).keys()
    if not packed or not tensors.keys().isdisjoint(unavailable):
        return None
    matrix, features, splits = _matrix(packed)
    kept = [field for field in graph if field[0] not in {NODE, INITIALIZER, INPUT}]
    kept += [(INITIALIZER, constants[name]) for name in read if name in constants]
    kept += [(INPUT, inputs[name]) for name in others] + [(INPUT, _matrix_input(matrix, len(features)))]
    kept += [*splits, *((NODE, node.content) for node in left)]
    edited = [(number, _message(kept) if number == GRAPH else value) for number, value in model]
    return PackedModel(_message(edited), matrix, features, others, None if others else _first_split(left, matrix))


def _without_encoding(
    nodes: Sequence[_Node], tensors: dict[str, _Tensor], constants: Mapping[str, bytes]
) -> list[_Node]:
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


def _concatenated(node: _Node, inputs: list[_Tensor], _: Mapping[str, bytes]) -> _Tensor | None:
    elements = {tensor.element for tensor in inputs}
    if len(inputs) != len(node.inputs) or len(elements) > 1 or node.attributes()["axis"] not in {1, -1}:
        return None
    return _Tensor(elements.pop(), tuple(chain.from_iterable(tensor.features for tensor in inputs)))


def _encoded(node: _Node, inputs: list[_Tensor], _: Mapping[str, bytes]) -> _Tensor | None:
    attributes, (tensor,) = node.attributes(), inputs
    element, suffix = (INT64, "int64") if "values_int64s" in attributes else (FLOAT, "float")
    keys, values = attributes.get("keys_strings"), attributes.get(f"values_{suffix}s")
    if not keys or not values or tensor.element != STRING or len(tensor.features) > 1:
        return None
    codes = Codes(dict(zip(keys, values, strict=True)), attributes.get(f"default_{suffix}", DEFAULT_CODES[element]))
    if element == INT64 and max(map(abs, codes.values())) > FLOAT32_WHOLE_MAX:
        return None
    return _Tensor(element, (Feature(tensor.features[0].column, codes),))


def _reshaped(node: _Node, inputs: list[_Tensor], constants: Mapping[str, bytes]) -> _Tensor | None:
    shape = _int64s(constants[node.inputs[1]]) if node.inputs[1] in constants else []
    return inputs[0] if shape == [-1, len(inputs[0].features)] else None


def _cast(node: _Node, inputs: list[_Tensor], _: Mapping[str, bytes]) -> _Tensor | None:
    is_number = node.attributes()["to"] == FLOAT and inputs[0].element != STRING
    return _Tensor(FLOAT, inputs[0].features) if is_number else None


_ENCODERS = {"Concat": _concatenated, "LabelEncoder": _encoded, "Reshape": _reshaped, "Cast": _cast}


def _first_split(nodes: Sequence[_Node], matrix: str) -> int | None:
    """Return the column of the matrix at the root of the first tree; None if `nodes` do more than to sum up trees."""
    if not {node.operator for node in nodes} <= TREES | BY_VALUE:
        return None
    trees = (node for node in nodes if node.operator in TREES and node.inputs == [matrix])
    return next((tree.first_whole_number("nodes_featureids") for tree in trees), None)


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


def _matrix_input(name: str, features: int) -> bytes:
    """Return the ValueInfoProto of a float32 tensor of shape (rows, features)."""
    shape = _field(1, b"") + _field(1, _field(1, features))
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, FLOAT) + _field(2, shape)))


def _constant(name: str, values: Sequence[int]) -> bytes:
    """Return the TensorProto of int64 `values`."""
    content = np.array(values, dtype="<i8").tobytes()
    return _message([(DIMENSIONS, len(values)), (DATA_TYPE, INT64), (TENSOR_NAME, name.encode()), (RAW_DATA, content)])


def _gather(places: str, output: str) -> bytes:
    """Return the NodeProto that selects columns of the matrix."""
    axis = _message([(ATTRIBUTE_NAME, b"axis"), (INT_VALUE, 1), (ATTRIBUTE_TYPE, INT_ATTRIBUTE)])
    inputs: list[Field] = [(NODE_INPUT, PACKED.encode()), (NODE_INPUT, places.encode())]
    return _message([*inputs, (NODE_OUTPUT, output.encode()), (OPERATOR, b"Gather"), (ATTRIBUTE, axis)])


def _int64s(tensor: bytes) -> list[int]:
    """Return the values of a TensorProto of int64."""
    fields = _by_number(tensor)
    if RAW_DATA in fields:
        values: list[int] = np.frombuffer(fields[RAW_DATA][0], dtype="<i8").tolist()
        return values
    return _ints(fields[INT64_DATA])


def _ints(values: Sequence[Any]) -> list[int]:
    """Return repeated whole numbers, which may be packed into one field."""
    numbers: list[int] = []
    for value in values:
        if isinstance(value, int):
            numbers.append(_signed(value))
            continue
        place = 0
        while place < len(value):
            number, place = _varint(value, place)
            numbers.append(_signed(number))
    return numbers


def _floats(values: Sequence[bytes]) -> list[float]:
    numbers: list[float] = np.frombuffer(b"".join(values), dtype="<f4").tolist()
    return numbers


def _named(graph: Iterable[Field], kind: int, name: int) -> Iterator[tuple[str, bytes]]:
    """Yield the messages of a kind in `graph`, with the names that they have in field `name`."""
    for value in _values(graph, kind):
        yield _by_number(value)[name][0].decode(), value


def _values(message: Iterable[Field], number: int) -> Iterator[Any]:
    return (value for field, value in message if field == number)


def _by_number(message: bytes) -> dict[int, list[Any]]:
    values: dict[int, list[Any]] = defaultdict(list)
    for number, value in _fields(message):
        values[number].append(value)
    return values


def _fields(message: bytes) -> Iterator[Field]:
    """Yield number and value of each field: a whole number, or bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, encoding = key >> 3, key & 7
        if encoding == VARINT:
            whole, place = _varint(message, place)
            yield number, whole
            continue
        size = 8 if encoding == FIXED64 else 4
        if encoding == BYTES:
            size, place = _varint(message, place)
        yield number, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """Return the whole number at `place`, and the place after it."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _message(fields: Iterable[Field]) -> bytes:
    return b"".join(_field(*field) for field in fields)


def _field(number: int, value: int | bytes) -> bytes:
    """Return a field of a message."""
    if isinstance(value, int):
        return _as_varint(number << 3 | VARINT) + _as_varint(value)
    return _as_varint(number << 3 | BYTES) + _as_varint(len(value)) + value


def _as_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
