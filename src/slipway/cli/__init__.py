"""The `slipway` command line: it assembles the commands of every package.

The commands of a package are the functions of its `commands.py`. `table` lists them; `groups` imports one when it runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from slipway import output
from slipway.cli.groups import EXIT_CODES, JsonOption, LazyGroup, QuietOption
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

        version = metadata.version("slipway")
        output.result({"version": version}, f"slipway {version}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Accept the options that precede a command; `output.session` reads `--json` and `--quiet`."""


def main() -> None:
    """Run the command line. Print a user error or a disk error as one line, and exit with code 2."""
    scripts = str(Path(sys.executable).parent)  # `dvc`, and the `python` of its stages, belong to this installation
    path = os.environ.get("PATH", os.defpath)
    if scripts not in path.split(os.pathsep):  # keep the position that the user gave it
        os.environ["PATH"] = os.pathsep.join([scripts, path])
    try:
        app()
    except UserError as error:
        output.warn(f"slipway: {error}")
        raise SystemExit(error.exit_code) from None
