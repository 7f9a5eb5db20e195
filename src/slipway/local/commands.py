"""Commands for the local machine: diagnosis, the demo, a local service, the site and CML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway import output


def doctor(
    commands: bool = typer.Option(
        False, "--commands", help="Print only the commands that install missing tools, for root on Debian or Ubuntu."
    ),
) -> None:
    """Check this machine and the repository's settings on GitHub, and print a fix for each problem.

    Changes nothing. Queries GitHub through `gh` if `origin` is on GitHub and you are logged in.

    Example: `slipway doctor --json`

    Exit codes: 1 if a change is advised; 2 if something required is missing.
    """
    from slipway import tools
    from slipway.local import doctor as job

    if commands:
        lines = tools.install_commands()
        output.result({"commands": lines}, "\n".join(lines))
        return
    raise typer.Exit(job.doctor())


def demo(
    exit_when_done: bool = typer.Option(False, "--exit", help="Stop every service at the end."),
    stop: bool = typer.Option(False, "--stop", help="Stop the services of earlier demos, and exit."),
    folder: Annotated[Path, typer.Option(help="Folder for the files of demos.")] = Path(".demo"),
) -> None:
    """Run the full CI/CD loop on a throwaway repository, and leave staging and production running.

    Takes some minutes. Needs neither Docker nor a GitHub account.

    Example: `slipway demo --exit`
    """
    from slipway.local import demo as job

    if stop:
        stopped = job.stop_all(folder)
        output.result({"stopped": stopped}, f"Stopped running demos in {folder}: {stopped}")
    else:
        job.demo(Path(), folder, leave_running=not exit_when_done)


def serve(port: int = typer.Option(0, min=0, max=65535, help="TCP port on this machine; 0 picks a free one.")) -> None:
    """Serve the model in model/ in the foreground, with the same code as a release.

    Example: `slipway serve --port 3000`
    """
    from slipway.serving import run

    run.serve(port)


def docs(
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="REPORT", help="Only take the README's screenshot of this HTML report, with headless Chromium."
        ),
    ] = None,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="Only write docs/parameters.md from the models of params.yaml.")
    ] = False,
) -> None:
    """Build the documentation site in build/site, and check every link. Writes results/docs.json.

    Example: `uv run --no-default-groups --group docs slipway docs`
    """
    from slipway.local import parameters_page, site

    if picture:
        site.picture(picture)
    elif parameters:
        parameters_page.write()
    else:
        site.build()


def notebooks(
    pair: Annotated[bool, typer.Option("--pair", help="Only write each .ipynb from its .py file.")] = False,
) -> None:
    """Execute the notebooks in notebooks/, and check that each has its .py file. Writes results/notebooks.json.

    Example: `slipway notebooks`
    """
    from slipway.local import notebooks as job

    job.pair() if pair else job.execute()


def cml() -> None:
    """Install CML for the next steps of a job, from build/cml/source and npm packages that are verified by hash.

    Does nothing if `cml` is on the PATH. Without CML, `gh` posts the comments.

    Example: `slipway cml`
    """
    from slipway.local import cml_install as job

    output.message("cml", str(job.install()))
