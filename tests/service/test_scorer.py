"""Fast requests are scored inline, slow ones on the thread, and few large bodies are parsed concurrently."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from slipway.serving.refusal import RefusedError
from slipway.serving.scorer import LARGE_BODIES_MAX, LARGE_BYTES, Scorer

LARGE = LARGE_BYTES + 1


class Model:
    """Model with a constant time per row that records thread and number of rows of each call."""

    def __init__(self, seconds_a_row: float) -> None:
        kinds = {"size": "number", "kind": "category"}
        columns = [{"name": name, "kind": kind, "nullable": False} for name, kind in kinds.items()]
        self.signature = {"task": "regression", "columns": columns}
        self.seconds = seconds_a_row
        self.calls: list[tuple[str, Mapping[str, list[Any]]]] = []

    def predict(self, columns: Mapping[str, list[Any]]) -> np.ndarray:
        self.calls.append((threading.current_thread().name, columns))
        time.sleep(self.seconds * len(columns["size"]))
        return np.zeros(len(columns["size"]))


def scored(scorer: Scorer, rows: int) -> np.ndarray:
    return asyncio.run(scorer.score(rows, {"size": [1.0] * rows, "kind": ["a"] * rows}))


@pytest.mark.parametrize(("rows", "thread"), [(1, "MainThread"), (1000, "scorer_0")])
def test_few_rows_are_scored_inline_and_many_on_the_thread(rows, thread):
    model = Model(seconds_a_row=0.0002)
    scorer = Scorer(model, inline_seconds=0.04, timeout_seconds=5)
    assert rows == len(scored(scorer, rows))
    assert thread == model.calls[-1][0]


def test_the_model_is_measured_on_different_rows():
    model = Model(0)
    Scorer(model, 1, 1)
    timed = model.calls[-1][1]["size"]
    assert len(timed) == len(set(timed))


async def inside(scorer: Scorer, counts: list[int], body_bytes: int) -> None:
    async with scorer.slot(body_bytes):
        counts.append(counts[-1] + 1)
        await asyncio.sleep(0.01)
        counts.append(counts[-1] - 1)


@pytest.mark.parametrize(("body_bytes", "concurrent"), [(LARGE, LARGE_BODIES_MAX), (LARGE_BYTES, 10)])
def test_large_bodies_are_limited_and_small_ones_do_not_wait(body_bytes, concurrent):
    async def crowd() -> list[int]:
        scorer, counts = Scorer(Model(0), 1, 5), [0]
        await asyncio.gather(*(inside(scorer, counts, body_bytes) for _ in range(10)))
        return counts

    assert concurrent == max(asyncio.run(crowd()))


def test_a_large_body_without_a_slot_gets_504_and_uses_none():
    async def crowd() -> list[Any]:
        scorer = Scorer(Model(0), 1, timeout_seconds=0.5)

        async def hold() -> None:
            async with scorer.slot(LARGE):
                await asyncio.sleep(0.3)

        late = await asyncio.gather(*(hold() for _ in range(5)), return_exceptions=True)
        await asyncio.gather(*(hold() for _ in range(LARGE_BODIES_MAX)))
        return late

    late = asyncio.run(crowd())
    assert [None] * LARGE_BODIES_MAX == late[:LARGE_BODIES_MAX]
    assert isinstance(late[-1], RefusedError)
    assert (504, "timeout") == (late[-1].status, late[-1].reason)
