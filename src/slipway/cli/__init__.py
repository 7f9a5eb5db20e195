"""The `slipway` command line, one module per group of commands.

A command imports its implementation when it runs, so that `slipway --help` stays fast.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from slipway import disk
from slipway.cli.panels import app
from slipway.errors import UserError

# Each module adds its commands; `slipway --help` lists them in this order.
# isort: off
from slipway.cli import pull_request, releases, environments, retraining, learning, measures, fork, machine  # noqa: F401


def main() -> None:
    """Run the command line. Print a user error or a disk error as one line, and exit with code 2."""
    scripts = str(Path(sys.executable).parent)  # `dvc`, and the `python` of its stages, belong to this installation
    path = os.environ.get("PATH", os.defpath)
    if scripts not in path.split(os.pathsep):  # keep the position that the user gave it
        os.environ["PATH"] = os.pathsep.join([scripts, path])
    try:
        app()
    except UserError as error:
        _exit_with(str(error))
    except OSError as error:
        if (message := disk.explain(error)) is None:
            raise
        _exit_with(message)


def _exit_with(message: str) -> NoReturn:
    print(f"slipway: {message}", file=sys.stderr)
    raise SystemExit(2) from None
