"""`slipway release …`: build, publish, list, keep evidence, prune, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import Json, Verbs, app

releases = Verbs(no_args_is_help=True, help="Build, publish and list releases.")
app.add_typer(releases, name="release", rich_help_panel="Releases")
verb = releases.command


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
) -> None:
    """Put a release into $SLIPWAY_STORE, and its commit and its tag on the branch `deploy` of origin.

    Example: `slipway release publish`
    """
    from slipway.delivery import verbs

    verbs.publish(folder)


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
