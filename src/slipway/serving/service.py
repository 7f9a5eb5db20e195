"""The BentoML service: `bentoml serve slipway.serving.service:Service`, or `bentoml serve BENTO`.

BentoML starts, supervises and stops the workers, and builds the Bento. In a worker, the routes of `slipway.serving.app`
replace BentoML's application: its middleware takes more than half the time of a one-row request, and its imports
(tracing, clients, a web UI) take 20 MB and 0.5 s at startup. The supervisor imports nothing that only workers need.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml.exceptions import BentoMLConfigException

import problem
from slipway.errors import UserError
from slipway.serving import lifeline, model_folder
from slipway.serving.assembly import SETTINGS, make_app

if TYPE_CHECKING:
    from slipway.serving.connections import ConnectionManager


class RoutedService(bentoml.Service):  # type: ignore[misc]  # BentoML publishes no types
    """BentoML service whose workers run the routes of `slipway.serving.app`."""

    def to_asgi(self, is_main: bool = True) -> Any:  # noqa: ARG002  BentoML's signature
        """Return the ASGI application. Each worker calls this once, before it accepts connections."""
        from slipway.serving import connections

        app = make_app()
        manager = connections.install(app, SETTINGS)

        async def routes(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await _live(manager, receive, send)
            else:
                await app(scope, receive, send)

        return routes


@bentoml.service(name="slipway", service_class=RoutedService, workers=SETTINGS["workers"], metrics={"enabled": False})
class Service:
    """Predictions for rows of `problem.Row`."""

    @bentoml.on_deployment  # type: ignore[untyped-decorator]  # BentoML publishes no types
    @staticmethod
    def verify_model() -> None:
        """Verify the model before any worker starts, so that an invalid one ends the command with a one-line error."""
        try:
            folder = model_folder.locate()
            model_folder.verify(folder)
            model_folder.refuse_other_columns(folder, problem.Row)
        except UserError as error:
            raise BentoMLConfigException(str(error)) from None

    @bentoml.on_deployment  # type: ignore[untyped-decorator]  # BentoML publishes no types
    @staticmethod
    def connect_workers() -> None:
        """End the workers with this process, and restart immediately after the last worker died."""
        lifeline.hold()


async def _live(manager: ConnectionManager, receive: Any, send: Any) -> None:
    """Handle the ASGI lifespan of a worker, which stops with the command.

    Exempt the loaded objects from garbage collection.
    """

    def stop() -> None:
        manager.close()
        os.kill(os.getpid(), signal.SIGTERM)

    await receive()
    gc.collect()
    gc.freeze()
    _release_memory()
    if lifeline.is_cut():  # to listen now would reopen the socket that the other workers have closed
        await send({"type": "lifespan.startup.failed", "message": "not started, because the service is stopping"})
        return
    manager.open()
    lifeline.follow(stop)
    lifeline.report_ready()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _release_memory() -> None:
    """Return the memory that the imports freed, 2 MB, to the system, if the C library supports it."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
