"""What the jobs of a pull request run, each by itself on a laptop too."""

from __future__ import annotations

from typing import Annotated

import typer

from slipway.cli.verbs import on_panel

verb = on_panel("On a pull request")


@verb()
def lint() -> None:
    """Check code, import directions, workflows and shell, and record it in results/lint.json.

    Example: `slipway lint`
    """
    from slipway import jobs

    jobs.lint()


@verb()
def data() -> None:
    """Check new data against the row contract and against older data, and record it in results/data.json.

    Example: `slipway data`
    """
    from slipway.checks import job
    from slipway.jobs import unless_documentation_only

    unless_documentation_only("data", job.data)


@verb()
def test() -> None:
    """Run the quick tests, those of convergence among them, and record them in results/test.json.

    Example: `slipway test`
    """
    from slipway import jobs

    jobs.unless_documentation_only("test", jobs.test, instead=jobs.test_documentation)


@verb()
def train(
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every stage, whatever dvc.lock and caches say: for what is published.")
    ] = False,
) -> None:
    """Run what is stale in dvc.yaml, and record the run in results/train.json.

    Example: `slipway train`
    """
    from slipway.jobs import unless_documentation_only
    from slipway.pipeline import run

    unless_documentation_only("train", lambda: run.train(fresh=fresh))


@verb()
def compare() -> None:
    """Compare the candidate with the release in production and the baselines, and record it in results/compare.json.

    Example: `slipway compare`
    """
    from slipway import compare as job
    from slipway.jobs import unless_documentation_only

    unless_documentation_only("compare", job.compare)


@verb()
def report(
    base: str = typer.Option("origin/main", help="What the pull request is compared with."),
    needs: str = typer.Option("", envvar="NEEDS", help="GitHub's `toJSON(needs)`: how each job ended."),
) -> None:
    """Write the report on everything in results/: results/report/report.md and report.html.

    Example: `slipway report --base origin/main`
    """
    from slipway import write_report as job

    print(f"{job.report(base, needs)}: {job.FOLDER}/report.md, {job.FOLDER}/report.html")


@verb()
def required() -> None:
    """Succeed only if every job of the pull request succeeded and every gate passed: the status that protects `main`.

    Example: `NEEDS='{"train": {"result": "success"}}' slipway required`
    """
    from slipway import jobs

    jobs.required()


@verb()
def comment() -> None:
    """Comment on the pull request that a run checked: one comment, updated in place, by CML or else by gh.

    Reads which run that was from the variables that pull-request-comment.yaml sets.

    Example: `RUN_ID=1 HEAD_SHA=… slipway comment`
    """
    from slipway import comment as job

    job.comment()


@verb()
def required_status() -> None:
    """Post the commit status `required` on a retraining that was checked by dispatch, which GitHub does not count.

    Reads which run that was from the variables that pull-request-comment.yaml sets, and validates it against GitHub.

    Example: `RUN_ID=1 HEAD_SHA=… slipway required-status`
    """
    from slipway import required_status as job

    job.post()


@verb()
def cml() -> None:
    """Install CML for the next steps of a job: the checkout in build/cml/source, and npm's packages by their hashes.

    Where `cml` is on the PATH already, nothing is installed. Without CML, `gh` comments.

    Example: `slipway cml`
    """
    from slipway.local import cml_install as job

    print(f"cml: {job.install()}")
