"""POST /explain explains one prediction from background rows of the release, with a limit and metrics of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from slipway import predictor
from slipway.explainer import Explainer
from slipway.serving import explanations, pages
from slipway.serving.app import App
from slipway.serving.contract import RowContract
from slipway.serving.explanations import BACKGROUND, Explanations, read_explainer
from slipway.serving.metrics import Metrics
from slipway.serving.observer import Observer
from slipway.serving.scorer import Scorer
from slipway.settings import read_settings

from .conftest import BACKGROUND_ROWS as ROWS

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

SETTINGS = read_settings().serving.model_dump()
RELEASE = {"version": "v1.2.3"}


class Blocked:
    """Explainer that does not return before `release` is set."""

    def __init__(self, explainer: Explainer) -> None:
        self.signature = explainer.signature
        self._explainer = explainer
        self.release, self.started = threading.Event(), threading.Event()

    def explain(self, row: Any) -> Any:
        self.started.set()
        self.release.wait(10)
        return self._explainer.explain(row)


@pytest.fixture(scope="module")
def model(model_dir: Path) -> predictor.Predictor:
    return predictor.load(model_dir)


@pytest.fixture(scope="module")
def explainer(model: predictor.Predictor) -> Explainer:
    return Explainer(model, ROWS, 1)


def serving(toy: ModuleType, model: Any, explainer: Any, max_concurrency: int = 2, timeout_seconds: float = 5) -> App:
    observer = Observer(Metrics(RELEASE, model.signature), SETTINGS)
    app = App(RELEASE, RowContract(toy.Row, 5), Scorer(model, 1, 5), observer, SETTINGS)
    app.add_explanations(Explanations(explainer, toy.Row, "v1.2.3", timeout_seconds), max_concurrency)
    pages.add(app, toy, "v1.2.3", SETTINGS, explained=True)
    return app


def connected(app: App) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


def post(app: App, content: Any, path: str = "/explain") -> httpx.Response:
    async def send() -> httpx.Response:
        async with connected(app) as client:
            return await client.post(path, json=content)

    return asyncio.run(send())


def get(app: App, path: str) -> httpx.Response:
    async def send() -> httpx.Response:
        async with connected(app) as client:
            return await client.get(path)

    return asyncio.run(send())


def test_it_explains_the_prediction_of_the_other_route(toy, model, explainer, row):
    app = serving(toy, model, explainer)
    explanation = post(app, row).json()
    (prediction,) = post(app, row, "/predict").json()["predictions"]
    base = np.mean(post(app, {"columns": ROWS}, "/predict").json()["predictions"])
    assert ("v1.2.3", prediction) == (explanation["release"], explanation["prediction"])
    assert base == pytest.approx(explanation["base"], abs=1e-9)
    values = [contribution["value"] for contribution in explanation["contributions"].values()]
    assert prediction - explanation["base"] == pytest.approx(sum(values), abs=1e-12)
    assert list(ROWS) == list(explanation["contributions"])
    assert 0 < explanation["contributions"]["size"]["standard_error"] < 1


def test_each_class_has_its_own_contribution(toy, row):
    class Classes:
        has_tables = False

        def __init__(self) -> None:
            columns = [{"name": "size", "kind": "number"}]
            self.signature = {"task": "multiclass", "classes": ["early", 7], "columns": columns}

        def predict(self, columns: Any) -> np.ndarray:
            number = np.asarray(columns["size"], dtype=float) / 100
            return np.stack([number, 1 - number], axis=1)

    model = Classes()
    app = serving(toy, model, Explainer(model, {"size": [50.0, 60.0]}, 1))
    explanation = post(app, {**row, "size": 25.0}).json()
    assert {"early": 0.25, "7": 0.75} == explanation["prediction"]
    assert {"early": pytest.approx(-0.3), "7": pytest.approx(0.3)} == explanation["contributions"]["size"]["value"]


@pytest.mark.parametrize("content", [[], "two rows", {"color": 1}, {"columns": {}}])
def test_it_refuses_what_is_not_one_valid_row(toy, model, explainer, row, content):
    response = post(serving(toy, model, explainer), [row, row] if content == "two rows" else content)
    assert (422, {"error", "details"}) == (response.status_code, response.json().keys())


@pytest.mark.parametrize("max_concurrency", [1, 2])
def test_explanations_above_their_own_limit_are_refused_while_predictions_are_answered(
    toy, model, explainer, row, max_concurrency
):
    blocked = Blocked(explainer)
    app = serving(toy, model, blocked, max_concurrency)

    async def overload() -> tuple[list[httpx.Response], httpx.Response, list[httpx.Response]]:
        async with connected(app) as client:
            admitted = [asyncio.create_task(client.post("/explain", json=row)) for _ in range(max_concurrency)]
            await asyncio.to_thread(blocked.started.wait, 5)
            refused = [await client.post("/explain", json=row) for _ in range(3)]
            predicted = await client.post("/predict", json=row)
            blocked.release.set()
            return refused, predicted, await asyncio.gather(*admitted)

    refused, predicted, explained = asyncio.run(overload())
    assert [(503, "1")] * 3 == [(response.status_code, response.headers["retry-after"]) for response in refused]
    assert 200 == predicted.status_code
    assert [200] * max_concurrency == [response.status_code for response in explained]
    text = get(app, "/metrics").text
    assert 'slipway_explanations_total{status="503"} 3.0' in text
    assert f"slipway_explanation_seconds_count {float(max_concurrency)}" in text
    assert 'slipway_requests_total{status="503"} 0.0' in text  # a canary and the alerts judge predictions by these
    assert 'slipway_rejections_total{reason="overload"} 0.0' in text
    assert "slipway_rows_total 1.0" in text


def test_a_slow_explanation_ends_with_504(toy, model, explainer, row):
    blocked = Blocked(explainer)
    response = post(serving(toy, model, blocked, timeout_seconds=0.05), row)
    blocked.release.set()
    assert 504 == response.status_code


def test_the_background_is_that_of_the_release(model, tmp_path):
    folder = tmp_path / "model"
    assert read_explainer(folder, model, {"walks": 1}) is None
    (tmp_path / BACKGROUND).parent.mkdir()
    (tmp_path / BACKGROUND).write_text(json.dumps({"columns": ROWS}))
    row = {name: values[:1] for name, values in ROWS.items()}
    explanation = read_explainer(folder, model, {"walks": 1}).explain(row)
    assert model.predict(ROWS).mean() == pytest.approx(explanation.base[0], abs=1e-9)


def test_openapi_describes_the_explanation_only_where_there_is_one(toy, model, explainer, row):
    app = serving(toy, model, explainer)
    document = get(app, "/openapi.json").json()
    answer = document["paths"]["/explain"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(answer | {"components": document["components"]}).validate(post(app, row).json())
    without = pages.openapi(toy.Row, toy.TASK, toy.TARGET, "v1.2.3", 5)
    assert "/explain" not in without["paths"]
    assert without["info"] == document["info"]  # the version of the contract, too


def test_the_thread_of_explanations_has_a_lower_priority(monkeypatch):
    lowered: list[int] = []
    monkeypatch.setattr(explanations.os, "setpriority", lambda _, __, niceness: lowered.append(niceness))
    explanations._lower_priority()
    assert [explanations.NICENESS] == lowered
