"""`slipway demo`: the whole loop on a throwaway repository, with the workflow files as they are shipped.

Deploys `main`, opens a pull request that changes params.yaml, shows its report, merges and deploys it while clients
keep asking production, then opens a pull request with broken data and shows what blocks it.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.errors import UserError
from slipway.files import write_text
from slipway.local import act, client
from slipway.local.home import DEMOS, Home, stop_all
from slipway.local.repository import PullRequest, Repository, install, run, uncommitted

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEMOS", "demo", "stop_all"]

ENVIRONMENTS = ("staging", "production")
READY_SECONDS = 60  # for an agent to open its front door
PARAMETER = re.compile(r"^model:.*\n(?:[ \t]*#.*\n)*[ \t]+(?P<name>\w+): *(?P<value>\d+(?:\.\d+)?)\b", re.MULTILINE)
GROWTH = 1.25  # of that parameter in the pull request: enough to give another model, too little to spoil it
REASON_LINES = 3  # of the report on the broken data
REPORT_LINES = 40  # of the report that are printed; the whole is in a file


@dataclass
class Demo:
    """One demo: its home, its repository, and what it has to tell."""

    home: Home
    started: float = field(default_factory=time.monotonic)
    summary: dict[str, Any] = field(default_factory=lambda: {"phases": [], "runs": []})

    def __post_init__(self) -> None:
        self.env = self.home.environment()
        self.repository = Repository(self.home.root, self.env)

    def tell(self, source: Path) -> None:
        """Run the story from beginning to end. Raises UserError when a step does not do what it should."""
        with self.phase("throwaway repository"):
            self.prepare(source)
        with self.phase("first deployment of main"):
            self.deploy()
            before = self.ask_production("before")
        with self.phase("pull request: other parameters"):
            pull, checked = self.propose_parameters()
            self.show_report(checked)
        with self.phase("merge and deployment"):
            self.merge_and_deploy(pull)
            self.check_new_release(before, self.ask_production("after"))
        with self.phase("pull request: broken data"):
            self.propose_broken_data()

    def prepare(self, source: Path) -> None:
        """Make `origin`, its author's clone, and one agent for each environment."""
        self.repository.create(source)
        self.repository.keep_data()
        install(self.repository.author, self.env)
        machine = self.repository.checkout(self.home.root / "machine", "refs/heads/main")
        install(machine, self.env)
        for environment in ENVIRONMENTS:
            command = ["uv", "run", "--frozen", "slipway", "agent", "--environment", environment, "--detach"]
            run(command, machine, self.env)
            self.summary[environment] = self.front_door(environment)
            self.say(f"{environment} answers at {self.summary[environment]}")

    def front_door(self, environment: str) -> str:
        """Address of an environment, once its agent has written it down."""
        file, deadline = self.home.agents / environment / "url", time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if file.is_file() and (url := file.read_text(encoding="utf-8").strip()):
                return url
            time.sleep(0.1)
        raise UserError(f"{file}: not there after {READY_SECONDS} s; see {file.parent}/logs")

    def deploy(self) -> None:
        """Run deploy.yaml on what `main` is now."""
        event = self.repository.push_event()
        finished = self.workflow("deploy.yaml", event, "refs/heads/main")
        if not finished.succeeded:
            raise UserError(f"deploy.yaml: failed; see the logs in {finished.folder}")

    def workflow(self, name: str, event: act.Event, reference: str) -> act.Run:
        """Run a workflow of the repository on `reference`, as GitHub would, and note how its jobs went."""
        folder = self.home.root / "runs" / f"{len(self.summary['runs']) + 1}-{Path(name).stem}"
        tree = self.repository.checkout(self.home.root / "trees" / folder.name, reference)
        self.say(f"{name}, on {event.name} of {reference}")
        variables = {f"{environment.upper()}_URL": self.summary[environment] for environment in ENVIRONMENTS}
        variables |= {"SLIPWAY_STORE": self.env["SLIPWAY_STORE"], "ATTEST": "false"}  # GitHub is not asked
        finished = act.run(name, tree, event, folder, env=self.env, variables=variables, say=self.say)
        shutil.rmtree(tree)
        jobs = {job.name: {"result": job.result, "seconds": job.seconds} for job in finished.jobs.values()}
        self.summary["runs"].append({"workflow": name, "seconds": finished.seconds, "jobs": jobs})
        return finished

    def ask_production(self, when: str) -> dict[str, Any]:
        """Send real rows to production, and tell which release answered."""
        url, answers = self.summary["production"], client.Answers()
        facts = client.release(url)
        client.predict(url, self.rows(facts["version"]), answers)
        self.summary[when] = {"release": facts, **answers.as_json()}
        self.say(
            f"production is {facts['version']}; it answered {answers.releases.total()} rows, the last {answers.last}"
        )
        if answers.failures or set(answers.releases) != {facts["version"]}:
            raise UserError(f"{url}: {answers.failures or dict(answers.releases)}, expected only {facts['version']}")
        return facts

    def rows(self, version: str) -> list[dict[str, Any]]:
        """Rows that release `version` keeps for its smoke test."""
        return json.loads((self.home.store / version / "smoke.json").read_text(encoding="utf-8"))["rows"]

    def propose_parameters(self) -> tuple[PullRequest, act.Run]:
        """Change a parameter of the model as an author would, reproduce the pipeline, and open a pull request."""
        self.repository.branch("other-parameters")
        title = grow_parameter(self.repository.author / "params.yaml")
        self.say(f"author: {title}, then `dvc repro`")
        self.author("dvc", "pull", "--quiet", "data.dvc")
        self.author("dvc", "repro", "--quiet")
        self.repository.commit(title)
        pull = self.repository.open_pull_request(title)
        checked = self.workflow("pull-request.yaml", pull.event(), f"refs/pull/{pull.number}/merge")
        if not checked.succeeded:
            raise UserError(f"pull-request.yaml: blocked #{pull.number}; see {self.keep_report(checked, 'blocked')}")
        return pull, checked

    def author(self, *command: str) -> str:
        """Run a command in the author's clone."""
        return run(["uv", "run", "--frozen", *command], self.repository.author, self.env)

    def keep_report(self, checked: act.Run, name: str) -> Path:
        """Copy the report of a run out of its artifacts. Returns the Markdown file."""
        kept = self.home.root / name
        shutil.copytree(checked.artifact("report") / "report", kept)
        return kept / "report.md"

    def show_report(self, checked: act.Run) -> None:
        """Print the beginning of the report, and say where the whole is."""
        markdown = self.keep_report(checked, "report")
        html = markdown.with_suffix(".html")
        self.summary["report"] = {"markdown": str(markdown), "html": str(html)}
        lines = markdown.read_text(encoding="utf-8").splitlines()
        for line in lines[:REPORT_LINES]:
            print(f"    {line}", flush=True)
        self.say(f"the whole report: {markdown}")
        self.say(f"the same as HTML: {html}")

    def merge_and_deploy(self, pull: PullRequest) -> None:
        """Merge, and deploy while clients keep asking production."""
        self.summary["merged"] = self.repository.merge(pull)
        self.say(f"merged #{pull.number} as {self.summary['merged'][:12]}")
        rows = self.rows(self.summary["before"]["release"]["version"])
        with client.in_background(self.summary["production"], rows) as answers:
            self.deploy()
        self.summary["during"] = answers.as_json()
        self.say(
            f"meanwhile production answered {answers.releases.total()} requests, "
            f"{', '.join(f'{count} by {name}' for name, count in answers.releases.items())}; "
            f"{len(answers.failures)} failed"
        )

    def check_new_release(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Production must answer with another release than before, made from the merge."""
        if after["version"] == before["version"] or after["commit"] != self.summary["merged"]:
            raise UserError(f"{self.summary['production']}: {after}, expected a release of {self.summary['merged']}")

    def propose_broken_data(self) -> None:
        """Open a pull request with spoiled data, and show that and why it is blocked."""
        self.repository.branch("new-data")
        self.author("dvc", "checkout", "--quiet", "--force", "data.dvc")
        title = f"Add {self.author('python', '-m', 'slipway.local.faults', 'data')}"
        self.say(f"author: {title}")
        self.author("dvc", "add", "--quiet", "data")
        self.author("dvc", "push", "--quiet", "data.dvc")
        self.repository.commit(title)
        pull = self.repository.open_pull_request(title)
        checked = self.workflow("pull-request.yaml", pull.event(), f"refs/pull/{pull.number}/merge")
        if checked.succeeded:
            raise UserError(f"pull-request.yaml: passed #{pull.number}, whose data is broken; see {checked.folder}")
        blocked = self.keep_report(checked, "blocked")
        reason = [line for line in blocked.read_text(encoding="utf-8").splitlines() if line][:REASON_LINES]
        self.summary["blocked"] = {"report": str(blocked), "reason": reason}
        for line in reason:
            self.say(act.shorten(line))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Tell that a phase begins, and note how long it took."""
        print(f"\n{name[0].upper()}{name[1:]}", flush=True)
        start = time.monotonic()
        yield
        self.summary["phases"].append({"name": name, "seconds": round(time.monotonic() - start, 1)})

    def say(self, line: str) -> None:
        """Print a line of progress, with the seconds since the demo began."""
        print(f"{time.monotonic() - self.started:6.1f} s  {line}", flush=True)

    def finish(self, leave_running: bool) -> None:
        """Print the summary, and write it as JSON."""
        self.summary["seconds"] = round(time.monotonic() - self.started, 1)
        write_text(self.home.summary, json.dumps(self.summary, indent=2) + "\n")
        print(f"\nSummary: {self.summary['seconds']:.0f} s")
        for phase in self.summary["phases"]:
            print(f"  {phase['seconds']:6.1f} s  {phase['name']}")
        for run_ in self.summary["runs"]:
            jobs = ", ".join(f"{name} {job['seconds']} s ({job['result']})" for name, job in run_["jobs"].items())
            print(f"  {run_['workflow']}, {run_['seconds']} s: {jobs}")
        before, after = (self.summary[when]["release"]["version"] for when in ("before", "after"))
        print(f"  production answered as {before} before the merge, as {after} after it")
        print(f"  broken data: {self.summary['blocked']['reason'][0].lstrip('# ')}")
        print(f"  report      {self.summary['report']['html']}")
        print(f"  everything  {self.home.root}")
        if leave_running:
            print(f"  staging     {self.summary['staging']}")
            print(f"  production  {self.summary['production']}, and goes on answering")
            demos = self.home.root.parent
            usual = demos == DEMOS.absolute()
            print(f"Stop it with `{'make stop' if usual else f'uv run slipway demo --stop --folder {demos}'}`.")


def grow_parameter(params: Path) -> str:
    """Let the first number of the section `model` grow by a quarter, and return what was done as a title.

    Raises UserError when there is none.
    """
    text = params.read_text(encoding="utf-8")
    if not (found := PARAMETER.search(text)):
        raise UserError(f"{params}: the section `model` begins with no number; the demo finds nothing to change")
    old = found["value"]
    new = f"{float(old) * GROWTH:g}" if "." in old else str(round(int(old) * GROWTH))
    write_text(params, text[: found.start("value")] + new + text[found.end("value") :])
    return f"Change {found['name']} from {old} to {new}"


def demo(source: Path, demos: Path, leave_running: bool) -> None:
    """Run the demo from the commit that is checked out in `source`, in a new folder in `demos`.

    Raises UserError when something did not go as it should; then, or when interrupted, nothing is left running.
    """
    if " " in str(demos.absolute()):  # act splits the path of a step's script there
        raise UserError(f"{demos.absolute()}: act takes no path with a space; name another with --folder")
    changed = uncommitted(source)
    print("Slipway demo: the whole loop on a throwaway repository. It takes some minutes.", flush=True)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        print(f"Uncommitted changes are not in the demo: {changed[0]}{more}", flush=True)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    with Home.create(demos) as home:
        told = False
        try:
            demo_ = Demo(home)
            demo_.tell(source)
            told = True
        except KeyboardInterrupt:
            raise UserError("demo: interrupted, everything is stopped; `make demo` begins anew") from None
        finally:
            if not (told and leave_running):
                home.stop()
        demo_.finish(leave_running)
