"""`slipway <verb>`: the one vocabulary of people, the Makefile and the workflows. A module for each theme.

Each verb imports its module when it is called, so that `slipway --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from slipway import disk
from slipway.cli.verbs import app
from slipway.errors import UserError

# Each adds its verbs; `slipway --help` shows them in this order.
# isort: off
from slipway.cli import pull_request, releases, environments, retraining, learning, measures, fork, machine  # noqa: F401


def main() -> None:
    """Run the command line; an error that the user can mend, a full disk too, is one line and exit code 2."""
    beside = str(Path(sys.executable).parent)  # `dvc`, and the `python` of its stages, belong to this installation
    path = os.environ.get("PATH", os.defpath)
    if beside not in path.split(os.pathsep):  # where it is, whoever put something before it had a reason
        os.environ["PATH"] = os.pathsep.join([beside, path])
    try:
        app()
    except UserError as error:
        _refuse(str(error))
    except OSError as error:
        if (message := disk.explain(error)) is None:
            raise
        _refuse(message)


def _refuse(line: str) -> NoReturn:
    print(f"slipway: {line}", file=sys.stderr)
    raise SystemExit(2) from None
