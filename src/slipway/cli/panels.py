"""The app that every command is added to, and the options that several commands share."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

EXIT_CODES = "Exit codes: 0 on success; 2 on an error, with one line that gives the cause and the fix."
"""Exit codes of every command. A command with other codes documents them in its own help, before this line."""

Function = TypeVar("Function", bound=Callable[..., object])


class CommandGroup(typer.Typer):
    """A group of commands whose help pages all end with the exit codes."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that adds a command. Takes the options of `typer.Typer.command`."""
        return super().command(name, **{"epilog": EXIT_CODES} | options)


app = CommandGroup(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog=f"{EXIT_CODES} Run `slipway COMMAND --help` for an example.",
    help="GitOps CI/CD for machine learning. Developers, the Makefile and the workflows all run these commands.",
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"slipway {importlib.metadata.version('slipway')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accept the options that precede a command."""


def on_panel(title: str) -> Callable[[Function], Function]:
    """Return a decorator that adds a command under the heading `title` of `slipway --help`."""
    return app.command(rich_help_panel=title)


EnvironmentOption = Annotated[str, typer.Option("--environment", help="`staging` or `production`.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the environment serves the release.")]
