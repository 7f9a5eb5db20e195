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


def experiment_start(
    environment: EnvironmentOption,
    release: Annotated[str, typer.Option(help="Version that users of one side get, such as v0.2.0.")],
    baseline: Annotated[float, typer.Option(help="Mean outcome of a user today.")],
    effect: Annotated[float, typer.Option(help="Smallest difference of the means to detect.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the experiment, such as prices-2. Default: that of the release.")
    ] = None,
    header: Annotated[
        str | None, typer.Option(help="Request header that names the user. Default: `--column` does.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of `Row` that names the user. Default: `--header` does.")
    ] = None,
    percent: Annotated[int, typer.Option(min=1, max=50, help="Percent of the users on each side.")] = 50,
    days: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Days after a user's first row in which rows count.")
    ] = 7,
    deviation: Annotated[
        float | None,
        typer.Option(help="Standard deviation of the outcomes of users. Default: that of a proportion."),
    ] = None,
    limits: Annotated[tuple[float, float], typer.Option(help="Lowest and highest possible outcome of a user.")] = (
        0,
        1,
    ),
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.4, help="Maximum rate of wrong decisions on equal models.")
    ] = 0.05,
    power: Annotated[float, typer.Option(min=0.51, max=0.999, help="Rate at which the effect is detected.")] = 0.8,
    lower_is_better: Annotated[bool, typer.Option(help="Count a lower outcome as better, such as a cost.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the number of users, and change nothing.")] = False,
) -> None:
    """Start an experiment by user: one side gets another release. Computes and fixes the number of users.

    Example: `slipway experiment start --environment staging --release v0.2.0 --header ID --baseline 0.1 --effect 0.01`
    """
    from slipway.deployment import delivery
    from slipway.deployment.user_experiment import Options
    from slipway.environment.environment import Environment

    options = Options(
        name or release.replace(".", "-"),
        release,
        header,
        column,
        percent,
        days,
        baseline,
        effect,
        deviation,
        limits,
        alpha,
        power,
        lower_is_better,
    )
    delivery.start_experiment(Environment(environment), options, dry_run=dry_run)


def experiment_stop(environment: EnvironmentOption) -> None:
    """End the experiment of an environment without a decision: every user gets the release.

    Example: `slipway experiment stop --environment production`
    """
    from slipway.deployment import delivery
    from slipway.environment.environment import Environment

    delivery.stop_experiment(Environment(environment))
