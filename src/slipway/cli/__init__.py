"""The `slipway` command line: it assembles the commands of every package.

The commands of a package are the functions of its `commands.py`. `table` lists them; `groups` imports one when it runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from slipway.cli.groups import EXIT_CODES, LazyGroup
from slipway.errors import UserError

app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich takes longer than everything else that `slipway --help` does
    epilog=f"{EXIT_CODES} Run `slipway COMMAND --help` for an example.",
    help="GitOps CI/CD for machine learning. Developers, the Makefile and the workflows all run these commands.",
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib import metadata

        print(f"slipway {metadata.version('slipway')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accept the options that precede a command."""


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
        from slipway import disk

        if (message := disk.explain(error)) is None:
            raise
        _exit_with(message)


def _exit_with(message: str) -> NoReturn:
    print(f"slipway: {message}", file=sys.stderr)
    raise SystemExit(2) from None
