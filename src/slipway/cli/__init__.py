"""`slipway <verb>`: the one vocabulary of people, the Makefile and the workflows. A module for each theme.

Each verb imports its module when it is called, so that `slipway --help` answers at once.
"""

from __future__ import annotations

import sys

from slipway.cli.verbs import app
from slipway.errors import UserError

# Each adds its verbs; `slipway --help` shows them in this order.
# isort: off
from slipway.cli import pull_request, releases, environments, retraining, learning, measures, machine  # noqa: F401


def main() -> None:
    """Run the command line; an error that the user can mend is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"slipway: {error}", file=sys.stderr)
        raise SystemExit(2) from None
