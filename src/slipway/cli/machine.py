"""What concerns this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import Json, on_panel

verb = on_panel("This machine")


@verb()
def doctor(
    as_json: Json = False,
    commands: bool = typer.Option(
        False, "--commands", help="Print only the commands that install what is missing, for root of Debian or Ubuntu."
    ),
) -> None:
    """Show what this machine and the repository on GitHub have and lack, and how to fix it; it changes nothing.

    GitHub is asked through `gh`, if `origin` is there and somebody is logged in.

    Example: `slipway doctor --json`

    Exit codes: 1 when something is advised, and 2 when something is missing that everybody needs.
    """
    from slipway import tools
    from slipway.local import doctor as job

    if commands:
        print("".join(f"{command}\n" for command in tools.install_commands()), end="")
        return
    raise typer.Exit(job.doctor(as_json=as_json))


@verb()
def pull() -> None:
    """Fetch the data that the *.dvc files name; every object in DVC's cache is hashed, what is not whole is refused.

    Example: `slipway pull`
    """
    from slipway import dvc

    dvc.pull()


@verb()
def demo(
    exit_when_done: bool = typer.Option(False, "--exit", help="Stop everything at the end."),
    stop: bool = typer.Option(False, "--stop", help="Stop what demos left running, and do nothing else."),
    folder: Annotated[Path, typer.Option(help="Where demos keep their files.")] = Path(".demo"),
) -> None:
    """Run the whole loop on a throwaway repository, and leave production answering.

    Example: `slipway demo --exit`
    """
    from slipway.local import demo as story

    if stop:
        print(f"Demos in {folder} that were running, and are stopped: {story.stop_all(folder)}")
    else:
        story.demo(Path(), folder, leave_running=not exit_when_done)


@verb()
def serve(port: int = typer.Option(0, help="Port of this machine; 0 takes a free one.")) -> None:
    """Serve the model in model/ in the foreground, as a release would be served.

    Example: `slipway serve --port 3000`
    """
    from slipway.serving import run

    run.serve(port)


@verb()
def docs(
    picture: Annotated[
        Path | None, typer.Option(help="Only take README's picture of this report, by Chromium.")
    ] = None,
) -> None:
    """Make a site of docs/ in build/site, with every link checked; recorded in results/docs.json.

    Example: `uv run --no-default-groups --group docs slipway docs`
    """
    from slipway.local import site

    if picture:
        site.picture(picture)
    else:
        site.build()
