"""The service matches its OpenAPI document for generated valid and invalid requests, of the problem and of the toy."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import onnx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import problem
from slipway import predictor
from slipway.schema.columns import columns
from slipway.serving import pages
from slipway.serving.app import App
from slipway.serving.contract import RowContract
from slipway.serving.metrics import Metrics
from slipway.serving.observer import Observer
from slipway.serving.run import free_port
from slipway.serving.scorer import Scorer
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

REPOSITORY = Path(__file__).parents[2]
SETTINGS = read_settings(REPOSITORY / "params.yaml").serving.model_dump()
SEED = 20130101
HOOKS = "tests.service.even_columns"
CONSTANTS = {"missing": -2.0, "one": 1.0}  # of the stub model


def fuzz(url: str, examples: int, report: Path) -> dict[str, Any]:
    """Run all checks of schemathesis on the served OpenAPI, with `examples` generated cases per operation."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", "all"]
    command += ["--mode", "all", "--max-examples", str(examples), "--seed", str(SEED), "--generation-database", "none"]
    command += ["--report", "json", "--report-json-path", str(report), "--no-color", "--no-shrink"]
    hooks = os.environ | {"SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=report.parent, env=hooks, capture_output=True, text=True, timeout=600, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    return json.loads(report.read_text()) | {"output": done.stdout}


@pytest.fixture(scope="module")
def problem_model(tmp_path_factory) -> Path:
    """Untrained model with the columns of the problem."""
    folder = tmp_path_factory.mktemp("problem")
    row_columns = columns(problem.Row)
    classes = {"binary": [0, 1], "multiclass": ["early", "late"]}.get(problem.TASK, [])
    signature = {"format": "onnx", "task": problem.TASK, "target": problem.TARGET, "classes": classes}
    (folder / "signature.json").write_text(
        json.dumps(signature | {"columns": [vars(column) for column in row_columns]})
    )
    onnx.save(_model(row_columns), folder / "model.onnx")
    return folder


def _model(row_columns: list) -> onnx.ModelProto:
    """Return a model whose prediction depends on each column, its position, and missing values."""
    nodes, terms = [], []
    for place, column in enumerate(row_columns):
        name, number = column.name, f"{column.name}_number"
        if column.kind == "category":
            options = {"keys_strings": [""], "values_floats": [-1.0], "default_float": 1.0, "domain": "ai.onnx.ml"}
            nodes.append(helper.make_node("LabelEncoder", [name], [number], **options))
        else:
            nodes += [
                helper.make_node("IsNaN", [name], [f"{name}_missing"]),
                helper.make_node("Where", [f"{name}_missing", "missing", name], [f"{name}_filled"]),
                helper.make_node("Softsign", [f"{name}_filled"], [number]),
            ]
        weight = helper.make_node("Constant", [], [f"{name}_weight"], value_float=(place + 1) / len(row_columns))
        nodes += [weight, helper.make_node("Mul", [number, f"{name}_weight"], [f"{name}_term"])]
        terms.append(f"{name}_term")
    nodes += [
        helper.make_node("Sum", terms, ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["late"]),
        helper.make_node("Sub", ["one", "late"], ["early"]),
        helper.make_node("Concat", ["early", "late"], ["probabilities"], axis=1),
    ]
    kinds = {"number": TensorProto.FLOAT, "category": TensorProto.STRING}
    inputs = [helper.make_tensor_value_info(column.name, kinds[column.kind], [None, 1]) for column in row_columns]
    predicted = ("sum", 1) if problem.TASK == "regression" else ("probabilities", 2)
    outputs = [helper.make_tensor_value_info(predicted[0], TensorProto.FLOAT, [None, predicted[1]])]
    constants = [helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in CONSTANTS.items()]
    graph = helper.make_graph(nodes, "stand-in", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 4)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.fixture(scope="module")
def problem_url(problem_model, serve, tmp_path_factory) -> Iterator[str]:
    with serve(problem_model, tmp_path_factory.mktemp("home"), PYTHONPATH=str(REPOSITORY / "src")) as (url, _):
        yield url


def test_a_thousand_generated_requests_get_documented_responses(problem_url, tmp_path):
    report = fuzz(problem_url, 900, tmp_path / "report.json")
    assert [] == report["failures"] + report["errors"], report["output"]
    assert report["complete"]
    assert report["test_cases"]["generated"] >= 1000


def test_open_lists_and_unbounded_numbers_get_documented_responses(url, tmp_path):
    report = fuzz(url, 200, tmp_path / "report.json")
    assert [] == report["failures"] + report["errors"], report["output"]
    assert report["complete"]


def values(field: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy:
    """Return a strategy for valid values of a field of `Row`, from its JSON schema."""
    if "$ref" in field:
        return values(definitions[field["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in field:
        return st.one_of([values(option, definitions) for option in field["anyOf"]])
    if "enum" in field or "const" in field:
        return st.sampled_from(field.get("enum") or [field["const"]])
    low, high = field.get("minimum"), field.get("maximum")
    if field["type"] == "number":
        ends = (_within(low, math.inf), _within(high, -math.inf))
        return st.floats(*ends, allow_nan=False, allow_infinity=False, width=32)
    if field["type"] == "string" and "pattern" not in field:
        lengths = (field.get("minLength", 0), field.get("maxLength"))
        return st.text(st.characters(codec="utf-8"), min_size=lengths[0], max_size=lengths[1])
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.integers(low, high),
        "string": st.from_regex(field.get("pattern", ""), fullmatch=True).filter(lambda text: not text.endswith("\n")),
    }[field["type"]]


def _within(limit: float | None, inside: float) -> float | None:
    """Return the limit, or the nearest float32 within it."""
    if limit is None:
        return None
    near = np.float32(limit)
    outside = float(near) < limit if inside > 0 else float(near) > limit
    return float(np.nextafter(near, np.float32(inside)) if outside else near)


def rows(row: type[BaseModel]) -> st.SearchStrategy:
    schema = row.model_json_schema()
    fields = {name: values(field, schema.get("$defs", {})) for name, field in schema["properties"].items()}
    return st.lists(st.fixed_dictionaries(fields), min_size=1, max_size=20)


@pytest.fixture(params=["problem", "toy"])
def served(request, toy) -> tuple[type[BaseModel], str, Any]:
    """`Row`, URL and offline model of each service."""
    names = {"problem": ("problem_url", "problem_model"), "toy": ("url", "model_dir")}[request.param]
    address, folder = map(request.getfixturevalue, names)
    return (problem if request.param == "problem" else toy).Row, address, predictor.load(folder)


def test_generated_rows_and_columns_get_the_predictions_of_the_offline_model(served):
    row, address, model = served
    with httpx.Client(base_url=address) as client:

        @settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
        @given(rows(row))
        def compare(generated: list[dict[str, Any]]) -> None:
            table = {name: [row[name] for row in generated] for name in generated[0]}
            offline = model.predict(table)
            for body in (generated, {"columns": table}):
                online = client.post("/predict", json=body).json()["predictions"]
                by_place = [list(row.values()) if isinstance(row, dict) else row for row in online]
                np.testing.assert_array_equal(offline, by_place)

        compare()


class Faulty:
    """The service with a fault in its responses."""

    def __init__(self, app: App, fault: str) -> None:
        self._app, self._fault = app, fault

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return

        async def faulty(message: dict) -> None:
            await send(getattr(self, self._fault)(message) if scope["path"] == "/predict" else message)

        await self._app(scope, receive, faulty)

    @staticmethod
    def an_undocumented_status(message: dict) -> dict:
        return message | {"status": 418} if message.get("status") == 422 else message

    @staticmethod
    def a_fault_of_the_server(message: dict) -> dict:
        return message | {"status": 500} if message.get("status") == 200 else message

    @staticmethod
    def an_undocumented_member(message: dict) -> dict:
        body = message.get("body", b"")
        return message | {"body": body.replace(b'"release"', b'"version"')}

    @staticmethod
    def a_header_that_is_missing(message: dict) -> dict:
        headers = [pair for pair in message.get("headers", []) if pair[0] != b"x-request-id"]
        return message | {"headers": headers} if "headers" in message else message

    @staticmethod
    def bad_rows_that_are_taken(message: dict) -> dict:
        return message | {"status": 200} if message.get("status") == 422 else message

    @staticmethod
    def good_rows_that_are_refused(message: dict) -> dict:
        return message | {"status": 422} if message.get("status") == 200 else message


@contextmanager
def listening(app: Any) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("an_undocumented_status", "UndefinedStatusCode"),
        ("a_fault_of_the_server", "ServerError"),
        ("an_undocumented_member", "JsonSchemaError"),
        ("a_header_that_is_missing", "MissingHeaders"),
        ("bad_rows_that_are_taken", "AcceptedNegativeData"),
        ("good_rows_that_are_refused", "RejectedPositiveData"),
    ],
)
def test_a_service_with_undocumented_responses_is_detected(fault, finding, toy, model_dir, tmp_path):
    release = {"version": "v1"}
    model = predictor.load(model_dir)
    observer = Observer(Metrics(release, model.signature), SETTINGS)
    app = App(release, RowContract(toy.Row, SETTINGS["max_rows"]), Scorer(model, 1, 5), observer, SETTINGS)
    pages.add(app, toy, "v1", SETTINGS)
    with listening(Faulty(app, fault)) as address:
        report = fuzz(address, 20, tmp_path / "report.json")
    assert finding in {failure["type"] for failure in report["failures"]}, report["output"]
