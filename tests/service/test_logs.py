"""Log of a worker on stderr, and the request id in it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from datetime import datetime

import httpx
import pytest

from slipway import predictor
from slipway.serving.app import App
from slipway.serving.contract import RowContract
from slipway.serving.logs import RateLimit
from slipway.serving.metrics import Metrics
from slipway.serving.observer import Observer
from slipway.serving.scorer import Scorer
from slipway.settings import read_settings

from .conftest import REPOSITORY, both_ways

SETTINGS = read_settings(REPOSITORY / "params.yaml").serving.model_dump()


class Failing:
    """Model that predicts once, for the measurement, and fails afterwards."""

    has_tables = False

    def __init__(self, model: predictor.Predictor) -> None:
        self.signature, self._model, self.fails = model.signature, model, False

    def predict(self, columns: dict) -> object:
        if self.fails:
            raise RuntimeError("out of order")
        return self._model.predict(columns)


@pytest.fixture(autouse=True)
def _of_the_service_only(caplog) -> None:
    caplog.set_level(logging.WARNING, "httpx")
    caplog.set_level(logging.INFO, "slipway")


@pytest.fixture
def model(model_dir) -> Failing:
    return Failing(predictor.load(model_dir))


@pytest.fixture
def send(toy, model):
    def send(*bodies: object, headers: dict | None = None, **changes: float) -> list[httpx.Response]:
        settings = SETTINGS | changes
        observer = Observer(Metrics({"version": "v1"}, model.signature), settings)
        app = App({"version": "v1"}, RowContract(toy.Row, 10), Scorer(model, 1, 5), observer, settings)

        async def sent() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
                answers = [await client.post("/predict", json=body, headers=headers) for body in bodies]
                return [*answers, await client.get("/metrics")]

        return asyncio.run(sent())

    return send


@pytest.mark.parametrize("brought", ["a", "0b5c1a52-9e4e-4c39-9d0e-6d6d1f1c0f5e", "A.b_c:d/e+f=", "x" * 128])
def test_a_well_formed_id_is_kept(send, row, brought):
    assert brought == send(row, headers={"X-Request-Id": brought})[0].headers["x-request-id"]


@pytest.mark.parametrize("brought", ["", " ", "a b", "x" * 129, '"', "a,b", "<script>", "a\u00e9"])
def test_a_malformed_id_is_replaced(send, row, brought):
    answer = send(row, headers={"X-Request-Id": brought.encode("latin-1")})[0]
    assert brought != answer.headers["x-request-id"]
    assert answer.headers["x-request-id"].isascii()


def test_each_request_has_a_unique_id(send, row):
    assert 20 == len({answer.headers["x-request-id"] for answer in send(*[row] * 20)[:-1]})


def test_a_refusal_is_logged_with_reason_row_and_field_but_no_value(send, row, caplog):
    send([row, row | {"count": 77777}], headers={"X-Request-Id": "id-1"})
    (record,) = caplog.records
    detail = {"row": 1, "field": "count", "rule": "Input should be less than or equal to 9"}
    assert {"request_id": "id-1", "status": 422, "reason": "contract", "detail": detail} == record.fields
    assert "77777" not in str(vars(record))


def test_a_failure_is_logged_with_its_traceback(send, model, row, caplog, monkeypatch):
    real = Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda self, *given: setattr(model, "fails", True) or real(self, *given))
    answer, _ = send(row, headers={"X-Request-Id": "id-1"})
    (record,) = caplog.records
    assert (500, {"request_id": "id-1", "status": 500}) == (answer.status_code, record.fields)
    assert "out of order" in str(record.exc_info[1])


def test_responses_are_logged_only_if_enabled(send, row, caplog):
    send(row)
    assert [] == caplog.records
    send(row, headers={"X-Request-Id": "id-1"}, access_log=1.0)
    (record,) = caplog.records
    assert ("answered", "id-1", 200) == (record.message, record.fields["request_id"], record.fields["status"])


def test_a_flood_of_refusals_is_logged_partially_and_counted(send, caplog):
    page = send(*[[]] * 50, lines_a_second=5)[-1].text
    dropped = float(page.split("slipway_log_lines_dropped_total ")[-1].split()[0])
    assert 50 == len(caplog.records) + dropped
    assert dropped > 0


def test_a_rate_limit_restarts_every_second(monkeypatch):
    rate, now = RateLimit(2), 0.0
    monkeypatch.setattr("slipway.serving.logs.time.monotonic", lambda: now)
    first = [rate.passes() for _ in range(3)]
    now = 1.0
    assert ([True, True, False], True) == (first, rate.passes())


@both_ways
def test_every_line_of_a_running_worker_is_json_with_time_level_and_release(serve, model_dir, tmp_path, row):
    with serve(model_dir, tmp_path) as (url, _):
        httpx.post(f"{url}/predict", json=row | {"count": "x\ny"}, headers={"X-Request-Id": "id-1"})
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if not line.startswith("20")]
    assert "id-1" in {line.get("request_id") for line in lines}
    assert {"v1.2.3"} == {line["release"] for line in lines}
    assert all(datetime.fromisoformat(line["time"]).tzinfo and line["level"] and line["message"] for line in lines)


BLOCKED = """
import logging, os, sys, time
from slipway.serving import logs
dropped = 0
def count():
    global dropped
    dropped += 1
logs.configure("v1", count)
start = time.monotonic()
for place in range(20_000):
    logging.getLogger("slipway").info("x" * 1000)
print(dropped, time.monotonic() - start, flush=True)
"""


def test_an_unread_stderr_blocks_nothing():
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    dropped, seconds = process.stdout.readline().split()
    assert 0 == process.wait(timeout=10)
    assert int(dropped) > 18_000
    assert float(seconds) < 5
    process.stdout.close()
    process.stderr.close()
