"""Fast requests are scored inline, slow ones in chunks or on the thread; few large bodies are parsed concurrently."""

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
    """Model with a constant time per row that records thread and columns of each call."""

    has_tables = False

    def __init__(self, seconds_a_row: float) -> None:
        kinds = {"size": "number", "kind": "category"}
        columns = [{"name": name, "kind": kind, "nullable": False} for name, kind in kinds.items()]
        self.signature = {"task": "regression", "columns": columns}
        self.seconds = seconds_a_row
        self.calls: list[tuple[str, Mapping[str, list[Any]]]] = []

    def predict(self, columns: Mapping[str, list[Any]]) -> np.ndarray:
        self.calls.append((threading.current_thread().name, columns))
        time.sleep(self.seconds * len(columns["size"]))
        return np.array(columns["size"])


def scored(scorer: Scorer, rows: int) -> np.ndarray:
    return asyncio.run(scorer.score(rows, {"size": [1.0] * rows, "kind": ["a"] * rows}))


@pytest.mark.parametrize(("rows", "thread"), [(1, "MainThread"), (1000, "scorer_0")])
def test_few_rows_are_scored_inline_and_many_on_the_thread(rows, thread):
    model = Model(seconds_a_row=0.0002)
    scorer = Scorer(model, inline_seconds=0.04, timeout_seconds=5)
    assert rows == len(scored(scorer, rows))
    assert thread == model.calls[-1][0]


class WithTables(Model):
    """Model that is computed in chunks."""

    has_tables = True


class MeasuredScorer(Scorer):
    """Scorer with a given limit of inline rows in place of a measured one."""

    def __init__(self, model: Model, inline_rows: int, timeout_seconds: float = 5) -> None:
        self._given_rows = inline_rows
        super().__init__(model, 1, timeout_seconds)
        model.calls.clear()

    def _rows_within(self, _: float) -> int:
        return self._given_rows


def columns_of(rows: int, start: float = 0) -> dict[str, list[Any]]:
    return {"size": [start + row for row in range(rows)], "kind": ["a"] * rows}


def test_a_model_with_tables_scores_many_rows_in_chunks_on_the_loop():
    model = WithTables(0)
    scores = asyncio.run(MeasuredScorer(model, 300).score(1000, columns_of(1000)))
    assert columns_of(1000)["size"] == scores.tolist()
    assert [("MainThread", 250)] * 4 == [(thread, len(columns["size"])) for thread, columns in model.calls]


def test_the_loop_answers_others_between_two_chunks():
    model = WithTables(0)

    async def crowd() -> list[int]:
        scorer = MeasuredScorer(model, 100)
        scoring, chunks = asyncio.create_task(scorer.score(500, columns_of(500))), []
        while not scoring.done():
            await asyncio.sleep(0)
            chunks.append(len(model.calls))
        return chunks

    assert {1, 2, 3, 4, 5} <= set(asyncio.run(crowd()))


def test_one_request_is_computed_in_chunks_at_a_time():
    model = WithTables(0)

    async def crowd() -> None:
        scorer = MeasuredScorer(model, 100)
        await asyncio.gather(*(scorer.score(300, columns_of(300, start)) for start in (0, 1000)))

    asyncio.run(crowd())
    assert [0, 100, 200, 1000, 1100, 1200] == [columns["size"][0] for _, columns in model.calls]


def test_a_large_body_waits_until_the_previous_one_is_computed_in_chunks():
    async def crowd() -> list[int]:
        scorer, counts = MeasuredScorer(WithTables(0), 100), [0]
        await asyncio.gather(*(inside(scorer, counts, LARGE) for _ in range(3)))
        return counts

    assert 1 == max(asyncio.run(crowd()))


def test_a_request_in_chunks_gets_504_and_its_other_chunks_are_never_computed():
    model = WithTables(seconds_a_row=0.0005)
    with pytest.raises(RefusedError) as refused:
        asyncio.run(MeasuredScorer(model, 100, timeout_seconds=0.02).score(1000, columns_of(1000)))
    assert 504 == refused.value.status
    assert len(model.calls) <= 2


def test_a_model_too_slow_for_chunks_is_computed_on_the_thread():
    model = WithTables(0)
    asyncio.run(MeasuredScorer(model, 99).score(1000, columns_of(1000)))
    assert [("scorer_0", 1000)] == [(thread, len(columns["size"])) for thread, columns in model.calls]


def test_one_of_three_measurements_is_enough_without_interference():
    class Delayed(Model):
        def predict(self, columns: Mapping[str, list[Any]]) -> np.ndarray:
            time.sleep(0 if len(self.calls) % 3 else 0.02)
            return super().predict(columns)

    assert Scorer(Delayed(0), inline_seconds=0.01, timeout_seconds=5).inline_rows > 1000


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
