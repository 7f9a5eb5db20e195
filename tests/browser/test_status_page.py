"""The agent's status page in a real browser: it fits a phone and a desktop screen, and reports a failed refresh.

Needs Chromium.
"""

from __future__ import annotations

import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from slipway.agent import status_page

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
LONG = "x" * 200
SIDE = {"requests": 1_234_567, "errors": 3}
STATUS = {
    "environment": "production",
    "summary": "tries v0.3.0 on 10% of the requests, v0.2.0 serves, at http://127.0.0.1:20000",
    "desired": {"release": "v0.3.0", "digest": "sha256:" + "a" * 64, "commit": "b" * 40, "promotion": 3},
    "observed": {"url": "http://127.0.0.1:20000", "release": "v0.2.0", "commit": "c" * 40},
    "troubles": [f"/home/{LONG}/deploy.git: not reached", "v0.3.0 is bad: " + "why " * 60],
    "agent": {
        "running": True,
        "fetched_seconds_ago": 754.0,
        "head": "d" * 40,
        "canary": {
            "promotion": 3,
            "step": 0,
            "outcome": None,
            "release": "v0.3.0",
            "against": "v0.2.0",
            "steps": [10, 50],
            "share": 10,
            "listens": False,
            "canary": SIDE,
            "baseline": SIDE,
            "verdicts": [{"gate": "canary: predictions", "outcome": "inconclusive", "observed": f"a shift of {LONG}"}],
        },
        "services": [
            {"release": "v10.20.30", "role": role, "phase": "starting", "since": 0.0, "port": 20_000}
            for role in ("main", "baseline")
        ],
        "events": [{"time": 0.0, "text": f"starting {LONG}"}],
    },
    "history": [
        {
            "commit": "e" * 40,
            "author": "Ada" + LONG,
            "time": "2026-11-20T20:57:53+00:00",
            "subject": f"Promote {LONG}",
            "release": "v0.3.0",
            "evidence": [f"smoke: {LONG}"],
        }
    ],
}


@pytest.fixture
def serve():
    """Serve one page per request, and the last page for all further requests; None closes the connection."""
    servers = []

    def start(*pages: str | None) -> str:
        left = list(pages)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = left.pop(0) if len(left) > 1 else left[0]
                if page is None:
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", status_page.POLICY)
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _dom(browser: str, address: str, profile, size: str = "1280,900") -> str:
    """Return the page's DOM after five seconds of the browser's virtual time."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", *QUIET, f"--user-data-dir={profile}"]
    command += [f"--window-size={size}", "--virtual-time-budget=5000", "--dump-dom", address]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_does_not_scroll_sideways(content_width, width):
    text = status_page.render(STATUS, {"staging": "http://127.0.0.1:20001/"})
    assert content_width(text.replace("<details", "<details open"), width) <= width


def test_the_page_refreshes_itself_and_keeps_details_open(browser, serve, tmp_path):
    before = status_page.render(STATUS, {}).replace('<details id="events"', '<details id="events" open')
    after = status_page.render({**STATUS, "summary": "serves v0.3.0 as desired"}, {})
    dom = _dom(browser, serve(before, after), tmp_path / "profile")
    assert "Serves v0.3.0 as desired" in dom
    assert "<title>production: serves v0.3.0 as desired</title>" in dom
    assert '<details id="events" open="">' in dom
    assert 'hidden=""' in re.search(r'<p id="away".*?>', dom)[0]


def test_the_page_reports_a_missing_agent_and_keeps_the_last_status(browser, serve, tmp_path):
    dom = _dom(browser, serve(status_page.render(STATUS, {}), None), tmp_path / "profile")
    assert "The agent does not respond; this is its status at " in dom
    assert "hidden" not in re.search(r'<p id="away".*?>', dom)[0]
    assert "Tries v0.3.0 on 10% of the requests" in dom


def test_a_script_in_a_message_does_not_run(browser, serve, tmp_path):
    """Holds even if escaping fails, since the page's policy allows its own script only."""
    page = status_page.render(STATUS, {}).replace("why why", "<script>document.body.className = 'owned'</script>", 1)
    assert 'class="owned"' not in _dom(browser, serve(page), tmp_path / "profile")
