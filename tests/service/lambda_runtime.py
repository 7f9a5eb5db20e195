"""Stand-in for the runtime API of AWS Lambda on loopback, with the paths, headers and statuses that AWS documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import TYPE_CHECKING, Any

import psutil

from .conftest import REPOSITORY, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HANDLER = "slipway.serving.aws_lambda.handler"
API = "/2018-06-01/runtime"
TIMEOUT_SECONDS = 60


class Runtime:
    """Runtime API for one function. `invoke` returns what the function posts for an event."""

    def __init__(self) -> None:
        self._events: Queue[tuple[str, Any]] = Queue()
        self.posts: Queue[tuple[str, Any]] = Queue()
        self.asked_at: Queue[float] = Queue()
        self.suspends: psutil.Process | None = None
        self._numbers = 0
        self.started_at = time.monotonic()
        runtime = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert f"{API}/invocation/next" == self.path
                runtime.asked_at.put(time.monotonic())
                request_id, event = runtime._events.get()
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int((time.time() + TIMEOUT_SECONDS) * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-2:123456789012:function:slipway",
                    "Content-Type": "application/json",
                }
                self._reply(200, json.dumps(event).encode(), headers)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if runtime.suspends is not None:
                    runtime.suspends.suspend()  # as Lambda does after a response
                self._reply(202, b'{"status":"OK"}', {"Content-Type": "application/json"})
                runtime.posts.put((self.path.removeprefix(API), json.loads(body)))

            def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Ignore the connection that an ended function resets."""

        self.server = Server(("127.0.0.1", 0), Requests)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"

    def invoke(self, event: Any) -> tuple[str, Any]:
        """Return `response` or `error`, and what the function posted there for the event."""
        self._numbers += 1
        request_id = f"00000000-0000-4000-8000-{self._numbers:012}"
        self._events.put((request_id, event))
        path, content = self.posts.get(timeout=TIMEOUT_SECONDS)
        prefix, _, outcome = path.rpartition("/")
        assert f"/invocation/{request_id}" == prefix
        return outcome, content


def url_event(
    method: str, path: str, headers: dict[str, str], body: str = "", is_base64: bool = False
) -> dict[str, Any]:
    """Return the event of a function URL, with the fields that AWS documents."""
    http = {
        "method": method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": "203.0.113.1",
        "userAgent": "curl/8.5.0",
    }
    context = {
        "accountId": "anonymous",
        "apiId": "urlid",
        "authentication": None,
        "domainName": "urlid.lambda-url.us-west-2.on.aws",
        "domainPrefix": "urlid",
        "http": http,
        "requestId": "id",
        "routeKey": "$default",
        "stage": "$default",
        "time": "12/Mar/2026:19:03:58 +0000",
        "timeEpoch": 1773342238000,
    }
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": context["domainName"], "x-forwarded-proto": "https", **headers},
        "requestContext": context,
        "isBase64Encoded": is_base64,
    }
    return event | ({"body": b64encode(body.encode()).decode() if is_base64 else body} if body else {})


@contextmanager
def function(
    model_dir: Path, folder: Path, handler: str = HANDLER, **variables: str
) -> Iterator[tuple[Runtime, psutil.Popen]]:
    """Start the runtime interface client of AWS with `handler` and the toy problem, and end it after the block."""
    own = environment(model_dir, folder) | variables
    own["PYTHONPATH"] = os.pathsep.join([str(folder), own["PYTHONPATH"]])
    with running([sys.executable, "-m", "awslambdaric", handler], folder, own) as started:
        yield started


@contextmanager
def running(command: list[str], folder: Path, variables: Mapping[str, str]) -> Iterator[tuple[Runtime, psutil.Popen]]:
    """Start a function by its command, with its log in `folder`, and end it after the block.

    `ADDRESS` in the command becomes the address of the runtime API.
    """
    runtime = Runtime()
    threading.Thread(target=runtime.server.serve_forever, daemon=True).start()
    own = {**variables, "AWS_LAMBDA_RUNTIME_API": runtime.address}
    with (folder / "log").open("w") as log:
        runtime.started_at = time.monotonic()
        own_command = [part.replace("ADDRESS", runtime.address) for part in command]
        process = psutil.Popen(own_command, cwd=REPOSITORY, env=own, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield runtime, process
    finally:
        family = [process, *process.children(recursive=True)] if process.is_running() else []
        for member in family:  # as Lambda ends a function without extensions
            member.kill()
        psutil.wait_procs(family, timeout=15)
        runtime.server.shutdown()
        runtime.server.server_close()
