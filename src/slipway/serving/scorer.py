"""Scoring with a time limit: fast requests inline, slow requests in chunks of rows or on one thread."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.serving.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from slipway.predictor import Predictor

PROBE_ROWS = 100  # scored at startup to measure the time per row, without a noticeable delay
MEASUREMENTS = 3  # of which the fastest counts, because other programs can only delay one
MEASURING_SECONDS = 0.2  # after which a measurement is not repeated
LARGE_BYTES = 50_000  # size of a body from which its parsed rows take much more memory than the body
LARGE_BODIES_MAX = 2  # concurrent ones with a thread: one is computed while the next one is parsed


class Scorer:
    """Scores columns of rows.

    The handover to a thread takes longer than a row of a tree ensemble, so a request with an expected time of less than
    `inline_seconds` is computed inline. Slower ones queue for the thread, which computes one request at a time. A
    request that times out in the queue is never computed.

    Tables hold Python's lock most of the time, so a thread would only delay the loop. Slow requests for a model with
    tables are computed on the loop, one at a time, in chunks of rows that take less than `inline_seconds` each. Between
    two chunks the loop polls its sockets and answers other requests.
    """

    def __init__(self, predictor: Predictor, inline_seconds: float, timeout_seconds: float) -> None:
        self._predictor = predictor
        self._timeout_seconds = timeout_seconds
        self._thread = ThreadPoolExecutor(1, "scorer")
        self.inline_rows = self._rows_within(inline_seconds)
        """Maximum rows of a request that is computed inline."""
        self._in_chunks = predictor.has_tables and self.inline_rows >= PROBE_ROWS
        self._large_slots = asyncio.Semaphore(1 if self._in_chunks else LARGE_BODIES_MAX)
        self._chunk_turn = asyncio.Lock()

    @property
    def classes(self) -> list[str] | None:
        """Class names of a multiclass model; None for a model that predicts a single number."""
        signature = self._predictor.signature
        return [str(name) for name in signature["classes"]] if signature["task"] == "multiclass" else None

    def slot(self, body_bytes: int) -> AbstractAsyncContextManager[None]:
        """Return a context in which to parse and score a body. A large body waits for a slot.

        Raises RefusedError (504) if a large body takes longer than `timeout_seconds`, including the wait.
        """
        return self._large() if body_bytes > LARGE_BYTES else nullcontext()

    @asynccontextmanager
    async def _large(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_seconds), self._large_slots:
                yield
        except TimeoutError:
            raise self._timed_out() from None

    async def score(self, rows: int, columns: Mapping[str, list[Any]]) -> np.ndarray:
        """Return the predictions, shaped as `Predictor.predict` documents.

        Raises RefusedError (504) after `timeout_seconds`.
        """
        if rows <= self.inline_rows:
            return self.score_inline(columns)
        if self._in_chunks:
            return await self._score_in_chunks(rows, columns)
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._predictor.predict, columns)
        try:
            return await asyncio.wait_for(work, self._timeout_seconds)
        except TimeoutError:
            raise self._timed_out() from None

    async def _score_in_chunks(self, rows: int, columns: Mapping[str, list[Any]]) -> np.ndarray:
        chunks = -(-rows // self.inline_rows)
        scores = []
        try:
            async with asyncio.timeout(self._timeout_seconds), self._chunk_turn:
                for start, end in pairwise(rows * place // chunks for place in range(chunks + 1)):
                    await asyncio.sleep(0)
                    scores.append(self.score_inline({name: values[start:end] for name, values in columns.items()}))
        except TimeoutError:
            raise self._timed_out() from None
        return np.concatenate(scores)

    def score_inline(self, columns: Mapping[str, list[Any]]) -> np.ndarray:
        """Return the predictions for at most `inline_rows` rows, without waiting."""
        return self._predictor.predict(columns)

    def _timed_out(self) -> RefusedError:
        return RefusedError(504, "timeout", f"the prediction exceeded {self._timeout_seconds} s; send fewer rows")

    def _rows_within(self, seconds: float) -> int:
        self._measure(1)  # the first call includes lazy loading
        first_row_seconds = self._measure(1)
        row_seconds = max((self._measure(PROBE_ROWS) - first_row_seconds) / (PROBE_ROWS - 1), 1e-9)
        return int(1 + (seconds - first_row_seconds) / row_seconds) if first_row_seconds <= seconds else 0

    def _measure(self, rows: int) -> float:
        """Return the seconds of a prediction for `rows` rows."""
        columns = _random_columns(self._predictor.signature["columns"], rows)
        seconds = [self._seconds(columns)]
        while len(seconds) < MEASUREMENTS and sum(seconds) < MEASURING_SECONDS:
            seconds.append(self._seconds(columns))
        return min(seconds)

    def _seconds(self, columns: Mapping[str, list[Any]]) -> float:
        start = time.perf_counter()
        self._predictor.predict(columns)
        return time.perf_counter() - start


def _random_columns(signature: list[dict[str, Any]], rows: int) -> dict[str, list[Any]]:
    """Return columns with numbers of many magnitudes.

    A tree ensemble scores equal rows three times faster than real ones.
    """
    random = Random(0)  # noqa: S311  a measurement needs no secure randomness
    return {
        column["name"]: [random.lognormvariate(3, 3) if column["kind"] == "number" else "" for _ in range(rows)]
        for column in signature
    }
