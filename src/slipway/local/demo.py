"""`slipway demo`: the full CI/CD loop on a throwaway repository, with the shipped workflow files.

It deploys `main`, opens a pull request that changes params.yaml, and shows the report. It merges and deploys the pull
request under client traffic. A second pull request brings broken data, and the demo shows which check blocks it.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import output
from slipway.errors import ArgumentError, GateError, NotReadyError, SettingError, ToolError
from slipway.files import write_text
from slipway.github.checked_run import CHECKS
from slipway.local import act, bytecode, client, images
from slipway.local.home import DEMOS, Home, stop_all
from slipway.local.progress import Progress
from slipway.local.repository import PullRequest, Repository, install, run, uncommitted
from slipway.pull_request import comment, report
from slipway.report import content, html, judgment, markdown, submitted
from slipway.report.evidence import RUNNING, ReportEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEMOS", "demo", "stop_all"]

ENVIRONMENTS = ("staging", "production")
GATEWAY_TIMEOUT_SECONDS = 60  # for an agent to start its gateway
PARAMETER = re.compile(r"^model:.*\n(?:[ \t]*#.*\n)*[ \t]+(?P<name>\w+): *(?P<value>\d+(?:\.\d+)?)\b", re.MULTILINE)
GROWTH_FACTOR = 1.25  # of that parameter in the pull request; changes the model, and no gate rejects it
NICENESS = 10  # of the checks of the code, so that they do not delay those of data and model, as on a machine each
REASON_LINES = 2  # printed of the report on the broken data
REPORT_LINES = 40  # printed of the first report


@dataclass
class Demo:
    """A demo: its home, its repository and its results."""

    home: Home
    start: float = field(default_factory=time.monotonic)
    summary: dict[str, Any] = field(default_factory=lambda: {"phases": [], "runs": []})
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """Numbers of the workflow runs."""

    def __post_init__(self) -> None:
        self.env = self.home.environment()
        self.progress = Progress(self.home.root.parent / "durations.json")
        self.repository = Repository(self.home.root, self.env)

    def run(self, source: Path) -> None:
        """Run every phase on the commit in `source`. Raises UserError if one has an unexpected result."""
        with self.phase("throwaway repository"):
            self.prepare(source)
        with self.phase("first deployment of main"):
            self.deploy()
            before = self.query_production("before")
        with self.phase("pull request: other parameters"):
            pull = self.propose_parameters()
            self.show_report()
        with self.phase("merge and deployment"):
            self.merge_and_deploy(pull)
            self.check_new_release(before, self.query_production("after"))
        with self.phase("pull request: broken data"):
            self.propose_broken_data()

    def prepare(self, source: Path) -> None:
        """Create `origin` and its author's clone, and start an agent for each environment and a registry of images."""
        self.repository.create(source)
        self.repository.use_local_remote()
        bytecode.fill(
            Path(sys.prefix).parent, Path(self.env["SLIPWAY_BYTECODE"]), Path(self.env["PYTHONPYCACHEPREFIX"])
        )
        install(self.repository.author, self.env)
        machine = self.repository.checkout(self.home.root / "machine", "refs/heads/main")
        install(machine, self.env)
        for environment in ENVIRONMENTS:
            command = ["uv", "run", "--frozen", "slipway", "agent", "--environment", environment, "--detach"]
            run(command, machine, self.env)
            self.summary[environment] = self.gateway_url(environment)
            self.log(f"{environment} serves at {self.summary[environment]}")
        self.summary["images"] = images.setting(self.home.images, self.env, self.log)

    def gateway_url(self, environment: str) -> str:
        """Return the URL of an environment's gateway. Raises UserError if its agent does not start one in time."""
        file, deadline = self.home.agents / environment / "url", time.monotonic() + GATEWAY_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if file.is_file() and (url := file.read_text(encoding="utf-8").strip()):
                return url
            time.sleep(0.1)
        raise NotReadyError(f"{file}: missing after {GATEWAY_TIMEOUT_SECONDS} s; see {file.parent}/logs")

    def deploy(self) -> None:
        """Run deploy.yaml on the newest commit of `main`. Raises UserError if it fails."""
        event = self.repository.push_event()
        finished = self.workflow("deploy.yaml", event, "refs/heads/main", self.new_folder("deploy.yaml"))
        self.record(finished)
        if not finished.succeeded:
            raise ToolError(f"deploy.yaml: failed; see the logs in {finished.folder}")

    def new_folder(self, workflow: str) -> Path:
        """Return the folder of the next run, which is one of `workflow`."""
        return self.home.root / "runs" / f"{next(self.numbers)}-{Path(workflow).stem}"

    def workflow(
        self, name: str, event: act.GitHubEvent, reference: str, folder: Path, niceness: int = 0
    ) -> act.WorkflowRun:
        """Run a workflow of the repository on `reference`, and store its output in `folder`."""
        tree = self.repository.checkout(self.home.root / "trees" / folder.name, reference)
        self.log(f"{name} for {event.name} on {reference}")
        variables = {f"{environment.upper()}_URL": self.summary[environment] for environment in ENVIRONMENTS}
        variables |= {"SLIPWAY_STORE": self.env["SLIPWAY_STORE"], "SLIPWAY_IMAGES": self.summary["images"]}
        variables |= {"ATTEST": "false"}  # only GitHub can attest
        finished = act.run(
            name, tree, event, folder, env=self.env, variables=variables, log=self.log, niceness=niceness
        )
        self.log(f"{name} took {finished.seconds:.0f} s; about {self.progress.remaining():.0f} s of the demo remain")
        return finished

    def record(self, finished: act.WorkflowRun) -> None:
        """Add the results of a run's jobs to the summary, and remove its work tree."""
        shutil.rmtree(self.home.root / "trees" / finished.folder.name)
        jobs = {job.name: {"result": job.result, "seconds": job.seconds} for job in finished.jobs.values()}
        self.summary["runs"].append({"workflow": finished.workflow, "seconds": finished.seconds, "jobs": jobs})

    def query_production(self, when: str) -> dict[str, Any]:
        """Send real rows to production, and return the release that serves them.

        Adds the answers to the summary under `when`. Raises UserError for a failure or an answer of another release.
        """
        url, answers = self.summary["production"], client.Answers()
        facts = client.release(url)
        client.predict(url, self.rows(facts["version"]), answers)
        self.summary[when] = {"release": facts, **answers.as_json()}
        self.log(
            f"production runs {facts['version']}: {answers.releases.total()} rows predicted, the last as {answers.last}"
        )
        if answers.failures or set(answers.releases) != {facts["version"]}:
            observed = answers.failures or dict(answers.releases)
            raise GateError(f"{url}: {observed}, expected only {facts['version']}; see {self.home.agents}")
        return facts

    def rows(self, version: str) -> list[dict[str, Any]]:
        """Return the rows of the smoke test of release `version`."""
        content = json.loads((self.home.store / version / "smoke.json").read_text(encoding="utf-8"))
        rows: list[dict[str, Any]] = content["rows"]
        return rows

    def propose_parameters(self) -> PullRequest:
        """Change a parameter of the model, reproduce the pipeline, and open a pull request. Return it."""
        self.repository.branch("other-parameters")
        title = grow_parameter(self.repository.author / "params.yaml")
        self.log(f"author: {title}, then `dvc repro`")
        self.author("dvc", "pull", "--quiet", "data.dvc")
        self.author("dvc", "repro", "--quiet")
        self.repository.commit(title)
        pull = self.repository.open_pull_request(title)
        if not self.check(pull, "report"):
            raise GateError(f"#{pull.number}: blocked; see {self.report_file('report')}")
        return pull

    def author(self, *command: str) -> str:
        """Run a command in the author's clone. Return its stdout."""
        return run(["uv", "run", "--frozen", *command], self.repository.author, self.env)

    def check(self, pull: PullRequest, name: str) -> bool:
        """Run every workflow that checks `pull`, side by side, and write the report to the folder `name` when one ends.

        Return whether all runs succeeded. On GitHub, pull-request-comment.yaml would update its comment each time.
        """
        event, reference = pull.event(), f"refs/pull/{pull.number}/merge"
        parts = {checks: comment.CheckedPart(checks, RUNNING) for checks in CHECKS}
        with ThreadPoolExecutor(len(CHECKS)) as pool:
            runs = {
                pool.submit(
                    self.workflow, checks.file, event, reference, self.new_folder(checks.file), place * NICENESS
                ): checks
                for place, checks in enumerate(CHECKS)
            }
            for finished in as_completed(runs):
                checks, evidence = runs[finished], _evidence(finished.result())
                parts[checks] = comment.CheckedPart(checks, "no result", evidence)
                self.log(f"report after {checks.file}: {self.write_report(list(parts.values()), name)}")
        for finished in runs:
            self.record(finished.result())
        return all(finished.result().succeeded for finished in runs)

    def write_report(self, parts: list[comment.CheckedPart], name: str) -> str:
        """Write the report on the parts that have ended, as Markdown and HTML. Return its title."""
        evidence = comment.combined(parts)
        if evidence is None:
            return "no evidence"
        document, title = content.write(evidence), judgment.title(evidence)
        self.report_file(name).parent.mkdir(exist_ok=True)
        write_text(self.report_file(name), markdown.render(document))
        write_text(self.report_file(name).with_suffix(".html"), html.render(document, title))
        return title

    def report_file(self, name: str) -> Path:
        """Return the path of the report in the folder `name`, as Markdown."""
        return self.home.root / name / "report.md"

    def show_report(self) -> None:
        """Print the first lines of the report, and the paths of its files."""
        file = self.report_file("report")
        page = file.with_suffix(".html")
        self.summary["report"] = {"markdown": str(file), "html": str(page)}
        lines = file.read_text(encoding="utf-8").splitlines()
        for line in lines[:REPORT_LINES]:
            output.step(f"    {line}")
        self.log(f"full report: {file}")
        self.log(f"as HTML: {page}")

    def merge_and_deploy(self, pull: PullRequest) -> None:
        """Merge `pull`, and deploy it while a client sends requests to production."""
        self.summary["merged"] = self.repository.merge(pull)
        self.log(f"merged #{pull.number} as {self.summary['merged'][:12]}")
        rows = self.rows(self.summary["before"]["release"]["version"])
        with client.in_background(self.summary["production"], rows) as answers:
            self.deploy()
        self.summary["during"] = answers.as_json()
        self.log(
            f"production answered {answers.releases.total()} requests during the deployment, "
            f"{', '.join(f'{count} by {release}' for release, count in answers.releases.items())}; "
            f"{len(answers.failures)} failed"
        )

    def check_new_release(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Raise UserError unless production runs a new release that was built from the merge."""
        if after["version"] == before["version"] or after["commit"] != self.summary["merged"]:
            merged = self.summary["merged"]
            raise GateError(f"{self.summary['production']}: runs {after}, expected a release of commit {merged}")

    def propose_broken_data(self) -> None:
        """Open a pull request with corrupt data, and show why it is blocked. Raises UserError if it passes."""
        self.repository.branch("new-data")
        self.author("dvc", "checkout", "--quiet", "--force", "data.dvc")
        title = f"Add {self.author('python', '-m', 'slipway.lab.demo_fault', 'data')}"
        self.log(f"author: {title}")
        self.author("dvc", "add", "--quiet", "data")
        self.author("dvc", "push", "--quiet", "data.dvc")
        self.repository.commit(title)
        pull = self.repository.open_pull_request(title)
        if self.check(pull, "blocked"):
            raise GateError(f"#{pull.number}: passed despite its corrupt data; see {self.home.root / 'runs'}")
        blocked = self.report_file("blocked")
        reason = [line for line in blocked.read_text(encoding="utf-8").splitlines() if line][:REASON_LINES]
        self.summary["blocked"] = {"report": str(blocked), "reason": reason}
        for line in reason:
            self.log(act.shorten(line))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Print the name of a phase and the time that remains, and add its duration to the summary."""
        self.progress.begin()
        output.step(f"\n{name[0].upper()}{name[1:]} (about {self.progress.remaining():.0f} s remain)")
        yield
        self.summary["phases"].append({"name": name, "seconds": self.progress.end(name)})

    def log(self, line: str) -> None:
        """Print a line of progress with the seconds since the start of the demo."""
        output.step(f"{time.monotonic() - self.start:6.1f} s  {line}")

    def finish(self, leave_running: bool) -> None:
        """Print the summary and write it as JSON."""
        self.progress.keep()
        self.summary["seconds"] = round(time.monotonic() - self.start, 1)
        write_text(self.home.summary, json.dumps(self.summary, indent=2) + "\n")
        output.record(self.summary)
        output.result_line(f"\nSummary: {self.summary['seconds']:.0f} s")
        for phase in self.summary["phases"]:
            output.result_line(f"  {phase['seconds']:6.1f} s  {phase['name']}")
        for run_ in self.summary["runs"]:
            jobs = ", ".join(f"{name} {job['seconds']} s ({job['result']})" for name, job in run_["jobs"].items())
            output.result_line(f"  {run_['workflow']}, {run_['seconds']} s: {jobs}")
        before, after = (self.summary[when]["release"]["version"] for when in ("before", "after"))
        output.result_line(f"  production ran {before} before the merge and {after} after it")
        output.result_line(f"  broken data {self.summary['blocked']['reason'][0].lstrip('# ')}")
        output.result_line(f"  report      {self.summary['report']['html']}")
        output.result_line(f"  all files   {self.home.root}")
        if leave_running:
            output.result_line(f"  staging     {self.summary['staging']}")
            output.result_line(f"  production  {self.summary['production']}")
            demos = self.home.root.parent
            default = demos == DEMOS.absolute()
            command = "make stop" if default else f"uv run slipway demo --stop --folder {demos}"
            output.result_line(f"Both environments keep running. To stop them, run `{command}`.")


def _evidence(finished: act.WorkflowRun) -> ReportEvidence | None:
    """Return the evidence that a run uploaded; None if it left none."""
    file = finished.artifact(comment.ARTIFACT) / report.EVIDENCE
    return submitted.accept(file.read_bytes()) if file.is_file() else None


def grow_parameter(params: Path) -> str:
    """Increase the first number of the section `model` by a quarter, and return the title of the change.

    Raises UserError if the section does not begin with a number.
    """
    text = params.read_text(encoding="utf-8")
    if not (match := PARAMETER.search(text)):
        raise SettingError(f"{params}: model: its first value is not a number; put one first for the demo to change")
    old = match["value"]
    new = f"{float(old) * GROWTH_FACTOR:g}" if "." in old else str(round(int(old) * GROWTH_FACTOR))
    write_text(params, text[: match.start("value")] + new + text[match.end("value") :])
    return f"Change {match['name']} from {old} to {new}"


def demo(source: Path, demos: Path, leave_running: bool) -> None:
    """Run the demo on HEAD of `source`, in a new folder in `demos`.

    Raises UserError for an unexpected result. A failed or interrupted demo stops every process that it started.
    """
    if " " in str(demos.absolute()):  # act splits the path of a step's script at spaces
        raise ArgumentError(f"{demos.absolute()}: act supports no path with a space; pass another one with --folder")
    changed = uncommitted(source)
    output.step("Slipway demo: the full CI/CD loop on a throwaway repository. It takes some minutes.")
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        output.step(f"The demo ignores uncommitted changes: {changed[0]}{more}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with Home.create(demos) as home:
        complete = False
        try:
            demo_ = Demo(home)
            demo_.run(source)
            complete = True
        except KeyboardInterrupt:
            raise ToolError("demo: interrupted, and every process is stopped; run `make demo` to start over") from None
        finally:
            if not (complete and leave_running):
                home.stop()
        demo_.finish(leave_running)
