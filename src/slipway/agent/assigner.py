"""The side of each request in an experiment by user: the gateway asks this process before it routes a request.

The response has the side and the user's pseudonym as headers, which the gateway adds to the request. A request that
names no user, and a user outside of the experiment, get the release of the environment.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from slipway.agent.loopback_server import LoopbackServer
from slipway.agent.router import SIDE_HEADER, UNIT_HEADER
from slipway.environment.assignment import ABSENT, logged, side_of, unit_of
from slipway.environment.spec import Experiment

if TYPE_CHECKING:
    from email.message import Message

TEXT_CHARACTERS_MAX = 1000  # of the name of a user; a longer one counts as absent


def command(port: int, experiment: Experiment) -> list[str]:
    """Return the command line of the assigner of `experiment` at `port`."""
    return [sys.executable, "-m", "slipway.agent.assigner", str(port), experiment.model_dump_json()]


def headers(experiment: Experiment, received: Message, body: bytes) -> dict[str, str]:
    """Return the headers that the gateway adds to a request with the headers `received`."""
    user = str(received.get(experiment.header, "")) if experiment.header else _user(body, experiment.column or "")
    unit = unit_of(experiment.salt, user if len(user) <= TEXT_CHARACTERS_MAX else "")
    side = side_of(unit, experiment.percent)
    if unit == ABSENT:
        return {UNIT_HEADER: logged(experiment.name, ABSENT)}
    return {SIDE_HEADER: side, UNIT_HEADER: logged(experiment.name, unit)} if side else {}


def _user(body: bytes, column: str) -> str:
    """Return the value of `column` in every row of a request; "" where it has none or several."""
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    if isinstance(content, dict) and isinstance(content.get("columns"), dict):
        values = content["columns"].get(column, [])
    else:
        rows = content if isinstance(content, list) else [content]
        values = [row.get(column) if isinstance(row, dict) else None for row in rows]
    return _common(values) if isinstance(values, list) else ""


def _common(values: list[Any]) -> str:
    """Return the value that all `values` have, as text: 1 and 1.0 are the same user."""
    named = {f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value) for value in values}
    return named.pop() if len(named) == 1 and values[0] is not None else ""


def serve(port: int, experiment: Experiment) -> None:
    """Serve on 127.0.0.1 until the process is stopped."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0)) if experiment.column else 0
            self.send_response(200)
            for name, value in headers(experiment, self.headers, self.rfile.read(length)).items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log no requests."""

    LoopbackServer(port, Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Experiment.model_validate_json(sys.argv[2]))
