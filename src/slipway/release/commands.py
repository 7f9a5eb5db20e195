"""Commands that build a release, and list, keep and prune what the store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def release_build(
    output: Annotated[Path, typer.Option(help="Folder to write; replaced if it exists.")] = Path("build/release"),
    report: Annotated[Path | None, typer.Option(help="Report to include in the release. Default: none.")] = None,
) -> None:
    """Build the release of this commit and its trained model as one folder, byte for byte reproducible.

    Example: `slipway release build --report results/report/report.md`
    """
    from slipway.release import lifecycle

    lifecycle.build(output, report)


def release_list() -> None:
    """List releases, newest first, with the environments that desire them.

    Example: `slipway release list --json`
    """
    from slipway.release import lifecycle

    lifecycle.list_releases()


def release_keep(
    release: Annotated[
        str | None, typer.Option(help="Version for results that name no release. Default: this commit's release.")
    ] = None,
) -> None:
    """Store the results of checks and load tests with their releases, as JSON and HTML.

    Example: `slipway release keep`
    """
    from slipway.release import lifecycle

    lifecycle.store_evidence(release)


def release_prune(
    keep: Annotated[int, typer.Option(min=1, help="Number of newest releases to keep.")],
) -> None:
    """Remove old releases from the store, except those that an environment runs, ran last or would roll back to.

    Example: `slipway release prune --keep 20`
    """
    from slipway.release import lifecycle

    lifecycle.prune(keep)
