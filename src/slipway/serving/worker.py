"""Worker of the service: its ASGI application, from the loaded model to the exit of the process."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from slipway.serving import connections, lifeline
from slipway.serving.assembly import SETTINGS, make_app

if TYPE_CHECKING:
    from slipway.serving.app import Receive, Send

EXIT_SIGNALS = (signal.SIGTERM, signal.SIGINT)
SWITCH_SECONDS = (
    0.0005  # until Python lets a waiting thread run; by default 5 ms, as long as a model takes for 1,000 rows
)


class Worker:
    """ASGI application of a process that serves. Construct it in the main thread, before uvicorn starts."""

    def __init__(self) -> None:
        """Load the model. Raises UserError if it fails verification."""
        for number in EXIT_SIGNALS:
            signal.signal(number, _exit)
        sys.setswitchinterval(SWITCH_SECONDS)
        self._app = make_app()
        self._manager = connections.install(self._app, SETTINGS)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or handle the lifespan of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._app(scope, receive, send)

    def close(self) -> None:
        """Stop listening, after the clients that have connected are accepted. Call it in the loop."""
        self._manager.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Handle the ASGI lifespan. Exempt the loaded objects from garbage collection."""

        def stop() -> None:
            self.close()
            os.kill(os.getpid(), signal.SIGTERM)

        await receive()
        gc.collect()
        gc.freeze()
        _release_memory()
        if lifeline.is_cut():  # to listen now would reopen the socket that the other workers have closed
            await send({"type": "lifespan.startup.failed", "message": "not started, because the service is stopping"})
            return
        self._manager.open()
        lifeline.follow(stop)
        lifeline.report_ready()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _exit(*_: object) -> None:
    """End the process with its exit handlers, which write the last lines of both logs.

    uvicorn repeats a signal after its last response, and its default action would end the process without them.
    """
    sys.exit()


def _release_memory() -> None:
    """Return the memory that the imports freed, 2 MB, to the system, if the C library supports it."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
