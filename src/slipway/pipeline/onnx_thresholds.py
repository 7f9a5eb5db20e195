"""Thresholds of trees as ONNX is to have them: rounded down to float32, so that a value on one side stays on it.

A tree that was trained on 12.82 and 12.88 splits at 12.85, which as a double is just below the float32 of 12.85.
skl2onnx rounds the thresholds of histogram gradient boosting to the nearest float32, which is that of 12.85, and a row
with 12.85 goes the other way. It can round down, and does so for other trees. Tables with few digits are full of such
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
    """Let skl2onnx round every threshold down. Should it change, the gate `export parity` tells."""
    from skl2onnx.common import tree_ensemble

    add_node = tree_ensemble.add_node

    def rounding(*arguments: Any, **options: Any) -> None:
        add_node(*arguments, **(options | {"adjust_threshold_for_sklearn": True}))

    with mock.patch.object(tree_ensemble, "add_node", rounding):
        yield
