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
    from slipway.jobs import unless_documentation_only

    unless_documentation_only("data", job.data)


@app.command()
def faults(draws: int = typer.Option(200, help="Random draws of clean data that may not be blocked.")) -> None:
    """Spoil the newest data file in dozens of ways, and show which faults the data checks block, and why.

    Example: `slipway faults --draws 200`
    """
    from slipway.checks import faults as job

    job.faults(Path("data"), draws)


@app.command()
def test() -> None:
    """Run the quick tests, those of convergence among them, and record them in results/test.json.

    Example: `slipway test`
    """
    from slipway import jobs

    jobs.unless_documentation_only("test", jobs.test)


@app.command()
def train() -> None:
    """Run what is stale in dvc.yaml, and record the run in results/train.json.

    Example: `slipway train`
    """
    from slipway.jobs import unless_documentation_only
    from slipway.pipeline import run

    unless_documentation_only("train", run.train)


@app.command()
def compare() -> None:
    """Compare the candidate with the release in production and the baselines, and record it in results/compare.json.

    Example: `slipway compare`
    """
    from slipway import compare as job
    from slipway.jobs import unless_documentation_only

    unless_documentation_only("compare", job.compare)


@app.command()
def power(
    count: int = typer.Option(500, help="Draws of the test rows for each question."),
    processes: int = typer.Option(2, help="Processes side by side."),
    canary: Annotated[bool, typer.Option("--canary", help="The gate of the canary, on simulated requests.")] = False,
) -> None:
    """Measure how often the champion gate is wrong: between equal models, and on a loss of the margin's size.

    Example: `slipway power --count 100`
    """
    if canary:
        from slipway.delivery import canary_power as job
    else:
        from slipway import power as job

    raise typer.Exit(0 if job.run(count, processes) else 1)


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
def comment() -> None:
    """Comment on the pull request that a run checked: one comment, updated in place, by CML or else by gh.

    Reads which run that was from the variables that pull-request-comment.yaml sets.

    Example: `RUN_ID=1 HEAD_SHA=… slipway comment`
    """
    from slipway import comment as job

    job.comment()


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
def bench(
    payloads: Annotated[Path, typer.Option(help="Rows to send: .parquet, .json or .jsonl.")] = Path(
        "build/prepared/test.parquet"
    ),
    workers: int = typer.Option(1, help="Processes of each server."),
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Measure the service in turns with a stock one, a bare server with the same model, and one that does nothing.

    Example: `slipway bench --json`
    """
    from slipway.bench import run

    run.main(payloads, workers, as_json=as_json)


@app.command()
def audit() -> None:
    """Look up every locked package in PyPI's advisories, and record it in results/audit.json. Needs the network.

    Example: `uv run --no-default-groups --group audit slipway audit`
    """
    from slipway import audit as job

    job.audit()


@app.command()
def licences(
    group: Annotated[list[str] | None, typer.Option(help="Dependency group; may be repeated.")] = None,
) -> None:
    """List the licence of each package that a release installs; fails when one may not be in a release.

    Example: `slipway licences`
    """
    from slipway import licences as job

    job.licences(group or ["serve"])


@app.command()
def required() -> None:
    """Succeed only if every job of the pull request succeeded and every gate passed: the status that protects `main`.

    Example: `NEEDS='{"train": {"result": "success"}}' slipway required`
    """
    from slipway import jobs

    jobs.required()


releases = typer.Typer(no_args_is_help=True, help="Build, publish and list releases.")
app.add_typer(releases, name="release")


@releases.command("build")
def release_build(
    output: Annotated[Path, typer.Option(help="Folder to write; one that is there is replaced.")] = Path(
        "build/release"
    ),
    report: Annotated[Path | None, typer.Option(help="Report to keep with the release.")] = None,
) -> None:
    """Build the release of this commit and its trained model: one folder, the same bytes each time.

    Example: `slipway release build --report results/report/report.md`
    """
    from slipway.delivery import verbs

    verbs.build(output, report)


@releases.command("publish")
def release_publish(
    folder: Annotated[Path, typer.Argument(help="What `slipway release build` wrote.")] = Path("build/release"),
) -> None:
    """Put a release into $SLIPWAY_STORE, and its commit and its tag on the branch `deploy` of origin.

    Example: `slipway release publish`
    """
    from slipway.delivery import verbs

    verbs.publish(folder)


@releases.command("list")
def release_list() -> None:
    """List releases, newest first, and where each should run.

    Example: `slipway release list`
    """
    from slipway.delivery import verbs

    verbs.list_releases()


@releases.command("keep")
def release_keep(
    release: Annotated[
        str | None, typer.Option(help="Of the results that name no release; else that of this commit.")
    ] = None,
) -> None:
    """Keep the results of checks and load tests, as JSON and HTML, beside the releases that they are about.

    Example: `slipway release keep`
    """
    from slipway.delivery import verbs

    verbs.keep(release)


@releases.command("prune")
def release_prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest stay in any case.")],
) -> None:
    """Remove old releases from the store, but none that an environment runs, ran last, or would go back to.

    Example: `slipway release prune --keep 20`
    """
    from slipway.delivery import verbs

    verbs.prune(keep)


@releases.command("report")
def release_report(
    folder: Annotated[Path, typer.Argument(help="What the jobs left: results-build/, results-staging/ and so on.")],
    needs: str = typer.Option("", envvar="NEEDS", help="GitHub's `toJSON(needs)`: how each job ended."),
) -> None:
    """Write the report on a deployment, also on one that failed: results/deployment/report.md and report.html.

    Example: `slipway release report results`
    """
    from slipway import deployment

    print(deployment.report(folder, needs))


@releases.command("comment")
def release_comment() -> None:
    """Show the report on a deployment at the commit that was deployed: one comment, by CML or else by gh.

    Example: `slipway release comment`
    """
    from slipway import deployment

    print(f"comment: {deployment.comment()}")


Environment = Annotated[str, typer.Option(help="`staging` or `production`.")]
Wait = Annotated[bool, typer.Option(help="Wait until the environment serves it.")]


@app.command()
def promote(
    environment: Environment,
    release: Annotated[
        str | None, typer.Option(help="Version; else the newest for staging, and for production that of staging.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(envvar="SLIPWAY_IMAGE", help="The release for Kubernetes: NAME@sha256:…")
    ] = None,
    canary: Annotated[
        bool | None, typer.Option(help="Take over in the steps of params.yaml, or at once; else steps for production.")
    ] = None,
    wait: Wait = True,
) -> None:
    """Make an environment run a release: one commit on the branch `deploy`, and the wait until it serves.

    Example: `slipway promote --environment staging`
    """
    from slipway.delivery import verbs

    verbs.promote(environment, release, image, canary=canary, wait=wait)


@app.command()
def rollback(
    environment: Environment,
    to: Annotated[str | None, typer.Option(help="Version; else what ran before.")] = None,
    wait: Wait = True,
) -> None:
    """Go back to the release that an environment ran before: a revert on the branch `deploy`, nothing is built.

    Example: `slipway rollback --environment production`
    """
    from slipway.delivery import verbs

    verbs.rollback(environment, to, wait=wait)


@app.command()
def manifests() -> None:
    """Render deploy/ into deploy/rendered/ with kubectl, after an edit there; promotions fill in the release.

    Example: `slipway manifests`
    """
    from slipway.delivery import verbs

    verbs.render_manifests()


@app.command()
def agent(
    environment: Environment,
    once: Annotated[bool, typer.Option("--once", help="Until all is as desired, then end.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="In the background; prints the front door.")] = False,
) -> None:
    """Make an environment what the branch `deploy` says, and keep it so, behind a front door of its own.

    Example: `slipway agent --environment staging --detach`
    """
    from slipway.delivery import verbs

    verbs.agent(environment, once=once, detach=detach)


@app.command()
def stop(
    environment: Annotated[str, typer.Option(help="`staging` or `production`.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every environment.")] = False,
) -> None:
    """End the agent, the services and the front door of an environment.

    Example: `slipway stop --all`
    """
    from slipway.delivery import verbs
    from slipway.delivery.home import ENVIRONMENTS

    if bool(environment) == everything:
        raise UserError("stop: name one with --environment, or all with --all")
    verbs.stop(list(ENVIRONMENTS) if everything else [environment])


@app.command()
def confirm(environment: Environment) -> None:
    """Accept that the branch `deploy` was rewritten, as this machine's agent sees it now; until then it stays put.

    Example: `slipway confirm --environment production`
    """
    from slipway.delivery import verbs

    verbs.confirm(environment)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False) -> None:
    """Show what each environment should run, what it runs, and who promoted what.

    Example: `slipway status --json`
    """
    from slipway.delivery import verbs

    verbs.print_status(as_json=as_json)


@app.command()
def smoke(environment: Environment) -> None:
    """Ask an environment what the release was asked when it was built; recorded in results/smoke.json.

    Example: `slipway smoke --environment staging`
    """
    from slipway.delivery import verbs

    raise typer.Exit(verbs.run_smoke(environment))


@app.command()
def drill(
    environment: Environment,
    release: Annotated[str | None, typer.Option(help="Version to change to; else the newest other one.")] = None,
    runs: int = typer.Option(10, help="How often."),
    requests: int = typer.Option(10_000, help="Of each run, at least."),
    rate: float = typer.Option(300, help="Requests/s."),
) -> None:
    """Promote, roll back and call off a canary under load, again and again; fails when one request does.

    Example: `slipway drill --environment staging --runs 1`
    """
    from slipway.delivery import verbs

    raise typer.Exit(verbs.run_drill(environment, release, runs, requests, rate))


@app.command()
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


@app.command()
def doctor() -> None:
    """Show what this machine has and lacks, and how to mend it.

    Example: `slipway doctor`
    """
    from slipway.local import doctor as job

    job.doctor()


if __name__ == "__main__":
    main()
