"""The service on AWS Lambda: AWS's runtime interface client runs the handler against a stand-in of the runtime API.

pytest tests/service/test_lambda.py -k cold -s
"""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
import yaml

from .conftest import REPOSITORY
from .lambda_runtime import TIMEOUT_SECONDS, Runtime, function, url_event

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = {"content-type": "application/json"}
ROW = {"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": None}
BODY = json.dumps(ROW)
MAX_BYTES = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["serving"]["max_bytes"]
STARTS = 5
START_SECONDS_MAX = 5  # of processor time, from the start of the process to the first request for an event
MEMORY_MEGABYTES_MAX = 200  # resident, after 1,000 rows
PREDICTIONS = {
    "a row": (JSON, BODY),
    "two rows": (JSON, json.dumps([ROW, ROW | {"size": 99.0}])),
    "columns": (JSON, json.dumps({"columns": {name: [value] for name, value in ROW.items()}})),
    "1000 rows": (JSON, json.dumps([ROW] * 1000)),
    "an upper-case header": ({"Content-Type": "application/json; charset=UTF-8"}, BODY),
    "another type": ({"content-type": "text/plain"}, BODY),
    "a compressed body": (JSON | {"content-encoding": "gzip"}, BODY),
    "too many bytes": (JSON, " " * MAX_BYTES + BODY),
    "not JSON": (JSON, '{"size": 1.5'),
    "no body": (JSON, ""),
    "an unknown category": (JSON, json.dumps(ROW | {"kind": "ü"})),
    "another shape": (JSON, json.dumps({"instances": [ROW]})),
    "a repeated key": (JSON, BODY.replace("{", '{"size": 1,')),
    "too many rows": (JSON, json.dumps([ROW] * 1001)),
}
REQUESTS = {
    **{name: ("POST", "/predict", headers, body) for name, (headers, body) in PREDICTIONS.items()},
    **{
        f"{method} {path}": (method, path, {}, "")
        for method, path in (
            *(
                ("GET", path)
                for path in ("/", "/livez", "/readyz", "/release", "/openapi.json", "/predict", "/unknown")
            ),
            ("HEAD", "/release"),
            ("POST", "/readyz"),
            ("PUT", "/predict"),
            ("OPTIONS", "/predict"),
        )
    },
    "behind a proxy": ("GET", "/openapi.json", {"x-forwarded-prefix": "/model"}, ""),
}
FAILING = """
import time

from slipway.serving.logs import JsonLines

format_line = JsonLines.format

def format_late(self, record):
    time.sleep(0.3)
    return format_line(self, record)

JsonLines.format = format_late

from slipway.serving.aws_lambda import handler
from slipway.serving.scorer import Scorer

async def fail(self, rows, columns):
    raise RuntimeError("the model is out of order")

Scorer.score = fail
"""


def gateway_event(
    method: str, path: str, headers: dict[str, str], body: str = "", stage: str = "prod"
) -> dict[str, Any]:
    """Return the event of an HTTP API of API Gateway with a named stage, with the fields that AWS documents."""
    event = url_event(method, f"/{stage}{path}", headers, body, is_base64=True)
    event["requestContext"] |= {"stage": stage, "routeKey": "ANY /{proxy+}"}
    return event | {"routeKey": "ANY /{proxy+}", "pathParameters": {"proxy": path[1:]}, "stageVariables": None}


@pytest.fixture(scope="module")
def runtime(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with function(model_dir, tmp_path_factory.mktemp("function")) as (runtime, _):
        yield runtime


def answered(runtime: Runtime, event: dict[str, Any]) -> dict[str, Any]:
    outcome, response = runtime.invoke(event)
    assert "response" == outcome, response
    return response


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("is_base64", [False, True], ids=["text", "base64"])
def test_a_function_url_answers_as_the_service_does(runtime, url, name, is_base64):
    method, path, headers, body = REQUESTS[name]
    expected = httpx.request(method, f"{url}{path}", headers=headers, content=body)
    response = answered(runtime, url_event(method, path, headers, body, is_base64))
    assert (expected.status_code, expected.text) == (response["statusCode"], response["body"])
    names = ("content-type", "allow", "vary")
    assert [expected.headers.get(key) for key in names] == [response["headers"].get(key) for key in names]


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "behind a proxy"])
def test_an_http_api_with_a_stage_answers_as_the_service_behind_a_proxy_does(runtime, url, name):
    method, path, headers, body = REQUESTS[name]
    expected = httpx.request(method, f"{url}{path}", headers=headers | {"x-forwarded-prefix": "/prod"}, content=body)
    response = answered(runtime, gateway_event(method, path, headers, body))
    assert (expected.status_code, expected.text) == (response["statusCode"], response["body"])


