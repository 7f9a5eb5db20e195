"""The Open Inference Protocol answers with the predictions of POST /predict, and refuses what that refuses."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from pydantic import BaseModel

from slipway import predictor
from slipway.schema.columns import columns
from slipway.serving.app import App
from slipway.serving.contract import RowContract
from slipway.serving.metrics import Metrics
from slipway.serving.observer import Observer
from slipway.serving.open_inference import OpenInference
from slipway.serving.scorer import Scorer
from slipway.settings import read_settings

SETTINGS = read_settings().serving.model_dump()
RELEASE = {"version": "v1.2.3"}
INFER = "/v2/models/label/infer"
COLUMNS = {"size": [1.5, 80.0], "count": [2, 3], "kind": ["a", "b"], "name": ["XY", "PQ"], "weight": [None, 0.5]}
DATATYPES = {"size": "FP64", "count": "INT64", "kind": "BYTES", "name": "BYTES", "weight": "FP64"}


class Client:
    """Client of an application in this process."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def infer(self, content: Any, path: str = INFER) -> httpx.Response:
        return self("POST", path, json=content)


class Logged:
    """Stands in for the prediction log."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def offer(self, _: bytes, body: bytes, __: list[Any], ___: bytes) -> None:
        self.bodies.append(bytes(body))


def serving(row: type[BaseModel], model: Any, log: Any = None, **changes: Any) -> Client:
    settings = SETTINGS | changes
    observer = Observer(Metrics(RELEASE, model.signature), settings, log)
    app = App(RELEASE, RowContract(row, settings["max_rows"]), Scorer(model, 1, 5), observer, settings)
    app.add_protocol(OpenInference(row, model.signature, "v1.2.3"))
    return Client(app)


@pytest.fixture(scope="module")
def client(toy, model_dir) -> Client:
    return serving(toy.Row, predictor.load(model_dir))


def tensors(**changes: dict[str, Any] | None) -> dict[str, Any]:
    """Return a request for two rows, with changes of its tensors; without those that are None."""
    inputs = [
        {"name": name, "shape": [2], "datatype": DATATYPES[name], "data": values} | (changes.get(name, {}) or {})
        for name, values in COLUMNS.items()
        if changes.get(name, {}) is not None
    ]
    return {"inputs": inputs + [tensor for name, tensor in changes.items() if name not in COLUMNS]}


def expected(client: Client) -> list[float]:
    return client("POST", "/predict", json={"columns": COLUMNS}).json()["predictions"]


@pytest.mark.parametrize(
    "request_",
    [
        tensors(),
        tensors(size={"shape": [2, 1]}),
        tensors(size={"shape": [2, 1], "data": [[1.5], [80.0]]}),
        tensors(size={"datatype": "FP32"}, count={"datatype": "FP64", "data": [2.0, 3.0]}),
        tensors(count={"datatype": "UINT8", "parameters": {"source": "form"}}),
        tensors() | {"inputs": tensors()["inputs"][::-1]},
        tensors() | {"outputs": [{"name": "predictions"}], "parameters": {"priority": 1}, "model_name": "label"},
    ],
)
@pytest.mark.parametrize("path", [INFER, "/v2/models/label/versions/v1.2.3/infer"])
def test_the_predictions_are_those_of_the_other_route(client, request_, path):
    response = client.infer(request_ | {"id": "42"}, path)
    tensor = {"name": "predictions", "datatype": "FP64", "shape": [2], "data": expected(client)}
    model = {"model_name": "label", "model_version": "v1.2.3"}
    assert (200, model | {"id": "42", "outputs": [tensor]}) == (response.status_code, response.json())
    assert "id" not in client.infer(request_).json()


BROKEN = {
    "another column": (tensors(other={"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2]}), "row 0, x: "),
    "a missing column": (tensors(kind=None), "row 0, kind: Field required"),
    "a value out of range": (tensors(count={"data": [2, 99]}), "row 1, count: Input should be less than or equal to 9"),
    "a null": (tensors(size={"data": [None, 1.5]}), "row 0, size: Input should be a valid number"),
    "an unknown category": (tensors(kind={"data": ["a", "z"]}), "row 1, kind: Input should be 'a' or 'b'"),
    "another type": (
        tensors(size={"datatype": "BYTES", "data": ["1", "2"]}),
        "size: Tensor should have the datatype FP64",
    ),
    "an integer as a flag": (tensors(count={"data": [2, True]}), "count: Value of another type than INT64: true"),
    "a number as a string": (tensors(size={"data": [1.5, "80"]}), 'size: Value of another type than FP64: "80"'),
    "an unknown type": (tensors(size={"datatype": "FP128"}), "inputs.0.datatype: Input should be 'BOOL'"),
    "fewer values": (tensors(size={"data": [1.5]}), "size: Data should have 2 values, as the shape states, not 1"),
    "fewer rows": (tensors(size={"shape": [1], "data": [1.5]}), "count: Column should have 1 values"),
    "no rows": (tensors(**{name: {"shape": [0], "data": []} for name in COLUMNS}), "at least 1 item"),
    "another nesting": (tensors(size={"shape": [1, 2], "data": [[1.5, 80.0]]}), "size: Tensor should have the shape"),
    "a list in a row": (tensors(size={"data": [[1.5], [80.0]]}), "size: Data should be 2 rows of 1"),
    "a tensor twice": (tensors(other=tensors()["inputs"][0]), "size: Tensor is repeated"),
    "three dimensions": (tensors(size={"shape": [2, 1, 1]}), "inputs.0.shape: List should have at most 2 items"),
    "a negative dimension": (tensors(size={"shape": [-2]}), "inputs.0.shape.0: Input should be greater than or equal"),
    "one tensor of all": (
        {"inputs": [{"name": "x", "shape": [1, 5], "datatype": "FP64", "data": [1, 2, 3, 4, 5]}]},
        "x: Send a tensor of shape [rows] for each column, because kind is no number",
    ),
    "no tensor": ({"inputs": []}, "inputs: List should have at least 1 item"),
    "another shape": ({"columns": COLUMNS}, "columns: Key is unknown"),
    "an array": ([tensors()], "Input should be a valid dictionary or instance"),
    "an unknown output": (tensors() | {"outputs": [{"name": "label"}]}, "label: The outputs are predictions"),
    "an output in binary": (
        tensors() | {"outputs": [{"name": "predictions", "parameters": {"binary_data": True}}]},
        "predictions: Tensors in binary are not supported",
    ),
    "a tensor in binary": (
        tensors(size={"parameters": {"binary_data_size": 16}, "data": None}),
        "inputs.0.data: Input should be a valid list",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_request_that_breaks_a_rule_is_refused_in_the_form_of_the_protocol(client, kind):
    request_, error = BROKEN[kind]
    response = client.infer(request_)
    assert (422, {"error"}) == (response.status_code, response.json().keys())
    assert response.json()["error"].startswith("the body violates the contract of the rows: ")
    assert error in response.json()["error"]


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ('{"inputs": [}', 400, "Invalid JSON: "),
        (json.dumps(tensors()).replace("1.5", "NaN"), 422, "row 0, size: Input should be a finite number"),
        (
            json.dumps(tensors()).replace('"id"', '"x"').replace("{", '{"id": "1", "id": "2", ', 1),
            422,
            "Key is repeated",
        ),
        (json.dumps({f"key {number}": 0 for number in range(50_000)}), 422, "key 0: Key is unknown"),
        ("[" * 100_000, 400, "Invalid JSON: "),
    ],
)
def test_a_body_that_json_or_python_would_misread_is_refused(client, text, status, error):
    response = client("POST", INFER, content=text, headers={"content-type": "application/json"})
    assert (status, {"error"}) == (response.status_code, response.json().keys())
    assert error in response.json()["error"]


@pytest.mark.parametrize(
    ("options", "changes", "status"),
    [
        ({"content": b"{}\x00", "headers": {"content-type": "application/octet-stream"}}, {}, 415),
        ({"json": tensors()}, {"max_bytes": 20}, 413),
        ({"json": tensors()}, {"max_rows": 1}, 422),
        ({"json": tensors()}, {"max_concurrency": 0}, 503),
    ],
)
def test_it_has_the_limits_and_the_metrics_of_the_other_route(toy, model_dir, options, changes, status):
    client = serving(toy.Row, predictor.load(model_dir), **changes)
    response = client("POST", INFER, **options)
    assert (status, {"error"}) == (response.status_code, response.json().keys())
    assert ("retry-after" in response.headers) == (status == 503)
    assert f'slipway_requests_total{{status="{status}"}} 1.0' in client("GET", "/metrics").text


def test_answers_are_counted_and_logged_as_those_of_the_other_route(toy, model_dir):
    log = Logged()
    client = serving(toy.Row, predictor.load(model_dir), log)
    assert 200 == client.infer(tensors()).status_code
    assert [{"columns": COLUMNS}] == list(map(json.loads, log.bodies))
    text = client("GET", "/metrics").text
    assert 'slipway_requests_total{status="200"} 1.0' in text
    assert "slipway_rows_total 2.0" in text


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v2", {"name": "slipway", "version": "v1.2.3", "extensions": []}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"live": True, "ready": True}),
        ("/v2/models/label/ready", {"name": "label", "ready": True}),
        ("/v2/models/label/versions/v1.2.3/ready", {"name": "label", "ready": True}),
    ],
)
def test_health_and_metadata_of_the_server(client, path, content):
    assert content == client("GET", path).json()


def test_the_metadata_has_a_tensor_for_each_column(client):
    metadata = client("GET", "/v2/models/label").json()
    assert ("label", ["v1.2.3"], "onnx_onnxv1") == tuple(metadata[key] for key in ("name", "versions", "platform"))
    assert DATATYPES == {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]}
    assert [{"name": "predictions", "datatype": "FP64", "shape": [-1]}] == metadata["outputs"]
    assert metadata == client("GET", "/v2/models/label/versions/v1.2.3").json()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/label/versions/v9/infer", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", INFER, 405),
        ("POST", "/v2/health/live", 405),
    ],
)
def test_an_unknown_model_or_method_is_refused_in_the_form_of_the_protocol(client, method, path, status):
    response = client(method, path)
    assert (status, {"error"}) == (response.status_code, response.json().keys())


class Stub:
    """Model whose predictions are a function of the columns."""

    has_tables = False

    def __init__(self, row: type[BaseModel], task: str, classes: list[Any]) -> None:
        described = [vars(column) for column in columns(row)]
        self.signature = {"format": "skops", "task": task, "target": "y", "classes": classes, "columns": described}

    def predict(self, table: Any) -> np.ndarray:
        number = np.asarray(table["number"], dtype=float)
        if self.signature["task"] == "multiclass":
            return np.stack([number, 1 - number], axis=1)
        return number - 10 * np.array([np.nan if value is None else value for value in table["gap"]], dtype=float)


class Numbers(BaseModel):
    number: float
    gap: float | None = None


class Mixed(BaseModel):
    number: float
    gap: Literal["a"] = "a"


@pytest.mark.parametrize("data", [[1.0, 2.0, 3.0, 0.5], [[1.0, 2.0], [3.0, 0.5]]])
def test_a_tensor_of_all_columns_is_read_where_all_are_numbers(data):
    client = serving(Numbers, Stub(Numbers, "regression", []))
    tensor = {"name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": data}
    response = client.infer({"inputs": [tensor]}, "/v2/models/y/infer")
    assert [-19.0, -2.0] == response.json()["outputs"][0]["data"]
    assert "sklearn_skops" == client("GET", "/v2/models/y").json()["platform"]


@pytest.mark.parametrize("shape", [[1, 3], [1, 4]])
def test_a_tensor_of_another_width_is_refused(shape):
    client = serving(Numbers, Stub(Numbers, "regression", []))
    tensor = {"name": "input-0", "shape": shape, "datatype": "FP64", "data": [1.0] * shape[1]}
    error = client.infer({"inputs": [tensor]}, "/v2/models/y/infer").json()["error"]
    assert error.endswith("input-0: Send a tensor of shape [rows] for each column, or one of 2 numbers a row")


def test_probabilities_of_several_classes_are_a_matrix_with_the_names_of_its_columns():
    client = serving(Mixed, Stub(Mixed, "multiclass", ["early", 7]))
    request_ = {"inputs": [{"name": "number", "shape": [2], "datatype": "FP32", "data": [0.25, 1]}]}
    outputs = client.infer(request_, "/v2/models/y/infer").json()["outputs"]
    assert {"name": "predictions", "datatype": "FP64", "shape": [2, 2], "data": [0.25, 0.75, 1.0, 0.0]} == outputs[0]
    assert {"name": "classes", "datatype": "BYTES", "shape": [2], "data": ["early", "7"]} == outputs[1]
    only = client.infer(request_ | {"outputs": [{"name": "classes"}]}, "/v2/models/y/infer").json()["outputs"]
    assert outputs[1:] == only
    described = client("GET", "/v2/models/y").json()["outputs"]
    assert [("predictions", [-1, 2]), ("classes", [2])] == [(tensor["name"], tensor["shape"]) for tensor in described]
