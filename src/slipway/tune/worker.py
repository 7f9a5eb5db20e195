"""What a process of the search does: hold the rows, value parameters, and end when the search does."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from slipway.tune import space
from slipway.tune.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ROWS: list[Rows] = []
"""Read once, when the process begins."""


def begin(prepared: Path, params: Mapping[str, Any]) -> None:
    """Read the rows. The process ends with the search, however that ends: nobody would tell it after a kill."""
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    _ROWS.append(Rows.read(prepared, params))


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    wait([parent.sentinel])
    os._exit(1)


def value(values: Mapping[str, Any]) -> float:
    """The metric of the parameters `values`, by path, on the folds."""
    (rows,) = _ROWS
    return rows.value(space.with_values(rows.params, values))
