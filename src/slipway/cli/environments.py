"""What an environment should run, and what it does: promotion, rollback, the agent, the tests of what serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import Environment, Json, Wait, on_panel
from slipway.errors import UserError

verb = on_panel("Environments")


@verb()
def promote(
    environment: Environment,
    release: Annotated[
        str | None,
        typer.Option(
            envvar="SLIPWAY_RELEASE", help="Version; else the newest for staging, and for production that of staging."
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option(envvar="SLIPWAY_IMAGE", help="The release for Kubernetes: NAME@sha256:…")
    ] = None,
    canary: Annotated[
        bool | None, typer.Option(help="Take over in the steps of params.yaml, or at once; else steps for production.")
    ] = None,
    wait: Wait = True,
) -> None:
    """Make an environment run a release: one commit on the branch `deploy`, and the wait until it serves.

    It goes forward only; `slipway rollback --to` goes back to an older release.

    Example: `slipway promote --environment staging`
    """
    from slipway.delivery import verbs

    verbs.promote(environment, release, image, canary=canary, wait=wait)


@verb()
def rollback(
    environment: Environment,
    to: Annotated[str | None, typer.Option(help="Version; else what ran before.")] = None,
    wait: Wait = True,
) -> None:
    """Go back to the release that an environment ran before: a revert on the branch `deploy`, nothing is built.

    Example: `slipway rollback --environment production`
    """
    from slipway.delivery import verbs

    verbs.rollback(environment, to, wait=wait)


@verb()
def agent(
    environment: Environment,
    once: Annotated[bool, typer.Option("--once", help="Until all is as desired, then end.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="In the background; prints the front door.")] = False,
) -> None:
    """Make an environment what the branch `deploy` says, and keep it so, behind a front door of its own.

    Example: `slipway agent --environment staging --detach`
    """
    from slipway.delivery import verbs

    verbs.agent(environment, once=once, detach=detach)


@verb()
def stop(
    environment: Annotated[str, typer.Option(help="`staging` or `production`.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every environment.")] = False,
) -> None:
    """End the agent, the services and the front door of an environment.

    Example: `slipway stop --all`
    """
    from slipway.delivery import verbs
    from slipway.delivery.home import ENVIRONMENTS

    if bool(environment) == everything:
        raise UserError("stop: name one with --environment, or all with --all")
    verbs.stop(list(ENVIRONMENTS) if everything else [environment])


@verb()
def confirm(environment: Environment) -> None:
    """Accept that the branch `deploy` was rewritten, as this machine's agent sees it now; until then it stays put.

    Example: `slipway confirm --environment production`
    """
    from slipway.delivery import verbs

    verbs.confirm(environment)


@verb()
def status(as_json: Json = False) -> None:
    """Show what each environment should run, what it runs, and who promoted what.

    Example: `slipway status --json`
    """
    from slipway.delivery import verbs

    verbs.print_status(as_json=as_json)


@verb()
def smoke(environment: Environment) -> None:
    """Ask an environment what the release was asked when it was built; recorded in results/smoke.json.

    Example: `slipway smoke --environment staging`

    Exit codes: 1 when an answer differs.
    """
    from slipway.delivery import verbs

    raise typer.Exit(verbs.run_smoke(environment))


@verb()
def loadtest(
    environment: str = typer.Option("", help="`staging` or `production`: its front door."),
    url: str = typer.Option("", help="Address of a service, in place of an environment."),
    against: str = typer.Option("", help="Environment or address to take turns with; the candidate may not be slower."),
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = Path(
        "build/prepared/test.parquet"
    ),
) -> None:
    """Load a service at the rate in params.yaml, and judge it in results/loadtest.json.

    Example: `slipway loadtest --environment staging --against production`

    Exit codes: 1 when it fails, or when the run is invalid and says nothing.
    """
    from slipway.delivery.load import loadtest as job

    raise typer.Exit(job.main(environment, url, against, payloads))


@verb()
def monitor(
    environment: Environment,
    window: Annotated[float | None, typer.Option(help="Days to look at; else those of params.yaml.")] = None,
    since: Annotated[str | None, typer.Option(help="Begin of the window, UTC, such as 2013-10-01.")] = None,
    until: Annotated[str | None, typer.Option(help="End of the window, UTC; else now.")] = None,
    labels: Annotated[Path, typer.Option(help="Where `problem.labels` finds what became known since.")] = Path("data"),
    as_json: Json = False,
) -> None:
    """Look at what an environment saw and answered, and judge it in results/monitor.json.

    Collects the prediction log, joins the labels that have arrived, answers one question after the other, and says
    whether a new model is asked for. The page is results/monitor/index.html.

    Example: `slipway monitor --environment production --window 7`

    Exit codes: 1 when a question does not pass.
    """
    from slipway.monitoring import job

    raise typer.Exit(job.main(environment, job.Asked(window, since, until, labels), as_json=as_json))


@verb()
def collect(environment: Environment) -> None:
    """Take in the prediction log and the counters of an environment, for whoever looks at it from elsewhere.

    Runs where the environment is served, each hour for instance, with SLIPWAY_COLLECTED set. `slipway monitor` does the
    same before it looks.

    Example: `slipway collect --environment production`
    """
    from slipway.monitoring import job

    print(job.only_collect(environment))


@verb()
def manifests() -> None:
    """Render deploy/ into deploy/rendered/ with kubectl, after an edit there; promotions fill in the release.

    Example: `slipway manifests`
    """
    from slipway.delivery import verbs

    verbs.render_manifests()
