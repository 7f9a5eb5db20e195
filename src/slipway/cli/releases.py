"""`slipway release …`: build, publish, sign, list, keep evidence, prune, report; and `verify`, which traces one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import Json, Verbs, app, on_panel

releases = Verbs(no_args_is_help=True, help="Build, publish and list releases.")
app.add_typer(releases, name="release", rich_help_panel="Releases")
verb = releases.command


@on_panel("Releases")()
def verify(
    release: Annotated[
        str | None, typer.Argument(envvar="SLIPWAY_RELEASE", help="Version, such as v0.1.0; else the newest.")
    ] = None,
    environment: Annotated[str | None, typer.Option(help="What this environment should run.")] = None,
    before: Annotated[
        str | None, typer.Option(help="What the next promotion to this environment takes, unless a version is named.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Trace a release to reviewed source: each link of the chain is computed again, and compared.

    Exit codes: 1 when a link is broken, or was not checked and must hold.

    Example: `slipway verify --environment production`
    """
    from slipway.delivery.chain import verification

    raise typer.Exit(verification.verify(release, environment, before, as_json=as_json))


@verb("build")
def release_build(
    output: Annotated[Path, typer.Option(help="Folder to write; one that is there is replaced.")] = Path(
        "build/release"
    ),
    report: Annotated[Path | None, typer.Option(help="Report to keep with the release.")] = None,
) -> None:
    """Build the release of this commit and its trained model: one folder, the same bytes each time.

    Example: `slipway release build --report results/report/report.md`
    """
    from slipway.delivery import verbs

    verbs.build(output, report)


@verb("publish")
def release_publish(
    folder: Annotated[Path, typer.Argument(help="What `slipway release build` wrote.")] = Path("build/release"),
    attestation: Annotated[
        Path | None, typer.Option(envvar="ATTESTATION", help="What actions/attest wrote, to be kept beside it.")
    ] = None,
) -> None:
    """Put a release into $SLIPWAY_STORE, and its commit and its tag on the branch `deploy` of origin.

    Example: `slipway release publish`
    """
    from slipway.delivery import verbs

    verbs.publish(folder, attestation)


@verb("key")
def release_key(
    private: Annotated[Path, typer.Argument(help="File for the private key, outside of the checkout.")],
) -> None:
    """Make a key pair to sign releases with: the private half in a file, the public one in .github/trusted-keys.

    Example: `slipway release key ~/slipway-signing.pem`
    """
    from slipway.delivery.chain import verification

    verification.make_key(private)


@verb("sign")
def release_sign(
    release: Annotated[str, typer.Argument(help="Version, such as v0.1.0.")],
) -> None:
    """Sign a release that is published already, if every other link of its chain holds, with $SLIPWAY_SIGNING_KEY.

    Example: `slipway release sign v0.1.0`
    """
    from slipway.delivery.chain import verification

    verification.sign(release)


@verb("list")
def release_list(as_json: Json = False) -> None:
    """List releases, newest first, and where each should run.

    Example: `slipway release list --json`
    """
    from slipway.delivery import verbs

    verbs.list_releases(as_json=as_json)


@verb("keep")
def release_keep(
    release: Annotated[
        str | None, typer.Option(help="Of the results that name no release; else that of this commit.")
    ] = None,
) -> None:
    """Keep the results of checks and load tests, as JSON and HTML, beside the releases that they are about.

    Example: `slipway release keep`
    """
    from slipway.delivery import verbs

    verbs.keep(release)


@verb("prune")
def release_prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest stay in any case.")],
) -> None:
    """Remove old releases from the store, but none that an environment runs, ran last, or would go back to.

    Example: `slipway release prune --keep 20`
    """
    from slipway.delivery import verbs

    verbs.prune(keep)


@verb("report")
def release_report(
    folder: Annotated[Path, typer.Argument(help="What the jobs left: results-build/, results-staging/ and so on.")],
    needs: str = typer.Option("", envvar="NEEDS", help="GitHub's `toJSON(needs)`: how each job ended."),
) -> None:
    """Write the report on a deployment, also on one that failed: results/deployment/report.md and report.html.

    Example: `slipway release report results`
    """
    from slipway import deployment

    print(deployment.report(folder, needs))


@verb("comment")
def release_comment() -> None:
    """Show the report on a deployment at the commit that was deployed: one comment, by CML or else by gh.

    Example: `slipway release comment`
    """
    from slipway import deployment

    print(f"comment: {deployment.comment()}")
