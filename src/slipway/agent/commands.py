"""Commands that start, stop and observe the agent of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway import output
from slipway.environment.options import EnvironmentOption
from slipway.errors import ArgumentError


def agent(
    environment: EnvironmentOption,
    once: Annotated[
        bool, typer.Option("--once", help="Reconcile until the desired state is reached, then exit.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background and print the gateway's URL.")
    ] = False,
    runtime: Annotated[
        str,
        typer.Option(
            envvar="SLIPWAY_RUNTIME", help="How releases run: as a `process`, or their image as a `container`."
        ),
    ] = "process",
) -> None:
    """Reconcile an environment with the `deploy` branch, and serve it behind its own gateway.

    Example: `slipway agent --environment staging --detach`
    """
    from slipway.agent.start import start
    from slipway.environment.environment import Environment

    start(Environment(environment), runtime, once=once, detach=detach)


def stop(
    environment: Annotated[str, typer.Option(help="`staging` or `production`.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Stop both environments.")] = False,
) -> None:
    """Stop the agent, the services and the gateway of an environment.

    Example: `slipway stop --all`
    """
    from slipway.agent import supervision
    from slipway.environment.place import ENVIRONMENTS, Place

    if bool(environment) == everything:
        raise ArgumentError("stop: needs exactly one target; pass --environment NAME or --all")
    names = ENVIRONMENTS if everything else (environment,)
    for name in names:
        supervision.stop(Place.of(name), supervision.STOP_TIMEOUT_SECONDS)
    output.result({"stopped": list(names)}, "\n".join(f"{name}: stopped" for name in names))


def confirm(environment: EnvironmentOption) -> None:
    """Accept a `deploy` branch whose history was rewritten. Until then, this machine's agent changes nothing.

    Example: `slipway confirm --environment production`
    """
    from slipway.agent.follower import accept_rewritten
    from slipway.environment.place import Place

    commit = accept_rewritten(Place.of(environment))
    output.result({"commit": commit}, f"{environment}: the agent follows the branch from {commit} on")


def status() -> None:
    """Show the desired and the observed release of each environment, and who promoted it.

    Example: `slipway status --json`
    """
    from slipway.agent import status as job
    from slipway.agent import status_text

    content = job.status(Path())
    output.result(content, lambda: status_text.render(content))
