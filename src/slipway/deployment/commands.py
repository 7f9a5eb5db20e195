"""Commands that change and test what an environment serves, and report on a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway import output
from slipway.environment.options import EnvironmentOption, WaitOption


def promote(
    environment: EnvironmentOption,
    release: Annotated[
        str | None,
        typer.Option(
            envvar="SLIPWAY_RELEASE",
            help="Version, such as v0.1.0, or the commit that it was built from. "
            "Default: the newest release for staging, staging's release for production.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            envvar="SLIPWAY_IMAGE",
            help="Container image for Kubernetes: NAME@sha256:… Default: the image that was pushed of the release.",
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
    from slipway.deployment import delivery
    from slipway.environment.environment import Environment

    delivery.promote(Environment(environment), release, image, canary=canary, wait=wait)


def approve(
    environment: EnvironmentOption,
    release: Annotated[str, typer.Option(help="Version, such as v0.1.0, or the commit that it was built from.")],
) -> None:
    """Approve a release for an environment whose file has `policy: {approval: true}`, by a commit on `deploy`.

    Example: `slipway approve --environment production --release v0.1.0`
    """
    from slipway.deployment import delivery
    from slipway.environment.environment import Environment

    delivery.approve(Environment(environment), release)


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
    from slipway.deployment import delivery
    from slipway.environment.environment import Environment

    delivery.rollback(Environment(environment), to, wait=wait)


def smoke(environment: EnvironmentOption) -> None:
    """Replay the requests that were recorded at build time, and compare the predictions. Writes results/smoke.json.

    Example: `slipway smoke --environment staging`

    Exit codes: 1 if a prediction differs.
    """
    from slipway.deployment import smoke as job
    from slipway.environment.environment import Environment
    from slipway.release.store import open_store

    raise typer.Exit(job.smoke(Environment(environment), open_store()))


def manifests() -> None:
    """Render deploy/ into deploy/rendered/ with kubectl. Run it after an edit; promotions fill in the release.

    Example: `slipway manifests`
    """
    from slipway.deployment import delivery

    delivery.render_manifests()


def release_publish(
    folder: Annotated[Path, typer.Argument(help="Folder that `slipway release build` wrote.")] = Path("build/release"),
    attestation: Annotated[
        Path | None,
        typer.Option(envvar="ATTESTATION", help="Bundle of actions/attest to store with the release. Default: none."),
    ] = None,
) -> None:
    """Publish a release to $SLIPWAY_STORE, and push its commit and tag to the `deploy` branch of origin.

    Example: `slipway release publish`
    """
    from slipway.deployment import delivery

    delivery.publish(folder, attestation)


def release_report(
    folder: Annotated[Path, typer.Argument(help="Folder with the jobs' results: results-build/, results-staging/, …")],
    needs: str = typer.Option(
        "", envvar="NEEDS", help="JSON of GitHub's `toJSON(needs)`, with the result of each job. Default: none."
    ),
) -> None:
    """Write the report on a deployment, failed ones included, as Markdown and HTML to results/deployment/.

    Example: `slipway release report results`
    """
    from slipway.deployment import report as job

    title = job.report(folder, needs)
    output.result({"title": title}, title)


def release_comment() -> None:
    """Post the deployment report as a comment on the deployed commit, or update it, through CML or gh.

    Example: `slipway release comment`
    """
    from slipway.deployment import report as job

    output.message("comment", job.comment())
