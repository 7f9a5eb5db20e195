"""The service in one process, without BentoML: uvicorn runs a worker, and the platform restarts the process."""

from __future__ import annotations

import logging
import socket
from typing import Any

import uvicorn

from slipway.errors import BusyError
from slipway.serving.worker import Worker

logger = logging.getLogger(__name__)
BACKLOG = 2048  # connections that wait to be accepted, as with BentoML
SERVER: dict[str, Any] = {
    "ws": "none",  # the routes accept none, and its packages take time to import
    "lifespan": "on",
    "log_config": None,
    "access_log": False,
    "server_header": False,
}
"""Options of uvicorn in every process that serves without BentoML."""


class Server(uvicorn.Server):
    """Server that accepts the waiting connections before it stops."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(uvicorn.Config(worker, **SERVER))
        self._worker = worker

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and wait until every client is answered."""
        self._worker.close()
        await super().shutdown(sockets)


def serve(host: str, port: int) -> None:
    """Serve at an address until SIGTERM or SIGINT. Raises UserError for an invalid model or an unusable address."""
    server = Server(Worker())
    with _listener(host, port) as listener:
        logger.info("listening on %s, port %d", host, port)
        server.run([listener])


def _listener(host: str, port: int) -> socket.socket:
    family, is_ipv6 = (socket.AF_INET6, True) if ":" in host else (socket.AF_INET, False)
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_ipv6)
    except (OSError, OverflowError) as error:
        raise BusyError(f"{host}, port {port}: {error}; choose another address with --host or --port") from None
