"""A private repository over HTTPS on loopback: `git http-backend` with basic authentication, like GitHub."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "secret"  # noqa: S105  only for tests
HEADER = f"basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the repositories in `folder` to clients with TOKEN, and write authority.pem there. Yield the base URL."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"https://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(folder: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization", "").lower() != HEADER.lower():
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            url = urlsplit(self.path)
            request = {"PATH_INFO": url.path, "QUERY_STRING": url.query, "REQUEST_METHOD": self.command}
            request |= {"CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body))}
            request |= {
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REMOTE_USER": "x-access-token",
            }
            request |= {"GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
            env = os.environ | {"GIT_PROJECT_ROOT": str(folder), "GIT_HTTP_EXPORT_ALL": "1"} | request
            done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, check=True)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in {**fields, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _respond  # noqa: N815  http.server calls these names

        def log_message(self, *_: object) -> None:
            pass

    return Handler
