"""What all verbs share: the app that they are added to, and the options that mean the same everywhere."""

from __future__ import annotations

import importlib.metadata
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_CODES = "Exit codes: 0 when it succeeded; 2 when it did not, and one line says why and what to do."
"""Of every verb. One that has others says them in its own help, before this line."""


class Verbs(typer.Typer):
    """Verbs whose help ends with the exit codes, so that none has to repeat them."""

    def command(self, name: str | None = None, **options: Any) -> Callable:
        """Add a verb, as in Typer."""
        return super().command(name, **{"epilog": EXIT_CODES} | options)


app = Verbs(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog=f"{EXIT_CODES} `slipway VERB --help` has an example.",
    help="Ship machine learning by git: the one vocabulary of people, the Makefile and the workflows.",
)


def _show_version(requested: bool) -> None:
    if requested:
        print(f"slipway {importlib.metadata.version('slipway')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accept the options that precede a command."""


def on_panel(title: str) -> Callable:
    """A decorator that adds a verb to the app, shown under `title` in `slipway --help`."""
    return partial(app.command, rich_help_panel=title)


Environment = Annotated[str, typer.Option(help="`staging` or `production`.")]
Json = Annotated[bool, typer.Option("--json", help="For a program.")]
Wait = Annotated[bool, typer.Option(help="Wait until the environment serves it.")]
