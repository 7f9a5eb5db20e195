"""Malicious bodies and connections: nothing of them is executed, and none gets a status of 5xx."""

from __future__ import annotations

import os
import pickle
import socket
import time
from pathlib import Path

import httpx
import pytest

ROW = {"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": None}
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("path", ["/predict", "/", "/is_alive", "/call", "/schema.json"])
@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/vnd.bentoml+pickle"},
        {"content-type": "application/vnd.bentoml.pickled"},
        {"content-type": "application/octet-stream"},
        {"content-type": "application/x-pickle"},
        {"content-type": "application/json", "payload-container": "DefaultContainer", "args-number": "1"},
        {"content-type": "application/json", "payload-container": "PandasDataFrameContainer"},
    ],
    ids=str,
)
def test_a_pickle_is_never_loaded(url, tmp_path, path, headers):
    made = tmp_path / "made"
    response = httpx.post(f"{url}{path}", content=pickle.dumps(Touch(made)), headers=headers)
    assert (False, True) == (made.exists(), 400 <= response.status_code < 500)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.py"\r\n\r\nimport os\r\n--x--\r\n',
        b'--x\r\ncontent-disposition: form-data; name="a\r\n\r\n',
        b"--y--\r\n",
        b"\x00" * 1000,
    ],
    ids=["empty", "cut", "code", "broken header", "wrong boundary", "zeros"],
)
@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "multipart/form-data", "multipart/mixed"])
def test_multipart_is_refused_whether_well_formed_or_not(url, body, content_type):
    response = httpx.post(f"{url}/predict", content=body, headers={"content-type": content_type})
    assert 415 == response.status_code


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"content-length: x\r\n\r\n", 400),
        (HEAD + b"content-length: -1\r\n\r\n", 400),
        (HEAD + b"content-length: " + b"9" * 30 + b"\r\n\r\n", 400),
        (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", 400),
        (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffffff\r\n", 400),
        (HEAD + b"a\x00b: c\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST /predict HTTP/9.9\r\n\r\n", 400),
        (HEAD + b"content-length: 999999999\r\nexpect: 100-continue\r\n\r\n", 413),
    ],
    ids=lambda value: repr(value[-40:]) if isinstance(value, bytes) else str(value),
)
def test_invalid_http_is_refused_and_the_service_keeps_running(url, sent, status):
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=10) as client:
        client.sendall(sent)
        answer = client.recv(10_000)
    assert b"HTTP/1.1 %d " % status == answer[:13]
    assert 200 == httpx.post(f"{url}/predict", json=ROW).status_code


@pytest.mark.parametrize(
    ("body", "row", "field"),
    [
        (b'[[1.5, 2, "a", "XY", null]]', None, None),
        (b"[[1.5], [2]]", None, None),
        (b'{"size": [1.5, 2.5], "count": [2, 3]}', None, None),
        (b'{"rows": ' + b"[" * 100 + b"]" * 100 + b"}", None, None),
        (
            b'{"size": ' + b"[" * 100 + b"]" * 100 + b', "count": 2, "kind": "a", "name": "XY", "weight": null}',
            0,
            "size",
        ),
        (b'{"size": 1.5, "count": 1' + b"0" * 400 + b', "kind": "a", "name": "XY", "weight": null}', 0, "count"),
        (b'{"size": 1.5, "count": 2, "kind": {"$ref": "#"}, "name": "XY", "weight": null}', 0, "kind"),
        (b'{"' + b"a" * 100_000 + b'": 1}', 0, None),
        (b"{" + b",".join(b'"k%d": 1' % n for n in range(10_000)) + b"}", 0, None),
        (b"{" + b",".join(b'"%x" :1' % n for n in range(180_000)) + b"}", None, None),
    ],
    ids=[
        "arrays",
        "wrong width",
        "columns",
        "wrapper",
        "deep",
        "huge",
        "object",
        "long key",
        "many keys",
        "too many keys",
    ],
)
def test_a_body_of_the_wrong_structure_is_refused_with_row_and_field(url, body, row, field):
    response = httpx.post(f"{url}/predict", content=body, headers={"content-type": "application/json"})
    places = [(detail["row"], detail["field"]) for detail in response.json()["details"]]
    assert (422, row) == (response.status_code, places[0][0])
    assert field is None or (row, field) in places
    assert all(detail["rule"] for detail in response.json()["details"])
    assert len(response.content) < 10_000


def test_a_body_of_unknown_keys_does_not_block_others(url):
    body = b"{" + b",".join(b'"%x":1' % n for n in range(180_000)) + b"}"
    start = time.perf_counter()
    response = httpx.post(f"{url}/predict", content=body, headers={"content-type": "application/json"})
    assert (422, True) == (response.status_code, time.perf_counter() - start < 0.5)


def test_strings_that_start_with_a_colon_do_not_count_as_keys(url):
    rows = [ROW | {"name": "::"}] * 1000
    assert 200 == httpx.post(f"{url}/predict", json=rows).status_code


def test_pipelined_requests_are_answered_in_order(url):
    request = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=10) as client:
        client.sendall(request * 50 + request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        answer = b""
        while data := client.recv(65536):
            answer += data
    assert 51 == answer.count(b"HTTP/1.1 200 OK")
