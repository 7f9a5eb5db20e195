"""Common clients with default settings get the same prediction, whatever their library adds to the request."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import requests

CLIENTS = Path(__file__).parent / "clients"
SECONDS = 60
CURL = {
    "plain": [],
    "offers HTTP/2": ["--http2"],
    "chunked": ["--header", "Transfer-Encoding: chunked"],
    "chunked, offers HTTP/2": ["--http2", "--header", "Transfer-Encoding: chunked"],
    "waits for 100 Continue": ["--header", "Expect: 100-continue"],
    "quoted charset": ["--header", 'Content-Type: application/json; charset="utf-8"'],
    "HTTP/1.0": ["--http1.0"],
}


@pytest.fixture
def body(tmp_path, row) -> Path:
    path = tmp_path / "row.json"
    path.write_text(json.dumps(row))
    return path


@pytest.fixture
def expected(url, row) -> list:
    answer = httpx.post(f"{url}/predict", json=row)
    assert 200 == answer.status_code
    return answer.json()["predictions"]


def _answers(command: list, url: str, body: Path) -> list[tuple[int, list]]:
    done = subprocess.run(
        [*command, f"{url}/predict", str(body)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert 0 == done.returncode, done.stderr
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return [(int(status), json.loads(text).get("predictions")) for status, text in lines]


def test_the_client_of_java_requests_an_upgrade_and_gets_a_response(tool, url, body, expected):
    assert [(200, expected)] * 4 == _answers([tool("Java"), str(CLIENTS / "Predict.java")], url, body)


def test_fetch_of_node_gets_a_response(tool, url, body, expected):
    tool("npm")  # part of Node.js
    assert [(200, expected)] * 3 == _answers(["node", str(CLIENTS / "predict.mjs")], url, body)


@pytest.mark.parametrize("options", CURL.values(), ids=CURL)
def test_curl_gets_a_response(tool, url, body, expected, options):
    headers = [] if any("Content-Type" in option for option in options) else ["-H", "Content-Type: application/json"]
    command = [tool("curl"), "--silent", "--show-error", "--max-time", "10", *headers, *options]
    done = subprocess.run(
        [*command, "--write-out", " %{http_code}", "--data-binary", f"@{body}", f"{url}/predict"],
        capture_output=True,
        text=True,
        check=True,
    )
    text, status = done.stdout.rsplit(" ", 1)
    assert ("200", expected) == (status, json.loads(text)["predictions"])


def test_requests_gets_responses_on_one_connection(url, row, expected):
    with requests.Session() as session:
        answers = [session.post(f"{url}/predict", json=row, timeout=10) for _ in range(20)]
    assert [(200, expected)] * 20 == [(answer.status_code, answer.json()["predictions"]) for answer in answers]


def test_many_requests_of_several_kinds_on_one_connection_are_answered_in_order(url, row, expected):
    single, double = json.dumps(row), json.dumps([row, row])
    with httpx.Client(base_url=url, headers={"content-type": "application/json"}) as client:
        for _ in range(10):
            answers = [client.post("/predict", content=sent) for sent in (single, iter([single.encode()]), "{", double)]
            assert [200, 200, 400, 200] == [answer.status_code for answer in answers]
            predictions = [answer.json().get("predictions") for answer in answers]
            assert [expected, expected, None, expected * 2] == predictions


HEAD = "{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def _exchange(url: str, sent: bytes) -> list[httpx.Response]:
    """Send bytes, close the write side, and return every response until the service closes."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=15) as client:
        client.sendall(sent)
        received = b""
        while data := client.recv(65536):
            received += data
    answers = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = [tuple(line.split(b": ", 1)) for line in lines]
        length = int(dict(headers).get(b"content-length", 0))
        answers.append(httpx.Response(int(status.split()[1]), headers=headers, content=received[:length]))
        received = received[length:]
    return answers


def _post(row: dict, *headers: str, target: str = "/predict", last: bool = False) -> bytes:
    content = json.dumps(row).encode()
    lines = [*headers, f"content-length: {len(content)}", *(["connection: close"] if last else [])]
    return (HEAD.format(method="POST", target=target) + "\r\n".join((*lines, "", ""))).encode() + content


@pytest.mark.parametrize(
    "headers",
    [
        ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAABAAMAAABk"),
        ("connection: upgrade", "upgrade: something-else/7"),
        ("connection: keep-alive, upgrade", "upgrade: websocket", "sec-websocket-version: 13"),
    ],
    ids=["h2c", "unknown", "websocket"],
)
def test_the_body_of_an_upgrade_request_is_read(url, row, expected, headers):
    other = row | {"size": 99.5}
    answers = _exchange(
        url, _post(row, *headers) + _post(other, *headers) + _post(row, *headers) + _post(row, last=True)
    )
    assert [200] * 4 == [answer.status_code for answer in answers]
    predictions = [answer.json()["predictions"] for answer in answers]
    assert [expected, expected, expected] == [predictions[place] for place in (0, 2, 3)]
    assert expected != predictions[1]


def test_an_upgrade_request_may_arrive_byte_by_byte(url, row, expected):
    sent = _post(row, "connection: upgrade", "upgrade: h2c") + _post(row, last=True)
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=15) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(sent)):
            client.sendall(sent[place : place + 1])
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert 2 == received.count(b"HTTP/1.1 200 ") == received.count(json.dumps(expected).encode().replace(b" ", b""))


@pytest.mark.parametrize("headers", [("expect: 100-continue",), ("Expect: 100-Continue", "connection: keep-alive")])
def test_a_refused_request_that_waits_for_100_continue_closes_the_connection(url, row, headers):
    lines = [*headers, "content-length: 999999999", "", ""]
    refused = HEAD.format(method="POST", target="/predict") + "\r\n".join(lines)
    answers = _exchange(url, refused.encode() + _post(row))
    assert [(413, "close")] == [(answer.status_code, answer.headers["connection"]) for answer in answers]


def test_connect_is_refused_and_the_connection_closed(url, row):
    answers = _exchange(url, b"CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n" + _post(row))
    assert [(400, "close")] == [(answer.status_code, answer.headers["connection"]) for answer in answers]


@pytest.mark.parametrize("target", ["http://x/predict", "http://x:3000/predict?trace=1", "/predict?trace=1"])
def test_every_form_of_the_request_target_gets_a_response(url, row, expected, target):
    (answer,) = _exchange(url, _post(row, target=target, last=True))
    assert (200, expected) == (answer.status_code, answer.json()["predictions"])


@pytest.mark.parametrize("prefix", ["/models/late", "/models/late/"])
def test_the_links_of_the_pages_have_the_prefix(url, prefix):
    headers = {"X-Forwarded-Prefix": prefix}
    page = httpx.get(url, headers=headers)
    assert 'href="/models/late/openapi.json"' in page.text
    document = httpx.get(f"{url}/openapi.json", headers=headers)
    assert [{"url": "/models/late"}] == document.json()["servers"]
    assert {"X-Forwarded-Prefix"} == {answer.headers["vary"] for answer in (page, document)}


@pytest.mark.parametrize("prefix", ["", "/", "//elsewhere.example", "models", '/"><script>', "/a\\b", "/a?b", "/../x"])
def test_an_invalid_prefix_is_ignored(url, prefix):
    headers = {"X-Forwarded-Prefix": prefix}
    assert httpx.get(url).text == httpx.get(url, headers=headers).text
    assert "servers" not in httpx.get(f"{url}/openapi.json", headers=headers).json()
