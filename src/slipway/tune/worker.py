"""Worker process of the search: it keeps the rows in memory, evaluates parameters, and ends with the search."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from slipway.tune import space
from slipway.tune.rows import TuningRows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from slipway.settings import Settings

_ROWS: list[TuningRows] = []
"""Rows of the search, read once at the start of the process."""


def begin(prepared: Path, settings: Settings) -> None:
    """Read the rows, and watch the parent process, because a kill of the search does not end its workers."""
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _ROWS.append(TuningRows.read(prepared, settings))


def _end_with(parent: BaseProcess) -> None:
    wait([parent.sentinel])
    os._exit(1)


def value(values: Mapping[str, Any]) -> float:
    """Return the cross-validated metric of the parameters `values` by path."""
    (rows,) = _ROWS
    return rows.value(space.with_values(rows.settings.for_problem(), values))
