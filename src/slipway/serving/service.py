"""The BentoML service: `bentoml serve slipway.serving.service:Service`, or `bentoml serve BENTO`.

BentoML starts the workers, watches them, stops them and packs the Bento. Requests do not pass through its middleware,
which takes more than half of the time of a one-row request: our routes stand in front of it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import Any

import bentoml
from bentoml.exceptions import BentoMLConfigException

import problem
from slipway import predictor
from slipway.errors import UserError
from slipway.serving import logs, model_folder, pages, prediction_log
from slipway.serving.app import App
from slipway.serving.contract import Contract
from slipway.serving.metrics import Metrics
from slipway.serving.observer import Observer
from slipway.serving.scorer import Scorer
from slipway.settings import read_params

SETTINGS = read_params(model_folder.root() / "params.yaml")["serving"]
WATCH_SECONDS = 1.0  # between looks at the parent; an orphan stops answering this soon


def make_app() -> App:
    """Load the model of this worker, and put the routes before it. Raises UserError for a model not as released."""
    folder = model_folder.locate()
    release = model_folder.verify(folder)
    model = predictor.load(folder)
    scorer = Scorer(model, SETTINGS["inline_seconds"], SETTINGS["timeout_seconds"])
    observer = _observer(release, model.signature)
    app = App(release, Contract(problem.Row, SETTINGS["max_rows"]), scorer, observer, SETTINGS)
    pages.add(app, problem, release["version"], SETTINGS)
    return app


def _observer(release: dict[str, Any], signature: dict[str, Any]) -> Observer:
    metrics = Metrics(release, signature, SETTINGS["prediction_edges"])
    logs.configure(release["version"], metrics.line_dropped)
    log = prediction_log.from_environment(release["version"], problem.Row, SETTINGS["prediction_log"], metrics.logged)
    return Observer(metrics, SETTINGS, log)


class FrontedService(bentoml.Service):
    """A BentoML service whose HTTP requests go to our routes; BentoML keeps start and stop."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """Called once by each worker, before it accepts connections."""
        bento_app = super().to_asgi(is_main)
        app = make_app()

        async def front(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await (bento_app if scope["type"] == "lifespan" else app)(scope, receive, send)

        return front


@bentoml.service(name="slipway", service_class=FrontedService, workers=SETTINGS["workers"], metrics={"enabled": False})
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

    @bentoml.on_startup
    async def settle(self) -> None:
        """Spare the garbage collector what lives for ever, and stop with the parent."""
        gc.collect()
        gc.freeze()
        self._watch = asyncio.create_task(_stop_with_parent(os.getppid()))


async def _stop_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
