"""The BentoML service: `bentoml serve slipway.serving.service:Service`, or `bentoml serve BENTO`.

BentoML starts, supervises and stops the workers, and builds the Bento. In a worker, the routes of `slipway.serving.app`
replace BentoML's application, whose middleware takes more than half the time of a one-row request, and the worker's
process leaves BentoML's imports behind. The supervisor imports nothing that only workers need.
"""

from __future__ import annotations

from typing import Any

import bentoml
import click  # which BentoML requires
from bentoml.exceptions import BentoMLConfigException

import problem
from slipway.errors import UserError
from slipway.serving import lifeline, model_folder
from slipway.serving.assembly import SETTINGS


class RoutedService(bentoml.Service):  # type: ignore[misc]  # BentoML publishes no types
    """BentoML service whose workers run the routes of `slipway.serving.app`."""

    def to_asgi(self, is_main: bool = True) -> Any:  # noqa: ARG002  BentoML's signature
        """Return the ASGI application. Each worker calls this once, before it accepts connections.

        In a worker of `bentoml serve` it does not return: a worker without BentoML takes the place of the process.
        """
        if (command := click.get_current_context(silent=True)) and command.params.get("fd") is not None:
            from slipway.serving import lean_worker

            lean_worker.replace_process(command.params)
        from slipway.serving.worker import Worker

        return Worker()


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
