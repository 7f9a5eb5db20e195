"""The client of the feature server returns what `Row` allows, and reports everything else in one line."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Annotated
from unittest.mock import Mock

import pytest
from pydantic import BaseModel, ConfigDict, Field

from slipway.errors import ArgumentError, DataError, ToolError
from slipway.feature_store import feast_process, online_features


class Row(BaseModel):
    model_config = ConfigDict(strict=True)
    warmth: Annotated[float, Field(le=100)] | None
    count: int


@pytest.fixture
def server(monkeypatch):
    """Start a feature server on loopback that returns `content` with `status`, and keeps the requests."""

    class Handler(BaseHTTPRequestHandler):
        content, status, requests = {}, 200, []

        def do_POST(self):
            self.requests.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(json.dumps(self.content).encode())

        def log_message(self, *_): ...

    monkeypatch.setattr(online_features, "problem", Mock(Row=Row))
    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield Handler, f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def response(warmth, count):
    names = {"line": ["a", "b"][: len(warmth)], "warmth": warmth, "count": count}
    return {"metadata": {"feature_names": list(names)}, "results": [{"values": values} for values in names.values()]}


def test_features_of_several_keys_are_returned_in_their_order(server):
    handler, url = server
    handler.content = response([1.5, "NaN"], [3, 4])
    rows = online_features.get(url, {"line": ["a", "b"]})
    assert [{"warmth": 1.5, "count": 3}, {"warmth": None, "count": 4}] == rows
    assert [("/get-online-features", {"feature_service": "row", "entities": {"line": ["a", "b"]}})] == handler.requests


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (response([101.0, 1.0], [3, 4]), "`warmth` is 101.0: Input should be less than or equal to 100"),
        (response([1.0, 1.0], [3, None]), "`count` is None: Input should be a valid integer"),
        (response([1.0, "Infinity"], [3, 4]), "`warmth` is 'Infinity': Input should be a valid number"),
    ],
)
def test_value_that_row_does_not_allow(server, content, expected):
    handler, url = server
    handler.content = content
    with pytest.raises(DataError) as caught:
        online_features.get(url, {"line": ["a", "b"]})
    assert f"{url}: {expected}; fix the source of the view, or Row" == str(caught.value)


def test_server_that_fails(server):
    handler, url = server
    handler.status, handler.content = 500, "Missing join key"
    with pytest.raises(ToolError, match=r'HTTP 500: "Missing join key"; name every key of the views$'):
        online_features.get(url, {"line": ["a"]})


def test_server_that_does_not_run():
    with pytest.raises(ToolError, match=r"start it with `slipway features serve`$"):
        online_features.get("http://127.0.0.1:9", {"line": ["a"]})


def test_command_sends_numbers_and_strings(server, capsys):
    handler, url = server
    handler.content = response([None], [3])
    online_features.main(url, ["line=a", "part=7", 'zip="01"'])
    assert {"line": ["a"], "part": [7], "zip": ["01"]} == handler.requests[-1][1]["entities"]
    printed = capsys.readouterr()
    assert {"warmth": None, "count": 3} == json.loads(printed.out)
    assert "" == printed.err


def test_command_warns_of_a_key_without_features(server, capsys):
    handler, url = server
    handler.content = {"metadata": {"feature_names": ["warmth"]}, "results": [{"values": [None]}]}
    online_features.main(url, ["line=z"])
    assert "no features for line=z: an unknown value, or a view has another key" in capsys.readouterr().err


def test_argument_without_a_value():
    with pytest.raises(ArgumentError, match="line: is not KEY=VALUE"):
        online_features.main("http://127.0.0.1:9", ["line"])


def test_problem_without_views_starts_no_process(monkeypatch):
    monkeypatch.setattr(feast_process, "problem", object())
    monkeypatch.setattr(feast_process.subprocess, "Popen", Mock(side_effect=AssertionError))
    with pytest.raises(DataError, match=r"has no function `feature_views`, so there is no feature store; add it$"):
        feast_process.materialize()
