"""What concerns this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.cli.verbs import on_panel

verb = on_panel("This machine")


@verb()
def doctor() -> None:
    """Show what this machine has and lacks, and how to mend it.

    Example: `slipway doctor`
    """
    from slipway.local import doctor as job

    job.doctor()


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
def docs() -> None:
    """Make a site of docs/ in build/site, with every link checked; recorded in results/docs.json.

    Example: `uv run --no-default-groups --group docs slipway docs`
    """
    from slipway.local import site

    site.build()
