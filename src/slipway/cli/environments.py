"""Commands on an environment: promote, roll back, reconcile, smoke test, load test and monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.panels import EnvironmentOption, JsonOption, WaitOption, on_panel
from slipway.errors import UserError
from slipway.loadtest import PAYLOADS

command = on_panel("Environments")


@command
def promote(
    environment: EnvironmentOption,
    release: Annotated[
        str | None,
        typer.Option(
            envvar="SLIPWAY_RELEASE",
            help="Version, such as v0.1.0. Default: the newest release for staging, staging's release for production.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            envvar="SLIPWAY_IMAGE",
            help="Container image for Kubernetes: NAME@sha256:… Default: the image of its last promotion.",
        ),
    ] = None,
    canary: Annotated[
        bool | None,
        typer.Option(
            help="Shift traffic in the canary steps of params.yaml, or in a single step. "
            "Default: canary for production, single step for staging."
        ),
    ] = None,
    wait: WaitOption = True,
) -> None:
    """Promote a release to an environment by one commit on the `deploy` branch.

    A promotion only moves forward. To return to an older release, run `slipway rollback --to`.

    Example: `slipway promote --environment staging`
    """
    from slipway.deployment import commands

    commands.promote(environment, release, image, canary=canary, wait=wait)


@command
def rollback(
    environment: EnvironmentOption,
    to: Annotated[
        str | None, typer.Option(help="Version, such as v0.1.0. Default: the release that ran before.")
    ] = None,
    wait: WaitOption = True,
) -> None:
    """Roll an environment back to an earlier release by a revert on the `deploy` branch. Nothing is rebuilt.

    Example: `slipway rollback --environment production`
    """
    from slipway.deployment import commands

    commands.rollback(environment, to, wait=wait)


@command
def agent(
    environment: EnvironmentOption,
    once: Annotated[
        bool, typer.Option("--once", help="Reconcile until the desired state is reached, then exit.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background and print the gateway's URL.")
    ] = False,
) -> None:
    """Reconcile an environment with the `deploy` branch, and serve it behind its own gateway.

    Example: `slipway agent --environment staging --detach`
    """
    from slipway.deployment import commands

    commands.agent(environment, once=once, detach=detach)


@command
def stop(
    environment: Annotated[str, typer.Option(help="`staging` or `production`.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Stop both environments.")] = False,
) -> None:
    """Stop the agent, the services and the gateway of an environment.

    Example: `slipway stop --all`
    """
    from slipway.deployment import commands
    from slipway.environment.place import ENVIRONMENTS

    if bool(environment) == everything:
        raise UserError("stop: needs exactly one target; pass --environment NAME or --all")
    commands.stop(list(ENVIRONMENTS) if everything else [environment])


@command
def confirm(environment: EnvironmentOption) -> None:
    """Accept a `deploy` branch whose history was rewritten. Until then, this machine's agent changes nothing.

    Example: `slipway confirm --environment production`
    """
    from slipway.deployment import commands

    commands.confirm(environment)


@command
def status(as_json: JsonOption = False) -> None:
    """Show the desired and the observed release of each environment, and who promoted it.

    Example: `slipway status --json`
    """
    from slipway.deployment import commands

    commands.print_status(as_json=as_json)


@command
def smoke(environment: EnvironmentOption) -> None:
    """Replay the requests that were recorded at build time, and compare the predictions. Writes results/smoke.json.

    Example: `slipway smoke --environment staging`

    Exit codes: 1 if a prediction differs.
    """
    from slipway.deployment import commands

    raise typer.Exit(commands.run_smoke(environment))


@command
def loadtest(
    environment: str = typer.Option("", help="`staging` or `production`; its gateway is the target."),
    url: str = typer.Option("", help="URL of a service to test instead of an environment."),
    against: str = typer.Option(
        "", help="Environment or URL to compare with, in alternating runs; the candidate may not be slower."
    ),
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = PAYLOADS,
) -> None:
    """Run an open-loop load test at the rate in params.yaml. Writes results/loadtest.json.

    Example: `slipway loadtest --environment staging --against production`

    Exit codes: 1 if a gate fails or the run is invalid.
    """
    from slipway.loadtest import loadtest as job

    raise typer.Exit(job.main(environment, url, against, payloads))


@command
def monitor(
    environment: EnvironmentOption,
    window: Annotated[
        float | None,
        typer.Option(min=0, help="Length of the window, in days. Default: monitoring.window_days of params.yaml."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Start of the window, UTC, such as 2013-10-01. Default: one window length before its end."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End of the window, UTC. Default: now.")] = None,
    labels: Annotated[Path, typer.Option(help="Folder that `problem.labels` reads new labels from.")] = Path("data"),
    as_json: JsonOption = False,
) -> None:
    """Check an environment's traffic and predictions for drift, decay and faults. Writes results/monitor.json.

    Collects the prediction log, joins the labels that have arrived, runs every check and decides whether to retrain.
    The dashboard is results/monitor/index.html.

    Example: `slipway monitor --environment production --window 7`

    Exit codes: 1 if a check does not pass.
    """
    from slipway.monitoring import job

    raise typer.Exit(job.main(environment, job.WindowOptions(window, since, until, labels), as_json=as_json))


@command
def collect(environment: EnvironmentOption) -> None:
    """Copy an environment's prediction log and request counters to $SLIPWAY_COLLECTED.

    Run it on the serving machine on a schedule, such as hourly, so that `slipway monitor` can run elsewhere.
    `slipway monitor` also collects before its checks.

    Example: `slipway collect --environment production`
    """
    from slipway.monitoring import job

    print(job.only_collect(environment))


@command
def manifests() -> None:
    """Render deploy/ into deploy/rendered/ with kubectl. Run it after an edit; promotions fill in the release.

    Example: `slipway manifests`
    """
    from slipway.deployment import commands

    commands.render_manifests()
