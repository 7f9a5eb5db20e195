"""Messages of an ONNX model, of which only a few fields are read and written.

The service does not install the package `onnx`. Source: onnx/onnx-ml.proto, and
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Field = tuple[int, int | bytes]

FLOAT, INT64, STRING = 1, 7, 8  # types of elements
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # encodings of a field
GRAPH = 7  # fields of ModelProto
NODE, INITIALIZER, INPUT, OUTPUT = 1, 5, 11, 12  # of GraphProto
NODE_INPUT, NODE_OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7  # of NodeProto
ATTRIBUTE_NAME, FLOAT_VALUE, INT_VALUE, STRING_VALUE, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 7, 8, 9  # of AttributeProto
ATTRIBUTE_TYPE = 20  # of AttributeProto
FLOAT_ATTRIBUTE, INT_ATTRIBUTE, STRING_ATTRIBUTE, FLOATS_ATTRIBUTE = 1, 2, 3, 6  # of AttributeProto.AttributeType
VALUE_NAME = 1  # of ValueInfoProto
DIMENSIONS, DATA_TYPE, INT64_DATA, TENSOR_NAME, RAW_DATA = 1, 2, 7, 8, 9  # of TensorProto
DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml"})


class Node:
    """A NodeProto."""

    def __init__(self, content: bytes) -> None:
        fields = by_number(content)
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
            fields = by_number(content)
            name = fields[ATTRIBUTE_NAME][0].decode()
            if INT_VALUE in fields:
                values[name] = signed(fields[INT_VALUE][0])
            elif FLOAT_VALUE in fields:
                values[name] = floats(fields[FLOAT_VALUE])[0]
            elif STRINGS in fields:
                values[name] = [value.decode() for value in fields[STRINGS]]
            elif FLOATS in fields:
                values[name] = floats(fields[FLOATS])
            else:
                values[name] = whole_numbers(fields[INTS])
        return values

    def attribute(self, name: str) -> bytes:
        """Return the AttributeProto of an attribute, or b"" if the node has none of this name."""
        start = field(ATTRIBUTE_NAME, name.encode())
        return next((content for content in self._attributes if content.startswith(start)), b"")

    def numbers(self, name: str) -> np.ndarray:
        """Return the list of numbers of an attribute, empty if the node has none: float32 or int64.

        numpy decodes it, because a tree ensemble has lists of many thousands.
        """
        content = np.frombuffer(self.attribute(name), np.uint8)[len(field(ATTRIBUTE_NAME, name.encode())) :]
        if not len(content):
            return np.empty(0, np.int64)
        if content[0] == FLOATS << 3 | FIXED32:  # a key and four bytes for each number, and the type of the attribute
            floats: np.ndarray = content[: len(content) // 5 * 5].reshape(-1, 5)[:, 1:].copy().view("<f4").ravel()
            return floats
        starts = np.flatnonzero(np.append(0x00, content[:-1]) < 0x80)
        sizes = np.diff(np.append(starts, len(content)))
        shifts = 7 * (np.arange(len(content)) - np.repeat(starts, sizes))
        varints = np.bitwise_or.reduceat((content & 0x7F).astype(np.int64) << shifts, starts)
        numbers: np.ndarray = varints[1::2][varints[::2] == INTS << 3 | VARINT]
        return numbers


def matrix_input(name: str, features: int) -> bytes:
    """Return the ValueInfoProto of a float32 tensor of shape (rows, features)."""
    shape = field(1, b"") + field(1, field(1, features))
    return field(1, name.encode()) + field(2, field(1, field(1, FLOAT) + field(2, shape)))


def int64s(tensor: bytes) -> list[int]:
    """Return the values of a TensorProto of int64."""
    fields = by_number(tensor)
    if RAW_DATA in fields:
        values: list[int] = np.frombuffer(fields[RAW_DATA][0], dtype="<i8").tolist()
        return values
    return whole_numbers(fields[INT64_DATA])


def whole_numbers(values: Sequence[Any]) -> list[int]:
    """Return repeated whole numbers, which may be packed into one field."""
    numbers: list[int] = []
    for value in values:
        if isinstance(value, int):
            numbers.append(signed(value))
            continue
        place = 0
        while place < len(value):
            number, place = varint(value, place)
            numbers.append(signed(number))
    return numbers


def floats(values: Sequence[bytes]) -> list[float]:
    """Return repeated floats."""
    numbers: list[float] = np.frombuffer(b"".join(values), dtype="<f4").tolist()
    return numbers


def named(graph: Iterable[Field], kind: int, name: int) -> Iterator[tuple[str, bytes]]:
    """Yield the messages of a kind in `graph`, with the names that they have in field `name`."""
    for value in values_of(graph, kind):
        yield by_number(value)[name][0].decode(), value


def values_of(message: Iterable[Field], number: int) -> Iterator[Any]:
    """Yield the values of a field in `message`."""
    return (value for field_number, value in message if field_number == number)


def by_number(message: bytes) -> dict[int, list[Any]]:
    """Return the values of each field, by its number."""
    numbered: dict[int, list[Any]] = defaultdict(list)
    for number, value in fields_of(message):
        numbered[number].append(value)
    return numbered


def fields_of(message: bytes) -> Iterator[Field]:
    """Yield number and value of each field: a whole number, or bytes."""
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        number, encoding = key >> 3, key & 7
        if encoding == VARINT:
            whole, place = varint(message, place)
            yield number, whole
            continue
        size = 8 if encoding == FIXED64 else 4
        if encoding == BYTES:
            size, place = varint(message, place)
        yield number, message[place : place + size]
        place += size


def varint(message: bytes, place: int) -> tuple[int, int]:
    """Return the whole number at `place`, and the place after it."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def message_of(fields: Iterable[Field]) -> bytes:
    """Return the message that consists of `fields`."""
    return b"".join(field(number, value) for number, value in fields)


def field(number: int, value: int | bytes) -> bytes:
    """Return a field of a message."""
    if isinstance(value, int):
        return as_varint(number << 3 | VARINT) + as_varint(value)
    return as_varint(number << 3 | BYTES) + as_varint(len(value)) + value


def as_varint(value: int) -> bytes:
    """Return the encoding of a whole number."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))


def signed(value: int) -> int:
    """Return the whole number whose encoding is that of the unsigned `value`."""
    return value - 2**64 if value >= 2**63 else value
