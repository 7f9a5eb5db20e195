"""Thresholds of trees in ONNX, rounded down to float32, so that every value stays on its side of a split.

A tree that was trained on 12.82 and 12.88 splits at 12.85, which as a double is just below the float32 of 12.85.
skl2onnx rounds the thresholds of histogram gradient boosting to the nearest float32, which is that of 12.85, so a row
with 12.85 changes sides. skl2onnx can round down, and does so for other trees. Tables with few digits have many such
rows.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def rounded_down() -> Iterator[None]:
    """Make skl2onnx round every threshold down; the gate `export parity` detects a change of skl2onnx."""
    from skl2onnx.common import tree_ensemble

    add_node = tree_ensemble.add_node

    def rounding(*arguments: Any, **options: Any) -> None:
        add_node(*arguments, **(options | {"adjust_threshold_for_sklearn": True}))

    with mock.patch.object(tree_ensemble, "add_node", rounding):
        yield
