"""`slipway <verb>`: the one vocabulary of people, the Makefile and the workflows.

Each verb imports its module when it is called, so that `slipway --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

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
def lint() -> None:
    """Check code, import directions, workflows and shell, and record it in results/lint.json.

    Example: `slipway lint`
    """
    from slipway import jobs

    jobs.lint()


@app.command()
def data() -> None:
    """Check new data against the row contract and against older data, and record it in results/data.json.

    Example: `slipway data`
    """
    from slipway.checks import job

    job.data()


@app.command()
def test() -> None:
    """Run the quick tests, those of convergence among them, and record them in results/test.json.

    Example: `slipway test`
    """
    from slipway import jobs

    jobs.test()


@app.command()
def train() -> None:
    """Run what is stale in dvc.yaml, and record the run in results/train.json.

    Example: `slipway train`
    """
    from slipway.pipeline import run

    run.train()


@app.command()
def compare() -> None:
    """Compare the candidate with the release in production and the baselines, and record it in results/compare.json.

    Example: `slipway compare`
    """
    from slipway import compare as job

    job.compare()


@app.command()
def report(
    base: str = typer.Option("origin/main", help="What the pull request is compared with."),
    needs: str = typer.Option("", envvar="NEEDS", help="GitHub's `toJSON(needs)`: how each job ended."),
) -> None:
    """Write the report on everything in results/: results/report/report.md and report.html.

    Example: `slipway report --base origin/main`
    """
    from slipway import write_report as job

    print(f"{job.report(base, needs)}: {job.FOLDER}/report.md, {job.FOLDER}/report.html")


@app.command()
def serve(port: int = typer.Option(0, help="Port of this machine; 0 takes a free one.")) -> None:
    """Serve the model in model/ in the foreground, as a release would be served.

    Example: `slipway serve --port 3000`
    """
    from slipway.serving import run

    run.serve(port)


@app.command()
def loadtest(
    environment: str = typer.Option("", help="`staging` or `production`: its front door."),
    url: str = typer.Option("", help="Address of a service, in place of an environment."),
    against: str = typer.Option("", help="Environment or address to take turns with; the candidate may not be slower."),
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = Path(
        "build/prepared/test.parquet"
    ),
) -> None:
    """Load a service at the rate in params.yaml and judge it in results/loadtest.json; only a pass exits with 0.

    Example: `slipway loadtest --environment staging --against production`
    """
    from slipway.delivery import loadtest as job

    raise typer.Exit(job.main(environment, url, against, payloads))


@app.command()
def required() -> None:
    """Succeed only if every job of the pull request succeeded and every gate passed: the status that protects `main`.

    Example: `NEEDS='{"train": {"result": "success"}}' slipway required`
    """
    from slipway import jobs

    jobs.required()


if __name__ == "__main__":
    main()
