"""Commands that trace a release, sign it, and audit the packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    release: Annotated[
        str | None,
        typer.Argument(
            envvar="SLIPWAY_RELEASE", help="Version, such as v0.1.0, or its commit. Default: the newest release."
        ),
    ] = None,
    environment: Annotated[str | None, typer.Option(help="Verify the desired release of this environment.")] = None,
    before: Annotated[
        str | None,
        typer.Option(help="Verify the release that the next promotion to this environment takes, or the one you name."),
    ] = None,
) -> None:
    """Trace a release back to reviewed source: recompute and compare every link of its provenance.

    Exit codes: 1 if a link is broken, or if a required link was not checked.

    Example: `slipway verify --environment production`
    """
    from slipway.supply_chain import verification

    raise typer.Exit(verification.verify(release, environment, before))


def release_key(
    private: Annotated[Path, typer.Argument(help="File for the private key, outside the checkout.")],
) -> None:
    """Create a key pair for signing releases. The public key goes to .github/trusted-keys.

    Example: `slipway release key ~/slipway-signing.pem`
    """
    from slipway.supply_chain import verification

    verification.make_key(private)


def release_sign(
    release: Annotated[str, typer.Argument(help="Version, such as v0.1.0.")],
) -> None:
    """Sign a published release with $SLIPWAY_SIGNING_KEY, if every other link of its provenance holds.

    Example: `slipway release sign v0.1.0`
    """
    from slipway.supply_chain import verification

    verification.sign(release)


def audit() -> None:
    """Look up every locked package in PyPI's advisories. Needs network access. Writes results/audit.json.

    Example: `uv run --no-default-groups --group audit slipway audit`
    """
    from slipway.supply_chain import audit as job

    job.audit()


def licences(
    group: Annotated[
        list[str] | None, typer.Option(help="Dependency group of pyproject.toml; may be repeated. Default: serve.")
    ] = None,
) -> None:
    """List the license of every package that a release installs. Fails if one may not be distributed.

    Example: `slipway licences --group serve --group serve-skops --group problem`
    """
    from slipway.supply_chain import licenses as job

    job.licences(group or ["serve"])
