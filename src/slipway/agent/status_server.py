"""HTTP server of the agent's status page: read-only, for this machine, at a port that `slipway status` prints.

The server reads the agent's files, so that it cannot block the agent. The gateway exposes one of its pages, the state
without details of this machine, to clients that promote from another machine.
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from slipway.agent import router, status, status_page
from slipway.agent.loopback_server import LoopbackServer
from slipway.environment import agent_report, state
from slipway.environment.place import ENVIRONMENTS, Place
from slipway.environment.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTS = {"127.0.0.1", "localhost", "::1"}  # any other name comes from DNS rebinding by a foreign page
CLIENT_TIMEOUT_SECONDS = 5  # for a client to send its request, and to read the answer
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": status_page.POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
HTML, JSON = "text/html; charset=utf-8", "application/json"


def start(place: Place, preferred: int | None) -> int:
    """Serve the status of `place` in threads that end with the process, and return the port."""
    port = router.free_port(preferred)
    server = LoopbackServer(port, _handler(place))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return port


def _handler(place: Place) -> type[BaseHTTPRequestHandler]:
    pages: dict[str, Callable[[], tuple[str, str]]] = {
        "/": lambda: (HTML, status_page.render(status.of_agent(place), _other_pages(place))),
        "/status.json": lambda: (JSON, json.dumps(status.of_agent(place))),
        agent_report.STATE_PATH: lambda: (
            JSON,
            agent_report.public_json(state.read(place) or State(environment=place.environment)),
        ),
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_SECONDS
        server_version, sys_version = "slipway", ""

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path not in pages:
                self.send_error(HTTPStatus.NOT_FOUND)
            elif path != agent_report.STATE_PATH and not _is_own(self.headers.get("host", "")):
                self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            else:
                self._answer(*pages[path]())

        def _answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(HTTPStatus.OK)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no requests."""

    return Handler


def _is_own(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in HOSTS
    except ValueError:
        return False


def _other_pages(place: Place) -> dict[str, str]:
    """Return the URLs of the status pages of this machine's other environments."""
    states = {name: state.read(Place.of(name)) for name in ENVIRONMENTS if name != place.environment}
    return {name: f"http://127.0.0.1:{other.page}/" for name, other in states.items() if other and other.page}
