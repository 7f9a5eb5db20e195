"""Groups that import a command's function when it runs, so that `slipway --help` stays fast."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from slipway import output
from slipway.cli.table import PACKAGES, PANELS, SUMMARIES
from slipway.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXIT_CODES = "Exit codes: 0 on success; 2 on an error, with one line that gives the cause and the fix."
"""Exit codes of every command. A command with other codes documents them in its own help, before this line."""
JsonOption = Annotated[bool, typer.Option("--json", expose_value=False, help="Print the result as JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", expose_value=False, help="Print no steps and no progress.")]
Command: TypeAlias = TyperCommand | TyperGroup


class LazyCommands(Mapping[str, Command]):
    """The commands of a group by name; `prefix` is the group's name and a space, or empty."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names = [name.removeprefix(prefix) for name in SUMMARIES if name.startswith(prefix)]
        self._names = [name for name in self._names if " " not in name]

    def __getitem__(self, name: str) -> Command:
        if name not in self._names:
            raise KeyError(name)
        return load(self._prefix + name)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # the inherited method would import the command

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class LazyGroup(TyperGroup):
    """A group whose commands are those of the table that start with its name."""

    def __init__(self, *, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.prefix = f"{name} " if name else ""
        self.commands = LazyCommands(self.prefix)  # type: ignore[assignment]

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command line with the options `--json` and `--quiet`, wherever they are."""
        arguments = list(sys.argv[1:] if args is None else args)
        with output.session(arguments):
            try:
                return super().main(arguments, *rest, **extra)
            except OSError as error:
                raise _disk_error(error) from None

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Parse the options before the command."""
        with _usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Parse and run the command."""
        with _usage_errors():
            return super().invoke(ctx)

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002
        """Return the names, without an import of any command."""
        return list(self.commands)

    def format_commands(self, ctx: object, formatter: Any) -> None:  # noqa: ARG002
        """Write the name and the summary of each command, under the headings of the table."""
        width = max(map(len, self.commands))
        for panel, packages in PANELS.items():
            summaries = {name: text for names in packages.values() for name, text in names.items()}
            rows = [
                (name.ljust(width), summaries[self.prefix + name])
                for name in self.commands
                if self.prefix + name in summaries
            ]
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)


def load(name: str) -> Command:
    """Import the function of a command, and return it as a command whose help ends with the exit codes."""
    is_group = any(other.startswith(f"{name} ") for other in SUMMARIES)
    if not is_group:
        app = _app()
        app.command(name.split(" ")[-1], epilog=EXIT_CODES)(_function(name))
    elif PACKAGES[name]:
        app = _app(name=name, cls=LazyGroup, invoke_without_command=True, epilog=EXIT_CODES)
        app.callback()(_function(name))
    else:
        app = _app(name=name, cls=LazyGroup, no_args_is_help=True, help=SUMMARIES[name])
        app.callback()(lambda: None)
    command: Command = get_command(app)  # type: ignore[assignment]
    command.params += output_options()
    return command


def output_options() -> list[Any]:
    """Return the options of every command that `output.session` reads, for the parser and the help."""

    def template(as_json: JsonOption = False, quiet: QuietOption = False) -> None: ...

    app = typer.Typer(add_completion=False)
    app.command()(template)
    return get_command(app).params


def _disk_error(error: OSError) -> Exception:
    """Return the error of a full or read-only disk as a user error; any other error as it is."""
    from slipway.files import disk

    message = disk.explain(error)
    return error if message is None else DiskError(message)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Make an invalid command line the JSON document; the caller prints the text."""
    try:
        yield
    except typer.TyperException as error:
        output.fail("UsageError", error.format_message(), error.exit_code)
        raise


def _app(**options: Any) -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode=None if "cls" in options else "markdown", **options)


def _function(name: str) -> Callable[..., object]:
    module = import_module(f"slipway.{PACKAGES[name]}.commands")
    function: Callable[..., object] = getattr(module, name.replace(" ", "_").replace("-", "_"))
    return function
