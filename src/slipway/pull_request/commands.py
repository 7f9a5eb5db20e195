"""Commands that the jobs of a pull request run. Each of them runs on a laptop too."""

from __future__ import annotations

from typing import Annotated

import typer

from slipway import output


def lint() -> None:
    """Check code, import directions, workflows and shell scripts. Writes results/lint.json.

    Example: `slipway lint`
    """
    from slipway.pull_request import jobs

    jobs.unless_documentation_only("lint", jobs.lint, instead=jobs.lint_documentation)


def data() -> None:
    """Check new data against the row contract and against older data. Writes results/data.json.

    Example: `slipway data`
    """
    from slipway.pull_request.jobs import unless_documentation_only

    def run() -> None:
        from slipway.checks import job

        job.data()

    unless_documentation_only("data", run)


def test(
    kills: Annotated[
        bool,
        typer.Option("--kills", help="Kill an agent at every step of a deployment instead, as the nightly job does."),
    ] = False,  # noqa: PT028  a command, not a test
) -> None:
    """Run the quick tests, including convergence of the model code. Writes results/test.json.

    Example: `slipway test`
    """
    from slipway.pull_request import jobs

    if kills:
        jobs.test_kills()
    else:
        jobs.unless_documentation_only("test", jobs.test, instead=jobs.test_documentation)


def train(
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Run every stage and ignore dvc.lock and caches, as a published model needs."),
    ] = False,
) -> None:
    """Run the stale stages of dvc.yaml. Writes results/train.json.

    Example: `slipway train`
    """
    from slipway.pull_request.jobs import unless_documentation_only

    def run() -> None:
        from slipway.pipeline import run as job

        job.train(fresh=fresh)

    unless_documentation_only("train", run)


def compare() -> None:
    """Compare the candidate with the production release and the baselines. Writes results/compare.json.

    Example: `slipway compare`
    """
    from slipway.pull_request.jobs import unless_documentation_only

    def run() -> None:
        from slipway.pull_request import compare as job

        job.compare()

    unless_documentation_only("compare", run)


def report(
    base: str = typer.Option("origin/main", help="Commit or branch that the pull request is compared with."),
    needs: str = typer.Option(
        "", envvar="NEEDS", help="JSON of GitHub's `toJSON(needs)`, with the result of each job. Default: none."
    ),
) -> None:
    """Write the report on all results as Markdown and HTML to results/report/.

    Example: `slipway report --base origin/main`
    """
    from slipway.pull_request import report as job

    outcome, folder = job.report(base, needs), str(job.FOLDER)
    files = {"markdown": f"{folder}/report.md", "html": f"{folder}/report.html"}
    output.result({"outcome": outcome, **files}, f"{outcome}: {', '.join(files.values())}")


def required() -> None:
    """Succeed only if every job of the pull request succeeded and every gate passed. Protects `main`.

    Reads the jobs' results from $NEEDS, the JSON of GitHub's `toJSON(needs)`.

    Example: `NEEDS='{"train": {"result": "success"}}' slipway required`
    """
    from slipway.pull_request import jobs

    jobs.required()


def comment() -> None:
    """Post the report as a comment on the checked pull request, or update the existing one, through CML or gh.

    Identifies the run by the variables that pull-request-comment.yaml sets.

    Example: `RUN_ID=1 HEAD_SHA=… slipway comment`
    """
    from slipway.pull_request import comment as job

    job.comment()
