"""Sums of trees from tables of bits, which take many rows in a fraction of the time that ONNX Runtime takes.

ONNX Runtime walks each row through each tree, and a processor cannot predict the branches. Here, a number has a bit for
each leaf of a tree. A table has one number per tree for each interval between the thresholds of a column: the leaves
that a row with a value in the interval can reach. The bitwise AND over the columns leaves one bit, the leaf of the row.
numpy computes it for all trees together, without a branch. The values of the leaves are added as in ONNX Runtime, in
float32 and in the order of the trees, so the sums are equal to the last bit.

Source: QuickScorer, Lucchese et al., SIGIR 2015, which has these bits for each threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.onnx_message import (
    ATTRIBUTE,
    ATTRIBUTE_NAME,
    ATTRIBUTE_TYPE,
    DOMAIN,
    FLOATS,
    FLOATS_ATTRIBUTE,
    GRAPH,
    INPUT,
    NODE,
    NODE_INPUT,
    NODE_OUTPUT,
    OPERATOR,
    Node,
    by_number,
    field,
    fields_of,
    matrix_input,
    message_of,
    values_of,
)

if TYPE_CHECKING:
    from slipway.onnx_message import Field

SUMS = "slipway_sums"
ROWS_MIN = 80  # fewer rows take longer than in ONNX Runtime
TABLE_BYTES_MAX = 8_000_000  # of memory in a worker, and of a processor's cache
BLOCK_BYTES = 1_500_000  # of the numbers that are looked up together; larger blocks leave the cache
PROBES = 500  # rows on which the sums are compared with those of ONNX Runtime
MISSING_PROBES = 0.1  # fraction of their values
PREFIXES = {"TreeEnsembleClassifier": "class", "TreeEnsembleRegressor": "target"}
"""Start of the names of the attributes of leaves, by operator."""


@dataclass(frozen=True)
class _Bits:
    """Unsigned integers with a bit per leaf, and the floats whose exponent is the place of a single bit."""

    unsigned: type[np.unsignedinteger[Any]]
    signed: type[np.signedinteger[Any]]
    floating: type[np.floating[Any]]
    mantissa: int
    bias: int


BITS = {32: _Bits(np.uint32, np.int32, np.float32, 23, 127), 64: _Bits(np.uint64, np.int64, np.float64, 52, 1023)}


class TreeTables:
    """Tables of the trees of a model, whose sums are the input SUMS of the `rest` of the model."""

    def __init__(self, trees: _Trees, rest: bytes) -> None:
        self.rest = rest
        self._trees = trees
        self._table, starts = _table(trees)
        width = 8 * self._table.itemsize
        self._values = np.zeros((len(trees.leaves), width), np.float32)
        self._values[trees.leaf_tree, trees.leaf] = trees.weight
        self._first = width * np.arange(len(trees.leaves))[:, None] - trees.bits.bias
        self._thresholds, self._offsets = _padded(trees.thresholds, starts)
        self._missing = starts[1:, None] - 1
        self._block_rows = max(1, BLOCK_BYTES // (len(trees.columns) * self._table[0].nbytes))

    def sums(self, matrix: np.ndarray) -> np.ndarray:
        """Return float32 of shape (n, 1) for n rows, at least two: more than one value is needed to add in order."""
        places = self._places(matrix)
        blocks = np.array_split(places, -(-len(matrix) // self._block_rows), axis=1)
        return np.concatenate([self._sums(block) for block in blocks])[:, None]

    def probes(self, columns: int) -> np.ndarray:
        """Return rows of `columns` values on both sides of the thresholds, some of them missing."""
        random = np.random.default_rng(0)
        rows = np.zeros((PROBES, columns), np.float32)
        for place, thresholds in zip(self._trees.columns, self._trees.thresholds, strict=True):
            chosen = random.choice(thresholds, PROBES)
            above = np.where(random.random(PROBES) < 0.5, np.nextafter(chosen, np.float32(np.inf)), chosen)
            rows[:, place] = np.where(random.random(PROBES) < MISSING_PROBES, np.nan, above)
        return rows

    def _places(self, matrix: np.ndarray) -> np.ndarray:
        """Return the places in the table, of shape (columns, rows), by a binary search in all columns together."""
        values = matrix.T.take(self._trees.columns, axis=0)
        size = self._thresholds.shape[1]
        thresholds = self._thresholds.ravel()
        places = np.repeat(size * np.arange(len(values))[:, None], len(matrix), axis=1)
        step = size // 2
        while step:
            places += step * (values > thresholds[step - 1 :].take(places, mode="clip"))
            step //= 2
        places += self._offsets
        np.copyto(places, self._missing, where=np.isnan(values))
        return places

    def _sums(self, places: np.ndarray) -> np.ndarray:
        leaves = np.bitwise_and.reduce(self._table.take(places, axis=0, mode="clip"), axis=0)
        bits = self._trees.bits
        powers = leaves.T.astype(bits.floating, order="C")
        leaf = (powers.view(bits.signed) >> bits.mantissa) + self._first
        sums: np.ndarray = np.add.reduce(self._values.take(leaf, mode="clip"), axis=0)  # in order, unlike another axis
        return sums + self._trees.base


def tables_of(content: bytes, matrix: str) -> TreeTables | None:
    """Return the tables of a model with the only input `matrix`, or None where its trees do not allow that.

    `content` is a ModelProto. Some sums of trees are not recognized as different, for example means, so that the
    caller compares the predictions with those of the model.
    """
    graph = list(fields_of(by_number(content)[GRAPH][0]))
    readers = [node for node in map(Node, values_of(graph, NODE)) if matrix in node.inputs]
    if len(readers) != 1 or readers[0].operator not in PREFIXES:
        return None
    trees = _trees(readers[0])
    if trees is None or trees.table_bytes > TABLE_BYTES_MAX:
        return None
    return TreeTables(trees, _rest(content, graph, readers[0]))


def _rest(content: bytes, graph: list[Field], trees: Node) -> bytes:
    """Return the model with the sums as its input, and a node for what the trees do with them."""
    kept = [(INPUT, matrix_input(SUMS, 1)) if number == INPUT else (number, value) for number, value in graph]
    kept[kept.index((NODE, trees.content))] = (NODE, _from_sums(trees))
    model = [(number, message_of(kept) if number == GRAPH else value) for number, value in fields_of(content)]
    return message_of(model)


def _from_sums(trees: Node) -> bytes:
    """Return the NodeProto with the outputs of `trees` from the sums."""
    outputs: list[Field] = [(NODE_OUTPUT, name.encode()) for name in trees.outputs]
    if trees.operator == "TreeEnsembleRegressor":
        return message_of([(NODE_INPUT, SUMS.encode()), *outputs, (OPERATOR, b"Identity")])
    labels = trees.attribute("classlabels_int64s").replace(
        field(ATTRIBUTE_NAME, b"classlabels_int64s"), field(ATTRIBUTE_NAME, b"classlabels_ints"), 1
    )
    attributes = [_floats("coefficients", 1.0), _floats("intercepts", 0.0), labels, trees.attribute("post_transform")]
    return message_of(
        [
            (NODE_INPUT, SUMS.encode()),
            *outputs,
            (OPERATOR, b"LinearClassifier"),
            *((ATTRIBUTE, attribute) for attribute in attributes if attribute),
            (DOMAIN, b"ai.onnx.ml"),
        ]
    )


def _floats(name: str, value: float) -> bytes:
    """Return the AttributeProto of a list of one number."""
    return message_of(
        [
            (ATTRIBUTE_NAME, name.encode()),
            (FLOATS, np.float32(value).tobytes()),
            (ATTRIBUTE_TYPE, FLOATS_ATTRIBUTE),
        ]
    )


@dataclass(frozen=True)
class _Trees:
    """Trees with one value per leaf: an array per property of the columns, the splits, and the leaves."""

    base: np.float32
    columns: np.ndarray
    """Columns of the matrix that the trees split."""
    thresholds: list[np.ndarray]
    """Of each of these columns, sorted."""
    column: np.ndarray
    """Place of the column of a split in `columns`."""
    threshold: np.ndarray
    tree: np.ndarray
    is_missing_true: np.ndarray
    when_true: np.ndarray
    """Bits of the leaves of the tree that a row can reach where its value is at most the threshold."""
    when_false: np.ndarray
    leaves: np.ndarray
    """Bits of all leaves of each tree."""
    leaf_tree: np.ndarray
    leaf: np.ndarray
    """Place of a leaf in its tree."""
    weight: np.ndarray

    @property
    def bits(self) -> _Bits:
        """Return the numbers with a bit for each leaf of a tree."""
        return BITS[32 if self.leaf.max() < 32 else 64]

    @property
    def table_bytes(self) -> int:
        """Return the size of the tables."""
        lines = sum(len(values) + 2 for values in self.thresholds)
        return lines * len(self.leaves) * np.dtype(self.bits.unsigned).itemsize


def _trees(node: Node) -> _Trees | None:
    """Return the trees of a node, or None where they have other splits than `<=`, too many leaves, or more outputs."""
    prefix = PREFIXES[node.operator]
    tree_id, threshold = node.numbers("nodes_treeids"), node.numbers("nodes_values")
    leaf_ids = node.numbers(f"{prefix}_treeids"), node.numbers(f"{prefix}_nodeids")
    modes, base = node.attribute("nodes_modes"), node.numbers("base_values")
    weight = node.numbers(f"{prefix}_weights")
    leaves = modes.count(b"LEAF")
    if (
        leaves + modes.count(b"BRANCH_LEQ") != len(tree_id)
        or len(threshold) != len(tree_id)
        or len(weight) != leaves
        or len(base) > 1
        or len(np.unique(node.numbers(f"{prefix}_ids"))) != 1
        or (prefix == "class" and len(node.numbers("classlabels_int64s")) != 2)
    ):
        return None
    places = _Places(tree_id, node.numbers("nodes_nodeids"))
    leaf = places.of(*leaf_ids)
    is_split = np.ones(len(tree_id), bool)
    is_split[leaf] = False
    roots = np.flatnonzero(np.diff(tree_id, prepend=tree_id[0] - 1))
    tree = np.repeat(np.arange(len(roots)), np.diff(np.append(roots, len(tree_id))))
    if is_split.sum() != len(tree_id) - leaves or leaves == len(tree_id) or np.bincount(tree[leaf]).max() > max(BITS):
        return None
    true, false = (
        places.of(tree_id[is_split], node.numbers(name)[is_split])
        for name in ("nodes_truenodeids", "nodes_falsenodeids")
    )
    reached, order = _reached(roots, is_split, true, false)
    columns, column = np.unique(node.numbers("nodes_featureids")[is_split], return_inverse=True)
    threshold = threshold[is_split]
    missing = node.numbers("nodes_missing_value_tracks_true")
    return _Trees(
        base=np.float32(base[0] if len(base) else 0),
        columns=columns,
        thresholds=[np.unique(threshold[column == place]) for place in range(len(columns))],
        column=column,
        threshold=threshold,
        tree=tree[is_split],
        is_missing_true=missing[is_split] > 0 if len(missing) else np.zeros(len(true), bool),
        when_true=~reached[false],
        when_false=~reached[true],
        leaves=reached[roots],
        leaf_tree=tree[leaf],
        leaf=order[leaf],
        weight=weight,
    )


class _Places:
    """Places of nodes, by the number of their tree and their number in it."""

    def __init__(self, tree: np.ndarray, node: np.ndarray) -> None:
        self._stride = node.max() + 1
        self._keys = tree * self._stride + node
        self._sorter = self._keys.argsort()

    def of(self, tree: np.ndarray, node: np.ndarray) -> np.ndarray:
        places: np.ndarray = self._sorter[self._keys.searchsorted(tree * self._stride + node, sorter=self._sorter)]
        return places


def _reached(
    roots: np.ndarray, is_split: np.ndarray, true: np.ndarray, false: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of the leaves below each node, and the place of each leaf in its tree."""
    children: list[tuple[int, int] | None] = [None] * len(is_split)
    for place, *pair in zip(np.flatnonzero(is_split).tolist(), false.tolist(), true.tolist(), strict=True):
        children[place] = (pair[0], pair[1])
    reached, order = [0] * len(children), [0] * len(children)
    for root in roots.tolist():
        leaves, path, visited = 0, [root], []
        while path:
            place = path.pop()
            visited.append(place)
            if below := children[place]:
                path += below
            else:
                order[place], reached[place] = leaves, 1 << leaves
                leaves += 1
        for place in reversed(visited):
            if below := children[place]:
                reached[place] = reached[below[0]] | reached[below[1]]
    return np.array(reached, np.uint64), np.array(order)


