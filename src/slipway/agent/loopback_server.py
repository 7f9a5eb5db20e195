"""HTTP server of this machine that accepts a burst of connections."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

BACKLOG_MAX = 1024  # connections that wait for `accept`; Linux lowers it to `net.core.somaxconn`


class LoopbackServer(ThreadingHTTPServer):
    """Server on 127.0.0.1 with one thread for each connection.

    The backlog of Python's own class is 5. Linux drops what exceeds it, and the client repeats its connection after 1,
    3 and 7 seconds: the gateway opens a connection for each concurrent request, so a burst of 64 takes seconds.
    """

    request_queue_size = BACKLOG_MAX

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        """Listen at `port`, or at a free one for 0."""
        super().__init__(("127.0.0.1", port), handler)
