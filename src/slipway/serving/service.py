"""The BentoML service: `bentoml serve slipway.serving.service:Service`, or `bentoml serve BENTO`.

BentoML starts the workers, watches them, stops them and packs the Bento. In a worker our routes take the place of its
application, whose middleware takes more than half of the time of a one-row request, and whose imports (tracing,
clients, a web UI) take 20 MB and half a second of the start. The supervisor imports nothing that only a worker needs.
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
from slipway.settings import read_section

if TYPE_CHECKING:
    from slipway.serving.app import App
    from slipway.serving.connections import Door
    from slipway.serving.observer import Observer

SETTINGS = read_section("serving", model_folder.root() / "params.yaml")


def make_app() -> App:
    """Load the model of this worker, and put the routes before it. Raises UserError for a model not as released."""
    from slipway import predictor
    from slipway.serving import pages
    from slipway.serving.app import App
    from slipway.serving.contract import Contract
    from slipway.serving.scorer import Scorer

    folder = model_folder.locate()
    release = model_folder.verify(folder)
    model = predictor.load(folder)
    scorer = Scorer(model, SETTINGS["inline_seconds"], SETTINGS["timeout_seconds"])
    observer = _observer(release, model.signature)
    app = App(release, Contract(problem.Row, SETTINGS["max_rows"]), scorer, observer, SETTINGS)
    pages.add(app, problem, release["version"], SETTINGS)
    return app


def _observer(release: dict[str, Any], signature: dict[str, Any]) -> Observer:
    from slipway.serving import logs, prediction_log
    from slipway.serving.metrics import Metrics
    from slipway.serving.observer import Observer

    metrics = Metrics(release, signature, SETTINGS["prediction_edges"])
    logs.configure(release["version"], metrics.line_dropped)
    log = prediction_log.from_environment(release["version"], problem.Row, SETTINGS["prediction_log"], metrics.logged)
    return Observer(metrics, SETTINGS, log)


class RoutedService(bentoml.Service):
    """A BentoML service that answers with our routes."""

    def to_asgi(self, is_main: bool = True) -> Any:  # noqa: ARG002  BentoML's signature
        """Called once by each worker, before it accepts connections."""
        from slipway.serving import connections

        app = make_app()
        door = connections.install(app, SETTINGS)

        async def routes(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await _live(door, receive, send)
            else:
                await app(scope, receive, send)

        return routes


@bentoml.service(name="slipway", service_class=RoutedService, workers=SETTINGS["workers"], metrics={"enabled": False})
class Service:
    """Predictions for rows of `problem.Row`."""

    @bentoml.on_deployment
    @staticmethod
    def refuse_a_wrong_model() -> None:
        """Look at the model once, before any worker starts: a wrong one must end the command, in one line."""
        try:
            folder = model_folder.locate()
            model_folder.verify(folder)
            model_folder.refuse_other_columns(folder, problem.Row)
        except UserError as error:
            raise BentoMLConfigException(str(error)) from None

    @bentoml.on_deployment
    @staticmethod
    def tie_the_workers() -> None:
        """They end with this process, and another one starts at once when the last one died."""
        lifeline.hold()


async def _live(door: Door, receive: Any, send: Any) -> None:
    """The life of a worker, in ASGI's words: spare the collector what lives for ever, and stop with the command."""

    def leave() -> None:
        door.close()
        os.kill(os.getpid(), signal.SIGTERM)

    await receive()
    gc.collect()
    gc.freeze()
    _give_back_memory()
    if lifeline.is_cut():  # to listen now would open again, for nobody, the socket that the other workers have closed
        await send({"type": "lifespan.startup.failed", "message": "not started, because the service stops"})
        return
    door.open()
    lifeline.follow(leave)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _give_back_memory() -> None:
    """Return to the system what the imports took and let go, 2 MB, where the C library is one that can be asked to."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