def _table(trees: _Trees) -> tuple[np.ndarray, np.ndarray]:
    """Return the tables of all columns, a line for each interval, and the start of each column and their end.

    A column with n thresholds has n + 1 intervals, and a line for missing values.
    """
    unsigned = trees.bits.unsigned
    starts = np.cumsum([0, *(len(values) + 2 for values in trees.thresholds)])
    place = starts[trees.column]
    for column, values in enumerate(trees.thresholds):
        place[trees.column == column] += values.searchsorted(trees.threshold[trees.column == column])
    when_true, when_false = trees.when_true.astype(unsigned), trees.when_false.astype(unsigned)
    below, above = np.full((2, starts[-1], len(trees.leaves)), np.iinfo(unsigned).max, unsigned)
    table = np.repeat(trees.leaves.astype(unsigned)[None], starts[-1], axis=0)
    np.bitwise_and.at(below, (place, trees.tree), when_true)
    np.bitwise_and.at(above, (place + 1, trees.tree), when_false)
    missing = np.where(trees.is_missing_true, when_true, when_false)
    np.bitwise_and.at(table, (starts[trees.column + 1] - 1, trees.tree), missing)
    for start, end in zip(starts, starts[1:] - 1, strict=False):
        table[start:end] &= np.bitwise_and.accumulate(above[start:end])
        table[start:end] &= np.bitwise_and.accumulate(below[start:end][::-1])[::-1]
    return table, starts


def _padded(thresholds: list[np.ndarray], starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the thresholds of each column, filled up to a power of two, and the offsets from them to the table."""
    size = 1 << max(map(len, thresholds)).bit_length()
    padded = np.full((len(thresholds), size), np.inf, np.float32)
    for line, values in zip(padded, thresholds, strict=True):
        line[: len(values)] = values
    return padded, (starts[:-1] - size * np.arange(len(thresholds)))[:, None]
