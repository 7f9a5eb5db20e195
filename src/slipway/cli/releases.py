"""Commands on releases: `slipway release …`, and `slipway verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.panels import CommandGroup, JsonOption, app, on_panel

releases = CommandGroup(
    no_args_is_help=True, help="Build, publish, sign, list and prune releases, and report on deployments."
)
app.add_typer(releases, name="release", rich_help_panel="Releases")


@on_panel("Releases")
def verify(
    release: Annotated[
        str | None,
        typer.Argument(envvar="SLIPWAY_RELEASE", help="Version, such as v0.1.0. Default: the newest release."),
    ] = None,
    environment: Annotated[str | None, typer.Option(help="Verify the desired release of this environment.")] = None,
    before: Annotated[
        str | None,
        typer.Option(help="Verify the release that the next promotion to this environment takes, or the one you name."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Trace a release back to reviewed source: recompute and compare every link of its provenance.

    Exit codes: 1 if a link is broken, or if a required link was not checked.

    Example: `slipway verify --environment production`
    """
    from slipway.supply_chain import verification

    raise typer.Exit(verification.verify(release, environment, before, as_json=as_json))


@releases.command("build")
def release_build(
    output: Annotated[Path, typer.Option(help="Folder to write; replaced if it exists.")] = Path("build/release"),
    report: Annotated[Path | None, typer.Option(help="Report to include in the release. Default: none.")] = None,
) -> None:
    """Build the release of this commit and its trained model as one folder, byte for byte reproducible.

    Example: `slipway release build --report results/report/report.md`
    """
    from slipway.deployment import commands

    commands.build(output, report)


@releases.command("publish")
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
    from slipway.deployment import commands

    commands.publish(folder, attestation)


@releases.command("key")
def release_key(
    private: Annotated[Path, typer.Argument(help="File for the private key, outside the checkout.")],
) -> None:
    """Create a key pair for signing releases. The public key goes to .github/trusted-keys.

    Example: `slipway release key ~/slipway-signing.pem`
    """
    from slipway.supply_chain import verification

    verification.make_key(private)


@releases.command("sign")
def release_sign(
    release: Annotated[str, typer.Argument(help="Version, such as v0.1.0.")],
) -> None:
    """Sign a published release with $SLIPWAY_SIGNING_KEY, if every other link of its provenance holds.

    Example: `slipway release sign v0.1.0`
    """
    from slipway.supply_chain import verification

    verification.sign(release)


@releases.command("list")
def release_list(as_json: JsonOption = False) -> None:
    """List releases, newest first, with the environments that desire them.

    Example: `slipway release list --json`
    """
    from slipway.deployment import commands

    commands.list_releases(as_json=as_json)


@releases.command("keep")
def release_keep(
    release: Annotated[
        str | None, typer.Option(help="Version for results that name no release. Default: this commit's release.")
    ] = None,
) -> None:
    """Store the results of checks and load tests with their releases, as JSON and HTML.

    Example: `slipway release keep`
    """
    from slipway.deployment import commands

    commands.store_evidence(release)


@releases.command("prune")
def release_prune(
    keep: Annotated[int, typer.Option(min=1, help="Number of newest releases to keep.")],
) -> None:
    """Remove old releases from the store, except those that an environment runs, ran last or would roll back to.

    Example: `slipway release prune --keep 20`
    """
    from slipway.deployment import commands

    commands.prune(keep)


@releases.command("report")
def release_report(
    folder: Annotated[Path, typer.Argument(help="Folder with the jobs' results: results-build/, results-staging/, …")],
    needs: str = typer.Option(
        "", envvar="NEEDS", help="JSON of GitHub's `toJSON(needs)`, with the result of each job. Default: none."
    ),
) -> None:
    """Write the report on a deployment, failed ones included, as Markdown and HTML to results/deployment/.

    Example: `slipway release report results`
    """
    from slipway.deployment import report as deployment

    print(deployment.report(folder, needs))


@releases.command("comment")
def release_comment() -> None:
    """Post the deployment report as a comment on the deployed commit, or update it, through CML or gh.

    Example: `slipway release comment`
    """
    from slipway.deployment import report as deployment

    print(f"comment: {deployment.comment()}")
