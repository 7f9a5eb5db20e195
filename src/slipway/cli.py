"""`slipway <verb>`: the one vocabulary of people, the Makefile and the workflows.

Each verb imports its module when it is called, so that `slipway --help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from slipway.errors import UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=__doc__,
)


def main() -> None:
    """Run the command line; an error that the user can mend is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"slipway: {error}", file=sys.stderr)
        raise SystemExit(2) from None


@app.command()
def train() -> None:
    """Run what is stale in dvc.yaml, and record the run in results/train.json.

    Example: `slipway train`
    """
    from slipway.pipeline import run

    run.train()


if __name__ == "__main__":
    main()
