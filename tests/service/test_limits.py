"""Limits of the application, with models that are slow, return NaN, or have another task."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx
import numpy as np
import pytest

from slipway.serving.app import App
from slipway.serving.contract import RowContract
from slipway.serving.metrics import Metrics
from slipway.serving.observer import Observer
from slipway.serving.scorer import Scorer

SETTINGS = {
    "max_bytes": 10_000,
    "max_waiting_bytes": 20_000,
    "timeout_seconds": 0.2,
    "max_concurrency": 2,
    "retry_after_seconds": 3,
    "access_log": 0,
    "lines_a_second": 5,
}


class Model:
    """Model that returns the given scores after the given time."""

    has_tables = False

    def __init__(self, task: str, scores: list, seconds: float = 0.0) -> None:
        names = {"size": "number", "count": "number", "kind": "category", "name": "category", "weight": "number"}
        columns = [{"name": name, "kind": kind, "nullable": False} for name, kind in names.items()]
        self.signature = {"task": task, "classes": ["low", "high"], "columns": columns}
        self.scores = np.array(scores)
        self.seconds = seconds
        self.calls = 0

    def predict(self, _columns: dict) -> np.ndarray:
        self.calls += 1
        time.sleep(self.seconds)
        return self.scores


@pytest.fixture
def client(toy):
    def make(model: Model, inline_seconds: float = 1.0) -> httpx.AsyncClient:
        release = {"version": "v1"}
        scorer = Scorer(model, inline_seconds, SETTINGS["timeout_seconds"])
        observer = Observer(Metrics(release, model.signature), SETTINGS)
        app = App(release, RowContract(toy.Row, 10), scorer, observer, SETTINGS)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")

    return make


def posted(client: httpx.AsyncClient, *bodies: object) -> list[httpx.Response]:
    async def together() -> list[httpx.Response]:
        return await asyncio.gather(*(client.post("/predict", json=body) for body in bodies))

    return asyncio.run(together())


def test_multiclass_gives_a_probability_for_each_class(client, row):
    (response,) = posted(client(Model("multiclass", [[0.25, 0.75]])), row)
    assert [{"low": 0.25, "high": 0.75}] == response.json()["predictions"]


def test_regression_gives_a_number(client, row):
    (response,) = posted(client(Model("regression", [-12.5])), row)
    assert [-12.5] == response.json()["predictions"]


def test_nan_of_a_model_is_a_failure_of_the_service_in_strict_json(client, row):
    (response,) = posted(client(Model("regression", [float("nan")])), row)
    assert (500, "the service failed; see its log") == (response.status_code, response.json()["error"])


def test_a_slow_request_gets_504_and_queued_ones_are_never_computed(client, row):
    model = Model("binary", [0.5], seconds=0.3)
    service = client(model, inline_seconds=0.0)
    probes = model.calls
    assert [504, 504] == [response.status_code for response in posted(service, row, row)]
    assert 1 == model.calls - probes


def test_a_flood_of_slow_requests_uses_one_thread_and_leaves_no_work_behind(client, row):
    """Three times: the admitted requests time out behind one computation, and the others are refused immediately."""
    model = Model("binary", [0.5], seconds=0.3)
    others = set(threading.enumerate())
    service = client(model, inline_seconds=0.0)
    probes = model.calls
    threads = []
    for _ in range(3):
        assert {503, 504} == {response.status_code for response in posted(service, *[row] * 20)}
        started = set(threading.enumerate()) - others
        threads.append(sum(thread.name.startswith("scorer") for thread in started))
    time.sleep(0.4)
    done = model.calls - probes
    time.sleep(0.4)
    assert (done, True) == (model.calls - probes, done <= 3)
    assert 1 == max(threads)


def test_requests_above_the_limit_get_retry_after(client, row):
    answers = posted(client(Model("binary", [0.5])), *[row] * 5)
    assert [200, 200, 503, 503, 503] == sorted(response.status_code for response in answers)
    assert {"3"} == {response.headers["retry-after"] for response in answers if response.status_code == 503}


def test_a_body_that_does_not_arrive_in_time_gets_408(client):
    async def slow() -> httpx.Response:
        async def drip():
            while True:
                yield b" "
                await asyncio.sleep(0.05)

        headers = {"content-type": "application/json"}
        return await client(Model("binary", [0.5])).post("/predict", content=drip(), headers=headers)

    assert 408 == asyncio.run(slow()).status_code
