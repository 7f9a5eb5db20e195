"""Commands that build and push the container image of a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="Folder that `slipway release build` wrote.")]


def image_build(
    folder: Folder = Path("build/release"),
    base: Annotated[
        str | None,
        typer.Option(
            envvar="SLIPWAY_IMAGE_BASE",
            help="Image with Python by digest, NAME@sha256:… Default: one made from packages of this Debian or Ubuntu.",
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            envvar="SLIPWAY_RELEASE",
            help="Version, or the commit that it was built from, to fetch into FOLDER. Default: what is there.",
        ),
    ] = None,
) -> None:
    """Build the container image of a release as an OCI layout in build/image, reproducibly and without a daemon.

    Example: `slipway image build`
    """
    from slipway.image import publish

    publish.build_image(folder, base or None, release or None)


def image_push(
    folder: Folder = Path("build/release"),
    attestation: Annotated[
        Path | None,
        typer.Option(envvar="ATTESTATION", help="Bundle of actions/attest to store with the image. Default: none."),
    ] = None,
) -> None:
    """Push the image of a published release to $SLIPWAY_IMAGES, and store its digest as evidence with the release.

    Example: `slipway image push`
    """
    from slipway.image import publish

    publish.push_image(folder, attestation)
