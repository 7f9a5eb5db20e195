"""Options that commands of several packages share."""

from __future__ import annotations

from typing import Annotated

import typer

EnvironmentOption = Annotated[str, typer.Option("--environment", help="`staging` or `production`.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the environment serves the release.")]