@pytest.mark.parametrize(("stage", "path"), [("rel", "/release"), ("prod", "/prod"), ("prod", "/release")])
def test_only_the_whole_stage_is_removed_from_the_path(runtime, stage, path):
    event = gateway_event("GET", "/", {}, stage=stage) | {"rawPath": path}
    assert 200 == answered(runtime, event)["statusCode"]


def test_the_request_id_is_the_client_s_or_that_of_lambda(runtime):
    own = answered(runtime, url_event("POST", "/predict", JSON | {"x-request-id": "id-1"}, BODY))
    assert "id-1" == own["headers"]["x-request-id"]
    assert answered(runtime, url_event("POST", "/predict", JSON, BODY))["headers"]["x-request-id"].startswith(
        "00000000-"
    )


@pytest.mark.parametrize("body", ["{}", "e30", "=", "é"])
def test_a_body_that_is_not_base64_is_refused(runtime, body):
    event = url_event("POST", "/predict", JSON) | {"isBase64Encoded": True, "body": body}
    response = answered(runtime, event)
    error = "the body of the event is not base64"
    expected = {"error": error, "details": [{"row": None, "field": None, "rule": error}]}
    assert (400, expected) == (response["statusCode"], json.loads(response["body"]))


def test_text_that_is_not_unicode_is_refused_as_json(runtime):
    event = url_event("POST", "/predict", JSON) | {"body": BODY.replace("XY", "\ud800")}
    assert 400 == answered(runtime, event)["statusCode"]


@pytest.mark.parametrize("event", [{}, [], "text", {"version": "1.0", "path": "/release", "httpMethod": "GET"}])
def test_an_event_of_another_format_is_an_error_of_the_function(runtime, event):
    outcome, error = runtime.invoke(event)
    assert ("error", "SettingError") == (outcome, error["errorType"])
    assert "the event has no version 2.0: invoke the function through a function URL" in error["errorMessage"]
    assert 200 == answered(runtime, url_event("GET", "/readyz", {}))["statusCode"]


def test_a_failing_model_is_answered_and_logged_before_the_response(model_dir, tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    with function(model_dir, tmp_path, "failing.handler") as (runtime, process):
        runtime.suspends = process
        response = answered(runtime, url_event("POST", "/predict", JSON, BODY))
        (line,) = map(json.loads, (tmp_path / "log").read_text().splitlines())
        runtime.suspends = None
        process.resume()
        assert 200 == answered(runtime, url_event("GET", "/readyz", {}))["statusCode"]
    assert (500, "the service failed; see its log") == (response["statusCode"], json.loads(response["body"])["error"])
    assert (500, response["headers"]["x-request-id"]) == (line["status"], line["request_id"])
    assert "the model is out of order" in line["traceback"]


@pytest.mark.parametrize("name", ["model.onnx", "signature.json"])
def test_a_changed_model_is_an_error_of_the_initialization(model_dir, tmp_path, name):
    folder = shutil.copytree(model_dir, tmp_path / "model")
    with (folder / name).open("ab") as model:
        model.write(b"x")
    with function(folder, tmp_path) as (runtime, process):
        path, error = runtime.posts.get(timeout=TIMEOUT_SECONDS)
        assert 1 == process.wait(15)
    assert ("/init/error", "DigestMismatchError") == (path, error["errorType"])
    assert f"{name}: SHA-256 is" in error["errorMessage"]


def test_a_model_of_other_columns_is_an_error_of_the_initialization(model_dir, tmp_path):
    folder = shutil.copytree(model_dir, tmp_path / "model")
    (folder / "release.json").unlink()
    signature = json.loads((folder / "signature.json").read_text())
    signature["columns"][0]["name"] = "length"
    (folder / "signature.json").write_text(json.dumps(signature))
    with function(folder, tmp_path) as (runtime, _):
        path, error = runtime.posts.get(timeout=TIMEOUT_SECONDS)
    assert ("/init/error", True) == (path, "the model and problem.Row differ in length, size" in error["errorMessage"])


def test_the_cold_start_and_the_memory_are_bounded(model_dir, tmp_path, record_property):
    measured = []
    for _ in range(STARTS):
        with function(model_dir, tmp_path) as (runtime, process):
            wall = runtime.asked_at.get(timeout=TIMEOUT_SECONDS) - runtime.started_at
            times = process.cpu_times()
            answered(runtime, url_event("POST", "/predict", JSON, PREDICTIONS["1000 rows"][1]))
            measured.append((wall, times.user + times.system, peak_megabytes(process)))
    wall, processor, memory = (statistics.median(values) for values in zip(*measured, strict=True))
    record_property("seconds, seconds of processor time and MB", (wall, processor, memory))
    print(f"cold start {wall:.2f} s, {processor:.2f} s of processor time; peak memory {memory:.0f} MB")
    assert processor <= START_SECONDS_MAX
    assert memory <= MEMORY_MEGABYTES_MAX


def peak_megabytes(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)["VmHWM"].split()[0]) / 1000
