"""Scoring that cannot run away: quick work on the spot, slow work on one thread with a time limit."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.predictor import as_inputs
from slipway.serving.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from slipway.predictor import Predictor

PROBE_ROWS = 100  # scored at start to learn the time a row takes; enough to see it, few enough to be ready at once
LARGE_BYTES = 50_000  # of a body whose rows, once read, take far more memory than the body
PLACES = 2  # for large bodies: one is computed while the next one is read


class Scorer:
    """Scores columns of rows.

    A hand-over to a thread costs more than a row of a tree ensemble, so work that is expected to take less than
    `inline_seconds` is done at once. Slower work waits for the one thread: at most one request is computed at a time,
    and one that is given up before its turn is never computed.
    """

    def __init__(self, predictor: Predictor, inline_seconds: float, timeout_seconds: float) -> None:
        self._predictor = predictor
        self._timeout = timeout_seconds
        self._thread = ThreadPoolExecutor(1, "scorer")
        self._places = asyncio.Semaphore(PLACES)
        self._inline_rows = self._rows_within(inline_seconds)

    @property
    def classes(self) -> list[str] | None:
        """Names of the columns of a multiclass prediction; None where a prediction is one number."""
        signature = self._predictor.signature
        return [str(name) for name in signature["classes"]] if signature["task"] == "multiclass" else None

    def place(self, body_bytes: int) -> AbstractAsyncContextManager[None]:
        """Enter to read and to score a body: at once, or if it is large, when its turn has come.

        Raises RefusedError (504) when it does not come, or the work is not done, within `timeout_seconds`.
        """
        return self._large() if body_bytes > LARGE_BYTES else nullcontext()

    @asynccontextmanager
    async def _large(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout), self._places:
                yield
        except TimeoutError:
            raise self._late() from None

    async def score(self, rows: int, columns: Mapping[str, list[Any]]) -> np.ndarray:
        """Predictions as `Predictor.predict` documents them. Raises RefusedError (504) after `timeout_seconds`."""
        if rows <= self._inline_rows:
            return self._predictor.predict(columns)
        # Arrays are made here, beside the computing of another request: on the thread they would hold it up.
        inputs = as_inputs(self._predictor.signature, columns)
        arrays = {name: values.ravel() for name, values in inputs.items()}
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._predictor.predict, arrays)
        try:
            return await asyncio.wait_for(work, self._timeout)
        except TimeoutError:
            raise self._late() from None

    def _late(self) -> RefusedError:
        return RefusedError(504, "timeout", f"not done within {self._timeout} s; send fewer rows")

    def _rows_within(self, seconds: float) -> int:
        self._timed(1)  # the first call pays for what is loaded lazily
        one = self._timed(1)
        each = max((self._timed(PROBE_ROWS) - one) / (PROBE_ROWS - 1), 1e-9)
        return int(1 + (seconds - one) / each) if one <= seconds else 0

    def _timed(self, rows: int) -> float:
        columns = _varied(self._predictor.signature["columns"], rows)
        start = time.perf_counter()
        self._predictor.predict(columns)
        return time.perf_counter() - start


def _varied(signature: list[dict[str, Any]], rows: int) -> dict[str, list[Any]]:
    """Rows with numbers of many magnitudes: a tree ensemble scores equal rows three times as fast as real ones."""
    random = Random(0)  # noqa: S311  numbers to be timed, no secret
    return {
        column["name"]: [random.lognormvariate(3, 3) if column["kind"] == "number" else "" for _ in range(rows)]
        for column in signature
    }
